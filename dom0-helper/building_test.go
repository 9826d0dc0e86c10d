package main

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// halfBuilt is a domain that an xl has made and not yet named.
func halfBuilt(id int) toolstack.Domain { return named(id, "") }

// An xl that is building goes on until its domain has a name: else no one could
// tell whose the domain is that it leaves.
func TestOffOfAGuestThatIsBuilt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, halfBuilt(3))
		f.addReviver("node-1", 91)
		time.AfterFunc(2*lookAgain+time.Millisecond, func() {
			f.remove(3)
			f.add(named(3, "node-1"))
		})
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "freeze 91", "thaw 91", "freeze 91", "thaw 91", "freeze 91", "thaw 91", "end 91", "destroy 3")
	})
}

// One that never comes to an end is ended all the same, and so is one that cannot be looked at.
func TestOffOfAGuestThatIsNeverBuilt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, halfBuilt(3))
		r := f.addReviver("node-1", 91)
		ctx, cancel := context.WithTimeout(t.Context(), 2*buildLimit)
		defer cancel()
		requireReason(t, h.offErr(ctx, guestNamed(t, "node-1")), wire.UnknownState, "left are domain 3 without a name")
		if <-r.ended; f.acts[len(f.acts)-1] != "end 91" {
			t.Errorf("what was done: %q, want the process ended", f.acts)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.addReviver("node-1", 91)
		looks := 0
		f.look = func() error {
			if looks++; looks == 2 {
				return errors.New("xl is ill")
			}
			return nil
		}
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "freeze 91", "end 91")
	})
}

// A domain that is being torn down is none that is being built, and one whose
// UUID tells whose it is needs no name.
func TestOffDoesNotWaitForTheDying(t *testing.T) {
	t.Parallel()
	dying := named(3, "")
	dying.Dying = true
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, dying)
		f.addReviver("node-1", 91)
		time.AfterFunc(time.Second, func() { f.remove(3) })
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "freeze 91", "end 91")
	})
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, withPin(""))
		f.addReviver("node-1", 91)
		requireReason(t, h.offErr(t.Context(), pinned(t)), "", "")
		f.requireActs(t, "freeze 91", "end 91", "destroy 3")
	})
}

// What has no name is the guest if it has the UUID of its configuration, and is not if it
// has another one and does not run. What has another name may be the guest, renamed.
func TestUUIDOfTheConfiguration(t *testing.T) {
	t.Parallel()
	g := pinned(t)
	g.UUID = "" // only the configuration has it now
	f, h := newFake(t, withPin(""), dying(4))
	s, err := h.look(t.Context(), g)
	if err != nil || s.state != wire.GuestDying || len(s.domains) != 1 || len(s.nameless) != 0 {
		t.Errorf("look = %+v, %v, want one domain of the guest alone", s, err)
	}
	requireReason(t, h.offErr(t.Context(), g), "", "")
	f.requireActs(t, "destroy 3")

	f, h = newFake(t, withPin("node-2"))
	f.addReviver("node-1", 91).watching = true
	requireReason(t, h.offErr(t.Context(), g), wire.Ambiguous, `domain 3 "node-2" has the UUID `+pin+" of the configuration "+g.Config+" of guest node-1")
	f.requireActs(t)

	if err := os.Chmod(g.Config, 0o666); err != nil { // anyone may have written it
		t.Fatal(err)
	}
	_, h = newFake(t, withPin(""))
	if s, _ := h.look(t.Context(), g); len(s.nameless) != 1 {
		t.Errorf("look = %+v, want a domain of which nobody knows whose it is", s)
	}
}

// A process that watches the guest says that there was one. Where its domain is not to be
// seen, and no UUID tells it under another name, to end the process would prove nothing.
func TestRenamedWithoutUUID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "web-1"))
		f.addReviver("node-1", 91).watching = true
		ctx, cancel := context.WithTimeout(t.Context(), offLimit)
		defer cancel()
		requireReason(t, h.offErr(ctx, guestNamed(t, "node-1")), wire.UnknownState,
			`process 91 watches guest node-1, and no domain of that name is here, but domain 3 "web-1", which none watches: is that the guest`)
		f.requireActs(t)
	})
	synctest.Test(t, func(t *testing.T) { // its configuration has been given a UUID since it was started
		f, h := newFake(t, named(3, "web-1"))
		f.addReviver("node-1", 91).watching = true
		g := pinned(t)
		g.UUID = ""
		ctx, cancel := context.WithTimeout(t.Context(), offLimit)
		defer cancel()
		requireReason(t, h.offErr(ctx, g), wire.UnknownState, `domain 3 "web-1", which none watches: is that the guest`)
		f.requireActs(t)
	})
	synctest.Test(t, func(t *testing.T) { // it reboots
		f, h := newFake(t, named(3, "libvirts"))
		f.addReviver("node-1", 91).watching = true
		time.AfterFunc(2*time.Second, func() { f.add(named(4, "node-1")) })
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "end 91", "destroy 4")
	})
	synctest.Test(t, func(t *testing.T) { // it reboots: all others are watched by their own
		f, h := newFake(t, named(3, "web-1"))
		f.addReviver("node-1", 91).watching = true
		f.addReviver("web-1", 92).watching = true
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "freeze 91", "end 91")
	})
	synctest.Test(t, func(t *testing.T) { // its UUID is known: it is not there
		f, h := newFake(t, named(3, "web-1"))
		f.addReviver("node-1", 91).watching = true
		requireReason(t, h.offErr(t.Context(), pinned(t)), "", "")
		f.requireActs(t, "freeze 91", "end 91")
	})
}

// A guest that no process is seen to watch may be watched by what is not seen.
func TestUnwatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		h.unwatchedGap = unwatchedGap
		time.AfterFunc(3*time.Second, func() { f.add(named(4, "node-1")) })
		start := time.Now()
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "destroy 3", "destroy 4")
		if took := time.Since(start); took < 3*time.Second+unwatchedGap {
			t.Errorf("off took %s, want %s after the second domain", took, unwatchedGap)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		h.unwatchedGap = unwatchedGap
		f.addReviver("node-1", 91)
		start := time.Now()
		requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
		requireTook(t, start, lookAgain)
	})
}
