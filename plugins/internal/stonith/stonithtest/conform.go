package stonithtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// The nodes of a Bed's hostlist. The tests switch Node only.
const (
	Node  = "node-1"
	Other = "node-2"
)

// A Fault is a way in which a device can fail.
type Fault int

// The faults that every Bed can show.
const (
	Sound       Fault = iota
	Unreachable       // no contact can be made
	Hangs             // contact is made, and no answer comes
	Garbage           // what it answers is not understood
	Empty             // it answers nothing
	Refuses           // it says that the request is not permitted
	Lies              // it says that it did what was asked, and did nothing
	LosesAnswer       // it does what was asked, and its answer is lost
	FailsOnce         // the first request fails, all others work
	Flaps             // at first, every other answer is not understood
	NeverOn           // it switches off, but not on
)

func (f Fault) String() string {
	return [...]string{
		"sound", "unreachable", "hangs", "garbage", "empty", "refuses", "lies",
		"loses answer", "fails once", "flaps", "never on",
	}[f]
}

// A Bed is a device under test with a node whose true power can be looked at.
type Bed interface {
	Plugin() stonith.Plugin
	// Params are complete, with Node and Other in hostlist.
	Params() map[string]string
	// Power is the true power of Node, not what the device says.
	Power() stonith.Power
	SetPower(p stonith.Power)
	Break(f Fault)
	// Contacts counts what reached the device.
	Contacts() int
}

// A Groping Bed has a device that cannot tell without touching it that a node is off, as
// Other is. A check of that is no success.
type Groping interface {
	Bed
	Gropes()
}

// A Slow Bed has a device that needs many answers for a verdict. Calls that will not
// succeed get Limit, so that they come to their reason at the first try.
type Slow interface {
	Bed
	Limit() time.Duration
}

// A Result is what a call of a plugin came to.
type Result struct {
	Status         int
	Stdout, Stderr string
	Took           time.Duration
}

// A Face is a way to call a plugin: a verb and perhaps a node in, exit status and texts out.
type Face func(ctx context.Context, bed Bed, hostname string, params map[string]string, args ...string) Result

// faces are both ways.
var faces = []struct {
	name string
	call Face
	// lists says that a call needs a hostlist. A fence agent without one has the plug alone.
	lists bool
}{
	{"external", Run, true},
	{"agent", RunAgent, false},
}

// Run runs one call of the Bed's plugin on a machine called hostname, as an external plugin.
func Run(ctx context.Context, bed Bed, hostname string, params map[string]string, args ...string) Result {
	all := maps.Clone(bed.Params())
	maps.Copy(all, params)
	return run(bed.Plugin().Run, ctx, hostname, stonith.Process{Args: args, Getenv: func(name string) string { return all[name] }})
}

// actions are the fence agents' words for verbs.
var actions = map[string]string{"reset": "reboot", "status": "monitor", "gethosts": "list", "getinfo-xml": "metadata"}

// RunAgent runs the same call as a fence agent.
func RunAgent(ctx context.Context, bed Bed, hostname string, params map[string]string, args ...string) Result {
	all := maps.Clone(bed.Params())
	maps.Copy(all, params)
	all["action"] = cmp.Or(actions[args[0]], args[0])
	switch len(args) {
	case 2:
		all["plug"] = args[1]
	case 3:
		all[strings.TrimPrefix(args[1], "--")] = args[2]
	}
	var stdin strings.Builder
	for name, value := range all {
		fmt.Fprintf(&stdin, "%s=%s\n", name, value)
	}
	return run(bed.Plugin().RunAgent, ctx, hostname, stonith.Process{Stdin: strings.NewReader(stdin.String()), Getenv: func(string) string { return "" }})
}

func run(call func(context.Context, stonith.Process) int, ctx context.Context, hostname string, process stonith.Process) Result {
	var stdout, stderr bytes.Buffer
	process.Hostname = func() (string, error) { return hostname, nil }
	process.Stdout, process.Stderr, process.Log, process.ID = &stdout, &stderr, Quiet{}, "c0ffee00"
	start := time.Now()
	status := call(ctx, process)
	return Result{status, stdout.String(), stderr.String(), time.Since(start)}
}

// Quiet is a stonith.Log that keeps nothing.
type Quiet struct{}

// Error does nothing.
func (Quiet) Error(string) {}

// Notice does nothing.
func (Quiet) Notice(string) {}

const (
	// limit is the budget that the suite gives to calls which will not succeed, and longLimit
	// that of a second attempt, for a machine whose other work has used up the first one.
	limit, longLimit = 4 * time.Second, 30 * time.Second
	// forever is longer than any call lasts, on a machine with other work: a call that
	// takes longer has no limit. It is less than the default timeout.
	forever = 40 * time.Second
)

// A verdict is what a call must come to.
type verdict struct {
	status int
	says   string        // part of stdout if status is 0, else of stderr
	power  stonith.Power // true afterwards
}

// A deed is one call and its verdict.
type deed struct {
	name   string
	fault  Fault
	power  stonith.Power // true before
	params map[string]string
	args   []string
	want   verdict
}

// Conform runs the suite by both faces. newBed returns a Bed that no other test uses.
func Conform(t *testing.T, newBed func(t *testing.T) Bed) {
	for _, face := range faces {
		call := face.call
		t.Run(face.name, func(t *testing.T) {
			t.Parallel()
			for _, d := range deeds() {
				t.Run(d.name, func(t *testing.T) {
					t.Parallel()
					d.check(t, newBed, call)
				})
			}
			t.Run("no contact", func(t *testing.T) { t.Parallel(); checkNoContact(t, newBed(t), call, face.lists) })
			t.Run("interrupted", func(t *testing.T) { t.Parallel(); checkInterrupted(t, newBed(t), call) })
		})
	}
}

func deeds() []deed {
	const on, off = stonith.On, stonith.Off
	leave := map[string]string{"reset_off_node": "leave"}
	act := func(verb string) []string { return []string{verb, Node} }
	status, check, rehearse := []string{"status"}, []string{"check"}, []string{"check", "--rehearse", Node}
	all := []deed{
		{"off", Sound, on, nil, act("off"), verdict{0, "off-observed", off}},
		{"off when off", Sound, off, nil, act("off"), verdict{0, "already-off", off}},
		{"off in capitals", Sound, on, nil, []string{"off", strings.ToUpper(Node)}, verdict{0, "off-observed", off}},
		{"on", Sound, off, nil, act("on"), verdict{0, "on-observed", on}},
		{"on when on", Sound, on, nil, act("on"), verdict{0, "on-observed", on}},
		{"reset", Sound, on, nil, act("reset"), verdict{0, "off-observed, on-observed", on}},
		{"reset when off", Sound, off, nil, act("reset"), verdict{0, "already-off, on-observed", on}},
		{"reset when off, leave", Sound, off, leave, act("reset"), verdict{0, "left-off", off}},
		{"status when on", Sound, on, nil, status, verdict{0, "ready", on}},
		{"status when off", Sound, off, nil, status, verdict{0, "ready", off}},
		{"check when on", Sound, on, nil, check, verdict{0, "ready", on}},
		{"check when off", Sound, off, nil, check, verdict{0, "ready", off}},
		{"rehearsal when on", Sound, on, nil, rehearse, verdict{0, "rehearsal of off " + Node, on}},
		{"rehearsal when off", Sound, off, nil, rehearse, verdict{0, "rehearsal of off " + Node, off}},

		{"off, loses answer", LosesAnswer, on, nil, act("off"), verdict{0, "off-observed", off}},
		{"off, fails once", FailsOnce, on, nil, act("off"), verdict{0, "off-observed", off}},
		{"off, flaps", Flaps, on, nil, act("off"), verdict{0, "off-observed", off}},
		{"off, lies", Lies, on, nil, act("off"), verdict{1, "still-on", on}},
		{"reset, lies", Lies, on, nil, act("reset"), verdict{1, "still-on", on}},
		{"on, lies", Lies, off, nil, act("on"), verdict{1, "error", off}},
		{"on, never on", NeverOn, off, nil, act("on"), verdict{1, "error", off}},
		{"reset, never on", NeverOn, on, map[string]string{"timeout": "10s"}, act("reset"), verdict{0, "off-observed", off}},
	}
	// How far a device that hangs has come by then depends on the machine.
	reasons := map[Fault]string{
		Unreachable: "unreachable", Hangs: context.DeadlineExceeded.Error(), Garbage: "unknown-state", Empty: "unknown-state", Refuses: "not-permitted",
	}
	for fault, reason := range reasons {
		for _, power := range []stonith.Power{on, off} {
			for _, args := range [][]string{act("off"), act("reset"), act("on"), status, check, rehearse} {
				name := strings.Join(args, " ") + " when " + power.String() + ", " + fault.String()
				all = append(all, deed{name, fault, power, nil, args, verdict{1, reason, power}})
			}
		}
	}
	return all
}

// check carries out the deed. A call that its time limit has ended may not have come as far
// as it must: it is made once more, with a longer limit.
func (d deed) check(t *testing.T, newBed func(t *testing.T) Bed, call Face) {
	bed := newBed(t)
	given := cmp.Or(d.params["timeout"], limit.String())
	if slow, ok := bed.(Slow); ok {
		given = slow.Limit().String()
	}
	if d.want.status == 0 && d.params["timeout"] == "" {
		given = ""
	}
	wrong := d.try(t, bed, call, given)
	if len(wrong) > 0 && given != "" {
		wrong = d.try(t, newBed(t), call, longLimit.String())
	}
	for _, text := range wrong {
		t.Error(text)
	}
}

// try makes the call with a time limit, "" for the default one, and returns what is wrong
// with its verdict. A false success is one of the test, whatever comes after it.
func (d deed) try(t *testing.T, bed Bed, call Face, timeout string) (wrong []string) {
	t.Helper()
	bed.SetPower(d.power)
	bed.Break(d.fault)
	params := map[string]string{}
	maps.Copy(params, d.params)
	if timeout != "" {
		params["timeout"] = timeout
	}
	want := d.want
	if _, gropes := bed.(Groping); gropes && d.fault == Sound && d.args[0] == "check" {
		want = verdict{1, "unknown-state", d.power}
	}
	got := call(t.Context(), bed, "elsewhere", params, d.args...)
	told := got.Stdout
	if want.status != 0 {
		told = got.Stderr
	}
	if power := bed.Power(); got.Status == 0 && d.args[0] == "off" && power != stonith.Off {
		t.Errorf("FALSE SUCCESS: %v exits 0, and the node is %s", d.args, power)
	}
	if got.Status != want.status || !strings.Contains(told, want.says) {
		wrong = append(wrong, fmt.Sprintf("%v: exit status %d, want %d with %q; stdout %q, stderr %q",
			d.args, got.Status, want.status, want.says, got.Stdout, got.Stderr))
	}
	if power := bed.Power(); power != want.power {
		wrong = append(wrong, fmt.Sprintf("%v: node is %s afterwards, want %s; stderr %q", d.args, power, want.power, got.Stderr))
	}
	if got.Took > forever {
		wrong = append(wrong, fmt.Sprintf("%v took %s, with a timeout of %s", d.args, got.Took, params["timeout"]))
	}
	return wrong
}

// checkNoContact checks that what is refused, and what needs no device, reaches no device.
func checkNoContact(t *testing.T, bed Bed, call Face, lists bool) {
	bed.SetPower(stonith.On)
	calls := []struct {
		hostname string
		params   map[string]string
		args     []string
		status   int
		says     string
	}{
		{"elsewhere", nil, []string{"off", "node-3"}, 1, "wrong-target"},
		{"elsewhere", nil, []string{"off", Node + "0"}, 1, "wrong-target"},
		{"elsewhere", nil, []string{"reset", "node-1;id"}, 1, "wrong-target"},
		{Node, nil, []string{"reset", Node}, 1, "self-fence"},
		{Node + ".example.org", nil, []string{"on", Node}, 1, "self-fence"},
		{"elsewhere", nil, []string{"check", "--rehearse", "node-3"}, 1, "wrong-target"},
		{"elsewhere", map[string]string{"timeout": "soon"}, []string{"off", Node}, 1, "timeout"},
		{"elsewhere", map[string]string{"timeout": "soon"}, []string{"gethosts"}, 0, Node + "\n" + Other + "\n"},
		{"elsewhere", nil, []string{"getinfo-xml"}, 0, "<parameters>"},
	}
	if lists {
		c := calls[0]
		c.params, c.args, c.says = map[string]string{"hostlist": ""}, []string{"off", Node}, "hostlist"
		calls = append(calls, c)
	}
	for _, c := range calls {
		got := call(t.Context(), bed, c.hostname, c.params, c.args...)
		if got.Status != c.status || !strings.Contains(got.Stdout+got.Stderr, c.says) {
			t.Errorf("%v: exit status %d, want %d with %q; stdout %q, stderr %q",
				c.args, got.Status, c.status, c.says, got.Stdout, got.Stderr)
		}
	}
	if n := bed.Contacts(); n != 0 {
		t.Errorf("the device was contacted %d times, want none", n)
	}
	if got := call(t.Context(), bed, Node, nil, "off", Node); got.Status != 0 || bed.Power() != stonith.Off {
		t.Errorf("off of the node itself: exit status %d, node %s, want 0 and off; stderr %q", got.Status, bed.Power(), got.Stderr)
	}
}

// checkInterrupted checks that the end of the call's context ends the call.
func checkInterrupted(t *testing.T, bed Bed, call Face) {
	bed.SetPower(stonith.On)
	bed.Break(Hangs)
	ctx, cancel := context.WithTimeout(t.Context(), limit/4)
	defer cancel()
	got := call(ctx, bed, "elsewhere", nil, "off", Node)
	if got.Status != 1 || got.Took > forever {
		t.Errorf("interrupted off: exit status %d after %s, want 1 soon; stderr %q", got.Status, got.Took, got.Stderr)
	}
}
