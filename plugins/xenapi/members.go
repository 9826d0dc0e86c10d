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
	known []address
	warn  func(string)
	// unheardHosts is what hosts count as that are not heard.
	unheardHosts string
	pins         map[string]string // UUIDs of guests, by node
	rules        rulesOfEntry
	source       func(context.Context) (string, error) // of the password

	mu       sync.Mutex
	password string
	life     context.Context // of what outlives a verb's part: logins, requests under way, logouts
	end      context.CancelFunc
	current  *search
	past     []*search
	closed   bool
	uuids    map[string]string // of the guests that the nodes are, since they were found
	refused  error             // that a login was refused for good
}

// State is Off if every master that knows the guest has a proof for it. There is
// one master as a rule; of two, none can be trusted alone.
func (m *members) State(ctx context.Context, n stonith.Node) (stonith.Power, error) {
	guests, err := m.guests(ctx, n, known)
	if err != nil {
		return stonith.Unknown, err
	}
	began := time.Now()
	power, strong, err := m.stateOf(ctx, guests)
	if power != stonith.Off {
		return power, err
	}
	whom := all
	if strong { // a member of this pool has nothing to add: see canProve
		whom = strangers
	}
	everybody, err := m.guests(ctx, n, whom)
	if err != nil {
		return stonith.Unknown, err
	}
	others := slices.DeleteFunc(slices.Clone(everybody), func(g *guest) bool { return slices.Contains(guests, g) })
	power, stronger, err := m.stateOf(ctx, others)
	switch {
	case power != stonith.Off:
		return power, err
	case strong && stronger:
		m.warnOfAge(everybody)
		return stonith.Off, nil
	}
	if err := m.good(ctx, everybody, began); err != nil {
		return stonith.Unknown, m.check(err)
	}
	return stonith.Off, nil
}

// Switch asks every master that knows the guest to end it, or the only one to start it.
func (m *members) Switch(ctx context.Context, n stonith.Node, want stonith.Power) error {
	switch want {
	case stonith.Off:
		// Those that are known by now first; if they had nothing to do or can do nothing, all.
		err := m.switchOff(ctx, n, known)
		if nothing := (*stonith.NotAsked)(nil); errors.As(err, &nothing) && nothing.Err == nil || code(err) == hostOffline {
			err = m.switchOff(ctx, n, all)
		}
		return err
	case stonith.On:
		return m.switchOn(ctx, n)
	case stonith.Unknown:
	}
	return fmt.Errorf("no guest can be switched %s", want)
}

func (m *members) switchOff(ctx context.Context, n stonith.Node, whom masters) error {
	guests, err := m.guests(ctx, n, whom)
	if err != nil {
		return &stonith.NotAsked{Err: err}
	}
	errs := make([]error, len(guests))
	var work sync.WaitGroup
	for i, g := range guests {
		work.Go(func() { errs[i] = m.check(g.switchOff(ctx, m.life)) })
	}
	work.Wait()
	err = unlessAsked(errs)
	if whom == all && len(guests) == 1 && code(err) == hostOffline && !guests[0].session.fencesHosts() {
		err = stonith.Errorf(stonith.ReasonOf(err), "%w", err).AsFinal()
	}
	return err
}

// unlessAsked joins the errors of several masters. It is NotAsked if none was asked.
func unlessAsked(errs []error) error {
	var reasons []error
	asked := false
	for _, err := range errs {
		nothing := (*stonith.NotAsked)(nil)
		if errors.As(err, &nothing) {
			err = nothing.Err
		} else {
			asked = true
		}
		reasons = append(reasons, err)
	}
	err := errors.Join(reasons...)
	if !asked {
		return &stonith.NotAsked{Err: err}
	}
	return err
}

func (m *members) switchOn(ctx context.Context, n stonith.Node) error {
	guests, err := m.guests(ctx, n, all)
	if err != nil {
		return &stonith.NotAsked{Err: err}
	}
	if len(guests) > 1 {
		return stonith.Errorf(stonith.Ambiguous, "not started, since the pool has more than one master: %s", names(guests))
	}
	return m.check(guests[0].switchOn(ctx, m.life, func(ctx context.Context) error { return m.mayStart(ctx, guests) }))
}

// mayStart returns an error if a guest that is called Halted may be running. That this
// call has ended it is not enough: what another host runs of it would be the second one.
// A member that is silent is waited for as long as for a login, and no longer: reset has
// its proof by now, and its caller waits for the verdict.
func (m *members) mayStart(ctx context.Context, guests []*guest) error {
	part, cancel := context.WithTimeout(ctx, m.rules.limit)
	defer cancel()
	began := time.Now()
	power, _, err := m.stateOf(part, guests)
	if err == nil && power == stonith.Off {
		err = m.good(part, guests, began)
	}
	// Members are listened to until the rest of the time: see report.
	if end, _ := part.Deadline(); err != nil && time.Until(end) <= forTheRest {
		return stonith.Errorf(stonith.ReasonOf(err), "%w", err).AsFinal()
	}
	return err
}

func names(guests []*guest) string {
	var all []string
	for _, g := range guests {
		all = append(all, g.session.String())
	}
	return strings.Join(all, ", ")
}

// masters says which masters are waited for.
type masters int

const (
	known     masters = iota // one at least
	strangers                // and those of other pools
	all                      // and other ones of the same pool
)

// guests returns the node's guest as each master knows it that does.
func (m *members) guests(ctx context.Context, n stonith.Node, whom masters) ([]*guest, error) {
	s, err := m.search(ctx)
	if err != nil {
		return nil, err
	}
	masters, err := s.first(ctx)
	if err == nil && whom != known {
		masters, err = s.settle(ctx, whom == strangers)
	}
	if err != nil {
		return nil, m.ends(s, err)
	}
	guests, err := m.find(ctx, n, masters)
	if stonith.ReasonOf(err) == stonith.NotFound { // which is final; another master may know it
		if masters, err = s.finish(ctx); err == nil {
			guests, err = m.find(ctx, n, masters)
		}
	}
	return guests, m.check(err)
}

const twoPools = "set pool_uuid, or take the members of one pool out of the parameter pool; a cluster node is not to be moved between pools"

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
				WithHint(twoPools)
		}
	}
	for i, master := range lacking {
		if master.pool.UUID == first.session.pool.UUID {
			return nil, stonith.Errorf(stonith.Ambiguous, "%s, but the pool's other master does not know it: %w", first, missing[i])
		}
		// A guest that was moved to another pool has its UUID there, and may have another name.
		refs, err := master.refs(ctx, first.uuid)
		switch {
		case err != nil:
			return nil, err
		case len(refs) > 0:
			return nil, stonith.Errorf(stonith.Ambiguous, "%s, and %s has a guest of that UUID too", first, master).
				WithHint(twoPools)
		}
	}
	return guests, m.isStill(n, first)
}

// isStill returns an error if the node was another guest in a session that was lost: what
// was asked of that one is not to be proven with this one.
func (m *members) isStill(n stonith.Node, g *guest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.uuids == nil {
		m.uuids = map[string]string{}
	}
	switch was := m.uuids[n.Name]; was {
	case "":
		m.uuids[n.Name] = g.uuid
	case g.uuid:
	default:
		return stonith.Errorf(stonith.Ambiguous, "%s is node %s now, which was the guest with UUID %s when this call began", g, n.Name, was).
			WithHint("names change hands: name the one that node %s is by its UUID in hostlist", n.Name)
	}
	return nil
}

// search returns the search that is under way or has found a master; it begins
// one if there is none.
func (m *members) search(ctx context.Context) (*search, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.New("closed")
	}
	if m.refused != nil {
		return nil, m.refused
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
	if reason := stonith.ReasonOf(err); over && (reason == stonith.NotAuthenticated || reason == stonith.NotPermitted) {
		m.mu.Lock()
		m.refused = err // it is final: each login is work for a directory, and a step to a locked account
		m.mu.Unlock()
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
			if named, err := parseAddress(argument(err, 0), master.at.Port); err == nil {
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
