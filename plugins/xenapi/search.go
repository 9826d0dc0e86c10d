package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

const (
	// maxMembers is how many addresses one search asks at most. A pool has 64 members at most.
	maxMembers = 128
	// Another master, if there is one, connects within mayConnect and lets us in
	// within mayLogin of the beginning of a search.
	mayConnect = 300 * time.Millisecond
	mayLogin   = 1500 * time.Millisecond
)

// A search asks all members at once to let us in. Only a login that succeeds
// finds a master: a slave answers without looking at the password, and may name
// a master that has long been dead.
type search struct {
	rules rulesOfEntry
	life  context.Context // of logins and logouts, longer than that of a verb

	mu       sync.Mutex
	attempts []*attempt
	listed   []address // whom it began with
	masters  []*session
	closed   bool
	changed  chan struct{} // closed and made anew at every change
	work     sync.WaitGroup
}

// An attempt is one member that was asked.
type attempt struct {
	at      address
	started time.Time
	cancel  context.CancelFunc

	// Under the search's lock:
	remote string // the address that the connection was made to
	sent   bool   // the login is sent
	done   bool
	slave  bool
	master address // that the slave names
	pool   string  // UUID of the pool that it is the master of
	err    error
}

// startSearch begins to ask. password is that of one who may log in.
func startSearch(life context.Context, rules rulesOfEntry, password string, members []address) *search {
	s := &search{rules: rules, life: life, listed: slices.Clone(members), changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range members {
		s.join(m, password)
	}
	return s
}

// join asks one more member, unless it was asked already. The lock is held.
func (s *search) join(at address, password string) {
	known := slices.ContainsFunc(s.attempts, func(a *attempt) bool { return a.at == at })
	if known || s.closed || len(s.attempts) >= maxMembers {
		return
	}
	ctx, cancel := context.WithTimeout(s.life, s.rules.limit)
	a := &attempt{at: at, started: time.Now(), cancel: cancel}
	s.attempts = append(s.attempts, a)
	s.work.Go(func() {
		defer cancel()
		s.try(ctx, a, password)
	})
}

// try logs in at one member.
func (s *search) try(ctx context.Context, a *attempt, password string) {
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone: func(_, remote string, err error) {
			if err == nil {
				s.note(func() { a.remote = remote })
			}
		},
	})
	ref, err := s.rules.login(beforeSending(traced, func() error { return s.send(a) }), a.at, password)
	var found *session
	if err == nil {
		found, err = s.rules.identify(ctx, a.at, ref)
	}
	if !s.enter(a, found, err, password) && found != nil {
		found.logout(s.life)
	}
}

// send notes that the login is sent now, or forbids it after the end of the search: nobody
// would end the session.
func (s *search) send(a *attempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the search is over")
	}
	a.sent = true
	s.stir()
	return nil
}

// enter notes the end of an attempt. It reports whether the session is kept.
func (s *search) enter(a *attempt, found *session, err error, password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.stir()
	a.done, a.err = true, err
	if found != nil {
		a.pool = found.pool.UUID
	}
	if code(err) == "HOST_IS_SLAVE" {
		s.follow(a, err, password)
	}
	if err != nil || s.closed || slices.ContainsFunc(s.masters, found.isSame) {
		return false
	}
	found.found = s
	s.masters = append(s.masters, found)
	return true
}

// follow asks the master that a slave has named. It may be on a port like the slave's.
func (s *search) follow(a *attempt, err error, password string) {
	named := argument(err, 0)
	master, parseErr := parseAddress(named, a.at.Port)
	if parseErr != nil {
		a.err = stonith.Errorf(stonith.UnknownState, "it is a slave, and names %q as its master", named)
		return
	}
	a.slave, a.master, a.err = true, master, stonith.Errorf(stonith.Unreachable, "it is a slave of %s", master)
	s.join(master, password)
}

func (s *search) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.stir()
}

// stir wakes those who wait. The lock is held.
func (s *search) stir() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// first waits for a master, for as long as there can be one.
func (s *search) first(ctx context.Context) ([]*session, error) {
	for {
		s.mu.Lock()
		masters, changed, over := slices.Clone(s.masters), s.changed, s.over()
		s.mu.Unlock()
		switch {
		case len(masters) > 0:
			return masters, nil
		case over:
			return nil, s.failure()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errors.Join(s.failure(), stonith.Errorf(stonith.TimedOut, "no master found yet: %w", ctx.Err()))
		}
	}
}

// over reports whether every member has answered or failed. The lock is held.
func (s *search) over() bool {
	return !slices.ContainsFunc(s.attempts, func(a *attempt) bool { return !a.done })
}

// settle waits until no further master is to be expected, and returns all that there are.
// strangers says that only those matter which no master's database has: of other pools.
func (s *search) settle(ctx context.Context, strangers bool) ([]*session, error) {
	for {
		s.mu.Lock()
		masters, changed, due := slices.Clone(s.masters), s.changed, s.expected(strangers)
		s.mu.Unlock()
		wait := time.Until(due)
		if wait <= 0 {
			return masters, nil
		}
		select {
		case <-changed:
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, stonith.Errorf(stonith.TimedOut, "other members have not answered: %w", ctx.Err())
		}
	}
}

// finish waits until every member has answered or failed, and returns all masters.
func (s *search) finish(ctx context.Context) ([]*session, error) {
	for {
		s.mu.Lock()
		masters, changed, over := slices.Clone(s.masters), s.changed, s.over()
		s.mu.Unlock()
		if over {
			return masters, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, stonith.Errorf(stonith.TimedOut, "other members have not answered: %w", ctx.Err())
		}
	}
}

// expected returns until when another master may show up. The lock is held.
func (s *search) expected(strangers bool) time.Time {
	var last time.Time
	for _, a := range s.attempts {
		due := a.started.Add(mayConnect)
		if a.remote != "" {
			due = a.started.Add(mayLogin)
		}
		if matters := !strangers || !s.knows(a); !a.done && due.After(last) && matters {
			last = due
		}
	}
	return last
}

// knows reports whether a master's database has the member. The lock is held.
func (s *search) knows(a *attempt) bool {
	remote, _, _ := net.SplitHostPort(a.remote)
	for _, master := range s.masters {
		for _, h := range master.hosts {
			if h.Address != "" && (h.Address == a.at.Host || h.Address == remote) {
				return true
			}
		}
	}
	return false
}

// failure tells of every member why it is not the master. A certificate that is
// not trusted is final only if that is so with all of them: another member may
// become the master. A wrong password is said once for each master.
func (s *search) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	refused := map[string]bool{}
	for _, a := range s.attempts {
		err := a.outcome()
		if code(err) == "SESSION_AUTHENTICATION_FAILED" {
			if a.remote != "" && refused[a.remote] {
				continue
			}
			refused[a.remote] = true
		}
		if a.slave && s.isDead(a.master) {
			err = stonith.Errorf(stonith.Unreachable, "%w", err).WithHint("if %s is dead: without high availability no member takes over by itself; "+
				"xe pool-emergency-transition-to-master on one that lives, then xe pool-recover-slaves there", a.master)
		}
		errs = append(errs, fmt.Errorf("member %s: %w", a.at, s.demote(err)))
	}
	return errors.Join(errs...)
}

// isDead reports whether a member does not answer, as one that is dead. The lock is held.
func (s *search) isDead(at address) bool {
	return slices.ContainsFunc(s.attempts, func(a *attempt) bool {
		return a.at == at && (!a.done || a.err != nil && code(a.err) == "" && !a.slave && !isCertificate(a.err))
	})
}

// outcome returns what became of the attempt, or what it is waiting for.
func (a *attempt) outcome() error {
	switch {
	case a.done && code(a.err) == "UUID_INVALID", a.done && code(a.err) == "HANDLE_INVALID": // of a master that is still starting
		return stonith.Errorf(stonith.Unreachable, "%w", a.err)
	case a.done && a.err == nil:
		return stonith.Errorf(stonith.Unreachable, "it was the master, and was lost")
	case a.done:
		return a.err
	case a.sent:
		return stonith.Errorf(stonith.TimedOut, "no answer to the login for %s", time.Since(a.started).Round(time.Millisecond))
	case a.remote != "":
		return stonith.Errorf(stonith.TimedOut, "connected, but no TLS session for %s", time.Since(a.started).Round(time.Millisecond))
	default:
		return stonith.Errorf(stonith.Unreachable, "no connection for %s", time.Since(a.started).Round(time.Millisecond))
	}
}

// demote takes what is final from a certificate's error, if other members are not all so. The lock is held.
func (s *search) demote(err error) error {
	if !isCertificate(err) {
		return err
	}
	for _, a := range s.attempts {
		if !a.done || !isCertificate(a.err) {
			return stonith.Errorf(stonith.Unreachable, "%w", err)
		}
	}
	return err
}

// strays returns an error if a slave names a master that is none of those that
// let us in. Nobody knows then what it runs: this pool's database may be older than
// that. It may as well have got another master since it answered, so it is asked
// again, by a new search.
func (s *search) strays(master *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, ownErr := parseAddress(master.hosts[master.master].Address, httpsPort)
	for _, a := range s.attempts {
		letIn := slices.ContainsFunc(s.attempts, func(other *attempt) bool { return other.at == a.master && other.done && other.err == nil })
		if a.slave && !letIn && (ownErr != nil || own.Host != a.master.Host) {
			return broken{stonith.Errorf(stonith.UnknownState, "member %s is a slave of %s and not of this master, which may not know what it runs", a.at, a.master).
				WithHint("xe pool-recover-slaves on the master takes it back; if it has left the pool, take it out of the parameter pool")}
		}
	}
	return nil
}

// others returns the addresses that the search began with, but for that of master, and
// of masters of other pools.
func (s *search) others(master *session) []address {
	s.mu.Lock()
	defer s.mu.Unlock()
	isOther := func(at address) bool {
		return slices.ContainsFunc(s.attempts, func(a *attempt) bool { return a.at == at && a.done && a.pool != "" && a.pool != master.pool.UUID })
	}
	return slices.DeleteFunc(slices.Clone(s.listed), func(at address) bool { return at == master.at || isOther(at) })
}

// warnings tells of the members that are known to be of no use.
func (s *search) warnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, a := range s.attempts {
		if a.done && a.err != nil && !a.slave {
			lines = append(lines, fmt.Sprintf("member %s: %v", a.at, a.err))
		}
	}
	return lines
}

// close ends the search. Members that were asked to let us in may still do so for
// a short time, and are told at once to forget it. Whoever waits for the work of a
// search that is closed waits for all logouts: they begin under the lock.
func (s *search) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, a := range s.attempts {
		if !a.sent || time.Since(a.started) > mayLogin {
			a.cancel()
		}
	}
	for _, m := range s.masters {
		s.work.Go(func() { m.logout(s.life) })
	}
	s.masters = nil
}
