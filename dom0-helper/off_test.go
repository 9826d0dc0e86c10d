package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// contains reports whether the text of err has all lines of text in it.
func contains(err error, text string) bool {
	for part := range strings.SplitSeq(text, "\n") {
		if !strings.Contains(err.Error(), part) {
			return false
		}
	}
	return true
}

// An offTest is one off of guest node-1.
type offTest struct {
	name    string
	domains []toolstack.Domain
	prepare func(f *fakeStack)
	took    time.Duration
	reason  string // of the error, empty if it must succeed
	text    string // in the error, line by line
	acts    []string
}

func TestOff(t *testing.T) {
	t.Parallel()
	testOff(t, []offTest{
		{name: "off already"},
		{name: "one domain", domains: []toolstack.Domain{named(3, "node-1")}, took: lookAgain, acts: []string{"destroy 3"}},
		{
			name: "all domains of the guest and only these",
			domains: []toolstack.Domain{
				named(3, "node-1"), named(4, "node-10"), named(5, "node-1"), stopped(6, "node-1-20261121T0507Z"),
				named(7, "node-1--incoming"), named(8, "migrating-node-1"), stopped(9, "node-1"), named(10, "node-2"),
				named(11, "node-1-a"), named(12, "Node-1"),
			},
			took: lookAgain,
			acts: []string{"destroy 3", "destroy 5", "destroy 6", "destroy 7", "destroy 8", "destroy 9"},
		},
		{name: "control domain of that name", prepare: func(f *fakeStack) { f.domains[0].Name = "node-1" }},
		{
			name: "a destroy that works at the third time", domains: []toolstack.Domain{named(3, "node-1")},
			prepare: func(f *fakeStack) {
				refuse := failing(2, errors.New("rc=-15"))
				f.destroy = func(_ context.Context, id int) error {
					err := refuse()
					if err == nil {
						f.remove(id)
					}
					return err
				}
			},
			took: 3 * lookAgain, acts: []string{"destroy 3", "destroy 3", "destroy 3"},
		},
		{
			name: "a destroy that fails although it worked", domains: []toolstack.Domain{named(3, "node-1")},
			prepare: func(f *fakeStack) {
				f.destroy = func(_ context.Context, id int) error { f.remove(id); return errors.New("rc=-3") }
			},
			took: lookAgain, acts: []string{"destroy 3"},
		},
		{
			name: "a guest that comes back under a new id", domains: []toolstack.Domain{named(3, "node-1")},
			prepare: func(f *fakeStack) {
				f.destroy = func(_ context.Context, id int) error {
					f.remove(id)
					if id == 3 {
						f.add(named(4, "node-1"))
					}
					return nil
				}
			},
			took: 2 * lookAgain, acts: []string{"destroy 3", "destroy 4"},
		},
		{
			name: "revivers before domains", domains: []toolstack.Domain{named(3, "node-1")},
			prepare: func(f *fakeStack) {
				f.addReviver("node-1", 91)
				f.addReviver("node-10", 92)
				f.addReviver("node-1", 93)
			},
			took: lookAgain, acts: []string{"freeze 91", "freeze 93", "end 91", "end 93", "destroy 3"},
		},
		{
			name:    "between the domains of a reboot",
			prepare: func(f *fakeStack) { f.addReviver("node-1", 91) },
			took:    lookAgain, acts: []string{"freeze 91", "end 91"},
		},
		{
			name: "a domain without a name that goes", domains: []toolstack.Domain{named(3, "")},
			prepare: func(f *fakeStack) { time.AfterFunc(3*time.Second-time.Millisecond, func() { f.remove(3) }) },
			took:    3 * time.Second,
		},
		{
			name: "looks that fail at first", domains: []toolstack.Domain{named(3, "node-1")},
			prepare: func(f *fakeStack) {
				f.look, f.find = failing(2, errors.New("ill")), failing(2, errors.New("ill"))
			},
			took: 5 * lookAgain, acts: []string{"destroy 3"},
		},
	})
}

func TestOffFails(t *testing.T) {
	t.Parallel()
	node1 := []toolstack.Domain{named(3, "node-1"), named(4, "node-2")}
	testOff(t, []offTest{
		{
			name: "a destroy without effect", domains: node1,
			prepare: func(f *fakeStack) { f.destroy = func(context.Context, int) error { return nil } },
			reason:  wire.StillOn, text: `guest node-1 not gone within 12s: left are domain 3 "node-1"`,
		},
		{
			name: "a destroy that fails", domains: node1,
			prepare: func(f *fakeStack) { f.destroy = func(context.Context, int) error { return errors.New("rc=-15") } },
			reason:  wire.StillOn, text: "domain 3 \"node-1\"\nrc=-15",
		},
		{
			name:    "a reviver that does not end",
			prepare: func(f *fakeStack) { f.addReviver("node-1", 91).immune = true },
			reason:  wire.StillOn, text: "left are process 91\nis immune",
		},
		{
			name: "a domain without a name", domains: []toolstack.Domain{named(3, "")},
			reason: wire.UnknownState, text: "left are domain 3 without a name (UUID uuid-3)",
		},
		{
			name: "the guest that has lost its name", domains: node1,
			prepare: func(f *fakeStack) {
				f.destroy = func(context.Context, int) error { f.domains[1].Name = ""; return nil }
			},
			reason: wire.UnknownState, text: "domain 3 without a name\nof which domain 3 is this guest",
		},
		{
			name: "domains that cannot be seen", domains: node1,
			prepare: func(f *fakeStack) { f.look = failing(always, errors.New("xl is ill")) },
			reason:  wire.DeviceError, text: "never seen\nxl is ill",
		},
		{
			name:    "processes that cannot be seen",
			prepare: func(f *fakeStack) { f.find = failing(always, errors.New("no processes")) },
			reason:  wire.DeviceError, text: "never seen\nprocesses: no processes",
		},
	})
}

// testOff runs each off under a clock of its own. One that fails does so at the limit.
func testOff(t *testing.T, tests []offTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, h := newFake(t, test.domains...)
				if test.prepare != nil {
					test.prepare(f)
				}
				start := time.Now()
				_, err := h.carryOut(t.Context(), wire.Off, []policy.Guest{guestNamed(t, "node-1")})
				requireReason(t, err, test.reason, test.text)
				if test.reason != "" {
					requireTook(t, start, offLimit)
					return
				}
				requireTook(t, start, test.took)
				f.requireActs(t, test.acts...)
			})
		})
	}
}

func TestOffWithoutLock(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"))
	if err := os.WriteFile(h.stateDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
	f.requireActs(t, "destroy 3")
}

// Two at once do not wait for each other with what is to be done, and both see its end.
func TestTwoOffs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		f.destroy = func(_ context.Context, id int) error { time.Sleep(time.Second); f.remove(id); return nil }
		g := guestNamed(t, "node-1")
		errs := make(chan error)
		for range 2 {
			request := f.another(h)
			go func() { errs <- request.offErr(t.Context(), g) }()
		}
		requireReason(t, <-errs, "", "")
		requireReason(t, <-errs, "", "")
		f.requireActs(t, "destroy 3", "destroy 3")
	})
}

// Who holds the lock may be about to create the guest: it is ended, and yet not off.
func TestOffWhileTheLockIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		unlock, err := h.lock(t.Context(), "node-1")
		requireReason(t, err, "", "")
		defer unlock()
		start := time.Now()
		_, err = h.carryOut(t.Context(), wire.Off, []policy.Guest{guestNamed(t, "node-1")})
		requireReason(t, err, wire.TimedOut, "another request holds the lock of guest node-1, and may create it")
		requireTook(t, start, offLimit)
		f.requireActs(t, "destroy 3")
	})
}

// An on that has looked, and is slow to create, does not bring the guest back after an off that succeeded.
func TestOffOutlastsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		var looks atomic.Int32
		f.look = func() error {
			if looks.Add(1) == 1 {
				time.Sleep(5 * time.Second)
			}
			return nil
		}
		g := guestNamed(t, "node-1")
		on, request := make(chan error, 1), f.another(h)
		go func() { on <- request.on(t.Context(), g) }()
		synctest.Wait()
		_, err := h.carryOut(t.Context(), wire.Off, []policy.Guest{g})
		requireReason(t, err, "", "")
		t.Logf("on: %v", <-on)
		if s, err := h.look(t.Context(), g); err != nil || !s.gone() {
			t.Errorf("after off and the end of on, the guest is %q, %v", s.state, err)
		}
	})
}

// The guests' locks are apart.
func TestOffOfAnotherGuest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, h := newFake(t)
		unlock, err := h.lock(t.Context(), "node-10")
		requireReason(t, err, "", "")
		defer unlock()
		start := time.Now()
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		requireTook(t, start, 0)
	})
}
