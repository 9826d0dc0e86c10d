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

var _ stonith.Device = (*pool)(nil)

// A pool is the Device: all members that are known, and the search for their
// master, which begins anew when the master was lost.
type pool struct {
	members []address
	warn    func(string)
	pins    map[string]string // UUIDs of guests, by node
	rules   rulesOfEntry
	source  func(context.Context) (string, error) // of the password

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
func (p *pool) State(ctx context.Context, n stonith.Node) (stonith.Power, error) {
	guests, err := p.guests(ctx, n, false)
	if err != nil {
		return stonith.Unknown, err
	}
	power, err := p.stateOf(ctx, guests)
	if power != stonith.Off {
		return power, err
	}
	all, err := p.guests(ctx, n, true)
	if err != nil {
		return stonith.Unknown, err
	}
	return p.stateOf(ctx, slices.DeleteFunc(all, func(g *guest) bool { return slices.Contains(guests, g) }))
}

// stateOf is On if one master says so, and Off if all do.
func (p *pool) stateOf(ctx context.Context, guests []*guest) (stonith.Power, error) {
	var errs []error
	for _, g := range guests {
		power, err := g.state(ctx)
		if power == stonith.On {
			return stonith.On, nil
		}
		if err != nil {
			errs = append(errs, p.check(err))
		}
	}
	if len(errs) > 0 {
		return stonith.Unknown, errors.Join(errs...)
	}
	return stonith.Off, nil
}

// Switch asks every master that knows the guest to end it, or the only one to start it.
func (p *pool) Switch(ctx context.Context, n stonith.Node, want stonith.Power) error {
	guests, err := p.guests(ctx, n, want == stonith.On)
	if err != nil {
		return err
	}
	switch want {
	case stonith.Off:
		errs := make([]error, len(guests))
		var work sync.WaitGroup
		for i, g := range guests {
			work.Go(func() { errs[i] = p.check(g.switchOff(ctx, p.life)) })
		}
		work.Wait()
		return errors.Join(errs...)
	case stonith.On:
		if len(guests) > 1 {
			return stonith.Errorf(stonith.Ambiguous, "not started, since the pool has more than one master: %s", names(guests))
		}
		return p.check(guests[0].switchOn(ctx, p.life, func() error {
			_, err := p.stateOf(ctx, guests)
			return err
		}))
	case stonith.Unknown:
	}
	return fmt.Errorf("no guest can be switched %s", want)
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
func (p *pool) guests(ctx context.Context, n stonith.Node, all bool) ([]*guest, error) {
	s, err := p.search(ctx)
	if err != nil {
		return nil, err
	}
	masters, err := s.first(ctx)
	if err == nil && all {
		masters, err = s.settle(ctx)
	}
	if err != nil {
		return nil, p.ends(s, err)
	}
	guests, err := p.find(ctx, n, masters)
	if stonith.ReasonOf(err) == stonith.NotFound && !all {
		return p.guests(ctx, n, true) // another master may know it
	}
	return guests, p.check(err)
}

// find returns the guest as each of masters knows it. A master of another pool
// need not know it.
func (p *pool) find(ctx context.Context, n stonith.Node, masters []*session) ([]*guest, error) {
	var guests []*guest
	var missing []error
	var lacking []*session
	for _, m := range masters {
		g, err := m.find(ctx, n, p.pins[n.Name])
		switch {
		case err == nil:
			guests = append(guests, g)
		case stonith.ReasonOf(err) == stonith.NotFound:
			missing = append(missing, err)
			lacking = append(lacking, m)
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
	for i, m := range lacking {
		if m.pool.UUID == first.session.pool.UUID {
			return nil, stonith.Errorf(stonith.Ambiguous, "%s, but the pool's other master does not know it: %w", first, missing[i])
		}
	}
	return guests, nil
}

// search returns the search that is under way or has found a master; it begins
// one if there is none.
func (p *pool) search(ctx context.Context) (*search, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("closed")
	}
	if p.current != nil {
		return p.current, nil
	}
	if p.life == nil {
		p.life, p.end = context.WithCancel(context.WithoutCancel(ctx))
	}
	if p.password == "" {
		password, err := p.source(ctx)
		if err != nil {
			return nil, err
		}
		p.password = password
	}
	p.current = startSearch(p.life, p.rules, p.password, p.members)
	return p.current, nil
}

// ends forgets a search that came to nothing, and returns err.
func (p *pool) ends(s *search, err error) error {
	s.mu.Lock()
	over := s.over() && len(s.masters) == 0
	s.mu.Unlock()
	if over {
		p.forget(s)
	}
	return err
}

// check returns err. If it says that a session is of no more use, the next
// request searches the master again.
func (p *pool) check(err error) error {
	if err == nil || !endsSession(err) {
		return err
	}
	p.mu.Lock()
	s := p.current
	p.mu.Unlock()
	if s != nil {
		p.learn(s, err)
		p.forget(s)
	}
	return err
}

// learn adds the members that the lost master knew, and the one that it named.
func (p *pool) learn(s *search, err error) {
	s.mu.Lock()
	masters := slices.Clone(s.masters)
	s.mu.Unlock()
	var more []address
	for _, m := range masters {
		more = append(more, m.addresses()...)
		if code(err) == "HOST_IS_SLAVE" {
			if named, err := parseAddress(slaveOf(err), m.at.port); err == nil {
				more = append(more, named)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range more {
		if !slices.Contains(p.members, a) && len(p.members) < maxMembers {
			p.members = append(p.members, a)
		}
	}
}

// forget ends a search and its sessions.
func (p *pool) forget(s *search) {
	p.mu.Lock()
	if p.current == s {
		p.current = nil
		p.past = append(p.past, s)
	}
	p.mu.Unlock()
	s.close()
}

// Close logs out of all sessions, also of those that are just coming to be, and
// ends what is under way. It takes no longer than a logout may.
func (p *pool) Close() error {
	p.mu.Lock()
	p.closed = true
	all := p.past
	if p.current != nil {
		all = append(all, p.current)
	}
	end := p.end
	p.mu.Unlock()
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
	p.rules.client.close()
	return nil
}
