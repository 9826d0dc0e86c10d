package main

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

func TestOn(t *testing.T) {
	t.Parallel()
	started := func(f *fakeStack, err error) {
		f.create = func(context.Context) error { f.add(named(7, "node-1")); return err }
	}
	tests := []struct {
		name         string
		domains      []toolstack.Domain
		prepare      func(f *fakeStack)
		reason, text string
		creates      bool
	}{
		{"off", nil, func(f *fakeStack) { started(f, nil) }, "", "", true},
		{"created with an error", nil, func(f *fakeStack) { started(f, errors.New("rc=3")) }, "", "", true},
		{
			"created by half", nil, func(f *fakeStack) {
				started(f, exec.Command("sh", "-c", "kill -KILL $$").Run())
			}, wire.DeviceError, "signal: killed\nguest node-1 is on after that", true,
		},
		{
			"created too slowly", nil, func(f *fakeStack) { started(f, context.DeadlineExceeded) },
			wire.TimedOut, "context deadline exceeded\nguest node-1 is on after that", true,
		},
		{"other guests", []toolstack.Domain{named(3, "node-10")}, func(f *fakeStack) { started(f, nil) }, "", "", true},
		{"on", []toolstack.Domain{named(3, "node-1")}, nil, "", "", false},
		{"coming", []toolstack.Domain{named(3, "node-1--incoming")}, nil, "", "", false},
		{
			"stopped",
			[]toolstack.Domain{stopped(3, "node-1")},
			nil,
			wire.UnknownState, `guest node-1 is stopped, so it is not created: left are domain 3 "node-1"`, false,
		},
		{
			"dying",
			[]toolstack.Domain{named(3, "")},
			nil,
			wire.UnknownState, "guest node-1 is dying, so it is not created: left are domain 3 without a name", false,
		},
		{
			"restarting", nil, func(f *fakeStack) { f.addReviver("node-1", 91) },
			wire.UnknownState, "guest node-1 is restarting, so it is not created: left are process 91", false,
		},
		{
			"unknown", nil, func(f *fakeStack) { f.look = failing(1, errors.New("xl is ill")) },
			wire.DeviceError, "xl is ill", false,
		},
		{
			"unknown processes", nil, func(f *fakeStack) { f.find = failing(1, errors.New("no processes")) },
			wire.DeviceError, "no processes", false,
		},
		{
			"not created", nil, func(f *fakeStack) {
				f.create = func(context.Context) error { return errors.New("out of memory") }
			},
			wire.DeviceError, "out of memory\nguest node-1 is off after that", true,
		},
		{"created in vain", nil, nil, wire.DeviceError, "guest node-1 is off after that", true},
		{
			"created and crashed", nil, func(f *fakeStack) {
				f.create = func(context.Context) error { f.add(stopped(7, "node-1")); return nil }
			},
			wire.DeviceError, "guest node-1 is stopped after that", true,
		},
		{
			"created unseen", nil, func(f *fakeStack) {
				f.create = func(context.Context) error {
					f.look = failing(1, errors.New("xl is ill"))
					return errors.New("rc=3")
				}
			},
			wire.DeviceError, "rc=3\nxl is ill", true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, h := newFake(t, test.domains...)
			if test.prepare != nil {
				test.prepare(f)
			}
			requireReason(t, h.on(t.Context(), guestNamed(t, "node-1")), test.reason, test.text)
			var acts []string
			if test.creates {
				acts = append(acts, "create node-1.cfg")
			}
			f.requireActs(t, acts...)
		})
	}
}

func TestOnWithoutConfig(t *testing.T) {
	t.Parallel()
	f, h := newFake(t)
	missing := policy.Guest{Name: "node-1", Config: "/missing/node-1.cfg"}
	requireReason(t, h.on(t.Context(), missing), wire.NotFound, "configuration of guest node-1: ")
	f.requireActs(t)
	f, h = newFake(t)
	other := guestNamed(t, "node-10")
	other.Name = "node-1"
	requireReason(t, h.on(t.Context(), other), wire.BadConfig, `has the name "node-10"`)
	f.requireActs(t)
}

// Of two requests for a guest, the second finds it on.
func TestOnWaitsForOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.create = func(context.Context) error { time.Sleep(20 * time.Second); f.add(named(7, "node-1")); return nil }
		g := guestNamed(t, "node-1")
		errs := make(chan error)
		for range 2 {
			request := f.another(h)
			go func() { errs <- request.on(t.Context(), g) }()
		}
		requireReason(t, <-errs, "", "")
		requireReason(t, <-errs, "", "")
		f.requireActs(t, "create node-1.cfg")
	})
}

func TestOnTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		unlock, err := h.lock(t.Context(), "node-1")
		requireReason(t, err, "", "")
		defer unlock()
		start := time.Now()
		_, err = h.carryOut(t.Context(), wire.On, []policy.Guest{guestNamed(t, "node-1")})
		requireReason(t, err, wire.TimedOut, "another request holds the lock of guest node-1")
		requireTook(t, start, onLimit)
		f.requireActs(t)
	})
}

// Off does not wait for an on that creates the guest, but ends it.
func TestOffEndsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.create = func(ctx context.Context) error {
			f.add(named(7, "node-1"))
			select {
			case <-f.addReviver("node-1", 91).ended:
				return errors.New("killed")
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		g := guestNamed(t, "node-1")
		on := make(chan error)
		go func() { on <- h.on(t.Context(), g) }()
		synctest.Wait()
		start := time.Now()
		off, request := make(chan error), f.another(h)
		go func() { off <- request.offErr(t.Context(), g) }()
		onErr := <-on
		t.Logf("on: %v", onErr) // it may still have seen the half-built domain
		requireReason(t, <-off, "", "")
		if took := time.Since(start); took > time.Second {
			t.Errorf("off took %s", took)
		}
		f.requireActs(t, "create node-1.cfg", "end 91", "destroy 7")
	})
}

// A guest that an on is about to create is not off, though nothing of it is there yet.
func TestStateWhileOnIsPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, h := newFake(t)
		g := guestNamed(t, "node-1")
		unlock, err := h.lock(t.Context(), g.Name) // as on does before it looks
		requireReason(t, err, "", "")
		if got, err := h.state(t.Context(), g); err != nil || got != string(wire.GuestRestarting) {
			t.Errorf("state while the lock is held = %q, %v, want restarting", got, err)
		}
		unlock()
		if got, err := h.state(t.Context(), g); err != nil || got == string(wire.GuestRestarting) {
			t.Errorf("state after that = %q, %v, want gone", got, err)
		}
	})
}
