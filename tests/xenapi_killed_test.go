package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

const (
	killedLanes  = 10
	callsPerLane = 100
)

// TestXenAPIKilled makes a thousand calls, in pools side by side. Every other one
// is killed at one of its requests, some fail, and some lose their master. What is
// said is true, and only those that were killed leave a session.
func TestXenAPIKilled(t *testing.T) {
	for i := range killedLanes {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l := newKilledLane(t, fmt.Sprintf("127.0.%d", 100+i))
			for n := range callsPerLane {
				l.call(n)
			}
			l.count()
		})
	}
}

// A killedLane is one pool, and what became of the calls there.
type killedLane struct {
	t      *testing.T
	pool   *pool.Pool
	env    []string
	killed map[string]bool // calls, by the originator of their sessions

	mu     sync.Mutex // held while a master is succeeded
	master int
	bereft map[string]bool // calls whose master died
}

func newKilledLane(t *testing.T, network string) *killedLane {
	p, err := pool.New(pool.Options{
		HA: true, Network: network,
		Guests: []pool.Guest{{Name: "node-1", Member: 1}, {Name: "blocked"}, {Name: "liar", Member: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.VM("blocked").Block("hard_shutdown", "the books are being closed")
	p.VM("liar").Lie(pool.LieDone)
	l := &killedLane{t: t, pool: p, killed: map[string]bool{}, bereft: map[string]bool{}}
	for name, value := range poolParameters(p, t.TempDir(), "node-1 blocked liar nobody") {
		l.env = append(l.env, name+"="+value)
	}
	return l
}

// killedSteps are the calls that are made in turn. Their number has no divisor in
// common with those of what happens to the calls, so that everything meets everything.
var killedSteps = []struct {
	verb, node string
	fails      bool
	limit      string
}{
	{verb: "off", node: "node-1"},
	{verb: "reset", node: "node-1"},
	{verb: "on", node: "node-1"},
	{verb: "off", node: "blocked", fails: true},
	{verb: "off", node: "node-1"},
	{verb: "reset", node: "node-1"},
	{verb: "off", node: "node-1"},
	{verb: "off", node: "nobody", fails: true},
	{verb: "reset", node: "nobody", fails: true},
	{verb: "reset", node: "node-1"},
	{verb: "off", node: "node-1"},
	{verb: "reset", node: "liar", fails: true, limit: "1s"},
	{verb: "on", node: "node-1"},
}

// killedAt are the requests at which calls are killed.
var killedAt = []string{
	"session.login_with_password", "session.get_this_host", "host.get_all_records", "VM.get_by_name_label", "VM.get_record",
	"VM.hard_shutdown", "session.logout",
}

// call makes the call with that number, and compares what it says with the truth.
func (l *killedLane) call(n int) {
	step := killedSteps[n%len(killedSteps)]
	originator := fmt.Sprintf("call-%d", n)
	command := exec.Command(xenapiProgram, step.verb, step.node)
	command.Env = append(l.env, "originator="+originator, "timeout="+step.limit)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	master, started := l.pool.Member(l.master), make(chan struct{})
	switch {
	case n%2 == 1:
		master.DoAt(pool.After(killedAt[n/2%len(killedAt)]).Nth(1), func() {
			<-started
			_ = command.Process.Kill()
			time.Sleep(5 * time.Millisecond) // until it is gone, mostly
		})
	case n%10 == 4:
		master.DoAt(pool.After(killedAt[n/10%len(killedAt)]).Nth(1), func() { l.succeed(originator) })
	}
	if err := command.Start(); err != nil {
		l.t.Fatal(err)
	}
	close(started)
	err := command.Wait()
	l.mu.Lock() // the next member may not be the master yet
	defer l.mu.Unlock()
	if err := master.Mend(); err != nil {
		l.t.Fatal(err)
	}
	runs := l.pool.Truth("node-1")
	var failed *exec.ExitError
	switch ended := errors.As(err, &failed) && !failed.Exited(); {
	case ended:
		l.killed[originator] = true
	case (err != nil) != step.fails:
		l.t.Fatalf("call %d, %s %s: %v: %s", n, step.verb, step.node, err, output.String())
	case !step.fails && (step.verb == "off") == runs:
		l.t.Fatalf("FALSE SUCCESS: call %d, %s: node-1 runs: %v: %s", n, step.verb, runs, output.String())
	}
}

// succeed lets the master's xapi die, the next member be the master, and the dead
// one come back as its slave, since no guest on it could be switched off otherwise.
func (l *killedLane) succeed(originator string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.pool.Member(l.master)
	_ = old.Die()
	l.master = (l.master + 1) % len(l.pool.Members())
	l.pool.Member(l.master).Promote()
	if err := old.Mend(); err != nil {
		l.t.Errorf("%s: %v", originator, err)
	}
	l.settle()
	l.bereft[originator] = true
}

// settle lets the master have been started long ago, and the others after it, so that its
// word about a guest that is Halted counts.
func (l *killedLane) settle() {
	for i, m := range l.pool.Members() {
		started := time.Now().Add(-time.Hour)
		if i == l.master {
			started = started.Add(-time.Hour)
		}
		m.SetStarted(started)
	}
}

// count looks for the sessions that nobody has closed. A call that was killed has
// one at most, and one whose master died has lost one at most with it.
func (l *killedLane) count() {
	left := map[string][]pool.Session{}
	for _, s := range l.pool.Sessions() {
		if s.Open || s.Lost {
			left[s.Originator] = append(left[s.Originator], s)
		}
	}
	isOpen := func(s pool.Session) bool { return s.Open }
	for originator, its := range left {
		killed, bereft := l.killed[originator], l.bereft[originator] && !slices.ContainsFunc(its, isOpen)
		if len(its) > 1 || !killed && !bereft {
			l.t.Errorf("%s left %+v; killed: %v, its master died: %v", originator, its, killed, l.bereft[originator])
		}
	}
	l.t.Logf("%d calls: %d were killed, and %d of them left a session; the master of %d died", callsPerLane, len(l.killed), len(left), len(l.bereft))
	if len(l.killed) < callsPerLane/4 || len(left) == 0 || len(l.bereft) < callsPerLane/20 {
		l.t.Errorf("too little happened: %d calls were killed, %d left a session, the master of %d died", len(l.killed), len(left), len(l.bereft))
	}
}
