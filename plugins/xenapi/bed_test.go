package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// bed is a stonithtest.Bed: a pool on the loopback, in which Node is a guest.
type bed struct {
	*pool.Pool
	t      *testing.T
	params map[string]string
	// A session whose login's answer was lost cannot be closed.
	losesAnswers bool
}

// newBed starts a pool with guests for both nodes, the first one on the last member.
func newBed(t *testing.T, o pool.Options) *bed {
	t.Helper()
	if o.Members == 0 {
		o.Members = 3
	}
	if o.Guests == nil {
		o.Guests = []pool.Guest{{Name: stonithtest.Node, Member: o.Members - 1}, {Name: "guest-2"}}
	}
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	b := &bed{Pool: p, t: t}
	b.params = map[string]string{
		"hostlist":    stonithtest.Node + " " + stonithtest.Other + ":guest-2",
		"pool":        b.addresses(p.Members()...),
		"passwd_file": writeFile(t, "passwd", p.Password()+"\n"),
		"ca_file":     writeFile(t, "ca.pem", string(p.CA())),
	}
	return b
}

func (b *bed) addresses(members ...*pool.Member) string {
	var all []string
	for _, m := range members {
		all = append(all, m.Address())
	}
	return strings.Join(all, " ")
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs one call of the plugin. It fails the test if the call says that the
// node was off, and a boot runs that it had before the call; or if a session is left.
func (b *bed) run(params map[string]string, args ...string) stonithtest.Result {
	b.t.Helper()
	var lost int
	if v, ok := b.node(); ok {
		lost = v.Boots()
	}
	got := stonithtest.Run(b.t.Context(), b, "elsewhere", params, args...)
	if got.Status == 0 && (slices.Equal(args, []string{"off", stonithtest.Node}) || slices.Equal(args, []string{"reset", stonithtest.Node})) {
		b.isDead(lost, args, got)
	}
	if !b.losesAnswers {
		b.isLoggedOut(args)
	}
	return got
}

// isLoggedOut fails the test if sessions are left: a logout is sent before a call ends,
// and on a busy machine it is carried out later.
func (b *bed) isLoggedOut(args []string) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); b.OpenSessions() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Errorf("%v: %d sessions are left", args, b.OpenSessions())
			return
		}
	}
}

// node returns the node's guest, if the pool has it.
func (b *bed) node() (v pool.VM, ok bool) {
	for _, v := range b.VMs() {
		if v.Name() == stonithtest.Node {
			return v, true
		}
	}
	return v, false
}

// isDead fails the test if one of the guest's first boots runs.
func (b *bed) isDead(boots int, args []string, got stonithtest.Result) {
	b.t.Helper()
	for boot := 1; boot <= boots; boot++ {
		if node(b).RunsBoot(boot) {
			b.t.Errorf("FALSE SUCCESS: %v exits 0, and boot %d of %d runs on members %v; stdout %q, stderr %q", args, boot, boots, node(b).On(), got.Stdout, got.Stderr)
		}
	}
}

func (b *bed) Plugin() stonith.Plugin    { return plugin() }
func (b *bed) Params() map[string]string { return b.params }
func (b *bed) Contacts() int             { return len(b.Calls()) }

// Limit is that of stonithtest.Slow.
func (b *bed) Limit() time.Duration { return 10 * time.Second }

func (b *bed) Power() stonith.Power {
	if b.Truth(stonithtest.Node) {
		return stonith.On
	}
	return stonith.Off
}

func (b *bed) SetPower(p stonith.Power) {
	if p == stonith.Off {
		b.VM(stonithtest.Node).Halt()
	}
}

func (b *bed) Break(f stonithtest.Fault) {
	master := b.Member(0)
	switch f {
	case stonithtest.Sound:
	case stonithtest.Unreachable:
		b.failAll(pool.Refuse)
	case stonithtest.Hangs:
		b.failAll(pool.NoAnswer)
	case stonithtest.Garbage:
		b.failAll(pool.NoStatus)
	case stonithtest.Empty:
		b.failAll(pool.EmptyBody)
	case stonithtest.Refuses:
		master.AnswerAt(pool.Before(""), "RBAC_PERMISSION_DENIED", "as.told", "No permission in user session")
	case stonithtest.Lies:
		b.VM(stonithtest.Node).Lie(pool.LieDone)
		master.AnswerAt(pool.Before("VM.start"), "VM_BAD_POWER_STATE", "ref", "halted", "running")
	case stonithtest.LosesAnswer:
		master.FailAt(pool.After("VM.hard_shutdown"), pool.HangUp)
	case stonithtest.FailsOnce:
		master.FailAt(pool.Before("").Nth(1), pool.NoStatus)
	case stonithtest.Flaps:
		for _, n := range []int{1, 3, 5, 7} {
			master.FailAt(pool.Before("").Nth(n), pool.NoStatus)
		}
	case stonithtest.NeverOn:
		master.AnswerAt(pool.Before("VM.start"), "NO_HOSTS_AVAILABLE")
	}
}

func (b *bed) failAll(f pool.Fault) {
	for _, m := range b.Members() {
		if err := m.Fail(f); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestConformance(t *testing.T) {
	for _, members := range []int{1, 3} {
		t.Run(map[int]string{1: "one member", 3: "three members"}[members], func(t *testing.T) {
			stonithtest.Conform(t, func(t *testing.T) stonithtest.Bed {
				return newBed(t, pool.Options{Members: members, WrongPassword: time.Second})
			})
		})
	}
}

// haltIn lets the database of one member say that the node is halted. It runs on.
func (b *bed) haltIn(member int) {
	b.VM(stonithtest.Node).WriteIn(b.Member(member), pool.Halted)
}
