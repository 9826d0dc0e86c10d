package pool

import (
	"slices"
	"time"
)

// A Call is one that a client made.
type Call struct {
	Member int
	Method string
	Params []string // but sessions and passwords
	At     time.Time
	Ended  bool     // it was carried out, or refused; its answer may be lost
	Error  []string // the error that was answered, with its arguments
}

// A Session is one that a client has or had.
type Session struct {
	Member     int
	User       string
	Originator string
	Local      bool // of slave_local_login_with_password
	Open       bool
	Lost       bool // not closed by its client
}

// Calls are all calls so far.
func (p *Pool) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Count is the number of calls of the method.
func (p *Pool) Count(method string) int {
	n := 0
	for _, c := range p.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

// Sessions are all sessions so far.
func (p *Pool) Sessions() []Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Session
	for _, s := range p.sessions {
		all = append(all, s.Session)
	}
	return all
}

// OpenSessions is the number of sessions that nobody has closed yet.
func (p *Pool) OpenSessions() int {
	n := 0
	for _, s := range p.Sessions() {
		if s.Open {
			n++
		}
	}
	return n
}
