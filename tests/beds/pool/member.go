package pool

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Member is one host of a Pool.
type Member struct {
	pool     *Pool
	index    int
	address  string
	reserved int // the socket that keeps the port

	door     sync.Mutex // what listens; taken before the pool's lock
	listener net.Listener
	server   *http.Server
	hole     *blackHole

	// All that follows is under the pool's lock.
	uuid, ref, metrics string
	db                 *database
	role               role
	certificate        *tls.Certificate
	fault              Fault
	rules              []*rule
	cut                bool          // the other members cannot reach it
	noStorage          bool          // it does not see the storage of the guests' disks
	life               int           // how often it died
	fast               time.Duration // by how much its clock is
	mute               []net.Conn
}

// A role is what a member is in its pool.
type role struct {
	kind      roleKind
	master    string   // whom a slave names
	emergency apiError // what is answered to everything
}

type roleKind int

const (
	master roleKind = iota
	slave
	emergency
)

// Index is the member's number, from 0.
func (m *Member) Index() int { return m.index }

// Name is the member's host name.
func (m *Member) Name() string { return fmt.Sprintf("xen%d", m.index+1) }

// IP is the member's address without the port.
func (m *Member) IP() string { return m.address }

// Address is the member's address and port.
func (m *Member) Address() string { return fmt.Sprintf("%s:%d", m.address, m.pool.port) }

// URL is where the member is called.
func (m *Member) URL() string {
	if m.pool.options.Plain {
		return "http://" + m.Address()
	}
	return "https://" + m.Address()
}

// UUID is the host's.
func (m *Member) UUID() string { return m.uuid }

// IsMaster tells whether the member takes itself for the master.
func (m *Member) IsMaster() bool {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	return m.role.kind == master
}

// open lets the member listen. The door is held, or nobody else has the member yet.
func (m *Member) open() error {
	var listener net.Listener
	err := onceFree(func() (err error) {
		listener, err = net.Listen("tcp4", m.Address())
		return err
	})
	if err != nil {
		return err
	}
	listener = &muting{listener, m}
	if !m.pool.options.Plain {
		listener = tls.NewListener(listener, m.tlsConfig())
	}
	m.listener = listener
	m.server = &http.Server{Handler: m, ErrorLog: silent(), ReadHeaderTimeout: time.Minute}
	go m.server.Serve(listener) //nolint:errcheck // it ends by Close
	return nil
}

// shut ends what listens, and all connections. The door is held.
func (m *Member) shut() {
	if m.server != nil {
		m.listener.Close() // the server may not have it yet
		m.server.Close()
		m.server, m.listener = nil, nil
	}
	if m.hole != nil {
		m.hole.close()
		m.hole = nil
	}
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for _, conn := range m.mute {
		conn.Close()
	}
	m.mute = nil
}

// muting is a listener which keeps the connections that are to get no answer.
type muting struct {
	net.Listener
	member *Member
}

func (l *muting) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.member.keep(conn) {
			return conn, err
		}
	}
}

func (m *Member) keep(conn net.Conn) bool {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if m.fault != NoTLS {
		return false
	}
	m.mute = append(m.mute, conn)
	return true
}
