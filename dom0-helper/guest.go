package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	// lookAgain is the pause between two looks at a guest.
	lookAgain = 50 * time.Millisecond
)

// A host is this Dom0.
type host struct {
	stack    toolstack.Toolstack
	stateDir string // the directory of locks and notes
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
		return h.state(ctx, guests[0])
	case wire.Off:
		return wire.Done, h.off(ctx, guests[0])
	case wire.On:
		return wire.Done, h.on(ctx, guests[0])
	case wire.Check:
		return h.check(ctx, guests)
	case wire.List:
		return h.list(ctx, guests)
	}
	return "", fmt.Errorf("verb %q has no meaning here", verb)
}

// state tells the guest's state. A guest that is gone, while another request may
// be about to create it, is restarting. That is asked before the look: what such
// a request has done by then, the look sees.
func (h *host) state(ctx context.Context, g policy.Guest) (string, error) {
	pending := h.pending(g.Name)
	s, err := h.look(ctx, g)
	if pending && s.gone() {
		s.state = wire.GuestRestarting
	}
	return string(s.state), err
}

// A sight is what was seen of a guest at one look.
type sight struct {
	state    wire.GuestState
	domains  []toolstack.Domain // that are the guest
	nameless []toolstack.Domain // that may be the guest
	revivers []toolstack.Reviver
}

// look observes one guest. Where a guest that restarts can be absent unseen, only
// one that stays so is gone.
func (h *host) look(ctx context.Context, g policy.Guest) (sight, error) {
	s, err := h.glance(ctx, g)
	for since := time.Now(); err == nil && s.gone() && time.Since(since) < h.stack.Gap(); {
		if !pause(ctx, lookAgain) {
			return sight{}, ctx.Err()
		}
		s, err = h.glance(ctx, g)
	}
	return s, err
}

// glance looks once. It looks for processes that create the guest before it
// looks for domains: whatever the former finish in between, the latter shows.
func (h *host) glance(ctx context.Context, g policy.Guest) (sight, error) {
	revivers, err := h.stack.Revivers(g.Name, g.Config)
	if err != nil {
		return sight{}, fmt.Errorf("processes of guest %s: %w", g.Name, err)
	}
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return sight{}, err
	}
	return judge(g, domains, revivers), nil
}

// judge says what state a guest is in. Absent is not yet off: what has no name
// may be the guest at its end, and a reviver will bring it back.
func judge(g policy.Guest, domains []toolstack.Domain, revivers []toolstack.Reviver) sight {
	s := sight{revivers: revivers}
	for _, d := range domains {
		switch {
		case d.ID == 0: // the control domain is nobody's guest, whatever it is called
		case d.Name == "":
			s.nameless = append(s.nameless, d)
		case d.Carries(g.Name):
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
	case checkConfig(g) == nil:
		s.state = wire.GuestOff
	default:
		s.state = wire.GuestAbsent
	}
	return s
}

// gone reports whether nothing of the guest is left here.
func (s sight) gone() bool { return s.state == wire.GuestOff || s.state == wire.GuestAbsent }

// off ends what would bring the guest back, then every domain of the guest, and
// returns when a look has shown that nothing of both is left. It does not wait
// for another request that holds the guest's lock, but ends what that creates;
// yet as long as it is there, the guest may come back, and off has no success.
// A lock that cannot be had at all, say for want of space, is no obstacle: on
// needs it too.
func (h *host) off(ctx context.Context, g policy.Guest) error {
	lock, err := h.openLock(g.Name)
	locked := err != nil
	if err == nil {
		defer func() { _ = lock.Close() }() // closing unlocks
	}
	f := fence{host: h, guest: g, uuids: map[string]bool{}}
	var trouble error // of the last round that the end of ctx did not cut short
	for {
		locked = locked || tryLock(lock)
		done, err := f.round(ctx)
		if done && locked {
			return nil
		}
		if ctx.Err() == nil || trouble == nil {
			trouble = err
		}
		if !pause(ctx, lookAgain) {
			return f.gaveUp(trouble)
		}
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
	seen, err := f.host.look(ctx, f.guest)
	if err != nil {
		return false, err
	}
	f.last = seen
	if f.last.gone() {
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
	if f.last.gone() { // with the lock, that would have been the end
		return errHeld(f.guest.Name)
	}
	reason := wire.UnknownState
	if f.last.state == "" {
		reason = reasonOf(err)
	}
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
	unlock, err := h.lock(ctx, g.Name)
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
	if !s.gone() {
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

// maxConfig is the most that a guest's configuration file may hold, in bytes.
const maxConfig = 1 << 20

// checkConfig refuses a configuration file that is not there, that others than
// root could have written, since the toolstack reads it as root, or that is that
// of a guest with another name: it would run unseen while its name is looked for.
func checkConfig(g policy.Guest) error {
	text, err := policy.ReadTrustedLink(g.Config, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failf(wire.NotFound, "configuration of guest %s: %w", g.Name, err)
	case err != nil:
		return failf(wire.BadConfig, "configuration of guest %s: %w", g.Name, err)
	}
	if name := toolstack.ConfigName(text); name != g.Name {
		return failf(wire.BadConfig, "configuration of guest %s: %s has the name %q", g.Name, g.Config, name)
	}
	return nil
}

// check proves that requests for the guests would be obeyed: the toolstack
// answers, there is a lock for each, and no configuration is wrong. A guest of
// which nothing is here may have its place on another Dom0, and is only told so.
func (h *host) check(ctx context.Context, guests []policy.Guest) (string, error) {
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return "", err
	}
	known := map[string]string{}
	for _, g := range guests {
		if known[g.Name], err = h.checkGuest(g, domains); err != nil {
			return "", err
		}
	}
	return wire.PerGuest(names(guests), func(guest string) string { return known[guest] }), nil
}

// checkGuest returns the word that check has for the guest.
func (h *host) checkGuest(g policy.Guest, domains []toolstack.Domain) (string, error) {
	if _, err := h.stack.Revivers(g.Name, g.Config); err != nil {
		return "", err
	}
	lock, err := h.openLock(g.Name)
	if err != nil {
		return "", err
	}
	_ = lock.Close() // it was only tried
	err = checkConfig(g)
	switch {
	case err == nil, slices.ContainsFunc(domains, func(d toolstack.Domain) bool { return d.Carries(g.Name) }):
		return wire.Known, nil
	case reasonOf(err) == wire.NotFound:
		return wire.Unknown, nil
	default:
		return "", err
	}
}

// list tells the state of each guest.
func (h *host) list(ctx context.Context, guests []policy.Guest) (string, error) {
	revivers := map[string][]toolstack.Reviver{} // looked for first, as look does
	for _, g := range guests {
		var err error
		if revivers[g.Name], err = h.stack.Revivers(g.Name, g.Config); err != nil {
			return "", err
		}
	}
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return "", err
	}
	states := map[string]string{}
	for _, g := range guests {
		states[g.Name] = string(judge(g, domains, revivers[g.Name]).state)
	}
	return wire.PerGuest(names(guests), func(guest string) string { return states[guest] }), nil
}

func names(guests []policy.Guest) []string {
	list := make([]string, len(guests))
	for i, g := range guests {
		list[i] = g.Name
	}
	return list
}
