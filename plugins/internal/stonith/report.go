package stonith

import (
	"cmp"
	"fmt"
	"io"
	"log/syslog"
	"strings"
	"unicode"
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
		line := fmt.Sprintf("error: %s: %s: %s", what, ReasonOf(branch), oneLine(branch.Error()))
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

func (r report) write(line string, log func(string)) {
	line = oneLine(line)
	log(line)
	_, _ = fmt.Fprintf(r.stderr, "%s: %s\n", r.program, line) // there is no one left to tell
}

// branches returns the errors that were joined to err, or err itself.
func branches(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// oneLine makes text safe to log: what could end the line or act on a terminal is shown, not sent.
func oneLine(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	var line strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			line.WriteRune(r)
		} else {
			line.WriteString(strings.Trim(fmt.Sprintf("%q", r), "'"))
		}
	}
	return line.String()
}

// systemLog is a Log that writes to syslog, as far as there is one.
type systemLog struct {
	open   func() (*syslog.Writer, error)
	writer *syslog.Writer
	broken bool
}

// newSystemLog takes tag and facility from where cluster-glue and Heartbeat put
// them: HA_LOGTAG and HA_LOGFACILITY, with usual and daemon as defaults.
func newSystemLog(usual string, getenv func(string) string) Log {
	tag := cmp.Or(getenv("HA_LOGTAG"), usual)
	facility, silent := logFacility(getenv("HA_LOGFACILITY"))
	if silent {
		return noLog{}
	}
	return &systemLog{open: func() (*syslog.Writer, error) { return syslog.New(facility|syslog.LOG_INFO, oneLine(tag)) }}
}

func (s *systemLog) Error(line string)  { s.send(line, (*syslog.Writer).Err) }
func (s *systemLog) Notice(line string) { s.send(line, (*syslog.Writer).Notice) }

// send drops the line if there is no log: stderr has it too, and a fence does not fail for want of a log.
func (s *systemLog) send(line string, write func(*syslog.Writer, string) error) {
	if s.writer == nil && !s.broken {
		var err error
		s.writer, err = s.open()
		s.broken = err != nil
	}
	if !s.broken {
		_ = write(s.writer, line)
	}
}

// noLog is the Log of a site that wants none.
type noLog struct{}

func (noLog) Error(string)  {}
func (noLog) Notice(string) {}

// logFacility maps a facility's name as in syslog.conf(5); "none" means no log.
func logFacility(name string) (facility syslog.Priority, silent bool) {
	facilities := map[string]syslog.Priority{
		"kern": syslog.LOG_KERN, "user": syslog.LOG_USER, "mail": syslog.LOG_MAIL, "daemon": syslog.LOG_DAEMON,
		"auth": syslog.LOG_AUTH, "syslog": syslog.LOG_SYSLOG, "lpr": syslog.LOG_LPR, "news": syslog.LOG_NEWS,
		"uucp": syslog.LOG_UUCP, "cron": syslog.LOG_CRON, "authpriv": syslog.LOG_AUTHPRIV, "ftp": syslog.LOG_FTP,
		"local0": syslog.LOG_LOCAL0, "local1": syslog.LOG_LOCAL1, "local2": syslog.LOG_LOCAL2, "local3": syslog.LOG_LOCAL3,
		"local4": syslog.LOG_LOCAL4, "local5": syslog.LOG_LOCAL5, "local6": syslog.LOG_LOCAL6, "local7": syslog.LOG_LOCAL7,
	}
	name = strings.ToLower(name)
	if name == "none" {
		return 0, true
	}
	if facility, ok := facilities[name]; ok {
		return facility, false
	}
	return syslog.LOG_DAEMON, false
}
