package stonith

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
	"github.com/stonith-plugins/stonith-plugins/internal/syslog"
)

// A Log takes single lines for the system's log.
type Log interface {
	Error(line string)
	Notice(line string)
}

// A report tells people about one call: errors go to stderr, which Pacemaker
// logs, and to the system's log. cluster-glue shows neither of both to its user,
// so each line stands for itself.
type report struct {
	program string
	what    string
	request string // the call's id, from when on the device may be contacted
	stderr  io.Writer
	log     Log
}

// ending ends every line on what came of a contact with the device. The device's
// own log has the id too.
func (r report) ending() string {
	if r.request == "" {
		return ""
	}
	return ", request " + r.request
}

// failure writes one line for each branch of err, and the hints that it carries.
func (r report) failure(what string, err error) {
	for _, branch := range branches(err) {
		line := fmt.Sprintf("error: %s: %s: %s", what, ReasonOf(branch), printable.Line(branch.Error()))
		r.write(line+r.ending(), r.log.Error)
	}
	for _, hint := range hintsOf(err) {
		r.write("hint: "+hint, r.log.Notice)
	}
}

// warning writes a line that does not change the verdict.
func (r report) warning(text string) {
	r.write(fmt.Sprintf("warning: %s: %s", r.what, text), r.log.Notice)
}

// Once returns a warn that says nothing twice, and one text after the other: a device may
// be asked for several nodes, or ask several hosts, at once.
func Once(warn func(text string)) func(text string) {
	var turn sync.Mutex
	told := map[string]bool{}
	return func(text string) {
		turn.Lock()
		defer turn.Unlock()
		if !told[text] {
			told[text] = true
			warn(text)
		}
	}
}

// write writes a line, to people first: the log may hang.
func (r report) write(line string, log func(string)) {
	line = printable.Line(line)
	_, _ = fmt.Fprintf(r.stderr, "%s: %s\n", r.program, line) // there is no one left to tell
	log(line)
}

// branches returns the errors that were joined to err, or err itself.
func branches(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// logLimit is how long a log that hangs may hold up one call.
const logLimit = 200 * time.Millisecond

// newSystemLog takes tag and facility from where cluster-glue and Heartbeat put
// them: HA_LOGTAG and HA_LOGFACILITY, with usual and daemon as defaults.
func newSystemLog(usual string, getenv func(string) string) Log {
	tag := cmp.Or(getenv("HA_LOGTAG"), usual)
	facility, silent := logFacility(getenv("HA_LOGFACILITY"))
	if silent {
		return noLog{}
	}
	return systemLog{syslog.New(facility, tag, logLimit)}
}

// systemLog is a Log that writes to syslog, as far as there is one: stderr has all as
// well, and a fence does not fail for want of a log.
type systemLog struct{ writer *syslog.Writer }

func (s systemLog) Error(line string)  { s.writer.Send(syslog.Error, line) }
func (s systemLog) Notice(line string) { s.writer.Send(syslog.Notice, line) }

// noLog is the Log of a site that wants none.
type noLog struct{}

func (noLog) Error(string)  {}
func (noLog) Notice(string) {}

// facilities are those of RFC 3164, by their names in syslog.conf(5).
var facilities = map[string]syslog.Facility{
	"kern": 0, "user": 1, "mail": 2, "daemon": syslog.Daemon, "auth": 4, "syslog": 5, "lpr": 6, "news": 7,
	"uucp": 8, "cron": 9, "authpriv": syslog.AuthPriv, "ftp": 11,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// logFacility maps a facility's name; "none" means no log.
func logFacility(name string) (facility syslog.Facility, silent bool) {
	name = strings.ToLower(name)
	if name == "none" {
		return 0, true
	}
	if facility, ok := facilities[name]; ok {
		return facility, false
	}
	return syslog.Daemon, false
}
