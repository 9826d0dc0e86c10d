package bmc

import (
	"crypto/cipher"
	"net/netip"
	"time"
)

// A session is one client's, from the beginning of its login.
type session struct {
	Session
	number  int // its place in the log
	id      uint32
	console uint32 // the client's name for it, in lanplus
	from    netip.AddrPort
	user    User
	heard   time.Time
	window  window
	sent    uint32
	dead    bool // it gets no answer any more

	answered []byte   // the datagram sent last
	login    progress // lanplus
	asked    []byte   // the step of the login that came last, with its answer
	reply    []byte

	challenge []byte // lan

	suite suite // lanplus, from Open Session on
	limit Privilege
	data  loginData
	key1  []byte
	block cipher.Block
}

// progress is how far a login over lanplus has come.
type progress int

const (
	opened progress = iota
	keysExchanged
	proven
)

func (s *session) alive() bool { return s.State == Opening || s.State == Open }

func (s *session) end(as State) {
	if s.alive() {
		s.State = as
	}
}

// begin makes a session.
func (b *BMC) begin(from netip.AddrPort) *session {
	s := &session{number: len(b.sessions), id: randomID(), from: from, heard: time.Now()}
	for b.find(s.id) != nil {
		s.id = randomID()
	}
	s.State, s.Began = Opening, s.heard
	b.sessions = append(b.sessions, s)
	return s
}

// find returns the session that the BMC calls so, or nil.
func (b *BMC) find(id uint32) *session {
	for _, s := range b.sessions {
		if s.id == id && s.alive() {
			return s
		}
	}
	return nil
}

// full tells whether there is no room for one more session.
func (b *BMC) full(r *request) bool {
	n := 0
	for _, s := range b.sessions {
		if s.alive() {
			n++
		}
	}
	return n >= b.options.Sessions || r.faults[Full]
}

// SetSessions changes how many sessions may be open.
func (b *BMC) SetSessions(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.options.Sessions = n
}

// expire forgets the sessions that nobody uses.
func (b *BMC) expire() {
	for _, s := range b.sessions {
		if time.Since(s.heard) > b.options.Idle {
			s.end(Expired)
		}
	}
}

func (b *BMC) user(name string) (User, bool) {
	for _, u := range b.options.Users {
		if u.Name == name {
			if u.Limit == 0 {
				u.Limit = Administrator
			}
			return u, true
		}
	}
	return User{}, false
}

// A window says which numbers of packets are still good: each one once, and none
// that is far from the newest.
type window struct {
	last uint32
	seen uint32 // bit n: last-n has come
}

const windowSize = 16

func newWindow(last uint32) window { return window{last: last, seen: 1} }

func (w *window) accept(n uint32) bool {
	ahead := int32(n - w.last)
	switch {
	case n == 0 || ahead >= windowSize || ahead <= -windowSize:
		return false
	case ahead > 0:
		w.seen = w.seen<<ahead | 1
		w.last = n
		return true
	}
	bit := uint32(1) << -ahead
	if w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	return true
}
