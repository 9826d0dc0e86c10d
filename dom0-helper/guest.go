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
	images   *saved.Store
	// unwatchedGap is how long a guest must stay absent that ran without a process which watches it.
	unwatchedGap time.Duration
	cgroups      string              // where Linux shows its control groups, empty for nowhere
	identities   map[string]identity // of the guests that this request has looked at
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
		remark, err := h.off(ctx, guests[0])
		return wire.WithNote(wire.Done, remark), err
	case wire.On:
		return wire.Done, h.on(ctx, guests[0])
	case wire.Check:
		known, remark, err := h.check(ctx, guests)
		return wire.WithNote(known, remark), err
	case wire.List:
		states, remark, err := h.list(ctx, guests)
		return wire.WithNote(states, remark), err
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
	return string(s.state), errors.Join(err, s.ambiguity(), s.doubt())
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
	if err := s.ambiguity(); err != nil {
		return err
	}
	if !s.gone() {
		return failf(wire.UnknownState, "guest %s is %s, so it is not created: left are %s", g.Name, s.state, s.text())
	}
	if s.id.config != nil {
		return s.id.config
	}
	takeBack, err := h.countStart(g.Name)
	if err != nil {
		return err
	}
	h.record.begin()
	leaveSession(h.cgroups)
	createErr := h.stack.Create(ctx, g.Config)
	if s, err = h.look(ctx, g); err != nil {
		return errors.Join(createErr, err)
	}
	if s.state == wire.GuestOn && !toolstack.IsUnfinished(createErr) {
		return nil
	}
	if s.gone() {
		takeBack()
	}
	return errors.Join(createErr, fmt.Errorf("guest %s is %s after that", g.Name, s.state))
}

// check proves that requests for the guests would be obeyed: the toolstack
// answers, there is a lock for each, no configuration is wrong, and nothing is here
// by which a guest that is off could not be proven so. A guest of which nothing is
// here may have its place on another Dom0, and is only told so.
func (h *host) check(ctx context.Context, guests []policy.Guest) (known, remark string, err error) {
	seen, err := h.glanceAll(ctx, guests)
	for since := time.Now(); err == nil && slices.ContainsFunc(seen, sight.isUnsure) && time.Since(since) < remainsGo; {
		if !pause(ctx) {
			return "", "", ctx.Err()
		}
		seen, err = h.glanceAll(ctx, guests)
	}
	if err != nil {
		return "", "", err
	}
	words := map[string]string{}
	for _, s := range seen {
		if words[s.id.Name], err = h.checkGuest(s); err != nil {
			return "", "", err
		}
	}
	return wire.PerGuest(names(guests), func(guest string) string { return words[guest] }), warnings(seen), nil
}

// remainsGo is how long check lets the remains of domains that end just now go away.
const remainsGo = 3 * time.Second

// isUnsure reports whether something is there that may be the guest, and may soon go or be plain.
func (s sight) isUnsure() bool { return len(s.nameless)+len(s.suspects) > 0 }

// checkGuest returns the word that check has for the guest.
func (h *host) checkGuest(s sight) (string, error) {
	lock, err := h.openLock(s.id.Name)
	if err != nil {
		return "", err
	}
	_ = lock.Close() // it was only tried
	if s.unknown != nil {
		return "", failf(wire.UnknownState, "guest %s could not be proven off: %w", s.id.Name, s.unknown)
	}
	if err := errors.Join(s.contested(), s.suspicion(), s.inTheWay()); err != nil {
		return "", err
	}
	err = s.id.config
	switch {
	case err == nil, len(s.domains) > 0:
		return wire.Known, nil
	case reasonOf(err) == wire.NotFound:
		return wire.Unknown, nil
	default:
		return "", err
	}
}

// warnings tells what a fence of the guests would meet that people should know of now.
func warnings(seen []sight) string {
	var all []string
	for _, s := range seen {
		if s.state == wire.GuestOn && len(s.images) > 0 {
			all = append(all, fmt.Sprintf("guest %s runs, and %s is there, of an earlier boot: off puts it out of reach", s.id.Name, join(s.images)))
		}
	}
	return strings.Join(all, "; ")
}

// join is a list for people.
func join[T fmt.Stringer](list []T) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = one.String()
	}
	return strings.Join(texts, ", ")
}

// list tells the state of each guest.
func (h *host) list(ctx context.Context, guests []policy.Guest) (states, remark string, err error) {
	seen, err := h.glanceAll(ctx, guests)
	if err != nil {
		return "", "", err
	}
	known := map[string]string{}
	for _, s := range seen {
		if s.state == "" {
			return "", "", failf(wire.UnknownState, "guest %s: %w", s.id.Name, s.unknown)
		}
		known[s.id.Name] = string(s.state)
	}
	return wire.PerGuest(names(guests), func(guest string) string { return known[guest] }), warnings(seen), nil
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
	if err = errors.Join(err, s.contested(), s.doubt(), s.inTheWay()); err != nil {
		return "", err
	}
	if s.state == wire.GuestAbsent {
		return "", s.id.config
	}
	if s.unknown != nil {
		return "", failf(wire.UnknownState, "guest %s could not be proven off: %w", g.Name, s.unknown)
	}
	on := "on would start it from " + g.Config
	if s.id.config != nil {
		on = "on would not start it here: " + s.id.config.Error()
	}
	return wire.Clean(fmt.Sprintf("%s: %s; %s", s.state, s.rehearsed(), on)), nil
}

// rehearsed says what off would do.
func (s sight) rehearsed() string {
	images := s.images
	s.images = nil // the rest is ended
	var parts []string
	if ended := s.text(); ended != "" {
		parts = append(parts, "end "+ended)
	}
	if len(images) > 0 {
		parts = append(parts, "put out of reach "+join(images))
	}
	if len(parts) == 0 {
		return "off would find it off"
	}
	return "off would " + strings.Join(parts, ", and ")
}
