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
	suspects  []toolstack.Unknown // processes that may bring the guest back, or another one
	images    []saved.Image       // of the guest's memory
	doubtful  []saved.Image       // that have the guest's name or UUID, and may be another machine's
	strays    []toolstack.Domain  // of other names, that no process watches
	fenced    []string            // files that were put out of reach, of any guest
	unknown   error               // what could not be looked at
}

// found is what there is on this Dom0 at one look, of the guest and of others.
type found struct {
	domains   []toolstack.Domain
	processes toolstack.Found    // of the guest alone
	strays    []toolstack.Domain // that no process watches
	images    saved.Sight
}

// doubtLimit is how long a process may take to show which guest it brings.
const doubtLimit = 2 * time.Second

// look observes one guest. Where a guest that restarts can be absent unseen, only
// one that stays so is gone; what is doubtful may soon be plain; and gone is only a guest once the names of the images that were put
// out of reach are on disk.
func (h *host) look(ctx context.Context, g policy.Guest) (sight, error) {
	s, err := h.glance(ctx, g)
	for since := time.Now(); err == nil && h.isUnsettled(s, time.Since(since)); {
		if !pause(ctx) {
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

// isUnsettled reports whether a sight that is so old is to be looked at again.
func (h *host) isUnsettled(s sight, age time.Duration) bool {
	return s.gone() && age < h.stack.Gap() || s.isDoubtful() && age < doubtLimit
}

// glance looks once at one guest.
func (h *host) glance(ctx context.Context, g policy.Guest) (sight, error) {
	seen, err := h.glanceAll(ctx, []policy.Guest{g})
	if err != nil {
		return sight{}, err
	}
	return seen[0], nil
}

// glanceAll looks once, in the order in which a guest comes back: images, processes
// that create it, domains. Whatever one of them becomes in between, the next shows.
// A guest that is saved goes the other way, so it looks at the images once more; and
// one that is saved and restored goes both, so who is gone is looked for among the
// processes once more.
func (h *host) glanceAll(ctx context.Context, guests []policy.Guest) ([]sight, error) {
	before := h.images.Look()
	processes, err := h.processes()
	if err != nil {
		return nil, err
	}
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return nil, err
	}
	images := before.And(h.images.Look())
	strays := unwatchedOf(processes, domains)
	seen := make([]sight, len(guests))
	for i, g := range guests {
		id := h.identity(g)
		seen[i] = judge(id, found{domains, processes.Of(id.toolstack(), domains), strays, images})
		h.noteBeside(&seen[i])
	}
	if !slices.ContainsFunc(seen, sight.gone) {
		return seen, nil
	}
	late, err := h.processes()
	for i, s := range seen {
		if err == nil && s.gone() {
			seen[i] = judge(s.id, found{domains, late.Of(s.id.toolstack(), domains), strays, images})
		}
	}
	return seen, err
}

// processes looks at all processes.
func (h *host) processes() (toolstack.Processes, error) {
	list, err := h.stack.Processes()
	if err != nil {
		return nil, fmt.Errorf("processes: %w", err)
	}
	return list, nil
}

// unwatchedOf returns the domains that run, and that no process is seen to watch. Each process
// is known by the name that its guest was started under.
func unwatchedOf(processes toolstack.Processes, domains []toolstack.Domain) []toolstack.Domain {
	return slices.DeleteFunc(slices.Clone(domains), func(d toolstack.Domain) bool {
		return d.ID == 0 || !runs(d) || slices.ContainsFunc(processes.Of(toolstack.Identity{Name: d.Name}, domains).Revivers, toolstack.Reviver.Watches)
	})
}

// judge says what state a guest is in. Absent is not yet off: what has no name
// may be the guest at its end, a reviver or an image will bring it back, and what has
// the guest's name and another UUID, or the other way round, may be the guest.
func judge(id identity, all found) sight {
	s := sight{id: id, revivers: all.processes.Revivers, suspects: all.processes.Unknown, fenced: all.images.Fenced, unknown: errors.Join(all.images.Unknown, id.unread())}
	for _, d := range all.domains {
		s.sort(d)
	}
	s.strays = slices.DeleteFunc(slices.Clone(all.strays), func(d toolstack.Domain) bool { return d.Carries(id.Name) })
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
	case len(s.revivers)+len(s.suspects) > 0:
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
	case d.Name != "" && id.seen[remain{d.ID, d.UUID}]: // it was renamed since
		s.domains = append(s.domains, d)
	case d.Name == "" && (id.saw(d.UUID) || d.UUID == ""):
		s.nameless = append(s.nameless, d)
	case d.Name == "" && (id.pinned() || id.uuid != "" && !runsOn(d) || id.beside[remain{d.ID, d.UUID}]):
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
	case hasUUID && (id.pinned() || isNamed), id.isWritten(i):
		s.images = append(s.images, i)
	case hasUUID, isNamed && id.pinned() && i.Header.UUID != "":
		s.doubtful = append(s.doubtful, i)
	case isNamed, id.saw(i.Header.UUID):
		s.images = append(s.images, i)
	}
}

// gone reports whether nothing of the guest is left here.
func (s sight) gone() bool { return s.state == wire.GuestOff || s.state == wire.GuestAbsent }

// isDoubtful reports whether nothing of the guest is here but what may be another's.
func (s sight) isDoubtful() bool {
	return s.state == wire.GuestRestarting && len(s.revivers) == 0 && len(s.suspects) > 0
}

// doubt says which process that is.
func (s sight) doubt() error {
	if !s.isDoubtful() {
		return nil
	}
	return s.suspicion()
}

// suspicion says which process may bring the guest back, or another one.
func (s sight) suspicion() error {
	if len(s.suspects) == 0 {
		return nil
	}
	return failf(wire.UnknownState, "guest %s may come back by %s", s.id.Name, s.suspects[0].Text)
}

// having returns the processes of a role.
func (s sight) having(role toolstack.Role) []toolstack.Reviver {
	return slices.DeleteFunc(slices.Clone(s.revivers), func(r toolstack.Reviver) bool { return r.Role() != role })
}

// mayBuild reports whether there are more processes that build than domains that run:
// each of these has its xl, which only waits. When such a domain ends, xl lets 2 s pass
// before it builds the next (tools/xl/xl_vmcontrol.c).
func (s sight) mayBuild() bool {
	running := 0
	for _, d := range s.domains {
		if runs(d) {
			running++
		}
	}
	return len(s.having(toolstack.Builds)) > running
}

// unwatched reports whether the guest runs, and no process is seen that watches it:
// libvirt may, or who started it wanted none.
func (s sight) unwatched() bool {
	return s.state == wire.GuestOn && len(s.having(toolstack.Builds)) == 0
}

// ambiguity says what may be the guest or another machine, if that is all that is here.
func (s sight) ambiguity() error {
	if s.state != wire.GuestAmbiguous {
		return nil
	}
	return s.contested()
}

// contested says what may be the guest or another machine, also beside the guest: off
// would end the guest, and then not know.
func (s sight) contested() error {
	switch {
	case len(s.strangers) > 0:
		d := s.strangers[0]
		return s.isAmbiguous(fmt.Sprintf("domain %d %q", d.ID, d.Name), d.UUID)
	case len(s.doubtful) > 0:
		i := s.doubtful[0]
		return s.isAmbiguous(i.String(), i.Header.UUID)
	}
	return nil
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
	for _, p := range s.suspects {
		parts = append(parts, p.Text)
	}
	for _, i := range slices.Concat(s.images, s.doubtful) {
		parts = append(parts, i.String())
	}
	return strings.Join(parts, ", ")
}
