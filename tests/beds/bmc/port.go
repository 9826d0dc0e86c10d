package bmc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
)

// A port is a UDP port that is the BMC's even while nobody listens there. Then a
// datagram is answered by ICMP: port unreachable.
type port struct {
	host     string
	number   int
	reserved *net.UDPConn // has the port, and gets nothing but from itself

	mu   sync.Mutex
	conn *net.UDPConn // nil if nobody listens
}

// reservePort takes a port; 0 is a free one.
func reservePort(host string, number int) (*port, error) {
	address, err := net.ResolveUDPAddr("udp", net.JoinHostPort(host, strconv.Itoa(number)))
	if err != nil {
		return nil, err
	}
	reserved, err := net.ListenUDP("udp", address)
	if err != nil {
		return nil, err
	}
	p := &port{host: host, number: reserved.LocalAddr().(*net.UDPAddr).Port, reserved: reserved}
	if err := p.share(); err != nil {
		p.release()
		return nil, fmt.Errorf("bmc: %s port %d: %w", host, p.number, err)
	}
	return p, nil
}

// share lets a second socket listen, and get all that comes from others.
func (p *port) share() error {
	raw, err := p.reserved.SyscallConn()
	if err != nil {
		return err
	}
	var to syscall.Sockaddr
	if ip := netip.MustParseAddr(p.host); ip.Is4() {
		to = &syscall.SockaddrInet4{Port: p.number, Addr: ip.As4()}
	} else {
		to = &syscall.SockaddrInet6{Port: p.number, Addr: ip.As16()}
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = errors.Join(reuse(fd), syscall.Connect(int(fd), to))
	})
	return errors.Join(err, failed)
}

func reuse(fd uintptr) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
}

// open listens. It returns nil if that is so already.
func (p *port) open() (*net.UDPConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		return nil, nil
	}
	var failed error
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return errors.Join(raw.Control(func(fd uintptr) { failed = reuse(fd) }), failed)
	}}
	conn, err := config.ListenPacket(context.Background(), "udp", net.JoinHostPort(p.host, strconv.Itoa(p.number)))
	if err != nil {
		return nil, err
	}
	p.conn = conn.(*net.UDPConn)
	return p.conn, nil
}

// shut listens no more.
func (p *port) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close() // it cannot be used any more in either case
		p.conn = nil
	}
}

func (p *port) release() { p.reserved.Close() }

// send sends datagrams, if the port is open.
func (p *port) send(to netip.AddrPort, datagrams [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, datagram := range datagrams {
		if p.conn != nil {
			_, _ = p.conn.WriteToUDPAddrPort(datagram, to) // the network promises nothing either
		}
	}
}
