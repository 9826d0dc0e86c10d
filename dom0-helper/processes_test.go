package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// What writes the guest's image would resume it if it lost its helper first, and what helps goes last.
func TestOffWhileTheGuestIsSaved(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"))
	f.addReviver("node-1", 91)
	f.addReviver("node-1", 92).role = toolstack.Helps
	saver := f.addReviver("node-1", 93)
	saver.role, saver.saves = toolstack.Writes, "/save/node-1"
	fence, err := h.fence(t.Context(), guestNamed(t, "node-1"))
	requireReason(t, err, "", "")
	f.requireActs(t, "end 93", "end 91", "end 92", "destroy 3")
	if diff := cmp.Diff(map[string]bool{"/save/node-1": true}, fence.partial); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

// Whatever name the image has in its header: xl save can be told to write another configuration.
func TestOffWhileTheGuestIsSavedAsAnother(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, withPin("node-1"))
	dir := withImages(t, h, map[string][2]string{"x": {"web-1", otherUUID}, "y": {"web-1", otherUUID}})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	saver := f.addReviver("node-1", 93)
	saver.role, saver.saves = toolstack.Writes, filepath.Join(link, "x")
	requireReason(t, h.offErr(t.Context(), pinned(t)), "", "")
	f.requireActs(t, "end 93", "destroy 3")
	requireFiles(t, dir, ".x fenced", "y")
}

// A save is ended at once, also while something is being built.
func TestOffWhileTheGuestIsSavedAndBuilt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, halfBuilt(3))
		f.addReviver("node-1", 91)
		f.addReviver("node-1", 92).role = toolstack.Writes
		time.AfterFunc(time.Millisecond, func() {
			f.remove(3)
			f.add(named(3, "node-1"))
		})
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "end 92", "freeze 91", "thaw 91", "end 91", "destroy 3")
	})
}

// Whose a process is may soon be plain. Until then the guest is not off, and the process is left alone.
func TestUnknownProcessThatGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.addReviver("node-1", 91).unknown = true
		time.AfterFunc(time.Second, func() { f.removeReviver("node-1") })
		start := time.Now()
		if state, err := h.state(t.Context(), guestNamed(t, "node-1")); state != string(wire.GuestOff) || err != nil {
			t.Errorf("state = %q, %v, want off", state, err)
		}
		requireTook(t, start, time.Second)
	})
}

func TestUnknownProcessThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.addReviver("node-1", 91).unknown = true
		g := guestNamed(t, "node-1")
		for verb, text := range map[wire.Verb]string{
			wire.State:    "guest node-1 may come back by process 91",
			wire.Rehearse: "guest node-1 may come back by process 91",
			wire.On:       "guest node-1 is restarting, so it is not created: left are process 91",
			wire.Off:      "guest node-1 may come back by process 91",
		} {
			_, err := h.carryOut(t.Context(), verb, []policy.Guest{g})
			requireReason(t, err, wire.UnknownState, text)
		}
		if text, err := h.carryOut(t.Context(), wire.List, []policy.Guest{g}); err != nil || text != "node-1=restarting" {
			t.Errorf("list = %q, %v", text, err)
		}
		f.requireActs(t)
	})
}

// It keeps nothing from being ended that is known to be the guest's.
func TestUnknownProcessBesideTheGuest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		f.addReviver("node-1", 91).unknown = true
		f.addReviver("node-1", 92)
		if state, err := h.state(t.Context(), guestNamed(t, "node-1")); state != string(wire.GuestOn) || err != nil {
			t.Errorf("state = %q, %v, want on", state, err)
		}
		time.AfterFunc(time.Second, func() { f.removeReviver("node-1") })
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "end 92", "destroy 3")
	})
}
