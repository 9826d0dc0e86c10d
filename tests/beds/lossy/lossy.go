// Package lossy is a UDP proxy on the loopback that loses, changes, doubles and forges
// datagrams.
package lossy

import (
	"errors"
	"math/rand"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Options say what is lost and changed. The zero value passes all on as it is.
type Options struct {
	Requests []int // these, of all clients together, counted from 1
	Replies  []int // these, to all clients together, counted from 1
	Percent  int   // of all datagrams, either way
	Changed  int   // percent of the replies: a byte of them is another one
	Seed     int64 // which ones they are

	RequestCopies int           // how many more of each request arrive
	ReplyCopies   int           // how many more of each reply arrive
	CopyOnly      []int         // the requests and replies that have copies, counted from 1; nil is all
	CopyDelay     time.Duration // between two copies

	// Forge, if it is set, is someone between the two, see Spoofer.
	Forge Forger
}

// A Forger is someone on the way, who knows no secret.
type Forger interface {
	// Request returns what is answered to a request, which then does not arrive; nil lets it pass.
	Request(datagram []byte) (answer []byte)
	// Reply returns what arrives in the place of a reply.
	Reply(datagram []byte) []byte
}

// A Proxy is between clients and a server.
type Proxy struct {
	options Options
	server  string
	conn    *net.UDPConn
	work    sync.WaitGroup

	mu      sync.Mutex
	random  *rand.Rand
	clients map[netip.AddrPort]*net.UDPConn // to the server, by where datagrams come from

	requests, replies, lost, changed int
}

// Start starts a Proxy on a free port of the host, for a server at host:port.
func Start(host, server string, options Options) (*Proxy, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		options: options, server: server, conn: conn,
		random: rand.New(rand.NewSource(options.Seed)), clients: map[netip.AddrPort]*net.UDPConn{},
	}
	p.work.Go(p.forward)
	return p, nil
}

// Port is where the Proxy listens.
func (p *Proxy) Port() int { return p.conn.LocalAddr().(*net.UDPAddr).Port }

// Lost is how many datagrams were lost so far.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Changed is how many replies were changed so far.
func (p *Proxy) Changed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Close ends the Proxy.
func (p *Proxy) Close() {
	_ = p.conn.Close() // it cannot be used any more in either case
	p.work.Wait()
}

// forward takes requests to the server, and ends with the Proxy.
func (p *Proxy) forward() {
	defer p.hangUp()
	buffer := make([]byte, 2048)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		datagram := slices.Clone(buffer[:n])
		if p.options.Forge != nil {
			if answer := p.options.Forge.Request(datagram); answer != nil {
				_, _ = p.conn.WriteToUDPAddrPort(answer, from)
				continue
			}
		}
		to, err := p.client(from)
		if lost, number := p.loses(&p.requests, p.options.Requests); err == nil && !lost {
			p.deliver(number, p.options.RequestCopies, func() { _, _ = to.Write(datagram) }) // a server that is gone answers nothing
		}
	}
}

// client is the connection of the client at that address, who may be new.
func (p *Proxy) client(from netip.AddrPort) (*net.UDPConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to, known := p.clients[from]; known {
		return to, nil
	}
	conn, err := net.Dial("udp", p.server)
	if err != nil {
		return nil, err
	}
	to := conn.(*net.UDPConn)
	p.clients[from] = to
	p.work.Go(func() { p.back(to, from) })
	return to, nil
}

// back takes replies to the client.
func (p *Proxy) back(to *net.UDPConn, from netip.AddrPort) {
	buffer := make([]byte, 2048)
	for {
		n, _, err := to.ReadFromUDPAddrPort(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue
		}
		reply := p.change(slices.Clone(buffer[:n]))
		if p.options.Forge != nil {
			reply = p.options.Forge.Reply(reply)
		}
		if lost, number := p.loses(&p.replies, p.options.Replies); !lost {
			p.deliver(number, p.options.ReplyCopies, func() { _, _ = p.conn.WriteToUDPAddrPort(reply, from) })
		}
	}
}

// hangUp ends what takes replies back.
func (p *Proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, to := range p.clients {
		_ = to.Close()
	}
}

// deliver lets a datagram arrive, and copies of it. A delay holds up nothing else.
func (p *Proxy) deliver(number, copies int, arrive func()) {
	arrive()
	if p.options.CopyOnly != nil && !slices.Contains(p.options.CopyOnly, number) {
		return
	}
	for n := 1; n <= copies; n++ {
		if p.options.CopyDelay == 0 {
			arrive()
			continue
		}
		time.AfterFunc(time.Duration(n)*p.options.CopyDelay, arrive)
	}
}

// loses counts a datagram, and tells whether it gets lost.
func (p *Proxy) loses(count *int, these []int) (lost bool, number int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*count++
	lost = slices.Contains(these, *count)
	if p.options.Percent > 0 && p.random.Intn(100) < p.options.Percent {
		lost = true
	}
	if lost {
		p.lost++
	}
	return lost, *count
}

// change gives a reply another byte, if it is one of those.
func (p *Proxy) change(reply []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.options.Changed > 0 && p.random.Intn(100) < p.options.Changed && len(reply) > 0 {
		reply[p.random.Intn(len(reply))] ^= byte(1 + p.random.Intn(255))
		p.changed++
	}
	return reply
}
