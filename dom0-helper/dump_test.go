package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// Whatever becomes of a dump, the guest is destroyed, and within the time that the policy gives.
func TestDump(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Second
	tests := []struct {
		name string
		dump func(ctx context.Context, file string, size int64) error
		text string // in the audit
		took time.Duration
		kept bool
	}{
		{"whole", nil, "/node-1.core", lookAgain, true},
		{
			"full disk", func(_ context.Context, file string, _ int64) error {
				return errors.Join(os.WriteFile(file, []byte("half"), 0o600), errors.New("no space"))
			},
			"failed: no space", lookAgain, false,
		},
		{
			"slow", func(ctx context.Context, file string, _ int64) error {
				<-ctx.Done()
				return errors.Join(os.WriteFile(file, []byte("half"), 0o600), ctx.Err())
			},
			"failed: context deadline exceeded", limit + lookAgain, false,
		},
		{
			"hung for good", func(_ context.Context, _ string, _ int64) error { time.Sleep(time.Minute); return errors.New("late") },
			"failed: it does not end after 5s", limit + dumpEnd + lookAgain, false,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, h := newFake(t, stopped(2, "node-1-20261121T0507Z"), named(3, "node-1"), named(4, "node-10"))
				f.dump = test.dump
				h.dump = policy.Dump{Dir: filepath.Join(t.TempDir(), "cores"), Size: 1 << 20, Time: limit}
				start := time.Now()
				_, err := h.carryOut(t.Context(), wire.Off, []policy.Guest{guestNamed(t, "node-1")})
				requireReason(t, err, "", "")
				requireTook(t, start, test.took)
				f.requireActs(t, "dump 2 to node-1.core.partial", "destroy 2", "destroy 3")
				if !strings.Contains(h.record.Dump, test.text) {
					t.Errorf("the audit has %q of the dump, want %q", h.record.Dump, test.text)
				}
				if _, err := os.Stat(filepath.Join(h.dump.Dir, "node-1.core")); (err == nil) != test.kept {
					t.Errorf("the dump: %v, want it to be there: %t", err, test.kept)
				}
				time.Sleep(time.Minute) // until all of it has ended
				if left, _ := filepath.Glob(h.dump.Dir + "/*.partial"); len(left) > 0 {
					t.Errorf("left: %q", left)
				}
			})
		})
	}
}

// One who comes second does not wait for a dump.
func TestDumpOfTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		h.dump = policy.Dump{Dir: filepath.Join(t.TempDir(), "cores"), Size: 1 << 20, Time: 5 * time.Second}
		f.dump = func(ctx context.Context, _ string, _ int64) error { <-ctx.Done(); return ctx.Err() }
		g := guestNamed(t, "node-1")
		first := make(chan error)
		go func() { first <- h.offErr(t.Context(), g) }()
		synctest.Wait()
		second := f.another(h)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		requireReason(t, second.offErr(ctx, g), wire.TimedOut, "another request holds the lock")
		f.requireActs(t, "dump 3 to node-1.core.partial", "destroy 3")
		requireReason(t, <-first, "", "")
	})
}

// Directories that others can write to keep no memory.
func TestDumpUntrusted(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"))
	h.dump = policy.Dump{Dir: t.TempDir(), Size: 1 << 20, Time: time.Second}
	if err := os.Chmod(h.dump.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
	f.requireActs(t, "destroy 3")
	if !strings.Contains(h.record.Dump, "lets others than its owner write") {
		t.Errorf("the audit has %q of the dump", h.record.Dump)
	}
}
