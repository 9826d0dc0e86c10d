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
		requireReason(t, h.off(t.Context(), guestNamed(t, "node-1")), "", "")
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
		requireReason(t, h.off(ctx, guestNamed(t, "node-1")), wire.UnknownState, "left are domain 3 without a name")
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
		requireReason(t, h.off(t.Context(), guestNamed(t, "node-1")), "", "")
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
		requireReason(t, h.off(t.Context(), guestNamed(t, "node-1")), "", "")
		f.requireActs(t, "freeze 91", "end 91")
	})
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, withPin(""))
		f.addReviver("node-1", 91)
		requireReason(t, h.off(t.Context(), pinned(t)), "", "")
		f.requireActs(t, "freeze 91", "end 91", "destroy 3")
	})
}

// What has no name is the guest if it has the UUID of its configuration; what has
// another name is another guest.
func TestUUIDOfTheConfiguration(t *testing.T) {
	t.Parallel()
	g := pinned(t)
	g.UUID = "" // only the configuration has it now
	f, h := newFake(t, withPin(""), named(4, ""))
	s, err := h.look(t.Context(), g)
	if err != nil || s.state != wire.GuestDying || len(s.domains) != 1 || len(s.nameless) != 1 {
		t.Errorf("look = %+v, %v, want one domain of the guest and one without a name", s, err)
	}
	f.remove(4)
	requireReason(t, h.off(t.Context(), g), "", "")
	f.requireActs(t, "destroy 3")

	f, h = newFake(t, withPin("node-2"))
	requireReason(t, h.off(t.Context(), g), "", "")
	f.requireActs(t)

	if err := os.Chmod(g.Config, 0o666); err != nil { // anyone may have written it
		t.Fatal(err)
	}
	_, h = newFake(t, withPin(""))
	if s, _ := h.look(t.Context(), g); len(s.nameless) != 1 {
		t.Errorf("look = %+v, want a domain of which nobody knows whose it is", s)
	}
}
