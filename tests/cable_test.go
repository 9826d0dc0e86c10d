package tests

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// A cable carries connections to a Dom0 from another address, and can fail.
type cable struct {
	address string
	dom0    *dom0

	mu  sync.Mutex
	all []*connection
}

// A connection is one on a cable.
type connection struct {
	near, far net.Conn
	dead      atomic.Bool
}

// newCable makes the Dom0 known by the address, and carries what comes there.
func newCable(d *dom0, address string) (*cable, error) {
	public, err := os.ReadFile(d.dir("etc/host_key.pub"))
	if err != nil {
		return nil, err
	}
	if err := appendFile(filepath.Join(labDir, "home/.ssh/known_hosts"), address+" "+string(public)); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address+":22")
	if err != nil {
		return nil, err
	}
	c := &cable{address: address, dom0: d}
	go c.serve(listener)
	return c, nil
}

func (c *cable) serve(listener net.Listener) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.dom0.address+":22")
		if err != nil {
			_ = near.Close() // as good as refused
			continue
		}
		l := &connection{near: near, far: far}
		c.mu.Lock()
		c.all = append(c.all, l)
		c.mu.Unlock()
		go l.carry(near, far)
		go l.carry(far, near)
	}
}

// carry carries one direction until its end. On a dead one nothing arrives, not
// even that the Dom0 has ended the connection.
func (l *connection) carry(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil && l.dead.Load() && from == l.far {
			return
		}
		if !l.dead.Load() && n > 0 {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_, _ = l.near.Close(), l.far.Close() // one of both has ended
			return
		}
	}
}

// renew forgets the connections so far.
func (c *cable) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = nil
}

// used reports whether there is a connection.
func (c *cable) used() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all) > 0
}

// each does something to all connections, of which there must be one.
func (c *cable) each(act func(*connection) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := error(nil)
	if len(c.all) == 0 {
		err = errors.New("the cable has no connection")
	}
	for _, l := range c.all {
		err = errors.Join(err, act(l))
	}
	return err
}

// cut resets all connections, at both ends.
func (c *cable) cut() error {
	return c.each(func(l *connection) error {
		for _, end := range []net.Conn{l.near, l.far} {
			if err := end.(*net.TCPConn).SetLinger(0); err != nil && !errors.Is(err, net.ErrClosed) {
				return err
			}
		}
		_, _ = l.near.Close(), l.far.Close() // the end of one is that of the other
		return nil
	})
}

// die loses whatever is sent on the connections from now on.
func (c *cable) die() error {
	return c.each(func(l *connection) error {
		l.dead.Store(true)
		return nil
	})
}
