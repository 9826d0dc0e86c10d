package pool

import (
	"slices"
	"time"
)

// SlaveOf makes the member a slave that names this master, which may be dead, a host
// name or an IPv6 literal. If it is a master that lives, the member works with its
// database from now on.
func (m *Member) SlaveOf(address string) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for _, other := range m.pool.members {
		if other.address == address && other.role.kind == master {
			m.db = other.db
		}
	}
	m.become(role{kind: slave, master: address})
}

// Emergency lets the member answer every call with an error, as a slave does that
// was started without its master: HOST_STILL_BOOTING, HOST_HAS_NO_MANAGEMENT_IP,
// HOST_UNKNOWN_TO_MASTER, HA_HOST_CANNOT_ACCESS_STATEFILE and others.
func (m *Member) Emergency(code string, args ...string) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.become(role{kind: emergency, emergency: append(apiError{code}, args...)})
}

// Boot lets the member answer HOST_STILL_BOOTING.
func (m *Member) Boot() { m.Emergency("HOST_STILL_BOOTING") }

// become changes the role. Sessions do not survive it. The lock is held.
func (m *Member) become(r role) {
	m.role = r
	m.pool.sessionsGone(m)
	m.pool.stir()
}

// Promote makes the member the only master, with the database as it is. The others
// that were in the pool with the old master become its slaves, for which their agents
// are started anew.
func (m *Member) Promote() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.promote()
}

func (m *Member) promote() {
	m.db.master = m
	m.db.tasks = nil // they are not kept
	for _, h := range m.db.hosts {
		h.live = true // a new master takes all hosts for live, dead ones too
		switch {
		case h.member == m:
			h.started = time.Now()
			m.become(role{kind: master})
		case h.member.db == m.db:
			h.started = time.Now()
			h.member.become(role{kind: slave, master: m.address})
		}
	}
}

// Elect leaves the pool without a master for that time, and then with this one. In
// between the other members answer HOST_STILL_BOOTING.
func (m *Member) Elect(after time.Duration) {
	m.pool.mu.Lock()
	for _, h := range m.db.hosts {
		h.member.become(role{kind: emergency, emergency: apiError{"HOST_STILL_BOOTING"}})
	}
	m.pool.mu.Unlock()
	if !m.pool.begin() {
		return
	}
	go func() {
		defer m.pool.work.Done()
		select {
		case <-time.After(after):
			m.Promote()
		case <-m.pool.closed:
		}
	}()
}

// Split makes the member a second master, with a copy of the database that gets
// nothing new from then on. The slaves stay with the old master.
func (m *Member) Split() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.db = m.db.copyFor(m)
	m.db.hostOf(m).started = time.Now()
	m.become(role{kind: master})
}

// Eject makes the member a pool of its own, with the same password, another UUID and
// no guests.
func (m *Member) Eject() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	old := m.db
	for i, h := range old.hosts {
		if h.member == m {
			old.hosts = append(old.hosts[:i], old.hosts[i+1:]...)
			break
		}
	}
	m.db = newDatabase()
	m.db.master = m
	m.db.hosts = []*host{{member: m, live: true, started: time.Now()}}
	v := m.controlDomain()
	m.db.vms = []*vm{&v}
	m.become(role{kind: master})
}

// Restart starts the member's toolstack anew. It tells the master what it runs: guests
// that its xenopsd has forgotten are Halted if they have no domain there.
func (m *Member) Restart() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.db.hostOf(m).started = time.Now()
	m.pool.sessionsGone(m)
	for _, v := range m.db.vms {
		d := m.pool.domain(v.uuid)
		switch {
		case v.control:
		case d.on[m] != 0 && !d.forgotten:
			v.power, v.resident = Running, m
		case v.resident == m:
			v.halted()
		}
	}
	m.pool.stir()
}

// Forget takes the member out of the other members' database, whose guests are Halted
// there, as host-forget does. What it runs goes on.
func (m *Member) Forget() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.db.haltGuests(m)
	m.db.hosts = slices.DeleteFunc(m.db.hosts, func(h *host) bool { return h.member == m })
}

// SetHA writes into the database whether high availability is on.
func (p *Pool) SetHA(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.db.ha = on
}

// SetStarted writes into the database when the member's agent was started: one hour
// ago at first, now after Promote, Split and Eject.
func (m *Member) SetStarted(when time.Time) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.db.hostOf(m).started = when
}

// TellStarted writes a text into the database instead of that time.
func (m *Member) TellStarted(text string) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.db.hostOf(m).told = text
}

// SetClock lets the member's clock be fast by that time.
func (m *Member) SetClock(fast time.Duration) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.fast = fast
}

// leader is the member that a slave names and that is a master it can reach. The lock is held.
func (m *Member) leader() *Member {
	if m.cut {
		return nil
	}
	for _, other := range m.pool.members {
		if other.address == m.role.master && other.role.kind == master && !other.cut {
			return other
		}
	}
	return nil
}

func (m *Member) masterThumbprint() (string, bool) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for _, other := range m.pool.members {
		if other.address == m.role.master {
			return other.thumbprint(), true
		}
	}
	return "", false
}
