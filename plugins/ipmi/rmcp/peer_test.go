package rmcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	rightUser     = "admin"
	rightPassword = "Secret-1"
)

// A peer is a BMC that does what the test says. It answers while it is sent to, so
// that the clock of a test stands still meanwhile.
type peer struct {
	start    time.Time
	kg       []byte
	suites   []int
	password string
	capable  byte            // authentication types
	answers  map[byte][]byte // by command: completion code and data instead of its own
	// fault replaces the reply to the n-th packet of a step, counted from 1; nil
	// stands for an honest peer.
	fault func(step string, n int, reply []byte) [][]byte

	ports    []*port
	arrivals []arrival
	counts   map[string]int
	rakp     rakp
	plus     *plusSession
	lan      *lanSession
	open     bool // a session is
}

// An arrival is a packet that reached the peer.
type arrival struct {
	step string
	port int
	at   time.Duration
	raw  string
}

func newPeer() *peer {
	return &peer{
		start: time.Now(), suites: []int{0, 1, 2, 3, 15, 16, 17}, password: rightPassword,
		capable: 1<<MD5 | 1<<Straight | 1<<None, answers: map[byte][]byte{}, counts: map[string]int{},
	}
}

// opener returns one that reaches the peer at any address but those named.
func (p *peer) opener(c Config, dead ...string) *Opener {
	if c.Addresses == nil {
		c.Addresses = []string{"192.0.2.1:623"}
	}
	if c.User == "" {
		c.User, c.Password = rightUser, rightPassword
	}
	o := NewOpener(c)
	o.dial = func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		n := &port{peer: p, number: len(p.ports) + 1, dead: slices.Contains(dead, to.Addr().String())}
		n.inbox, n.moved = make(chan []byte, 64), make(chan struct{}, 1)
		p.ports = append(p.ports, n)
		return n, nil
	}
	o.lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if host == "bmc.example" {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr(host)}, nil
	}
	return o
}

// steps returns the names of the packets that arrived.
func (p *peer) steps() []string {
	var all []string
	for _, a := range p.arrivals {
		all = append(all, a.step)
	}
	return all
}

// times returns when packets of a step arrived.
func (p *peer) times(step string) []time.Duration {
	var all []time.Duration
	for _, a := range p.arrivals {
		if a.step == step {
			all = append(all, a.at)
		}
	}
	return all
}

// take answers a packet.
func (p *peer) take(port int, datagram []byte) [][]byte {
	step, reply := p.reply(datagram)
	p.arrivals = append(p.arrivals, arrival{step, port, time.Since(p.start), string(datagram)})
	p.counts[step]++
	if p.fault != nil {
		return p.fault(step, p.counts[step], reply)
	}
	if reply == nil {
		return nil
	}
	return [][]byte{reply}
}

func (p *peer) reply(datagram []byte) (step string, reply []byte) {
	if datagram[4] != formatPlus {
		return p.replyLan(datagram)
	}
	packet, err := unpackPlus(datagram, 0)
	if err == nil && packet.session == 0 {
		return p.replyLogin(packet)
	}
	if p.plus == nil {
		return "late", nil
	}
	message, err := p.plus.unwrap(datagram)
	if err != nil {
		return fmt.Sprint("refused: ", err), nil
	}
	step, answer := p.carryOut(message)
	return step, p.plus.wrap(answer)
}

func (p *peer) replyLan(datagram []byte) (step string, reply []byte) {
	packet, err := unpack(datagram)
	if err != nil {
		return fmt.Sprint("refused: ", err), nil
	}
	if packet.session == 0 {
		step, answer := p.carryOut(packet.message)
		return step, outside{}.wrap(answer)
	}
	message, err := p.lan.unwrap(datagram)
	if err != nil || !p.lan.proven {
		return "refused: unproven", nil
	}
	step, answer := p.carryOut(message)
	reply = p.lan.wrap(answer)
	if step == activateSession.name {
		p.lan.activate(p.lan.session, binary.LittleEndian.Uint32(message[6+18:]), 9)
		p.lan.inbound.known = false // the same may come again, with number 0
	}
	return step, reply
}

// carryOut answers a message.
func (p *peer) carryOut(m []byte) (step string, answer []byte) {
	commands := []command{
		getChassisStatus, chassisControl, setRestorePolicy, getDeviceID, getACPIPowerState, getDeviceGUID, getSystemGUID, getChannelCapabilities,
		getSessionChallenge, activateSession, setSessionPrivilege, closeSession,
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.code == m[5] && c.netFn == m[1]>>2 })
	data := slices.Clone(p.answers[m[5]])
	if data == nil {
		data = p.data(commands[i], m[6:len(m)-1])
	}
	answer = []byte{m[3], (m[1]>>2 | 1) << 2, 0, m[0], m[4], m[5]}
	answer[2] = checksum(answer[:2])
	answer = append(answer, data...)
	return commands[i].name, append(answer, checksum(answer[3:]))
}

// data returns completion code and data of an honest answer.
func (p *peer) data(c command, sent []byte) []byte {
	switch c.code {
	case getChannelCapabilities.code:
		return []byte{0, 1, p.capable, 0, 2, 0, 0, 0, 0}
	case getSessionChallenge.code:
		p.lan = &lanSession{password: []byte(p.password), authType: AuthType(sent[0]), session: 77}
		return append([]byte{0, 77, 0, 0, 0}, make([]byte, 16)...)
	case activateSession.code:
		p.open = true
		return []byte{0, sent[0], 77, 0, 0, 0, 9, 0, 0, 0, 4}
	case setSessionPrivilege.code:
		return []byte{0, sent[0]}
	case closeSession.code:
		p.open = false
		return []byte{0}
	case getChassisStatus.code:
		return []byte{0, 1, 0, 0}
	case setRestorePolicy.code:
		if sent[0] != 3 {
			return []byte{0xCC}
		}
		return []byte{0, 7}
	case getDeviceID.code:
		return []byte{0, 0x20, 0x81, 1}
	case getACPIPowerState.code:
		return []byte{0, 0, 0}
	case getDeviceGUID.code, getSystemGUID.code:
		return append([]byte{0}, "0123456789abcdef"...)
	}
	return []byte{0}
}

// replyLogin answers a message of the login by RMCP+.
func (p *peer) replyLogin(in plusPacket) (step string, reply []byte) {
	m, r := in.payload, &p.rakp
	password := []byte(p.password)
	wrap := func(payload ...byte) []byte { return outsidePlus(in.payloadType+1, payload) }
	switch in.payloadType {
	case payloadOpenRequest:
		return "open", wrap(p.openResponse(m)...)
	case payloadRAKP1:
		copy(r.consoleRandom[:], m[8:])
		r.role, r.user = m[24], string(m[28:])
		r.systemRandom[0]++
		if r.user != rightUser {
			return "RAKP 1", wrap(m[0], 0x0D)
		}
		head := append([]byte{m[0], 0, 0, 0}, r.console[:]...)
		head = append(append(head, r.systemRandom[:]...), r.guid[:]...)
		return "RAKP 1", wrap(append(head, r.code2(password)...)...)
	case payloadRAKP3:
		if m[1] != 0 {
			return fmt.Sprintf("RAKP 3 with status %02X", m[1]), nil
		}
		if !bytes.Equal(m[8:], r.code3(password)) {
			return "RAKP 3", wrap(m[0], statusInvalidCheckValue)
		}
		key := p.kg
		if key == nil {
			key = password
		}
		sik := r.sik(key)
		p.plus = newPlusSession(r, sik)
		p.plus.console, p.plus.system = p.plus.system, p.plus.console
		p.open = true
		head := append([]byte{m[0], 0, 0, 0}, r.console[:]...)
		if r.hash != nil {
			head = append(head, r.code4(sik)...)
		}
		return "RAKP 3", wrap(head...)
	}
	return fmt.Sprintf("payload %02X", in.payloadType), nil
}

func (p *peer) openResponse(m []byte) []byte {
	asked := algorithms{m[12], m[20], m[28]}
	for _, number := range p.suites {
		if s := suites[number]; s.algorithms == asked {
			p.rakp = rakp{suite: s, console: [4]byte(m[4:8]), system: [4]byte{8, 7, 6, 5}, guid: [16]byte{1, 2, 3}}
			head := append([]byte{m[0], 0, 4, 0, m[4], m[5], m[6], m[7]}, p.rakp.system[:]...)
			return append(head, m[8:32]...)
		}
	}
	return []byte{m[0], 0x11}
}

// A port is our end of a way to the peer.
type port struct {
	peer   *peer
	number int
	dead   bool // nobody is there
	inbox  chan []byte
	closed bool
	// What the next calls of Write and Read return.
	writeErrors, readErrors []error

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // the deadline has been
}

func (c *port) Write(datagram []byte) (int, error) {
	if len(c.writeErrors) > 0 {
		err := c.writeErrors[0]
		c.writeErrors = c.writeErrors[1:]
		return 0, err
	}
	if !c.dead {
		for _, reply := range c.peer.take(c.number, datagram) {
			c.inbox <- reply
		}
	}
	return len(datagram), nil
}

func (c *port) Read(b []byte) (int, error) {
	if len(c.readErrors) > 0 {
		err := c.readErrors[0]
		c.readErrors = c.readErrors[1:]
		return 0, err
	}
	for {
		c.mu.Lock()
		left := time.Until(c.deadline)
		c.mu.Unlock()
		select {
		case datagram := <-c.inbox:
			return copy(b, datagram), nil
		default:
		}
		if left <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		select {
		case datagram := <-c.inbox:
			return copy(b, datagram), nil
		case <-time.After(left):
		case <-c.moved:
		}
	}
}

func (c *port) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	select {
	case c.moved <- struct{}{}:
	default:
	}
	return nil
}

func (c *port) Close() error                     { c.closed = true; return nil }
func (c *port) LocalAddr() net.Addr              { return &net.UDPAddr{Port: c.number} }
func (c *port) RemoteAddr() net.Addr             { return &net.UDPAddr{} }
func (c *port) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *port) SetWriteDeadline(time.Time) error { return nil }

// checkClosed fails the test if a port or a session is left open.
func (p *peer) checkClosed(t *testing.T) {
	t.Helper()
	for _, c := range p.ports {
		if !c.closed {
			t.Errorf("port %d is left open", c.number)
		}
	}
	if p.open {
		t.Errorf("a session is left open after %q", p.steps())
	}
}

// lose returns a fault that loses the first replies of a step.
func lose(step string, many int) func(string, int, []byte) [][]byte {
	return alter(step, many, func([]byte) [][]byte { return nil })
}

// alter returns a fault that changes the first replies of a step.
func alter(step string, many int, change func([]byte) [][]byte) func(string, int, []byte) [][]byte {
	return func(at string, n int, reply []byte) [][]byte {
		switch {
		case reply == nil:
			return nil
		case at == step && n <= many:
			return change(reply)
		}
		return [][]byte{reply}
	}
}

// sessionOf returns the BMC's ID in a packet of RMCP+.
func sessionOf(raw string) uint32 { return binary.LittleEndian.Uint32([]byte(raw[6:])) }

// sequenceOf returns the session sequence number of a packet of RMCP+.
func sequenceOf(raw string) uint32 { return binary.LittleEndian.Uint32([]byte(raw[10:])) }
