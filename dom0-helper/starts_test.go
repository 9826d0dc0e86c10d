package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A guest that was started as often as the policy allows stays off until the
// first of these starts is long enough ago. Off is not counted.
func TestStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.create = func(context.Context) error { f.add(named(7, "node-1")); return nil }
		h.starts = policy.Starts{Number: 2, Within: 10 * time.Minute}
		g := guestNamed(t, "node-1")
		on := func() error { return h.on(t.Context(), g) }
		off := func() { requireReason(t, h.offErr(t.Context(), g), "", "") }
		first := time.Now()
		requireReason(t, on(), "", "")
		requireReason(t, on(), "", "") // it was on, and was not started
		off()
		time.Sleep(time.Minute)
		requireReason(t, on(), "", "")
		off()
		requireReason(t, on(), wire.NotPermitted, "guest node-1 was started 2 times within 10m0s, and the policy allows no more before "+
			first.Add(10*time.Minute).UTC().Format(time.RFC3339))
		off()
		_, err := h.countStart("node-10") // counts for itself
		requireReason(t, err, "", "")
		time.Sleep(time.Until(first.Add(10*time.Minute + time.Second)))
		requireReason(t, on(), "", "")
		off()
		requireReason(t, on(), wire.NotPermitted, "started 2 times")
	})
}

// A start of which nothing came does not count.
func TestStartsInVain(t *testing.T) {
	t.Parallel()
	f, h := newFake(t)
	f.create = func(context.Context) error { return errors.New("out of memory") }
	h.starts = policy.Starts{Number: 1, Within: time.Minute}
	for range 3 {
		requireReason(t, h.on(t.Context(), guestNamed(t, "node-1")), wire.DeviceError, "out of memory")
	}
}

// What cannot be counted is not started.
func TestStartsUnknown(t *testing.T) {
	t.Parallel()
	f, h := newFake(t)
	h.starts = policy.Starts{Number: 2, Within: time.Minute}
	unlock, err := h.lock(t.Context(), "node-1") // makes the directory
	requireReason(t, err, "", "")
	unlock()
	counts := filepath.Join(h.stateDir, "node-1.starts")
	if err := os.WriteFile(counts, []byte("yesterday\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := guestNamed(t, "node-1")
	requireReason(t, h.on(t.Context(), g), wire.DeviceError, "starts of guest node-1: parsing time")
	if err := os.Chmod(counts, 0o666); err != nil {
		t.Fatal(err)
	}
	requireReason(t, h.on(t.Context(), g), wire.DeviceError, "mode 0666 lets others than its owner write")
	f.requireActs(t)
}
