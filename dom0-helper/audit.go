package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// begun is the verdict on a request whose deed is about to be done. The line that ends
// it may never come: who may signal sudo can have it kill the root half (terminate_command
// of sudo's src/exec.c).
const begun wire.Status = "begun"

// An audit is the record of one request, granted or refused.
type audit struct {
	Request      string      `json:"request"`
	Client       string      `json:"client"`
	Account      string      `json:"account"`
	Source       string      `json:"source"`
	Verb         string      `json:"verb"`
	Guests       string      `json:"guests"`
	Verdict      wire.Status `json:"verdict"`
	Reason       string      `json:"reason,omitempty"`
	Text         string      `json:"text"`
	Dump         string      `json:"dump,omitempty"`   // the file with the guest's memory, or why there is none
	Images       string      `json:"images,omitempty"` // which ones were put out of reach
	Line         string      `json:"line,omitempty"`   // what was received, if it was no request
	Milliseconds int64       `json:"ms"`

	legacy   bool              // the client wants the answers of 2007
	previous bool              // the client wants answers of wire.PreviousVersion
	log      func(line string) // takes the lines
}

// note records the request, or the beginning of the line that was none.
func (a *audit) note(r wire.Request, line string) {
	if r.ID == "" {
		a.Line = line[:min(len(line), 200)]
		return
	}
	a.Request, a.Verb, a.Guests = r.ID, string(r.Verb), strings.Join(r.Guests, ",")
}

// begin logs, once, that the deed is about to be done.
func (a *audit) begin() {
	if a.Verdict != begun {
		a.Verdict = begun
		a.log(a.line())
	}
}

// finish logs the record with its answer, sends the answer and returns the exit
// status. The log comes first: the client may be gone.
func (a *audit) finish(answer wire.Answer) int {
	a.Verdict, a.Reason, a.Text = answer.Status, answer.Reason, answer.Text
	a.log(a.line())
	if a.legacy {
		return a.sendLegacy(answer)
	}
	if answer.Previous = a.previous; a.previous && wire.Verb(a.Verb) != wire.Rehearse && answer.Status == wire.OK {
		answer.Text, _ = wire.CutNote(answer.Text) // it would not understand that
	}
	return send(answer)
}

// line is the record as the log has it.
func (a *audit) line() string {
	line, err := json.Marshal(a)
	if err != nil {
		return fmt.Sprintf("audit record: %v", err)
	}
	return string(line)
}

// Syslog's socket and the priority of its line: authpriv.notice, as RFC 3164 counts.
const (
	syslogSocket   = "/dev/log"
	syslogPriority = 10*8 + 5
	// syslogLimit is how long a full queue may hold up the answer. Many requests at
	// the same moment fill it, and the log soon empties it.
	syslogLimit = time.Second
)

// syslog sends one line to the system's log, if there is one. The package
// log/syslog would link all of net into a program that runs as root.
func syslog(line string) {
	socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(socket) //nolint:errcheck // there is no one left to tell
	limit := syscall.NsecToTimeval(syslogLimit.Nanoseconds())
	if err := syscall.SetsockoptTimeval(socket, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit); err != nil {
		return // without a limit, a log that hangs would hold up a fence
	}
	text := fmt.Sprintf("<%d>%s dom0-helper[%d]: %s", syslogPriority, time.Now().Format(time.Stamp), syscall.Getpid(), line)
	for start := time.Now(); time.Since(start) < syslogLimit; {
		err := syscall.Sendto(socket, []byte(text), 0, &syscall.SockaddrUnix{Name: syslogSocket})
		if !errors.Is(err, syscall.EINTR) {
			return // as above
		}
	}
}
