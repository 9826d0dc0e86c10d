package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// A fenceBed is one device with the nodes node-1 and node-2, which run at first, and
// what is true of them.
type fenceBed interface {
	// params are those of the device, but for hostlist.
	params() []string
	// plug is what the device knows the node by.
	plug(node string) string
	// power is the node's true power.
	power(node string) bool
	// life differs from what it was when the node has been off meanwhile.
	life(node string) string
	// lie lets the device accept off, and do nothing.
	lie() error
	// silence lets it not answer any more.
	silence() error
	// mend ends both.
	mend() error
}

// A fenceName is a name by which Pacemaker knows a plugin, and a device for it.
type fenceName struct {
	name string
	bed  func(t *testing.T) fenceBed
}

// isAgent reports whether it is the name of a fence agent.
func (n fenceName) isAgent() bool { return strings.HasPrefix(n.name, "fence_") }

// ownWord is a line that the program behind a name says on its own.
func (n fenceName) ownWord(rest string) string {
	return regexp.QuoteMeta(strings.TrimPrefix(n.name, "external/")) + ": " + rest
}

var (
	externalNames = []fenceName{{"external/xen", newFencedGuests}, {"external/xenapi", newFencedPool}, {"external/ipmi2", newFencedRack}}
	agentNames    = []fenceName{{"fence_xen", newFencedGuests}, {"fence_xapi", newFencedPool}, {"fence_ipmi", newFencedRack}}
	rackNames     = []fenceName{externalNames[2], agentNames[2]}
)

// fenceNames are all of them.
func fenceNames() []fenceName { return append(append([]fenceName{}, externalNames...), agentNames...) }

// bedNodes are the nodes of every fenceBed.
var bedNodes = []string{"node-1", "node-2"}

// hostlist is the parameter with these nodes of a bed. Each is NAME or NAME=NODE,
// where NAME is what the cluster calls it.
func hostlist(bed fenceBed, names ...string) string {
	var entries []string
	for _, name := range names {
		name, node, other := strings.Cut(name, "=")
		if !other {
			node = strings.ToLower(name)
		}
		entries = append(entries, name+":"+bed.plug(node))
	}
	return "hostlist=" + strings.Join(entries, " ")
}

// labFile is the path of a new file that the test's processes see.
func labFile(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(labTemp(t), name)
}

// labTemp is a new directory. Unlike those below /tmp, each process of the machine sees it.
func labTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join(labDir, "tmp"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // it ends with the machine at the latest
	return dir
}

// fencedGuests is two Dom0s.
type fencedGuests struct{ *stage }

// fencedStages numbers the stages: those before are of other tests.
var fencedStages atomic.Int32

const firstFencedStage = firstKillStage + killStages

func newFencedGuests(t *testing.T) fenceBed {
	t.Helper()
	s, err := newStage(firstFencedStage + int(fencedStages.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	if err := s.both((*dom0).reset); err != nil {
		t.Fatal(err)
	}
	return fencedGuests{s}
}

func (b fencedGuests) params() []string {
	return []string{"sshaccount=xen@" + b.alpha.name + " xen@" + b.beta.name, "identity_file=" + key("cluster")}
}

func (b fencedGuests) plug(node string) string { return node }

func (b fencedGuests) power(node string) bool { return b.alpha.runs(node) || b.beta.runs(node) }

func (b fencedGuests) life(node string) string {
	var pids []string
	for _, d := range []*dom0{b.alpha, b.beta} {
		out, _ := d.xl("sim", "pid", node) // fails where there is none
		pids = append(pids, d.name, strings.TrimSpace(out))
	}
	return strings.Join(pids, " ")
}

func (b fencedGuests) lie() error {
	return b.both(func(d *dom0) error { return d.host.Fault("destroy", "lie") })
}

func (b fencedGuests) silence() error { return b.both(func(d *dom0) error { return d.sshd("freeze") }) }

func (b fencedGuests) mend() error {
	return b.both(func(d *dom0) error { return errors.Join(d.host.Fault("destroy", ""), d.sshd("thaw")) })
}

// A fencedPool is a pool of three members.
type fencedPool struct {
	*pool.Pool
	own []string // parameters

	mu     sync.Mutex
	starts int // of guests that were off
}

func newFencedPool(t *testing.T) fenceBed {
	t.Helper()
	o := pool.Options{ShutdownTime: 100 * time.Millisecond, StartTime: 100 * time.Millisecond, WrongPassword: 100 * time.Millisecond}
	for i, name := range bedNodes {
		o.Guests = append(o.Guests, pool.Guest{Name: name, Member: i + 1})
	}
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	b := &fencedPool{Pool: p}
	for name, value := range poolParameters(p, labTemp(t), "") {
		if name != "hostlist" {
			b.own = append(b.own, name+"="+value)
		}
	}
	b.count()
	return b
}

// count counts the starts from now on.
func (b *fencedPool) count() {
	for _, m := range b.Members() {
		for _, method := range []string{"VM.start", "Async.VM.start"} {
			m.DoAt(pool.After(method), func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.starts++
			})
		}
	}
}

func (b *fencedPool) params() []string { return b.own }

func (b *fencedPool) plug(node string) string { return node }

func (b *fencedPool) power(node string) bool { return b.Truth(node) }

func (b *fencedPool) life(string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprint(b.starts)
}

func (b *fencedPool) lie() error {
	for _, v := range b.VMs() {
		v.Lie(pool.LieDone)
	}
	return nil
}

func (b *fencedPool) silence() error {
	return b.each(func(m *pool.Member) error { return m.Fail(pool.NoAnswer) })
}

func (b *fencedPool) mend() error {
	for _, v := range b.VMs() {
		v.Lie(pool.Honest)
	}
	defer b.count() // mending forgets it
	return b.each((*pool.Member).Mend)
}

func (b *fencedPool) each(act func(*pool.Member) error) error {
	var failed []error
	for _, m := range b.Members() {
		failed = append(failed, act(m))
	}
	return errors.Join(failed...)
}

// A fencedRack is a BMC for each node.
type fencedRack struct {
	bmcs map[string]*bmc.BMC
	own  []string // parameters
}

// fencedRacks numbers the BMCs' addresses.
var fencedRacks atomic.Int32

func newFencedRack(t *testing.T) fenceBed {
	t.Helper()
	number := fencedRacks.Add(1)
	b := &fencedRack{bmcs: map[string]*bmc.BMC{}}
	for i, node := range bedNodes {
		one, err := bmc.Start(bmc.Options{Host: fmt.Sprintf("127.2.%d.%d", number, i+1), Port: ipmiPort})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(one.Close)
		b.bmcs[node] = one
	}
	user, passwd := bmc.DefaultUsers()[1], labFile(t, "passwd")
	if err := os.WriteFile(passwd, []byte(user.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.own = []string{"userid=" + user.Name, "passwd_file=" + passwd, "cycle_time=1s"}
	return b
}

func (b *fencedRack) params() []string { return b.own }

func (b *fencedRack) plug(node string) string { return b.bmcs[node].Host() }

func (b *fencedRack) power(node string) bool { return b.bmcs[node].Power() }

func (b *fencedRack) life(node string) string { return strconv.Itoa(len(b.bmcs[node].History())) }

func (b *fencedRack) lie() error {
	return b.each(func(one *bmc.BMC) error { return one.Fail(bmc.IgnoreOff) })
}

func (b *fencedRack) silence() error {
	return b.each(func(one *bmc.BMC) error { return one.Fail(bmc.Silent) })
}

func (b *fencedRack) mend() error { return b.each((*bmc.BMC).Mend) }

func (b *fencedRack) each(act func(*bmc.BMC) error) error {
	var failed []error
	for _, one := range b.bmcs {
		failed = append(failed, act(one))
	}
	return errors.Join(failed...)
}
