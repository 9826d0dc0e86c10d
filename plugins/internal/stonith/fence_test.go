package stonith

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script is a Device that answers from lists: one entry a call, the last for ever.
type script struct {
	states   []answer
	switches []error
	calls    []string
}

type answer struct {
	power Power
	err   error
	takes time.Duration // less if the context ends before
}

func next[T any](list *[]T) T {
	head := (*list)[0]
	if len(*list) > 1 {
		*list = (*list)[1:]
	}
	return head
}

func (s *script) Check(context.Context, []Node) error { return nil }
func (s *script) Close() error                        { return nil }

func (s *script) State(ctx context.Context, _ Node) (Power, error) {
	s.calls = append(s.calls, "state")
	a := next(&s.states)
	if !Sleep(ctx, a.takes) {
		return Unknown, ctx.Err()
	}
	return a.power, a.err
}

func (s *script) Switch(_ context.Context, _ Node, want Power) error {
	s.calls = append(s.calls, want.String())
	if len(s.switches) == 0 {
		return nil
	}
	return next(&s.switches)
}

var errOnce = Errorf(DeviceError, "once")

func TestFence(t *testing.T) {
	isOn, isOff := answer{power: On}, answer{power: Off}
	broken := answer{err: errOnce}
	tests := []struct {
		name     string
		verb     verb
		states   []answer
		switches []error
		leave    bool
		want     string   // the outcome, or the reason of the error
		calls    []string // nil: not compared
		at       time.Duration
	}{
		{name: "off", verb: verbOff, states: []answer{isOn, isOff}, want: "off-observed", calls: []string{"state", "off", "state"}},
		{name: "off when off asks nothing", verb: verbOff, states: []answer{isOff}, want: "already-off", calls: []string{"state"}},
		{name: "off is polled for", verb: verbOff, states: []answer{isOn, isOn, isOn, isOff}, want: "off-observed", at: 2 * pollInterval},
		{name: "off is asked once in ten seconds", verb: verbOff, states: []answer{isOn}, want: "still-on", at: 40 * time.Second},
		{name: "a refused off is asked again", verb: verbOff, states: []answer{isOn, isOn, isOff}, switches: []error{errOnce, nil}, want: "off-observed", calls: []string{"state", "off", "state", "off", "state"}, at: pollInterval},
		{name: "what cannot be observed is still asked", verb: verbOff, states: []answer{broken, isOff}, want: "off-observed", calls: []string{"state", "off", "state"}},
		{name: "off with an error is not off", verb: verbOff, states: []answer{{power: Off, err: errOnce}}, want: "device-error", at: 40 * time.Second},
		{name: "unknown is never off", verb: verbOff, states: []answer{{power: Unknown}}, want: "unknown-state", at: 40 * time.Second},
		{name: "a power that is none is never off", verb: verbOff, states: []answer{{power: 3}}, want: "unknown-state", at: 40 * time.Second},
		{
			name: "looks that fail are made less often", verb: verbOff, states: append(append([]answer{isOn}, slices.Repeat([]answer{broken}, 8)...), isOff),
			want: "off-observed", at: 3*pollInterval + 4*2*pollInterval + 4*pollInterval,
		},
		{name: "flapping ends with off", verb: verbOff, states: []answer{isOn, broken, isOn, broken, isOff}, want: "off-observed", at: 3 * pollInterval},
		{name: "an error that cannot be cured ends it", verb: verbOff, states: []answer{{err: Errorf(NotPermitted, "no")}}, want: "not-permitted", calls: []string{"state", "off", "state"}},
		{name: "a request that is not permitted ends it", verb: verbOff, states: []answer{isOn}, switches: []error{Errorf(NotPermitted, "no")}, want: "not-permitted", calls: []string{"state", "off", "state"}},
		{name: "a request that waiting cannot help ends it", verb: verbOff, states: []answer{isOn}, switches: []error{Errorf(Unreachable, "no").AsFinal()}, want: "unreachable", calls: []string{"state", "off", "state"}},
		{name: "one of two that waiting cannot help ends it", verb: verbOff, states: []answer{isOn}, switches: []error{errors.Join(errOnce, Errorf(Unreachable, "no").AsFinal())}, want: "device-error", calls: []string{"state", "off", "state"}},
		{name: "seen off in spite of a refusal", verb: verbOff, states: []answer{isOn, isOff}, switches: []error{Errorf(NotPermitted, "no")}, want: "off-observed"},
		{name: "a look that hangs has a quarter of the time", verb: verbOff, states: []answer{{power: Off, takes: time.Hour}, isOff}, want: "off-observed", at: 10 * time.Second},
		{name: "looks that hang end with the budget", verb: verbOff, states: []answer{{power: Off, takes: time.Hour}}, want: "timed-out", at: 40 * time.Second},

		{name: "on", verb: verbOn, states: []answer{isOff, isOn}, want: "on-observed", calls: []string{"state", "on", "state"}},
		{name: "on when on asks nothing", verb: verbOn, states: []answer{isOn}, want: "on-observed", calls: []string{"state"}},
		{name: "on that does nothing", verb: verbOn, states: []answer{isOff}, want: "timed-out", at: 40 * time.Second},

		{name: "reset", verb: verbReset, states: []answer{isOn, isOff, isOff, isOn}, want: "off-observed, on-observed", calls: []string{"state", "off", "state", "state", "on", "state"}},
		{name: "reset when off starts", verb: verbReset, states: []answer{isOff, isOff, isOn}, want: "already-off, on-observed"},
		{name: "reset when off leaves", verb: verbReset, states: []answer{isOff}, leave: true, want: "left-off", calls: []string{"state"}},
		{name: "reset does not leave what it switched off", verb: verbReset, states: []answer{isOn, isOff, isOff, isOn}, leave: true, want: "off-observed, on-observed"},
		{name: "reset that does not come on is fenced", verb: verbReset, states: []answer{isOn, isOff}, want: "off-observed", at: 40 * time.Second},
		{name: "reset without off never asks for on", verb: verbReset, states: []answer{isOn}, want: "still-on", at: 40 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				device := &script{states: tt.states, switches: tt.switches}
				f := &fencer{device: device, budget: 40 * time.Second, leaveOff: tt.leave}
				ctx, cancel := context.WithTimeout(t.Context(), f.budget)
				defer cancel()
				start := time.Now()
				out, err := map[verb]func(context.Context, Node) (outcome, error){verbOff: f.off, verbOn: f.on, verbReset: f.reset}[tt.verb](ctx, Node{Name: "n"})
				got := out.String()
				if err != nil {
					got = string(ReasonOf(err))
				}
				if got != tt.want {
					t.Errorf("%s = %q (%v), want %q", tt.verb, got, err, tt.want)
				}
				if took := time.Since(start); took < tt.at || took > tt.at+grace {
					t.Errorf("took %s, want %s", took, tt.at)
				}
				if tt.calls != nil && !slices.Equal(device.calls, tt.calls) {
					t.Errorf("calls %q, want %q", device.calls, tt.calls)
				}
				synctest.Wait()
			})
		})
	}
}

func TestOffIsRepeatedEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := &script{states: []answer{{power: On}}}
		f := &fencer{device: device, budget: 35 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), f.budget)
		defer cancel()
		if _, err := f.off(ctx, Node{}); ReasonOf(err) != StillOn {
			t.Errorf("off = %v, want still-on", err)
		}
		asked := strings.Count(strings.Join(device.calls, " "), "off")
		if asked != 4 {
			t.Errorf("asked %d times in 35 s, want 4", asked)
		}
	})
}

// A request that fails at once is repeated with a growing pause.
func TestPauseBetweenRequestsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := &script{states: []answer{{power: On}}, switches: []error{errOnce}}
		f := &fencer{device: device, budget: 20 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), f.budget)
		defer cancel()
		if _, err := f.off(ctx, Node{}); ReasonOf(err) != DeviceError {
			t.Errorf("off = %v, want device-error", err)
		}
		// After 0, 0.25, 0.75, 1.75, 3.75, 7.75, 11.75, 15.75 and 19.75 s.
		if asked := strings.Count(strings.Join(device.calls, " "), "off"); asked != 9 {
			t.Errorf("asked %d times in 20 s, want 9", asked)
		}
	})
}

// What was no request is not waited for, nor claimed at the end.
func TestNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := Errorf(UnknownState, "a start is under way")
		device := &script{
			states:   []answer{{power: Unknown, err: busy}, {power: Unknown, err: busy}, {power: Unknown, err: busy}, {power: On}, {power: Off}},
			switches: []error{&NotAsked{}, &NotAsked{Err: busy}, nil},
		}
		f := &fencer{device: device, budget: 20 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), f.budget)
		defer cancel()
		start := time.Now()
		if _, err := f.off(ctx, Node{}); err != nil || time.Since(start) > time.Second {
			t.Errorf("off = %v after %s, want it asked as soon as it can be", err, time.Since(start))
		}
		for why, want := range map[error]string{
			nil:  "not seen off within 2.1s, last seen on 100ms ago: nothing was asked of the device",
			busy: "not seen off within 2.1s, last seen on 100ms ago: a start is under way",
		} {
			device := &script{states: []answer{{power: On}}, switches: []error{&NotAsked{Err: why}}}
			f := &fencer{device: device, budget: 2100 * time.Millisecond} // no look is at its very end
			ctx, cancel := context.WithTimeout(t.Context(), f.budget)
			_, err := f.off(ctx, Node{})
			cancel()
			if err == nil || err.Error() != want {
				t.Errorf("off = %v, want %q", err, want)
			}
		}
	})
}

// A device that ignores its context must not take the call with it.
func TestDeviceThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := within(ctx, func() (Power, error) { time.Sleep(time.Minute); return Off, nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("within = %v, want the deadline", err)
		}
		if took := time.Since(start); took > time.Second+grace {
			t.Errorf("took %s, want 1s and at most %s more", took, grace)
		}
		time.Sleep(time.Minute) // until the device has come to its end
	})
}

func TestGaveUpSaysWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := &script{states: []answer{{power: On}, {err: Errorf(Unreachable, "dom0 alpha: no route")}}}
		f := &fencer{device: device, budget: 4 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), f.budget)
		defer cancel()
		_, err := f.off(ctx, Node{})
		const want = "not seen off within 4s, last seen on 4s ago: dom0 alpha: no route"
		if err == nil || err.Error() != want || ReasonOf(err) != Unreachable {
			t.Errorf("off = %v (%s), want %q (unreachable)", err, ReasonOf(err), want)
		}
	})
}

// A resetter is a script with a way of its own to reset.
type resetter struct {
	script
	way    Way
	resets []error
}

func (r *resetter) Way() Way { return r.way }

func (r *resetter) Reset(context.Context, Node) error {
	r.calls = append(r.calls, "reset")
	return next(&r.resets)
}

func TestResetInOneStep(t *testing.T) {
	isOn, isOff, broken := answer{power: On}, answer{power: Off}, answer{err: errOnce}
	tests := []struct {
		name   string
		way    Way
		states []answer
		reset  error
		want   string
		calls  string
		at     time.Duration
	}{
		{name: "cycle", way: ByCycle, states: []answer{isOn, isOn, isOff, isOn}, want: "off-observed, on-observed", calls: "state reset state state state", at: pollInterval},
		{name: "cycle that stays off", way: ByCycle, states: []answer{isOn, isOff, isOff, isOn}, want: "off-observed, on-observed", calls: "state reset state state on state"},
		{name: "cycle that nobody sees", way: ByCycle, states: []answer{isOn}, want: "still-on", at: 40 * time.Second},
		{name: "cycle that is lost sight of", way: ByCycle, states: []answer{isOn, broken}, want: "device-error", at: 40 * time.Second},
		{name: "cycle, and then no permission", way: ByCycle, states: []answer{isOn, {err: Errorf(NotPermitted, "no")}}, want: "not-permitted", calls: "state reset state"},
		{name: "cycle that is refused", way: ByCycle, states: []answer{isOn, isOn, isOff, isOff, isOn}, reset: errOnce, want: "off-observed, on-observed", calls: "state reset state off state state on state"},
		{name: "cycle of a node that is off", way: ByCycle, states: []answer{isOff, isOff, isOff, isOn}, want: "already-off, on-observed", calls: "state state state on state"},
		{name: "cycle of a node that cannot be seen", way: ByCycle, states: []answer{broken, broken, isOff, isOn}, want: "off-observed, on-observed", calls: "state state off state state"},
		{name: "hard reset", way: HardReset, states: []answer{isOn}, want: "reset-accepted", calls: "state reset"},
		{name: "hard reset that is refused", way: HardReset, states: []answer{isOn, isOn, isOff, isOn}, reset: errOnce, want: "off-observed, on-observed"},
		{name: "hard reset of a node that cannot be seen", way: HardReset, states: []answer{broken, broken, isOff, isOn}, want: "off-observed, on-observed"},
		{name: "off and on", way: OffAndOn, states: []answer{isOn, isOff, isOn}, want: "off-observed, on-observed", calls: "state off state state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				device := &resetter{script: script{states: tt.states}, way: tt.way, resets: []error{tt.reset}}
				f := &fencer{device: device, budget: 40 * time.Second}
				ctx, cancel := context.WithTimeout(t.Context(), f.budget)
				defer cancel()
				start := time.Now()
				out, err := f.reset(ctx, Node{Name: "n"})
				got := out.String()
				if err != nil {
					got = string(ReasonOf(err))
				}
				if got != tt.want {
					t.Errorf("reset = %q (%v), want %q", got, err, tt.want)
				}
				if took := time.Since(start); took < tt.at || took > tt.at+grace {
					t.Errorf("took %s, want %s", took, tt.at)
				}
				if calls := strings.Join(device.calls, " "); tt.calls != "" && calls != tt.calls {
					t.Errorf("calls %q, want %q", calls, tt.calls)
				}
			})
		})
	}
}

// A finisher is a script whose Switch has seen what it asked for.
type finisher struct{ script }

func (*finisher) Finishes() bool { return true }

// A node that came on after it had been seen off is asked at once, and one that cannot be
// seen after 10 s.
func TestOffIsRepeatedWhereANodeCameOn(t *testing.T) {
	isOn, isOff, broken := answer{power: On}, answer{power: Off}, answer{err: errOnce}
	tests := []struct {
		name   string
		states []answer
		calls  string
		at     time.Duration
	}{
		{"came on", []answer{isOn, isOn, isOff}, "state off state off state", pollInterval},
		{"cannot be seen", []answer{isOn, broken, broken, isOff}, "state off state state state", 2 * pollInterval},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				device := &finisher{script{states: tt.states}}
				f := &fencer{device: device, budget: 40 * time.Second}
				ctx, cancel := context.WithTimeout(t.Context(), f.budget)
				defer cancel()
				start := time.Now()
				if out, err := f.off(ctx, Node{Name: "n"}); out.String() != "off-observed" {
					t.Errorf("off = %s, %v", out, err)
				}
				if calls := strings.Join(device.calls, " "); calls != tt.calls || time.Since(start) != tt.at {
					t.Errorf("calls %q in %s, want %q in %s", calls, time.Since(start), tt.calls, tt.at)
				}
				synctest.Wait()
			})
		})
	}
}

// hurried is a Device that keeps a quarter of a look's time for something else, and has too
// little time in the last second.
type hurried struct{ script }

func (h *hurried) State(ctx context.Context, _ Node) (Power, error) {
	end, _ := ctx.Deadline()
	left := time.Until(end)
	if left > time.Second {
		return Unknown, Errorf(UnknownState, "the cause")
	}
	Sleep(ctx, left*3/4)
	return Unknown, Errorf(UnknownState, "no answer in that time")
}

// What a look fails for that had too little time says less than the look before.
func TestLookWithTooLittleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fencer{device: &hurried{}, budget: 10 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), f.budget)
		defer cancel()
		_, err := f.off(ctx, Node{Name: "node-1"})
		if err == nil || !strings.Contains(err.Error(), "the cause") {
			t.Errorf("off: %v, want the cause", err)
		}
	})
}
