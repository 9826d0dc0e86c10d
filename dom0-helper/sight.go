package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/saved"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A sight is what was seen of a guest at one look.
type sight struct {
	id        identity
	state     wire.GuestState    // empty if unknown stands in its place
	domains   []toolstack.Domain // that are the guest
	nameless  []toolstack.Domain // that may be the guest
	strangers []toolstack.Domain // that have the guest's name or UUID, and may be another machine
	revivers  []toolstack.Reviver
	images    []saved.Image // of the guest's memory
	doubtful  []saved.Image // that have the guest's name or UUID, and may be another machine's
	fenced    []string      // files that were put out of reach, of any guest
	unknown   error         // what could not be looked at
}

// found is what there is on this Dom0 at one look, of the guest and of others.
type found struct {
	domains  []toolstack.Domain
	revivers []toolstack.Reviver // of the guest alone
	images   saved.Sight
}

// look observes one guest. Where a guest that restarts can be absent unseen, only
// one that stays so is gone; and only once the names of the images that were put
// out of reach are on disk.
func (h *host) look(ctx context.Context, g policy.Guest) (sight, error) {
	s, err := h.glance(ctx, g)
	for since := time.Now(); err == nil && s.gone() && time.Since(since) < h.stack.Gap(); {
		if !pause(ctx, lookAgain) {
			return sight{}, ctx.Err()
		}
		s, err = h.glance(ctx, g)
	}
	if err == nil && s.gone() && len(s.fenced) > 0 {
		if err := saved.Sync(s.fenced); err != nil {
			s.state, s.unknown = "", fmt.Errorf("images that were renamed may come back with a crash: %w", err)
		}
	}
	if err == nil && s.state == "" {
		err = failf(wire.UnknownState, "guest %s: %w", g.Name, s.unknown)
	}
	return s, err
}

// glance looks once, in the order in which a guest comes back: images, processes
// that create it, domains. Whatever one of them becomes in between, the next shows.
// A guest that is saved goes the other way, so it looks at the images once more.
func (h *host) glance(ctx context.Context, g policy.Guest) (sight, error) {
	before := h.images.Look()
	revivers, err := h.revivers(ctx, g)
	if err != nil {
		return sight{}, err
	}
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return sight{}, err
	}
	s := judge(h.identity(g), found{domains, revivers, before.And(h.images.Look())})
	h.noteBeside(&s)
	return s, nil
}

// revivers returns the processes that would bring the guest back. They are not
// waited for without limit: a configuration that they name may be on storage that hangs.
func (h *host) revivers(ctx context.Context, g policy.Guest) ([]toolstack.Reviver, error) {
	type result struct {
		list []toolstack.Reviver
		err  error
	}
	done := make(chan result, 1)
	go func() {
		list, err := h.stack.Revivers(g.Name, g.Config)
		done <- result{list, err}
	}()
	select {
	case got := <-done:
		if got.err != nil {
			return nil, fmt.Errorf("processes of guest %s: %w", g.Name, got.err)
		}
		return got.list, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("processes of guest %s: %w", g.Name, ctx.Err())
	}
}

// judge says what state a guest is in. Absent is not yet off: what has no name
// may be the guest at its end, a reviver or an image will bring it back, and what has
// the guest's name and another UUID, or the other way round, may be the guest.
func judge(id identity, all found) sight {
	s := sight{id: id, revivers: all.revivers, fenced: all.images.Fenced, unknown: errors.Join(all.images.Unknown, id.unread())}
	for _, d := range all.domains {
		s.sort(d)
	}
	for _, i := range all.images.Images {
		s.sortImage(i)
	}
	switch {
	case slices.ContainsFunc(s.domains, runs):
		s.state = wire.GuestOn
	case slices.ContainsFunc(s.domains, func(d toolstack.Domain) bool { return d.Name != "" }):
		s.state = wire.GuestStopped
	case len(s.domains)+len(s.nameless) > 0:
		s.state = wire.GuestDying
	case len(s.strangers) > 0:
		s.state = wire.GuestAmbiguous
	case len(s.revivers) > 0:
		s.state = wire.GuestRestarting
	case len(s.doubtful) > 0:
		s.state = wire.GuestAmbiguous
	case len(s.images) > 0:
		s.state = wire.GuestSaved
	case s.unknown != nil:
	case id.config == nil:
		s.state = wire.GuestOff
	default:
		s.state = wire.GuestAbsent
	}
	return s
}

func runs(d toolstack.Domain) bool { return d.Name != "" && !d.Stopped }

// sort puts a domain where it belongs, if it has to do with the guest. The control
// domain is nobody's guest, whatever it is called.
func (s *sight) sort(d toolstack.Domain) {
	id := s.id
	hasUUID := d.UUID != "" && d.UUID == id.uuid
	switch {
	case d.ID == 0:
	case hasUUID && (id.pinned() || d.Name == "" || d.Carries(id.Name)):
		s.domains = append(s.domains, d)
	case d.Name == "" && (id.ended[d.UUID] || d.UUID == ""):
		s.nameless = append(s.nameless, d)
	case d.Name == "" && (id.uuid != "" || id.beside[remain{d.ID, d.UUID}]):
	case d.Name == "":
		s.nameless = append(s.nameless, d)
	case hasUUID, d.Carries(id.Name) && id.pinned():
		s.strangers = append(s.strangers, d)
	case d.Carries(id.Name):
		s.domains = append(s.domains, d)
	}
}

// sortImage puts an image where it belongs. Other guests' images are left alone.
func (s *sight) sortImage(i saved.Image) {
	id := s.id
	hasUUID := i.Header.UUID != "" && i.Header.UUID == id.uuid
	isNamed := i.IsOf(id.Name, func(name string) bool { return toolstack.Domain{Name: name}.Carries(id.Name) })
	switch {
	case hasUUID && (id.pinned() || isNamed):
		s.images = append(s.images, i)
	case hasUUID, isNamed && id.pinned() && i.Header.UUID != "":
		s.doubtful = append(s.doubtful, i)
	case isNamed:
		s.images = append(s.images, i)
	}
}

// gone reports whether nothing of the guest is left here.
func (s sight) gone() bool { return s.state == wire.GuestOff || s.state == wire.GuestAbsent }

// mayBuild reports whether there are more processes than domains that run: each of
// these has its xl, which only waits. When such a domain ends, xl lets 2 s pass
// before it builds the next (tools/xl/xl_vmcontrol.c).
func (s sight) mayBuild() bool {
	running := 0
	for _, d := range s.domains {
		if runs(d) {
			running++
		}
	}
	return len(s.revivers) > running
}

// unwatched reports whether the guest runs, and no process is seen that watches it:
// libvirt may, or who started it wanted none.
func (s sight) unwatched() bool { return s.state == wire.GuestOn && len(s.revivers) == 0 }

// ambiguity says what may be the guest or another machine, if that is all that is here.
func (s sight) ambiguity() error {
	switch {
	case s.state != wire.GuestAmbiguous:
		return nil
	case len(s.strangers) > 0:
		d := s.strangers[0]
		return s.isAmbiguous(fmt.Sprintf("domain %d %q", d.ID, d.Name), d.UUID)
	default:
		i := s.doubtful[0]
		return s.isAmbiguous(i.String(), i.Header.UUID)
	}
}

func (s sight) isAmbiguous(what, uuid string) error {
	if s.id.pinned() {
		return failf(wire.Ambiguous, "%s has the UUID %q, and the policy says that guest %s has %s: it is not touched",
			what, uuid, s.id.Name, s.id.uuid)
	}
	return failf(wire.Ambiguous, "%s has the UUID %s of the configuration %s of guest %s, and another name: it is not touched. "+
		"If it is the guest, give that line of the policy: uuid %s; else give one of both configurations another uuid",
		what, uuid, s.id.Config, s.id.Name, uuid)
}

// text says what was seen, for people.
func (s sight) text() string {
	var parts []string
	for _, d := range s.domains {
		parts = append(parts, fmt.Sprintf("domain %d %q", d.ID, d.Name))
	}
	for _, d := range s.nameless {
		parts = append(parts, fmt.Sprintf("domain %d without a name (UUID %s)", d.ID, d.UUID))
	}
	for _, d := range s.strangers {
		parts = append(parts, fmt.Sprintf("domain %d %q of UUID %s", d.ID, d.Name, d.UUID))
	}
	for _, r := range s.revivers {
		parts = append(parts, r.String())
	}
	for _, i := range slices.Concat(s.images, s.doubtful) {
		parts = append(parts, i.String())
	}
	return strings.Join(parts, ", ")
}

// watches reports whether a process only watches the guest, and is not about to make it.
func watches(r toolstack.Reviver) bool {
	w, ok := r.(interface{ Watches() bool })
	return ok && w.Watches()
}
