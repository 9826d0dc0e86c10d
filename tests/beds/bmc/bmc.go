// Package bmc is a BMC on the loopback, that speaks IPMI 1.5 (lan) and RMCP+
// (lanplus) and fails on demand. The power of its node is kept apart from what it
// says of it. It is written from the specification and shares no code with a client.
package bmc

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// A Privilege is a level of rights.
type Privilege byte

// The levels. A command that changes the power needs Operator.
const (
	Callback Privilege = iota + 1
	Viewer
	Operator
	Administrator
)

// A User is one who may log in.
type User struct {
	Name     string    // up to 16 bytes
	Password string    // up to 20 bytes; lan has 16
	Limit    Privilege // Administrator if zero
}

// Auth is a type of authentication of lan.
type Auth byte

// The types of authentication.
const (
	AuthNone     Auth = 0
	AuthMD5      Auth = 2
	AuthStraight Auth = 4
)

// Options say what a BMC is like. The zero value has the Users of DefaultUsers,
// speaks lan and lanplus with all suites, and nothing takes time.
type Options struct {
	Host   string // 127.0.0.1
	Port   int    // 0 is a free one
	Users  []User // nil is DefaultUsers
	Key    []byte // K_g, the key of the BMC; empty is none
	Suites []int  // of lanplus, of 0 to 3 and 15 to 17; nil is all, empty is no lanplus
	Auth   []Auth // of lan; nil is MD5 and straight, empty is no lan
	Off    bool   // the node is off at first

	Sessions int           // how many may be open or opening at once; 16
	Idle     time.Duration // after which a session is forgotten; 60 s
	SlowTime time.Duration // what Slow adds to an answer; 1 s

	OffTime   time.Duration // from the command to the end of power
	OnTime    time.Duration // from the command to power
	CycleTime time.Duration // without power, in a cycle
}

// DefaultUsers are one of each level that matters.
func DefaultUsers() []User {
	return []User{
		{"admin", "Secret-1", Administrator},
		{"oper", "Secret-2", Operator},
		{"viewer", "Secret-3", Viewer},
	}
}

// A BMC is one node's.
type BMC struct {
	options Options
	guid    [16]byte
	port    *port
	work    sync.WaitGroup

	mu       sync.Mutex
	closed   chan struct{}
	faults   map[Fault]bool
	rules    []*rule
	node     node
	sessions []*session
	commands []Command
	drops    []string
}

// Start starts a BMC.
func Start(options Options) (*BMC, error) {
	b := &BMC{options: withDefaults(options), closed: make(chan struct{}), faults: map[Fault]bool{}}
	fillRandom(b.guid[:])
	b.node.on = !options.Off
	var err error
	if b.port, err = reservePort(b.options.Host, b.options.Port); err != nil {
		return nil, err
	}
	if err := b.listen(); err != nil {
		b.port.release()
		return nil, err
	}
	return b, nil
}

func withDefaults(o Options) Options {
	o.Host = cmp.Or(o.Host, "127.0.0.1")
	o.Sessions = cmp.Or(o.Sessions, 16)
	o.Idle = cmp.Or(o.Idle, time.Minute)
	o.SlowTime = cmp.Or(o.SlowTime, time.Second)
	if o.Users == nil {
		o.Users = DefaultUsers()
	}
	if o.Suites == nil {
		o.Suites = []int{0, 1, 2, 3, 15, 16, 17}
	}
	if o.Auth == nil {
		o.Auth = []Auth{AuthMD5, AuthStraight}
	}
	return o
}

// Host is the address.
func (b *BMC) Host() string { return b.options.Host }

// Port is the port, which stays the BMC's when it is Refused.
func (b *BMC) Port() int { return b.port.number }

// GUID is what the BMC and its node are known by, as it is sent.
func (b *BMC) GUID() [16]byte { return b.guid }

// Close ends the BMC.
func (b *BMC) Close() {
	b.mu.Lock()
	if b.isClosed() {
		b.mu.Unlock()
		return
	}
	close(b.closed)
	b.mu.Unlock()
	b.port.shut()
	b.work.Wait()
	b.port.release()
}

func (b *BMC) isClosed() bool {
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

// listen reads datagrams from now on.
func (b *BMC) listen() error {
	conn, err := b.port.open()
	if err != nil || conn == nil {
		return err
	}
	b.work.Go(func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			b.serve(from, append([]byte(nil), buffer[:n]...))
		}
	})
	return nil
}

// serve acts on one datagram.
func (b *BMC) serve(from netip.AddrPort, datagram []byte) {
	b.mu.Lock()
	if answer := pong(datagram); answer != nil && !b.faults[Silent] {
		b.port.send(from, [][]byte{answer})
		b.mu.Unlock()
		return
	}
	b.expire()
	r, reason := b.read(from, datagram)
	if r == nil {
		b.drops = append(b.drops, reason)
		b.mu.Unlock()
		return
	}
	acts := b.strike(r)
	b.mu.Unlock()
	for _, act := range acts {
		act()
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	entry := &b.commands[r.entry]
	if r.faults[Silent] || (r.session != nil && !r.session.alive()) {
		return
	}
	body := b.carryOut(r)
	entry.Done = true
	if body == nil {
		return
	}
	entry.Code = code(r, body)
	if r.faults[LoseAnswer] || b.isClosed() {
		return
	}
	b.send(r, body)
}

// code is what the answer says of success: a completion code, or a status of RMCP+.
func code(r *request, body []byte) byte {
	if r.handshake() {
		return body[1]
	}
	return body[0]
}

// send answers, as far as faults let it.
func (b *BMC) send(r *request, body []byte) {
	if r.faults[Empty] {
		body = body[:min(len(body), 1)]
		if r.handshake() {
			body = append(body, 0)
		}
	}
	answer := b.wrap(r, body)
	answers := [][]byte{answer}
	if r.session != nil {
		if r.faults[Replay] && r.session.answered != nil {
			answers = [][]byte{r.session.answered, answer}
		}
		r.session.answered = answer
	}
	last := &answers[len(answers)-1]
	switch {
	case r.faults[Truncated]:
		*last = answer[:len(answer)/2]
	case r.faults[Garbage]:
		*last = make([]byte, len(answer))
		fillRandom(*last)
	case r.faults[Corrupt]:
		*last = append([]byte(nil), answer...)
		(*last)[len(answer)-1] ^= 1
	}
	b.commands[r.entry].Answered = true
	if !r.faults[Slow] {
		b.port.send(r.from, answers)
		return
	}
	b.work.Go(func() {
		select {
		case <-time.After(b.options.SlowTime):
			b.port.send(r.from, answers)
		case <-b.closed:
		}
	})
}

func fillRandom(bytes []byte) { _, _ = rand.Read(bytes) } // it never fails

func randomID() uint32 {
	var bytes [4]byte
	fillRandom(bytes[:])
	return binary.LittleEndian.Uint32(bytes[:]) | 1 // 0 is none
}
