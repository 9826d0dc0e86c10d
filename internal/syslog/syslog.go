// Package syslog sends lines to the system's log, and never waits long for it: a log that
// hangs, is slow or is not there must not hold up a fence. Go's log/syslog waits for ever,
// and would link all of net into a program that runs as root.
package syslog

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A Severity is how much a line matters, RFC 5424 section 6.2.1.
type Severity int

// The severities that are used.
const (
	Error  Severity = 3
	Notice Severity = 5
)

// A Facility is what kind of program a line is from, RFC 5424 section 6.2.1.
type Facility int

// Facilities that are used by default.
const (
	Daemon   Facility = 3
	AuthPriv Facility = 10
)

// socketPath is where the log is, syslog(3).
const socketPath = "/dev/log"

// A Writer sends lines. Its methods may be called at the same time.
type Writer struct {
	facility Facility
	tag      string
	path     string

	turn sync.Mutex
	left time.Duration // that the lines together may still wait
}

// New returns a Writer whose lines begin with tag. limit is how long all of them together
// may wait for the log. Once that is used up, a line that the log cannot take at once is
// dropped.
func New(facility Facility, tag string, limit time.Duration) *Writer {
	return &Writer{facility: facility, tag: printable.Line(tag), path: socketPath, left: limit}
}

// Send sends one line. What does not print is escaped. There is nobody left to tell of a
// line that cannot be sent.
func (w *Writer) Send(severity Severity, line string) {
	text := fmt.Sprintf("<%d>%s %s[%d]: %s", int(w.facility)*8+int(severity),
		time.Now().Format(time.Stamp), w.tag, syscall.Getpid(), printable.Line(line))
	w.turn.Lock()
	defer w.turn.Unlock()
	err := w.within(syscall.SOCK_DGRAM, func(socket int, address syscall.Sockaddr) error {
		return syscall.Sendto(socket, []byte(text), 0, address)
	})
	if errors.Is(err, syscall.EPROTOTYPE) { // a log of the other kind, in which lines have an end
		_ = w.within(syscall.SOCK_STREAM, func(socket int, address syscall.Sockaddr) error {
			if err := syscall.Connect(socket, address); err != nil {
				return err
			}
			return syscall.Sendto(socket, []byte(text+"\n"), syscall.MSG_NOSIGNAL, nil)
		})
	}
}

// within lets send use a socket, again if a signal interrupts it, and for no longer than
// is left. A send that takes no time costs none of it.
func (w *Writer) within(kind int, send func(socket int, address syscall.Sockaddr) error) error {
	for {
		start := time.Now()
		err := w.once(kind, send)
		w.left -= time.Since(start)
		if !errors.Is(err, syscall.EINTR) || w.left <= 0 {
			return err
		}
	}
}

// once opens the socket for send. The kernel ends a wait of connect and send, for a queue
// that is full, by the time limit of the socket (SO_SNDTIMEO in socket(7)).
func (w *Writer) once(kind int, send func(socket int, address syscall.Sockaddr) error) error {
	limit := syscall.NsecToTimeval(w.left.Nanoseconds())
	if w.left < time.Millisecond { // less than the kernel's clock tells; and zero would be no limit
		kind |= syscall.SOCK_NONBLOCK
	}
	socket, err := syscall.Socket(syscall.AF_UNIX, kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket) //nolint:errcheck // what was sent is sent
	if kind&syscall.SOCK_NONBLOCK == 0 {
		if err := syscall.SetsockoptTimeval(socket, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit); err != nil {
			return err
		}
	}
	return send(socket, &syscall.SockaddrUnix{Name: w.path})
}
