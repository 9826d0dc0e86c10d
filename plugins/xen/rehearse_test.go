package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
)

// A rehearsal asks every Dom0 in place of the last step, and fails where that would.
func TestRehearse(t *testing.T) {
	on := fine(string(wire.GuestOn))
	absent := fine(string(wire.GuestAbsent))
	wouldEnd := fine(`on: off would end domain 7 "guest-1"; on would start it from /etc/xen/guest-1.cfg`)
	notKnown := failed(wire.NotFound, "configuration of guest guest-1: no such file")
	type answers struct{ state, rehearse wire.Answer }
	tests := []struct {
		name   string
		dom0s  []answers
		says   string         // in what is told or in the error, with A and B for the Dom0s
		reason stonith.Reason // of an error
	}{
		{"on", []answers{{on, wouldEnd}}, `dom0 A: on: off would end domain 7 "guest-1"; on would start it from /etc/xen/guest-1.cfg`, ""},
		{
			"off on both",
			[]answers{{fine("off"), fine("off: off would find it off; x")}, {fine("off"), fine("off: y")}},
			"dom0 A: off: off would find it off; x; dom0 B: off: y", "",
		},
		{"known to one", []answers{{absent, notKnown}, {on, wouldEnd}}, "dom0 A: does not know the guest; dom0 B: on: off would end domain 7", ""},
		{"known to none", []answers{{absent, notKnown}, {absent, notKnown}}, `no Dom0 knows guest "guest-1"`, stonith.NotFound},
		{"on where it is not known", []answers{{on, notKnown}, {fine("off"), fine("off: y")}}, "dom0 A: it failed", stonith.NotFound},
		{"lock held", []answers{{on, failed(wire.TimedOut, "another request holds the lock")}}, "dom0 A: it failed the request (timed-out): another", stonith.TimedOut},
		{"refused by one", []answers{{on, wouldEnd}, {absent, wire.Answer{Status: wire.Refused, Reason: wire.NotPermitted, Text: "no"}}}, "dom0 B: it refused", stonith.NotPermitted},
		{"state not seen", []answers{{fine("dying"), wouldEnd}}, `dom0 A: state of guest-1 is "dying"`, stonith.UnknownState},
		{
			"helper without the verb",
			[]answers{{on, wire.Answer{Status: wire.Refused, Reason: wire.BadRequest, Text: `verb "rehearse" is unknown`}}},
			`dom0 A: it refused the request (bad-request): verb "rehearse" is unknown`, stonith.BadConfig,
		},
		{"answer to off", []answers{{on, fine(wire.Done)}}, `dom0 A: rehearse of guest-1 is "done"`, stonith.UnknownState},
		{"no state", []answers{{on, fine("yes: off would end it")}}, `rehearse of guest-1 is "yes: off`, stonith.UnknownState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, len(tt.dom0s))
			for i, d := range tt.dom0s {
				b.answerBy(i, func(r wire.Request) wire.Answer {
					if r.Verb == wire.Rehearse {
						return d.rehearse
					}
					return d.state
				})
			}
			device := openDevice(t, b, newConfig(), true)
			told, err := device.Rehearse(t.Context(), nodeOf("guest-1"))
			b.requireTold(t, told, err, tt.says, tt.reason)
			for _, verb := range b.verbsSeen() {
				if verb != "state" && verb != "rehearse" {
					t.Errorf("asked %s", verb)
				}
			}
		})
	}
}

// requireTold wants what was told, or an error with that reason, to say this, with A
// and B for the Dom0s.
func (b *bed) requireTold(t *testing.T, told string, err error, says string, reason stonith.Reason) {
	t.Helper()
	got := stonith.Reason("")
	if err != nil {
		got, told = stonith.ReasonOf(err), told+err.Error()
	}
	for i, d := range b.dom0s {
		told = strings.ReplaceAll(told, d.Address(), string(rune('A'+i)))
	}
	if got != reason || !strings.Contains(told, says) {
		t.Errorf("told %q with reason %q, want %q with %q", told, got, says, reason)
	}
}

// A Dom0 of 2007 has no rehearsal, which is told, and no guest is touched in its place.
func TestRehearse2007(t *testing.T) {
	hosts := []*host2007{known(), known("guest-1")}
	device := device2007(t, time.Millisecond, true, nil, hosts...)
	told, err := device.Rehearse(t.Context(), nodeOf("guest-1"))
	if err != nil || !matches(t, "^dom0 .*: the guest is not here; not rehearsed is .*; dom0 .*: the guest runs here; not rehearsed is .*$", told) {
		t.Errorf("guest-1 is on: %q, %v", told, err)
	}
	if told, err := device.Rehearse(t.Context(), nodeOf("guest-2")); err == nil || stonith.ReasonOf(err) != stonith.UnknownState || told != "" {
		t.Errorf("guest-2 is off: %q, %v, want %s", told, err, stonith.UnknownState)
	}
	for i, h := range hosts {
		if asked := slices.Compact(h.asked); !slices.Equal(asked, []string{"list"}) {
			t.Errorf("Dom0 %d was asked %q, want lists alone", i, asked)
		}
	}
}

// A rehearsal asks a Dom0 of 2007 for nothing but its list, also while it looks.
func TestCheckRehearses2007(t *testing.T) {
	for _, running := range [][]string{{"guest-1"}, nil} {
		b := new2007Bed(t, 1, time.Millisecond)
		host := known(running...)
		b.dom0s[0].Exec = host.script
		got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"hostlist": "node-1:guest-1"}, "check", "--rehearse", stonithtest.Node)
		if asked := slices.Compact(host.asked); !slices.Equal(asked, []string{"list"}) || (got.Status == 0) != (running != nil) {
			t.Errorf("while %q run: asked %q, want lists alone; %+v", running, asked, got)
		}
	}
}

// Without nodes, check asks each Dom0 for all that the key may do there.
func TestCheckWithoutNodes(t *testing.T) {
	tests := []struct {
		name   string
		breaks func(b *bed)
		says   string
		reason stonith.Reason
	}{
		{"sound", func(*bed) {}, "", ""},
		{"one refuses", func(b *bed) {
			b.answerBy(1, func(wire.Request) wire.Answer {
				return wire.Answer{Status: wire.Refused, Reason: wire.NotPermitted, Text: "no"}
			})
		}, "dom0 B: it refused", stonith.NotPermitted},
		{"one is not there", func(b *bed) { b.dom0s[1].Close() }, "dom0 B: ", stonith.Unreachable},
		{"one has another key", func(b *bed) { b.params["known_hosts"] = "/dev/null" }, "dom0 B: host key", stonith.NotAuthenticated},
		{"toolstack is broken", func(b *bed) {
			b.answerBy(0, func(wire.Request) wire.Answer { return failed(wire.DeviceError, "xl list: broken") })
		}, "dom0 A: it failed", stonith.DeviceError},
		{"nonsense", func(b *bed) {
			b.answerBy(0, func(wire.Request) wire.Answer { return fine("hello") })
		}, "dom0 A: list: ", stonith.UnknownState},
		{"nonsense everywhere", func(b *bed) { b.Break(stonithtest.Garbage) }, "Last login", stonith.UnknownState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2)
			tt.breaks(b)
			device := openDevice(t, b, newConfig(), false)
			b.requireTold(t, "", device.Check(t.Context(), nil), tt.says, tt.reason)
			for _, verb := range b.verbsSeen() {
				if verb != "list" {
					t.Errorf("asked %s", verb)
				}
			}
			if asked := len(b.verbsSeen()); tt.reason == "" && asked != 2 {
				t.Errorf("%d requests, want one of each Dom0", asked)
			}
		})
	}
}

// Without nodes, a Dom0 of 2007 must have a list that is understood.
func TestCheckWithoutNodes2007(t *testing.T) {
	sound, broken := known("guest-1"), &host2007{}
	if err := device2007(t, time.Millisecond, false, nil, sound, sound).Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
	broken.running = []string{"guest-1", "a\nb"}
	if err := device2007(t, time.Millisecond, false, nil, sound, broken).Check(t.Context(), nil); err == nil || stonith.ReasonOf(err) != stonith.UnknownState {
		t.Errorf("broken list: %v, want %s", err, stonith.UnknownState)
	}
}

// A list has the guests that each Dom0 lets the key control.
func TestList(t *testing.T) {
	tests := []struct {
		name    string
		answers []wire.Answer
		want    []string
		warns   string // with A and B for the Dom0s
		says    string // of an error
		reason  stonith.Reason
	}{
		{name: "one", answers: []wire.Answer{fine("n-2=off n-10=on n-1=absent n-3=ambiguous")}, want: []string{"n-1", "n-10", "n-2", "n-3"}},
		{name: "the same of two", answers: []wire.Answer{fine("b=off a=on"), fine("a=absent b=off")}, want: []string{"a", "b"}},
		{
			name: "one that another Dom0 does not allow", answers: []wire.Answer{fine("b=off a=on"), fine("c=on b=off")}, want: []string{"b"},
			warns: "guest a is left out: dom0 B does not let this key control it\nguest c is left out: dom0 A does not let this key control it",
		},
		{name: "one fails", answers: []wire.Answer{fine("a=on"), failed(wire.DeviceError, "broken")}, says: "dom0 B: it failed", reason: stonith.DeviceError},
		{name: "no state", answers: []wire.Answer{fine("a=on"), fine("a=on b")}, says: "dom0 B: list: ", reason: stonith.UnknownState},
		{name: "a state that is none", answers: []wire.Answer{fine("a=known")}, says: `list: guest "a" is "known"`, reason: stonith.UnknownState},
		{name: "twice", answers: []wire.Answer{fine("a=on a=off")}, says: `guest "a" is there twice`, reason: stonith.UnknownState},
		{name: "no name", answers: []wire.Answer{fine("Domain-0=on")}, says: "control domain", reason: stonith.UnknownState},
		{name: "nothing", answers: []wire.Answer{fine("-")}, says: "list: ", reason: stonith.UnknownState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, len(tt.answers))
			for i, a := range tt.answers {
				b.answerBy(i, func(wire.Request) wire.Answer { return a })
			}
			got, err := openDevice(t, b, newConfig(), false).List(t.Context())
			b.requireTold(t, "", err, tt.says, tt.reason)
			if !slices.Equal(got, tt.want) {
				t.Errorf("list %q, want %q", got, tt.want)
			}
			b.requireTold(t, strings.Join(b.warned, "\n"), nil, tt.warns, "")
			if tt.warns == "" && len(b.warned) > 0 {
				t.Errorf("warned %q", b.warned)
			}
		})
	}
}

// The list of a Dom0 of 2007 lacks the guests that are off, and so is none of those that it has.
func TestList2007(t *testing.T) {
	list, err := device2007(t, time.Millisecond, false, nil, known("guest-1")).List(t.Context())
	if err == nil || stonith.ReasonOf(err) != stonith.BadConfig || len(list) > 0 {
		t.Errorf("list %q, %v, want %s", list, err, stonith.BadConfig)
	}
}
