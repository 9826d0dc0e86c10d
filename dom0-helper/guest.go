package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// Time limits of whole requests. Of its own limit, 40 s by default, a plugin
// waits a quarter for the answer to a look and half for that to off, which it
// repeats. A guest may take longer to be created, and goes on to be when the
// plugin has given up.
const (
	lookLimit = 9 * time.Second
	offLimit  = 12 * time.Second
	onLimit   = 60 * time.Second
	// lockPatience is how long off waits for another request of the same guest.
	lockPatience = 2 * time.Second
	// lookAgain is the pause between two looks at a guest.
	lookAgain = 50 * time.Millisecond
)

// A host is this Dom0.
type host struct {
	stack toolstack.Toolstack
	locks string
}

// carryOut does what the verb asks for and returns the text of an ok answer.
func (h *host) carryOut(ctx context.Context, verb wire.Verb, guests []policy.Guest) (string, error) {
	limits := map[wire.Verb]time.Duration{wire.Off: offLimit, wire.On: onLimit}
	limit, ok := limits[verb]
	if !ok {
		limit = lookLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch verb {
	case wire.State:
		s, err := h.look(ctx, guests[0])
		return string(s.state), err
	case wire.Off:
		return wire.Done, h.off(ctx, guests[0])
	case wire.On:
		return wire.Done, h.on(ctx, guests[0])
	case wire.Check:
		return wire.Ready, h.check(ctx, guests)
	case wire.List:
		return h.list(ctx, guests)
	}
	return "", fmt.Errorf("verb %q has no meaning here", verb)
}

// A sight is what was seen of a guest at one look.
type sight struct {
	state    wire.GuestState
	domains  []toolstack.Domain // that are the guest
	nameless []toolstack.Domain // that may be the guest
	revivers []toolstack.Reviver
}

// look observes one guest. It looks for processes that create the guest before
// it looks for domains: whatever the former finish in between, the latter shows.
func (h *host) look(ctx context.Context, g policy.Guest) (sight, error) {
	revivers, err := h.stack.Revivers(g.Name, g.Config)
	if err != nil {
		return sight{}, fmt.Errorf("processes of guest %s: %w", g.Name, err)
	}
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return sight{}, err
	}
	return judge(g.Name, domains, revivers), nil
}

// judge says what state a guest is in. Absent is not yet off: what has no name
// may be the guest at its end, and a reviver will bring it back.
func judge(guest string, domains []toolstack.Domain, revivers []toolstack.Reviver) sight {
	s := sight{revivers: revivers}
	for _, d := range domains {
		switch {
		case d.ID == 0: // the control domain is nobody's guest, whatever it is called
		case d.Name == "":
			s.nameless = append(s.nameless, d)
		case d.Carries(guest):
			s.domains = append(s.domains, d)
		}
	}
	switch {
	case slices.ContainsFunc(s.domains, func(d toolstack.Domain) bool { return !d.Stopped }):
		s.state = wire.GuestOn
	case len(s.domains) > 0:
		s.state = wire.GuestStopped
	case len(s.nameless) > 0:
		s.state = wire.GuestDying
	case len(revivers) > 0:
		s.state = wire.GuestRestarting
	default:
		s.state = wire.GuestOff
	}
	return s
}

// off ends what would bring the guest back, then every domain of the guest, and
// returns when a look has shown that nothing of both is left. The creation of
// the guest by a request that holds the lock is ended, not waited for. The lock
// only keeps requests out of each other's way: without it, off goes on, since
// what it sees at its end is true all the same.
func (h *host) off(ctx context.Context, g policy.Guest) error {
	patience, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	if unlock, err := h.lock(patience, g.Name, func() { h.endRevivers(ctx, g) }); err == nil {
		defer unlock()
	}
	f := fence{host: h, guest: g, uuids: map[string]bool{}}
	for {
		done, err := f.round(ctx)
		if done {
			return nil
		}
		if !pause(ctx, lookAgain) {
			return f.gaveUp(err)
		}
	}
}

// endRevivers tries to. What it fails at, the rounds of the fence try again and report.
func (h *host) endRevivers(ctx context.Context, g policy.Guest) {
	revivers, _ := h.stack.Revivers(g.Name, g.Config)
	for _, r := range revivers {
		_ = r.End(ctx)
	}
}

// A fence is one off on its way.
type fence struct {
	host  *host
	guest policy.Guest
	uuids map[string]bool // of domains that were seen under the guest's name
	last  sight
}

// round looks, ends all that is left of the guest, and reports whether nothing was.
func (f *fence) round(ctx context.Context) (done bool, err error) {
	if f.last, err = f.host.look(ctx, f.guest); err != nil {
		return false, err
	}
	if f.last.state == wire.GuestOff {
		return true, nil
	}
	for _, r := range f.last.revivers {
		err = errors.Join(err, r.End(ctx))
	}
	for _, d := range f.last.domains {
		f.uuids[d.UUID] = true
		err = errors.Join(err, f.host.stack.Destroy(ctx, d.ID))
	}
	return false, err
}

// gaveUp says what was left of the guest at the end.
func (f *fence) gaveUp(err error) error {
	left := f.last.text()
	if f.last.state == "" {
		left = "never seen"
	}
	for _, d := range f.last.nameless {
		if f.uuids[d.UUID] {
			left += fmt.Sprintf(", of which domain %d is this guest", d.ID)
		}
	}
	text := fmt.Sprintf("guest %s not gone within %s: %s", f.guest.Name, offLimit, left)
	if err != nil {
		text += ": " + err.Error()
	}
	reason := wire.UnknownState
	if len(f.last.domains)+len(f.last.revivers) > 0 {
		reason = wire.StillOn
	}
	return failf(reason, "%s", text)
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
	for _, r := range s.revivers {
		parts = append(parts, r.String())
	}
	if len(parts) == 0 {
		return "nothing left"
	}
	return "left are " + strings.Join(parts, ", ")
}

// on creates the guest unless it is there, and returns when it was seen. It
// creates nothing while something of the guest may still be left.
func (h *host) on(ctx context.Context, g policy.Guest) error {
	unlock, err := h.lock(ctx, g.Name, func() {})
	if err != nil {
		return err
	}
	defer unlock()
	s, err := h.look(ctx, g)
	if err != nil {
		return err
	}
	if s.state == wire.GuestOn {
		return nil
	}
	if s.state != wire.GuestOff {
		return failf(wire.UnknownState, "guest %s is %s, so it is not created: %s", g.Name, s.state, s.text())
	}
	if err := checkConfig(g); err != nil {
		return err
	}
	createErr := h.stack.Create(ctx, g.Config)
	if s, err = h.look(ctx, g); err != nil {
		return errors.Join(createErr, err)
	}
	if s.state == wire.GuestOn {
		return nil
	}
	return errors.Join(createErr, fmt.Errorf("guest %s was created and is %s", g.Name, s.state))
}

// checkConfig refuses a configuration file that is not there, or that others
// than root could have written: the toolstack reads it as root.
func checkConfig(g policy.Guest) error {
	err := policy.CheckTrusted(g.Config)
	if err != nil {
		return failf(wire.NotFound, "configuration of guest %s: %w", g.Name, err)
	}
	return nil
}

// check proves that requests for the guests would be obeyed: the toolstack
// answers, and there is a lock for each. Where a guest's configuration is wrong
// only on fails, and another Dom0 may have it, so that is not asked here.
func (h *host) check(ctx context.Context, guests []policy.Guest) error {
	if _, err := h.stack.Domains(ctx); err != nil {
		return err
	}
	for _, g := range guests {
		if _, err := h.stack.Revivers(g.Name, g.Config); err != nil {
			return err
		}
		lock, err := h.openLock(g.Name)
		if err != nil {
			return err
		}
		_ = lock.Close() // it was only tried
	}
	return nil
}

// list tells the state of each guest as NAME=STATE.
func (h *host) list(ctx context.Context, guests []policy.Guest) (string, error) {
	if len(guests) == 0 {
		return "-", nil
	}
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return "", err
	}
	var states []string
	for _, g := range guests {
		revivers, err := h.stack.Revivers(g.Name, g.Config)
		if err != nil {
			return "", err
		}
		states = append(states, g.Name+"="+string(judge(g.Name, domains, revivers).state))
	}
	slices.Sort(states)
	return strings.Join(states, " "), nil
}
