package pool

import (
	"io"
	"log"
	"net"
)

// A Fault is a way in which a member fails towards its clients.
type Fault string

// The faults. The members reach each other all the same: see Cut and Die.
const (
	Healthy    Fault = ""
	Refuse     Fault = "refuse"      // nothing listens
	BlackHole  Fault = "black-hole"  // an attempt to connect gets no answer; connections that exist hang
	NoTLS      Fault = "no-tls"      // a connection is accepted, and no byte follows
	NoAnswer   Fault = "no-answer"   // a call is read, and no byte follows
	Slow       Fault = "slow"        // each answer comes Options.SlowTime later
	HalfAnswer Fault = "half-answer" // the connection ends in the middle of the answer
	HangUp     Fault = "hang-up"     // the connection ends instead of an answer
	HTML500    Fault = "html-500"    // HTTP status 500 and a page of HTML
	EmptyBody  Fault = "empty-body"  // HTTP status 200 and nothing
	NoStatus   Fault = "no-status"   // XML-RPC without Status and Value
	Redirect   Fault = "redirect"    // HTTP status 302 to itself, for ever
)

// Faults are all faults but Healthy.
func Faults() []Fault {
	return []Fault{Refuse, BlackHole, NoTLS, NoAnswer, Slow, HalfAnswer, HangUp, HTML500, EmptyBody, NoStatus, Redirect}
}

// silent takes what net/http says of connections that break: they are meant to.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// Fail lets every call and connection fail from now on. Connections that exist end
// with Refuse, and hang with BlackHole and NoTLS. No call is carried out, except
// with Slow and HalfAnswer.
func (m *Member) Fail(f Fault) error { return m.turn(f, func() {}) }

// turn changes the fault, and something else under the pool's lock.
func (m *Member) turn(f Fault, also func()) error {
	m.door.Lock()
	defer m.door.Unlock()
	m.pool.mu.Lock()
	before := m.fault
	m.fault = f
	also()
	m.pool.stir()
	m.pool.mu.Unlock()
	switch {
	case before == f:
		return nil
	case f == Refuse:
		m.shut()
		return nil
	case before == Refuse, before == BlackHole, before == NoTLS:
		m.shut()
		if f != BlackHole {
			return m.open()
		}
	}
	if f == BlackHole {
		return m.digHole()
	}
	return nil
}

// digHole closes what listens, but not its connections. The door is held.
func (m *Member) digHole() (err error) {
	if m.listener != nil {
		m.listener.Close()
	}
	m.hole, err = dig(net.ParseIP(m.address), m.pool.port)
	return err
}

// Mend ends the fault and forgets all rules: what is due at later calls.
func (m *Member) Mend() error {
	return m.turn(Healthy, func() { m.rules, m.cut = nil, false })
}

// Die ends the member's xapi: it refuses connections, nobody reaches it, and what it
// was doing is not done. Its guests go on.
func (m *Member) Die() error { return m.turn(Refuse, m.end) }

// PowerOff ends the host: nobody gets an answer from it, and its guests are dead.
// The database knows nothing of it.
func (m *Member) PowerOff() error {
	return m.turn(BlackHole, func() {
		m.end()
		for _, d := range m.pool.domains {
			delete(d.on, m)
		}
	})
}

// end is the end of the member's xapi. The pool's lock is held.
func (m *Member) end() {
	m.cut = true
	m.life++
	m.pool.sessionsGone(m)
}

// Cut takes the member from the network of the pool's members, but not from its
// clients: a call for a guest on it takes Options.ContactTime and ends with
// CANNOT_CONTACT_HOST.
func (m *Member) Cut() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.cut = true
	m.pool.stir()
}

// SetLive writes into the database whether the host is alive. A call for a guest on
// one that is not ends with HOST_OFFLINE at once.
func (m *Member) SetLive(live bool) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for _, db := range m.pool.databases() {
		if h := db.hostOf(m); h != nil {
			h.live = live
		}
	}
}
