package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A domain that this call has seen under the guest's name stays the guest, whatever it is called
// afterwards, also where neither the policy nor the configuration has its UUID.
func TestRenamedDuringOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		tries := 0
		f.destroy = func(_ context.Context, id int) error {
			if tries++; tries == 1 {
				f.remove(id)
				f.add(toolstack.Domain{ID: id, Name: "web-1", UUID: "uuid-3"})
				return errors.New("destroy failed (rc=-15)")
			}
			f.remove(id)
			return nil
		}
		if err := h.offErr(t.Context(), guestNamed(t, "node-1")); err != nil {
			t.Errorf("off: %v", err)
		}
		if list, _ := f.Domains(t.Context()); len(list) != 1 {
			t.Errorf("FALSE SUCCESS: there is %+v", list)
		}
		f.requireActs(t, "destroy 3", "destroy 3")
	})
}

// That holds for later calls too, until one has left nothing of the guest.
func TestRenamedBetweenOffs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"))
		g := guestNamed(t, "node-1")
		f.destroy = func(context.Context, int) error { return errors.New("destroy failed (rc=-15)") }
		ctx, cancel := context.WithTimeout(t.Context(), offLimit)
		defer cancel()
		requireReason(t, h.offErr(ctx, g), wire.StillOn, "destroy failed")
		f.remove(3)
		f.add(toolstack.Domain{ID: 3, Name: "web-1", UUID: "uuid-3"})
		if s, err := f.another(h).look(t.Context(), g); s.state != wire.GuestOn || err != nil {
			t.Errorf("look = %q, %v, want on", s.state, err)
		}
		f.destroy = nil
		requireReason(t, f.another(h).offErr(t.Context(), g), "", "")
		if list, _ := f.Domains(t.Context()); len(list) != 1 {
			t.Errorf("FALSE SUCCESS: there is %+v", list)
		}
		f.add(toolstack.Domain{ID: 3, Name: "web-1", UUID: "uuid-3"})
		if s, err := f.another(h).look(t.Context(), g); s.state != wire.GuestOff || err != nil {
			t.Errorf("look after the fence = %q, %v, want off", s.state, err)
		}
	})
}

// An image with the UUID of such a domain is the guest's too: it was saved under another name.
func TestImageOfADomainThatWasSeen(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"))
	dir := withImages(t, h, map[string][2]string{"web-1": {"web-1", "uuid-3"}, "web-2": {"web-2", "uuid-4"}})
	requireReason(t, h.offErr(t.Context(), guestNamed(t, "node-1")), "", "")
	f.requireActs(t, "destroy 3")
	requireFiles(t, dir, ".web-1 fenced", "web-2")
}
