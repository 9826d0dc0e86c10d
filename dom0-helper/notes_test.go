package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"), named(4, "node-2"))
	h.record = &audit{log: f.log, Request: "b513-1", Client: "node-9", Account: "xen", Source: "::1"}
	during := ""
	f.destroy = func(_ context.Context, id int) error {
		during = h.lastFence("node-1")
		f.remove(id)
		return nil
	}
	requireText := func(got, want string) {
		t.Helper()
		if !strings.HasPrefix(got, "fenced 20") || !strings.HasSuffix(got, want) {
			t.Errorf("the note says %q, want ...%q", got, want)
		}
	}
	requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
	const by = " by client node-9 of account xen from ::1, request b513-1: "
	requireText(during, by+"under way")
	requireText(h.lastFence("node-1"), by+"done")
	h.record.Request = "b514-1"
	requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
	requireText(h.lastFence("node-1"), "request b513-1: done") // the second found it off

	f.destroy = func(context.Context, int) error { return errors.New("rc=-15") }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.offErr(ctx, guestNamed(t, "node-2")); err == nil {
		t.Error("off of a guest that is there succeeds after its limit")
	}
	if got := h.lastFence("node-3"); got != "no fence since this Dom0 started" {
		t.Errorf("the note of a guest that was never fenced: %q", got)
	}
	if err := os.WriteFile(filepath.Join(h.stateDir, "node-3.note"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := h.lastFence("node-3"); got != "last fence unknown: unexpected end of JSON input" {
		t.Errorf("half a note: %q", got)
	}
	if left, _ := filepath.Glob(h.stateDir + "/*.new"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestRehearse(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"), stopped(4, "node-3"))
	f.addReviver("node-1", 91)
	one, two := guestNamed(t, "node-1"), guestNamed(t, "node-2")
	three := policy.Guest{Name: "node-3", Config: "/missing"}
	tests := []struct {
		guest policy.Guest
		want  string
	}{
		{one, `on: off would end domain 3 "node-1", process 91; on would start it from ` + one.Config},
		{two, "off: off would find it off; on would start it from " + two.Config},
		{three, `stopped: off would end domain 4 "node-3"; on would not start it here: configuration of guest node-3: /missing: no such file or directory`},
	}
	for _, test := range tests {
		got, err := h.carryOut(t.Context(), wire.Rehearse, []policy.Guest{test.guest})
		if err != nil || got != test.want {
			t.Errorf("rehearse of %s = %q, %v, want %q", test.guest.Name, got, err, test.want)
		}
	}
	_, err := h.carryOut(t.Context(), wire.Rehearse, []policy.Guest{{Name: "node-4", Config: "/missing"}})
	requireReason(t, err, wire.NotFound, "configuration of guest node-4")
	unlock, err := h.lock(t.Context(), "node-1")
	requireReason(t, err, "", "")
	defer unlock()
	_, err = h.carryOut(t.Context(), wire.Rehearse, []policy.Guest{one})
	requireReason(t, err, wire.TimedOut, "another request holds the lock of guest node-1")
	f.requireActs(t)
}
