package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A sight is what was seen of a guest at one look.
type sight struct {
	state     wire.GuestState
	domains   []toolstack.Domain // that are the guest
	nameless  []toolstack.Domain // that may be the guest
	strangers []toolstack.Domain // that have the guest's name and are another machine
	revivers  []toolstack.Reviver
	unknown   []toolstack.Unknown // processes that may bring the guest back, or another one
}

// doubtLimit is how long a process may take to show which guest it brings.
const doubtLimit = 2 * time.Second

// look observes one guest. Where a guest that restarts can be absent unseen, only
// one that stays so is gone; and what is doubtful may soon be plain.
func (h *host) look(ctx context.Context, g policy.Guest) (sight, error) {
	s, err := h.glance(ctx, g)
	for since := time.Now(); err == nil && h.isUnsettled(s, time.Since(since)); {
		if !pause(ctx, lookAgain) {
			return sight{}, ctx.Err()
		}
		s, err = h.glance(ctx, g)
	}
	return s, err
}

// isUnsettled reports whether a sight that is so old is to be looked at again.
func (h *host) isUnsettled(s sight, age time.Duration) bool {
	return s.gone() && age < h.stack.Gap() || s.isDoubtful() && age < doubtLimit
}

// glance looks once. It looks for processes that create the guest before it
// looks for domains: whatever the former finish in between, the latter shows.
func (h *host) glance(ctx context.Context, g policy.Guest) (sight, error) {
	processes, domains, err := h.see(ctx)
	if err != nil {
		return sight{}, err
	}
	return judge(g, domains, processes.Of(identity(g), domains)), nil
}

// see looks at all processes and domains, in this order.
func (h *host) see(ctx context.Context) (toolstack.Processes, []toolstack.Domain, error) {
	processes, err := h.stack.Processes()
	if err != nil {
		return nil, nil, fmt.Errorf("processes: %w", err)
	}
	domains, err := h.stack.Domains(ctx)
	return processes, domains, err
}

// judge says what state a guest is in. Absent is not yet off: what has no name
// may be the guest at its end, a reviver will bring it back, and what has the
// guest's name and another UUID may be the guest, made anew.
func judge(g policy.Guest, domains []toolstack.Domain, found toolstack.Found) sight {
	s := sight{revivers: found.Revivers, unknown: found.Unknown}
	uuid := g.UUID
	if uuid == "" && slices.ContainsFunc(domains, func(d toolstack.Domain) bool { return d.Name == "" }) {
		uuid = configUUID(g)
	}
	for _, d := range domains {
		s.sort(g, d, uuid)
	}
	named := func(d toolstack.Domain) bool { return d.Name != "" }
	runs := func(d toolstack.Domain) bool { return named(d) && !d.Stopped }
	switch {
	case slices.ContainsFunc(s.domains, runs):
		s.state = wire.GuestOn
	case slices.ContainsFunc(s.domains, named):
		s.state = wire.GuestStopped
	case len(s.domains)+len(s.nameless) > 0:
		s.state = wire.GuestDying
	case len(s.strangers) > 0:
		s.state = wire.GuestAmbiguous
	case len(s.revivers)+len(s.unknown) > 0:
		s.state = wire.GuestRestarting
	case checkConfig(g) == nil:
		s.state = wire.GuestOff
	default:
		s.state = wire.GuestAbsent
	}
	return s
}

// sort puts a domain where it belongs, if it has to do with the guest, which has
// that UUID if it has one by the policy or by its configuration; the latter
// only tells what has no name. The control domain is nobody's guest, whatever it
// is called.
func (s *sight) sort(g policy.Guest, d toolstack.Domain, uuid string) {
	pinned := g.UUID != "" && d.UUID != ""
	switch {
	case d.ID == 0:
	case d.UUID != "" && d.UUID == uuid && (pinned || d.Name == ""):
		s.domains = append(s.domains, d)
	case d.Name == "" && !pinned:
		s.nameless = append(s.nameless, d)
	case d.Name == "" || !d.Carries(g.Name):
	case g.UUID != "":
		s.strangers = append(s.strangers, d)
	default:
		s.domains = append(s.domains, d)
	}
}

// gone reports whether nothing of the guest is left here.
func (s sight) gone() bool { return s.state == wire.GuestOff || s.state == wire.GuestAbsent }

// isDoubtful reports whether nothing of the guest is here but what may be another's.
func (s sight) isDoubtful() bool {
	return s.state == wire.GuestRestarting && len(s.revivers) == 0 && len(s.unknown) > 0
}

// doubt says which process that is.
func (s sight) doubt(g policy.Guest) error {
	if !s.isDoubtful() {
		return nil
	}
	return failf(wire.UnknownState, "guest %s may come back by %s", g.Name, s.unknown[0].Text)
}

// ambiguity says which other machine has the guest's name, if that is all that is here.
func (s sight) ambiguity(g policy.Guest) error {
	if s.state != wire.GuestAmbiguous {
		return nil
	}
	d := s.strangers[0]
	return failf(wire.Ambiguous, "domain %d %q has the UUID %q, and the policy says that guest %s has %s: it is not touched",
		d.ID, d.Name, d.UUID, g.Name, g.UUID)
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
		parts = append(parts, fmt.Sprintf("domain %d %q of another UUID (%s)", d.ID, d.Name, d.UUID))
	}
	for _, r := range s.revivers {
		parts = append(parts, r.String())
	}
	for _, u := range s.unknown {
		parts = append(parts, u.Text)
	}
	return strings.Join(parts, ", ")
}
