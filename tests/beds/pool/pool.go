// Package pool is a XenAPI pool on the loopback: members with roles, that speak as
// xapi does and fail on demand, and guests whose real power is kept apart from what
// the members say of it.
package pool

import (
	"cmp"
	"fmt"
	"net"
	"sync"
	"time"
)

// Options say what a Pool is like. The zero value is a pool of three members with
// the guests node1 to node3, in which nothing takes time.
type Options struct {
	Members  int     // 3; the first one is the master
	Port     int     // of all members; 0 is a free one
	Network  string  // the first three numbers of the addresses; 127.0.0
	Guests   []Guest // nil is node1, node2, ..., one for each member, running there
	Plain    bool    // http instead of https
	User     string  // root
	Password string  // s3cr3t
	Role     string  // of the user, one of the Role constants; RoleAdmin
	HA       bool    // the pool says that high availability is on; nothing else changes

	WrongPassword time.Duration // how long a wrong password is thought about; 2 s in xapi
	Directory     time.Duration // how long the directory is asked for one of RoleStranger and RoleNone; 5 s
	ShutdownTime  time.Duration // from hard_shutdown to the end of the domain
	StartTime     time.Duration // from start to the domain
	ContactTime   time.Duration // how long a host that cannot be reached is tried; 110 s in xapi
	BusyTime      time.Duration // how long another operation is waited for; 2 h in xapi
	SlowTime      time.Duration // what Slow adds to an answer; 1 s
}

// A Guest says what a virtual machine is like at first.
type Guest struct {
	Name     string
	UUID     string // a new one if empty
	Member   int    // where it runs, or ran last
	Power    string // Running if empty, or Halted, Paused, Suspended
	Template bool
	Snapshot bool // of the guest of that name, if there is one
}

// A Pool is the members, their guests, and what is true of them.
type Pool struct {
	options Options
	ca      *authority
	port    int
	members []*Member
	closed  chan struct{}
	work    sync.WaitGroup

	mu         sync.Mutex
	db         *database // of the members that are one pool
	domains    []*domain
	sessions   []*session
	calls      []Call
	stuckTasks bool
	changed    chan struct{} // closed and made anew when a wait may be over
}

// New starts a Pool.
func New(options Options) (*Pool, error) {
	p := &Pool{options: withDefaults(options), closed: make(chan struct{}), changed: make(chan struct{})}
	var err error
	if p.ca, err = newAuthority("Pool CA"); err != nil {
		return nil, err
	}
	if err := p.reserve(); err != nil {
		return nil, err
	}
	p.fill()
	for _, m := range p.members {
		m.certificate, err = m.issue(CertGood)
		if err == nil {
			err = m.open()
		}
		if err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

func withDefaults(o Options) Options {
	o.Members = cmp.Or(o.Members, 3)
	o.Network = cmp.Or(o.Network, "127.0.0")
	o.User = cmp.Or(o.User, "root")
	o.Password = cmp.Or(o.Password, "s3cr3t")
	o.Role = cmp.Or(o.Role, RoleAdmin)
	o.SlowTime = cmp.Or(o.SlowTime, time.Second)
	if o.Guests == nil {
		for i := range o.Members {
			o.Guests = append(o.Guests, Guest{Name: fmt.Sprintf("node%d", i+1), Member: i})
		}
	}
	return o
}

// firstAddress is the last number of the first member's address.
const firstAddress = 11

// reserve takes one port on the address of every member: HOST_IS_SLAVE names no port.
func (p *Pool) reserve() error {
	var err error
	for range 100 {
		if err = p.tryReserve(); err == nil || p.options.Port != 0 {
			break
		}
	}
	return err
}

func (p *Pool) tryReserve() error {
	p.port = p.options.Port
	for i := range p.options.Members {
		m := &Member{pool: p, index: i, address: fmt.Sprintf("%s.%d", p.options.Network, firstAddress+i)}
		var err error
		if m.reserved, p.port, err = reservePort(net.ParseIP(m.address), p.port); err != nil {
			p.release()
			return fmt.Errorf("pool: %s port %d: %w", m.address, p.port, err)
		}
		p.members = append(p.members, m)
	}
	return nil
}

func (p *Pool) release() {
	for _, m := range p.members {
		closeSocket(m.reserved)
	}
	p.members = nil
}

// fill makes the database and the domains of the beginning.
func (p *Pool) fill() {
	p.db = newDatabase()
	p.db.ha = p.options.HA
	for _, m := range p.members {
		m.uuid = newUUID()
		m.ref = newRef()
		m.metrics = newRef()
		m.db = p.db
		m.role = role{kind: slave, master: p.members[0].address}
		p.db.hosts = append(p.db.hosts, &host{member: m, live: true, started: time.Now().Add(-time.Hour)})
	}
	p.members[0].role = role{kind: master}
	p.db.master = p.members[0]
	for _, m := range p.members {
		p.add(m.controlDomain())
	}
	p.add(vm{name: "Other install media", template: true, defaultTemplate: true, power: Halted})
	for _, g := range p.options.Guests {
		p.addGuest(g)
	}
}

// Close ends the members and waits for what they do.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.isClosed() {
		p.mu.Unlock()
		return
	}
	close(p.closed)
	p.mu.Unlock()
	for _, m := range p.members {
		m.door.Lock()
		m.shut()
		m.door.Unlock()
	}
	p.work.Wait()
	p.release()
}

// Member is a member; 0 is the first one, which is the master at first.
func (p *Pool) Member(i int) *Member { return p.members[i] }

// Members are all members.
func (p *Pool) Members() []*Member { return append([]*Member(nil), p.members...) }

// Port is the one port of all members.
func (p *Pool) Port() int { return p.port }

// CA is the certificate of the authority which the members' certificates are from, as PEM.
func (p *Pool) CA() []byte { return p.ca.pem }

// Password is the one that is right.
func (p *Pool) Password() string { return p.options.Password }

// User is the one who may log in.
func (p *Pool) User() string { return p.options.User }

// UUID is the pool's.
func (p *Pool) UUID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.db.uuid
}

func (p *Pool) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// stir lets everything that waits look again. The lock is held.
func (p *Pool) stir() {
	close(p.changed)
	p.changed = make(chan struct{})
}
