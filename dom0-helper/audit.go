package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/internal/syslog"
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

// logLimit is how long a log that hangs may hold up the lines of one process together.
// Many requests at the same moment fill the log's queue, and the log soon empties it.
const logLimit = time.Second

// systemLog returns what takes lines for the system's log. It escapes what does not
// print, in whatever part of the record that is: the line stays JSON, with the same values.
func systemLog() func(line string) {
	log := syslog.New(syslog.AuthPriv, "dom0-helper", logLimit)
	return func(line string) { log.Send(syslog.Notice, line) }
}
