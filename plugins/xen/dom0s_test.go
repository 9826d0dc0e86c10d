package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

// verbsSeen are the verbs that reached the Dom0s, in order.
func (b *bed) verbsSeen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	verbs := make([]string, len(b.seen))
	for i, line := range b.seen {
		verbs[i] = strings.Fields(line)[1]
	}
	return verbs
}

// A guest that migrates between the first and the second look is seen in the second round.
func TestMigrationBetweenRounds(t *testing.T) {
	b := newBed(t, 2)
	b.SetPower(stonith.On)
	place := 0 // at first, the guest is on neither: it left one and has not come to the other
	answers := [][2]wire.GuestState{
		{wire.GuestOff, wire.GuestOff}, // slipped through
		{wire.GuestOff, wire.GuestOn},
		{wire.GuestOff, wire.GuestOff},
		{wire.GuestOff, wire.GuestOff},
	}
	for i, d := range b.dom0s {
		d.Exec = func(c loopback.Command) int {
			b.mu.Lock()
			defer b.mu.Unlock()
			r, err := wire.ParseRequest(c.Line)
			if err != nil {
				return 1
			}
			b.seen = append(b.seen, c.Line)
			if r.Verb != wire.State {
				b.power = stonith.Off
				return say(c, wire.Answer{ID: r.ID, Status: wire.OK, Text: wire.Done})
			}
			state := answers[min(place/2, len(answers)-1)][i]
			place++
			return say(c, wire.Answer{ID: r.ID, Status: wire.OK, Text: string(state)})
		}
	}
	got := stonithtest.Run(t.Context(), b, "elsewhere", nil, "off", stonithtest.Node)
	if got.Status != 0 || !strings.Contains(got.Stdout, "off-observed") || b.Power() != stonith.Off {
		t.Errorf("exit status %d, stdout %q, node %s, want 0, off-observed and off", got.Status, got.Stdout, b.Power())
	}
	if !slices.Contains(b.verbsSeen(), "off") {
		t.Errorf("requests %q, want off among them", b.verbsSeen())
	}
}

// With one Dom0, one look is enough; with two, each is asked twice.
func TestRounds(t *testing.T) {
	for dom0s, want := range map[int]int{1: 1, 2: 4, 3: 6} {
		b := newBed(t, dom0s)
		b.SetPower(stonith.Off)
		got := stonithtest.Run(t.Context(), b, "elsewhere", nil, "off", stonithtest.Node)
		if n := len(b.verbsSeen()); got.Status != 0 || n != want {
			t.Errorf("%d Dom0s: exit status %d with %d requests, want 0 with %d", dom0s, got.Status, n, want)
		}
	}
}

// States that are neither on nor off are never taken for off.
func TestOddStates(t *testing.T) {
	for _, state := range []wire.GuestState{wire.GuestRestarting, wire.GuestDying, wire.GuestStopped, "OFF", "offline"} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			b.dom0s[0].Exec = func(c loopback.Command) int {
				r, _ := wire.ParseRequest(c.Line)
				text := wire.Done
				if r.Verb == wire.State {
					text = string(state)
				}
				return say(c, wire.Answer{ID: r.ID, Status: wire.OK, Text: text})
			}
			got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"timeout": "1s"}, "off", stonithtest.Node)
			if got.Status != 1 || !strings.Contains(got.Stderr, `is "`+string(state)+`"`) {
				t.Errorf("exit status %d, stderr %q, want 1 and the state", got.Status, got.Stderr)
			}
		})
	}
}

// A guest is started where it ran; else on the first Dom0 that has its configuration, and nowhere else.
func TestWhereAGuestStarts(t *testing.T) {
	tests := []struct {
		name    string
		verb    string
		ranOn   int // -1: nowhere
		missing []bool
		want    []int // the Dom0s that were asked to start it
		status  int
	}{
		{"reset: where it ran", "reset", 1, []bool{false, false}, []int{1}, 0},
		{"on: the first", "on", -1, []bool{false, false}, []int{0}, 0},
		{"on: the first that knows it", "on", -1, []bool{true, false}, []int{0, 1}, 0},
		{"on: no one knows it", "on", -1, []bool{true, true}, []int{0, 1}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2)
			runs := tt.ranOn
			var asked []int
			for i, d := range b.dom0s {
				d.Exec = func(c loopback.Command) int {
					b.mu.Lock()
					defer b.mu.Unlock()
					r, _ := wire.ParseRequest(c.Line)
					text := wire.Done
					switch {
					case r.Verb == wire.State && runs == i:
						text = string(wire.GuestOn)
					case r.Verb == wire.State:
						text = string(wire.GuestOff)
					case r.Verb == wire.Off && runs == i:
						runs = -1
					case r.Verb == wire.On:
						asked = append(asked, i)
						if tt.missing[i] {
							return say(c, wire.Answer{ID: r.ID, Status: wire.Failed, Reason: wire.NotFound, Text: "no file"})
						}
						runs = i
					}
					return say(c, wire.Answer{ID: r.ID, Status: wire.OK, Text: text})
				}
			}
			got := stonithtest.Run(t.Context(), b, "elsewhere", nil, tt.verb, stonithtest.Node)
			if got.Status != tt.status || !slices.Equal(asked, tt.want) {
				t.Errorf("exit status %d, started on %v, want %d, %v; stderr %q", got.Status, asked, tt.status, tt.want, got.Stderr)
			}
		})
	}
}

// A guest that no Dom0 knows is not off: the name may be wrong, and the guest running by another.
func TestGuestThatNoDom0Knows(t *testing.T) {
	b := newBed(t, 2)
	known := false // to the second Dom0
	for i, d := range b.dom0s {
		d.Exec = func(c loopback.Command) int {
			r, _ := wire.ParseRequest(c.Line)
			state, word := wire.GuestAbsent, wire.Unknown
			if known && i == 1 {
				state, word = wire.GuestOff, wire.Known
			}
			text := wire.Done
			switch r.Verb {
			case wire.State:
				text = string(state)
			case wire.Check:
				text = wire.PerGuest(r.Guests, func(string) string { return word })
			case wire.Off, wire.On, wire.List, wire.Rehearse, wire.Reset:
			}
			return say(c, wire.Answer{ID: r.ID, Status: wire.OK, Text: text})
		}
	}
	for _, args := range [][]string{{"off", stonithtest.Node}, {"reset", stonithtest.Node}, {"on", stonithtest.Node}, {"status"}} {
		got := stonithtest.Run(t.Context(), b, "elsewhere", nil, args...)
		if got.Status != 1 || !strings.Contains(got.Stderr, "not-found: no Dom0 knows guest \"guest-1\"") {
			t.Errorf("%v: exit status %d, stderr %q, want 1 and not-found", args, got.Status, got.Stderr)
		}
	}
	known = true
	for _, args := range [][]string{{"off", stonithtest.Node}, {"status"}} {
		if got := stonithtest.Run(t.Context(), b, "elsewhere", nil, args...); got.Status != 0 {
			t.Errorf("%v, known to one Dom0: exit status %d, stderr %q, want 0", args, got.Status, got.Stderr)
		}
	}
}
