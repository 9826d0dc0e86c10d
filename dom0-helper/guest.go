package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// Time limits of whole requests. Of its own limit, 45 s by default, a plugin
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

// A host is this Dom0, for one request.
type host struct {
	stack    toolstack.Toolstack
	stateDir string // of locks, notes and counts
	starts   policy.Starts
	dump     policy.Dump
	record   *audit // of the request
}

// carryOut does what the verb asks for and returns the text of an ok answer.
func (h *host) carryOut(ctx context.Context, verb wire.Verb, guests []policy.Guest) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, h.limit(verb))
	defer cancel()
	if h.record.legacy {
		return h.carryOutLegacy(ctx, verb, guests)
	}
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
	case wire.Rehearse:
		return h.rehearse(ctx, guests[0])
	case wire.Reset: // in the form of 2007 only
	}
	return "", fmt.Errorf("verb %q has no meaning here", verb)
}

// limit is the time limit of a request.
func (h *host) limit(verb wire.Verb) time.Duration {
	switch verb {
	case wire.Off:
		return h.offLimit()
	case wire.On:
		return onLimit
	case wire.Reset:
		return h.offLimit() + onLimit
	case wire.State, wire.Check, wire.List, wire.Rehearse:
	}
	return lookLimit
}

func (h *host) offLimit() time.Duration { return offLimit + h.dump.Time }

// state tells the guest's state. A guest that is gone, while another request may
// be about to create it, is restarting. That is asked before the look: what such
// a request has done by then, the look sees.
func (h *host) state(ctx context.Context, g policy.Guest) (string, error) {
	pending := h.pending(g.Name)
	s, err := h.look(ctx, g)
	if pending && s.gone() {
		s.state = wire.GuestRestarting
	}
	return string(s.state), errors.Join(err, s.ambiguity(g), s.doubt(g))
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
	if err := s.ambiguity(g); err != nil {
		return err
	}
	if !s.gone() {
		return failf(wire.UnknownState, "guest %s is %s, so it is not created: left are %s", g.Name, s.state, s.text())
	}
	if err := checkConfig(g); err != nil {
		return err
	}
	takeBack, err := h.countStart(g.Name)
	if err != nil {
		return err
	}
	h.record.begin()
	createErr := h.stack.Create(ctx, g.Config)
	if s, err = h.look(ctx, g); err != nil {
		return errors.Join(createErr, err)
	}
	if s.state == wire.GuestOn {
		return nil
	}
	if s.gone() {
		takeBack()
	}
	return errors.Join(createErr, fmt.Errorf("guest %s is %s after that", g.Name, s.state))
}

// maxConfig is the most that a guest's configuration file may hold, in bytes.
const maxConfig = 1 << 20

// checkConfig refuses a configuration file that is not there, that others than
// root could have written, since the toolstack reads it as root, or that is that
// of a guest with another name or UUID: it would run unseen while these are looked for.
func checkConfig(g policy.Guest) error {
	text, err := policy.ReadTrustedLink(g.Config, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failf(wire.NotFound, "configuration of guest %s: %w", g.Name, err)
	case err != nil:
		return failf(wire.BadConfig, "configuration of guest %s: %w", g.Name, err)
	}
	if name := guestconfig.Name(text); name != g.Name {
		return failf(wire.BadConfig, "configuration of guest %s: %s has the name %q", g.Name, g.Config, name)
	}
	if uuid := guestconfig.UUID(text); g.UUID != "" && uuid != g.UUID {
		return failf(wire.BadConfig, "configuration of guest %s: %s has the UUID %q, and the policy says %s", g.Name, g.Config, uuid, g.UUID)
	}
	return nil
}

// identity is what tells the guest from others.
func identity(g policy.Guest) toolstack.Identity {
	return toolstack.Identity{Name: g.Name, UUID: g.UUID, ConfigUUID: configUUID(g), Config: g.Config}
}

// configUUID is the UUID that a good configuration gives to the guest, if it gives one.
func configUUID(g policy.Guest) string {
	text, err := policy.ReadTrustedLink(g.Config, maxConfig)
	if err != nil || guestconfig.Name(text) != g.Name {
		return ""
	}
	return guestconfig.UUID(text)
}

// check proves that requests for the guests would be obeyed: the toolstack
// answers, there is a lock for each, and no configuration is wrong. A guest of
// which nothing is here may have its place on another Dom0, and is only told so.
func (h *host) check(ctx context.Context, guests []policy.Guest) (string, error) {
	_, domains, err := h.see(ctx)
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
	lock, err := h.openLock(g.Name)
	if err != nil {
		return "", err
	}
	_ = lock.Close() // it was only tried
	seen := judge(g, domains, toolstack.Found{})
	if err := seen.ambiguity(g); err != nil {
		return "", err
	}
	err = checkConfig(g)
	switch {
	case err == nil, len(seen.domains) > 0:
		return wire.Known, nil
	case reasonOf(err) == wire.NotFound:
		return wire.Unknown, nil
	default:
		return "", err
	}
}

// list tells the state of each guest.
func (h *host) list(ctx context.Context, guests []policy.Guest) (string, error) {
	states, err := h.states(ctx, guests)
	if err != nil {
		return "", err
	}
	known := map[string]string{}
	for i, g := range guests {
		known[g.Name] = string(states[i])
	}
	return wire.PerGuest(names(guests), func(guest string) string { return known[guest] }), nil
}

// states looks at all guests at once.
func (h *host) states(ctx context.Context, guests []policy.Guest) ([]wire.GuestState, error) {
	processes, domains, err := h.see(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]wire.GuestState, len(guests))
	for i, g := range guests {
		states[i] = judge(g, domains, processes.Of(identity(g), domains)).state
	}
	return states, nil
}

func names(guests []policy.Guest) []string {
	list := make([]string, len(guests))
	for i, g := range guests {
		list[i] = g.Name
	}
	return list
}

// rehearse goes the whole way of off and on, lock and configuration included, and
// tells what they would do instead of doing it.
func (h *host) rehearse(ctx context.Context, g policy.Guest) (string, error) {
	lock, err := h.openLock(g.Name)
	if err != nil {
		return "", err
	}
	defer lock.Close() //nolint:errcheck // closing unlocks
	if !tryLock(lock) {
		return "", errHeld(g.Name)
	}
	s, err := h.look(ctx, g)
	if err = errors.Join(err, s.ambiguity(g), s.doubt(g)); err != nil {
		return "", err
	}
	if s.state == wire.GuestAbsent {
		return "", checkConfig(g)
	}
	off := "off would find it off"
	if !s.gone() {
		off = "off would end " + s.text()
	}
	on := "on would start it from " + g.Config
	if err := checkConfig(g); err != nil {
		on = "on would not start it here: " + err.Error()
	}
	return wire.Clean(fmt.Sprintf("%s: %s; %s", s.state, off, on)), nil
}
