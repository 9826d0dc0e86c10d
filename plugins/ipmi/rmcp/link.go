package rmcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const (
	firstWait = 500 * time.Millisecond // until something is sent again
	maxWait   = 2 * time.Second        // doubled up to this
	maxPacket = 1024                   // longer ones are truncated
	// hearing is how long a second answer may be behind one that is not understood.
	hearing = 100 * time.Millisecond
)

// A link carries packets to one address of a BMC, and back.
type link struct {
	conn   net.Conn
	number byte // of the last request
	copies int  // of the last message that were sent
	slow   bool // the BMC is: nothing is sent again soon
	// settle is how long after an answer another one to the same message is waited for:
	// what counts is the newest.
	settle  time.Duration
	doubled bool  // a message was answered twice
	lost    error // why the last command had no answer, nil if it had
}

// dialUDP connects a socket with a port of its own.
func dialUDP(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "udp", to.String())
}

func (l *link) close() { l.conn.Close() }

// command carries out one command and returns the data of its answer. The same
// request is sent until it is answered, in a packet of its own each time.
func (l *link) command(ctx context.Context, in layer, c command, data []byte) ([]byte, error) {
	l.number = (l.number + 1) % sequenceNumbers
	r := request{c, l.number, data}
	message := r.pack()
	answered := false
	var completion byte
	var answer []byte
	err := l.exchange(ctx, c.name, func() []byte { return in.wrap(message) }, func(datagram []byte) error {
		m, err := in.unwrap(datagram)
		if err != nil {
			return err
		}
		code, its, err := r.unpackResponse(m)
		switch {
		case err != nil:
			l.doubled = l.doubled || errors.Is(err, errEarlier)
			return err
		case answered && completion == 0 && code != 0:
			return errEarlier // another copy was refused: what was granted stands
		}
		answered, completion, answer = true, code, its
		return nil
	})
	l.lost = err
	if err != nil {
		return nil, err
	}
	return answer, c.refusal(completion)
}

// exchange sends packets until accept returns nil for an answer, or ctx ends. The
// bytes that accept is given are its own.
func (l *link) exchange(ctx context.Context, step string, next func() []byte, accept func([]byte) error) error {
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	silence := &NoAnswerError{Step: step}
	l.copies = 0
	wait := firstWait
	if l.slow {
		wait = maxWait
	}
	for ; ; wait = min(2*wait, maxWait) {
		if ctx.Err() != nil {
			silence.end = context.Cause(ctx)
			return silence
		}
		l.copies++
		if err := l.send(next()); isTransient(err) {
			silence.Last = err
		} else if err != nil {
			return err
		}
		answered, err := l.receive(ctx, wait, silence, accept)
		if answered {
			l.awaitNewest(ctx, accept)
		}
		if answered || err != nil {
			return err
		}
	}
}

// awaitNewest takes what else answers the same message, until nothing has come for the
// time of settle.
func (l *link) awaitNewest(ctx context.Context, accept func([]byte) error) {
	for l.settle > 0 {
		answered, err := l.receive(ctx, l.settle, &NoAnswerError{}, accept)
		if !answered || err != nil {
			return // the network was well a moment ago, and tells us in the next step
		}
		l.doubled = true
	}
}

// hear listens for a moment to what comes without having been asked for.
func (l *link) hear(ctx context.Context, note func([]byte) error) {
	_, _ = l.receive(ctx, hearing, &NoAnswerError{}, func(datagram []byte) error {
		_ = note(datagram)
		return errEarlier
	})
}

// send sends a packet. A socket that was told by ICMP of the fate of an earlier one
// reports that instead, once.
func (l *link) send(datagram []byte) error {
	_, err := l.conn.Write(datagram)
	if isTransient(err) {
		_, err = l.conn.Write(datagram)
	}
	return err
}

// receive waits for an answer that accept takes. What it does not take is noted.
func (l *link) receive(ctx context.Context, wait time.Duration, silence *NoAnswerError, accept func([]byte) error) (bool, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false, err
	}
	for ctx.Err() == nil {
		datagram := make([]byte, maxPacket)
		n, err := l.conn.Read(datagram)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return false, nil
		case isTransient(err): // is the BMC starting? keep the pace
			silence.Last = err
			continue
		case err != nil:
			return false, err
		}
		if err = accept(datagram[:n]); err == nil {
			return true, nil
		}
		if !errors.Is(err, errEarlier) {
			silence.Last = err
		}
	}
	return false, nil
}

// isTransient reports whether err is what ICMP said, or of an interface that is down,
// which may change at any time.
func isTransient(err error) bool {
	for _, one := range []error{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN,
		syscall.EACCES, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.ENETDOWN,
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}
