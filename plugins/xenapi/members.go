package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ stonith.Device = (*members)(nil)

// members is the Device: all members that are known, and the search for their
// master, which begins anew when the master was lost.
type members struct {
	known  []address
	warn   func(string)
	pins   map[string]string // UUIDs of guests, by node
	rules  rulesOfEntry
	source func(context.Context) (string, error) // of the password

	warning sync.Mutex // taken for what follows
	warned  []string

	mu       sync.Mutex
	password string
	life     context.Context // of what outlives a verb's part: logins, requests under way, logouts
	end      context.CancelFunc
	current  *search
	past     []*search
	closed   bool
}

// State is Off if every master that knows the guest has a proof for it. There is
// one master as a rule; of two, none can be trusted alone.
func (m *members) State(ctx context.Context, n stonith.Node) (stonith.Power, error) {
	guests, err := m.guests(ctx, n, false)
	if err != nil {
		return stonith.Unknown, err
	}
	power, err := m.stateOf(ctx, guests)
	if power != stonith.Off {
		return power, err
	}
	all, err := m.guests(ctx, n, true)
	if err != nil {
		return stonith.Unknown, err
	}
	others := slices.DeleteFunc(slices.Clone(all), func(g *guest) bool { return slices.Contains(guests, g) })
	if power, err = m.stateOf(ctx, others); power != stonith.Off {
		return power, err
	}
	for _, g := range all {
		if err := g.isTrusted(); err != nil {
			return stonith.Unknown, m.check(err)
		}
	}
	return stonith.Off, nil
}

// stateOf is On if one master says so, and Off if all do.
func (m *members) stateOf(ctx context.Context, guests []*guest) (stonith.Power, error) {
	var errs []error
	for _, g := range guests {
		power, err := g.state(ctx)
		if power == stonith.On {
			return stonith.On, nil
		}
		if err != nil {
			errs = append(errs, m.check(err))
		}
	}
	if len(errs) > 0 {
		return stonith.Unknown, errors.Join(errs...)
	}
	return stonith.Off, nil
}

// Switch asks every master that knows the guest to end it, or the only one to start it.
func (m *members) Switch(ctx context.Context, n stonith.Node, want stonith.Power) error {
	switch want {
	case stonith.Off:
		// Those that are known by now first; if they had nothing to do or can do nothing, all.
		asked, err := m.switchOff(ctx, n, false)
		if (err == nil && !asked) || code(err) == hostOffline {
			_, err = m.switchOff(ctx, n, true)
		}
		return err
	case stonith.On:
		return m.switchOn(ctx, n)
	case stonith.Unknown:
	}
	return fmt.Errorf("no guest can be switched %s", want)
}

func (m *members) switchOff(ctx context.Context, n stonith.Node, all bool) (asked bool, err error) {
	guests, err := m.guests(ctx, n, all)
	if err != nil {
		return false, err
	}
	askedOf := make([]bool, len(guests))
	errs := make([]error, len(guests))
	var work sync.WaitGroup
	for i, g := range guests {
		work.Go(func() {
			askedOf[i], errs[i] = g.switchOff(ctx, m.life)
			errs[i] = m.check(errs[i])
		})
	}
	work.Wait()
	err = errors.Join(errs...)
	if all && len(guests) == 1 && code(err) == hostOffline && !guests[0].session.fencesHosts() {
		err = stonith.Errorf(stonith.ReasonOf(err), "%w", err).AsFinal()
	}
	return slices.Contains(askedOf, true), err
}

func (m *members) switchOn(ctx context.Context, n stonith.Node) error {
	guests, err := m.guests(ctx, n, true)
	if err != nil {
		return err
	}
	if len(guests) > 1 {
		return stonith.Errorf(stonith.Ambiguous, "not started, since the pool has more than one master: %s", names(guests))
	}
	return m.check(guests[0].switchOn(ctx, m.life, func() error {
		if _, err := m.stateOf(ctx, guests); err != nil {
			return err
		}
		return guests[0].isTrusted()
	}))
}

func names(guests []*guest) string {
	var all []string
	for _, g := range guests {
		all = append(all, g.session.String())
	}
	return strings.Join(all, ", ")
}

// guests returns the node's guest as each master knows it that does: those that
// are known by now, or all that are to be expected.
func (m *members) guests(ctx context.Context, n stonith.Node, all bool) ([]*guest, error) {
	s, err := m.search(ctx)
	if err != nil {
		return nil, err
	}
	masters, err := s.first(ctx)
	if err == nil && all {
		masters, err = s.settle(ctx)
	}
	if err != nil {
		return nil, m.ends(s, err)
	}
	guests, err := m.find(ctx, n, masters)
	if stonith.ReasonOf(err) == stonith.NotFound && !all {
		return m.guests(ctx, n, true) // another master may know it
	}
	return guests, m.check(err)
}

// find returns the guest as each of masters knows it. A master of another pool
// need not know it.
func (m *members) find(ctx context.Context, n stonith.Node, masters []*session) ([]*guest, error) {
	var guests []*guest
	var missing []error
	var lacking []*session
	for _, master := range masters {
		g, err := master.find(ctx, n, m.pins[n.Name])
		switch {
		case err == nil:
			guests = append(guests, g)
		case stonith.ReasonOf(err) == stonith.NotFound:
			missing = append(missing, err)
			lacking = append(lacking, master)
		default:
			return nil, err
		}
	}
	if len(guests) == 0 {
		return nil, errors.Join(missing...)
	}
	first := guests[0]
	for _, g := range guests[1:] {
		if g.session.pool.UUID != first.session.pool.UUID || g.uuid != first.uuid {
			return nil, stonith.Errorf(stonith.Ambiguous, "%s and %s are both node %s", first, g, n.Name).
				WithHint("set pool_uuid, or take the members of one pool out of the parameter pool")
		}
	}
	for i, master := range lacking {
		if master.pool.UUID == first.session.pool.UUID {
			return nil, stonith.Errorf(stonith.Ambiguous, "%s, but the pool's other master does not know it: %w", first, missing[i])
		}
	}
	return guests, nil
}

// search returns the search that is under way or has found a master; it begins
// one if there is none.
func (m *members) search(ctx context.Context) (*search, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.New("closed")
	}
	if m.current != nil {
		return m.current, nil
	}
	if m.life == nil {
		m.life, m.end = context.WithCancel(context.WithoutCancel(ctx))
	}
	if m.password == "" {
		password, err := m.source(ctx)
		if err != nil {
			return nil, err
		}
		m.password = password
	}
	m.current = startSearch(m.life, m.rules, m.password, m.known)
	return m.current, nil
}

// ends forgets a search that came to nothing, and returns err.
func (m *members) ends(s *search, err error) error {
	s.mu.Lock()
	over := s.over() && len(s.masters) == 0
	s.mu.Unlock()
	if over {
		m.forget(s)
	}
	return err
}

// check returns err. If it says that a session is of no more use, the next
// request searches the master again.
func (m *members) check(err error) error {
	if err == nil || !endsSession(err) {
		return err
	}
	m.mu.Lock()
	s := m.current
	m.mu.Unlock()
	if s != nil {
		m.learn(s, err)
		m.forget(s)
	}
	return err
}

// learn adds the members that the lost master knew, and the one that it named.
func (m *members) learn(s *search, err error) {
	s.mu.Lock()
	masters := slices.Clone(s.masters)
	s.mu.Unlock()
	var more []address
	for _, master := range masters {
		more = append(more, master.addresses()...)
		if code(err) == "HOST_IS_SLAVE" {
			if named, err := parseAddress(slaveOf(err), master.at.Port); err == nil {
				more = append(more, named)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range more {
		if !slices.Contains(m.known, a) && len(m.known) < maxMembers {
			m.known = append(m.known, a)
		}
	}
}

// forget ends a search and its sessions.
func (m *members) forget(s *search) {
	m.mu.Lock()
	if m.current == s {
		m.current = nil
		m.past = append(m.past, s)
	}
	m.mu.Unlock()
	s.close()
}

// Close logs out of all sessions, also of those that are just coming to be, and
// ends what is under way. It takes no longer than a logout may.
func (m *members) Close() error {
	m.mu.Lock()
	m.closed = true
	all := m.past
	if m.current != nil {
		all = append(all, m.current)
	}
	end := m.end
	m.mu.Unlock()
	if end == nil {
		return nil
	}
	var out sync.WaitGroup
	for _, s := range all {
		s.close()
		out.Go(s.work.Wait)
	}
	done := make(chan struct{})
	go func() { out.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(logoutLimit):
	}
	end()
	m.rules.client.close()
	return nil
}
