package tests

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// A trouble is something wrong with a device, or with what an agent knows of it. The
// node is on, unless the trouble says otherwise.
type trouble string

const (
	noTrouble   trouble = "none"
	nodeOff     trouble = "the node is off"
	unreachable trouble = "unreachable"
	hangs       trouble = "hangs"
	wrongSecret trouble = "wrong secret"
	offIsLost   trouble = "off is accepted, and nothing happens"
	onIsLost    trouble = "the node is off, and does not come on"
	unknownNode trouble = "the device does not have the node"
)

// isOff tells whether the node is off to begin with.
func (f trouble) isOff() bool { return f == nodeOff || f == onIsLost }

// unknownName is a node that no device has.
const unknownName = "node-77"

// A given is a parameter of an agent, with the name that other agents have for it, and
// its short option.
type given struct{ name, old, letter, value string }

// An agentBed is a device with the node node-1, whose power can be looked at.
type agentBed interface {
	// parameters are those that say where the device is, and who asks.
	parameters() []given
	power() bool
}

// A device is what one of the agents fences by.
type device struct {
	agent string
	// bed is a new one with this trouble. It ends with the test.
	bed func(*testing.T, trouble) agentBed
	// diagnoses tells whether it has the action diag.
	diagnoses bool
}

// path is where the agent is installed.
func (d device) path() string { return "/usr/sbin/" + d.agent }

// A pairBed is fence_xen's: two simulated Dom0s.
type pairBed struct {
	*stage
	key string
}

// nextStage is the number of the next pair, above those of the fault matrix.
var nextStage = 10

// pairBeds makes as many pairs, which take turns and end with the test. It must be called
// before the test is a parallel one, as all that writes programs.
func pairBeds(t *testing.T, pairs int) func(*testing.T, trouble) agentBed {
	t.Helper()
	free := make(chan *stage, pairs)
	for range pairs {
		s, err := newStage(nextStage)
		must("a stage", err)
		nextStage++
		t.Cleanup(s.end)
		free <- s
	}
	return func(t *testing.T, f trouble) agentBed {
		s := <-free
		t.Cleanup(func() { free <- s })
		b := &pairBed{stage: s, key: key("cluster")}
		if err := b.arrange(f); err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func (b *pairBed) arrange(f trouble) error {
	if err := b.both((*dom0).reset); err != nil {
		return err
	}
	switch f {
	case nodeOff:
		return guestOff(b.stage)
	case unreachable:
		return b.alpha.stopSSHD()
	case hangs:
		return b.alpha.signalSSHD("STOP")
	case wrongSecret:
		b.key = key("stranger")
	case offIsLost:
		return b.alpha.host.Fault("destroy", "lie")
	case onIsLost:
		return errors.Join(guestOff(b.stage), b.both(func(d *dom0) error { return d.host.Fault("create", "lie") }))
	case noTrouble, unknownNode:
	}
	return nil
}

func (b *pairBed) parameters() []given {
	return []given{
		{"ip", "ipaddr", "a", b.alpha.name + " " + b.beta.name},
		{"username", "login", "l", "xen"},
		{"identity_file", "identity_file", "k", b.key},
		{"known_hosts", "known_hosts", "", knownHosts},
	}
}

func (b *pairBed) power() bool { return b.alpha.runs("node-1") || b.beta.runs("node-1") }

// A poolBed is fence_xapi's: a simulated pool.
type poolBed struct {
	*pool.Pool
	ca, script string
}

// poolPassword is the simulated pool's.
const poolPassword = "s3cr3t"

// poolBeds makes the programs that print passwords, the right one and a wrong one. It
// must be called before the test is a parallel one: a program cannot be run as long as
// another process has it open to write, and one that begins meanwhile has.
func poolBeds(t *testing.T) func(*testing.T, trouble) agentBed {
	t.Helper()
	dir := t.TempDir()
	for name, password := range map[string]string{"right": poolPassword, "wrong": "wr0ng"} {
		must(name, program.Write(filepath.Join(dir, name), "#!/bin/sh\necho "+password+"\n", 0o700))
	}
	return func(t *testing.T, f trouble) agentBed {
		p, err := pool.New(pool.Options{Members: 2, Guests: []pool.Guest{{Name: "node-1"}}, Password: poolPassword, WrongPassword: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		b := &poolBed{Pool: p, ca: filepath.Join(t.TempDir(), "ca.pem"), script: filepath.Join(dir, "right")}
		must("ca.pem", os.WriteFile(b.ca, p.CA(), 0o644))
		if f == wrongSecret {
			b.script = filepath.Join(dir, "wrong")
		}
		if err := b.arrange(f); err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func (b *poolBed) arrange(f trouble) error {
	node := b.VM("node-1")
	if f.isOff() {
		node.Halt()
	}
	switch f {
	case unreachable:
		return errors.Join(b.Member(0).Die(), b.Member(1).Die())
	case hangs:
		return errors.Join(b.Member(0).Fail(pool.NoAnswer), b.Member(1).Fail(pool.NoAnswer))
	case offIsLost:
		node.Lie(pool.LieDone)
	case onIsLost:
		b.Member(0).DoAt(pool.After("VM.start"), node.Halt)
	case noTrouble, nodeOff, wrongSecret, unknownNode:
	}
	return nil
}

func (b *poolBed) parameters() []given {
	return []given{
		{"session_url", "session_url", "s", b.Member(0).URL() + " " + b.Member(1).URL()},
		{"username", "login", "l", b.User()},
		{"password_script", "passwd_script", "S", b.script},
		{"ca_file", "ca_file", "", b.ca},
	}
}

func (b *poolBed) power() bool { return b.Truth("node-1") }

// A bmcBed is fence_ipmi's: a BMC of ours.
type bmcBed struct {
	*bmc.BMC
	password string
}

func newBMCBed(t *testing.T, f trouble) agentBed {
	one, err := bmc.Start(bmc.Options{Off: f.isOff()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(one.Close)
	b := &bmcBed{one, bmc.DefaultUsers()[1].Password}
	if f == wrongSecret {
		b.password = "wr0ng"
	}
	faults := map[trouble]bmc.Fault{unreachable: bmc.Refused, hangs: bmc.Silent, offIsLost: bmc.IgnoreOff, onIsLost: bmc.IgnoreOn}
	if fault, ok := faults[f]; ok {
		if err := one.Fail(fault); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bmcBed) parameters() []given {
	return []given{
		{"ip", "ipaddr", "a", b.Host()},
		{"ipport", "ipport", "u", strconv.Itoa(b.Port())},
		{"username", "login", "l", bmc.DefaultUsers()[1].Name},
		{"password", "passwd", "p", b.password},
		{"cycle_time", "cycle_time", "", "1s"}, // nobody cycles the node
		{"lanplus", "lanplus", "", "1"},
	}
}

func (b *bmcBed) power() bool { return b.Power() }

// interrupted tells whether the node got a diagnostic interrupt.
func interrupted(b agentBed) bool {
	one, ok := b.(*bmcBed)
	return ok && slices.ContainsFunc(one.History(), func(e bmc.Event) bool { return e.What == bmc.Diag })
}
