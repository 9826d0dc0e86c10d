package stonith

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/internal/syslog"
)

// memoryLog is a Log that keeps its lines.
type memoryLog struct{ lines []string }

func (m *memoryLog) Error(line string)  { m.lines = append(m.lines, "error "+line) }
func (m *memoryLog) Notice(line string) { m.lines = append(m.lines, "notice "+line) }

func TestFailure(t *testing.T) {
	first := Errorf(Unreachable, "dom0 alpha: no route").WithHint("is it switched on?")
	second := fmt.Errorf("dom0 beta: %w", Errorf(NotPermitted, "no\x1b[2J\nxen: off node-1: off-observed"))
	var stderr strings.Builder
	log := &memoryLog{}
	report{program: "xen", request: "b513710d", stderr: &stderr, log: log}.failure("off node-1", errors.Join(first, second))
	want := "xen: error: off node-1: unreachable: dom0 alpha: no route, request b513710d\n" +
		"xen: error: off node-1: not-permitted: dom0 beta: no\\u001b[2J; xen: off node-1: off-observed, request b513710d\n" +
		"xen: hint: is it switched on?\n"
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
	if got := strings.Join(log.lines, "\n"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "error error: off node-1: unreachable") {
		t.Errorf("log has %q, want the three lines", log.lines)
	}
}

func TestReasonOf(t *testing.T) {
	late, refused, dead := Errorf(TimedOut, "late"), Errorf(NotPermitted, "no"), Errorf(Unreachable, "dead")
	tests := []struct {
		name string
		err  error
		want Reason
	}{
		{"plain", errors.New("x"), DeviceError},
		{"wrapped", fmt.Errorf("x: %w", dead), Unreachable},
		{"permanent before others", errors.Join(dead, fmt.Errorf("x: %w", refused)), NotPermitted},
		{"timed-out after others", errors.Join(late, dead), Unreachable},
		{"timed-out alone", errors.Join(late, late), TimedOut},
		{"the outermost counts", Errorf(StillOn, "%w", dead), StillOn},
	}
	for _, tt := range tests {
		if got := ReasonOf(tt.err); got != tt.want {
			t.Errorf("%s: ReasonOf = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestHintsOf(t *testing.T) {
	inner := Errorf(Unreachable, "x").WithHint("one")
	err := errors.Join(Errorf(StillOn, "%w", inner).WithHint("two"), inner)
	if diff := cmp.Diff([]string{"two", "one"}, hintsOf(err)); diff != "" {
		t.Errorf("hints (-want +got):\n%s", diff)
	}
}

func TestLogFacility(t *testing.T) {
	for name, want := range map[string]syslog.Facility{"": syslog.Daemon, "local3": 19, "AUTH": 4, "nonsense": syslog.Daemon} {
		if got, silent := logFacility(name); got != want || silent {
			t.Errorf("logFacility(%q) = %d, %t, want %d, false", name, got, silent, want)
		}
	}
	if _, silent := logFacility("none"); !silent {
		t.Error(`logFacility("none") is not silent`)
	}
}

// laggingLog is a Log that looks what people have been told when it gets a line.
type laggingLog struct {
	told *bytes.Buffer // stdout and stderr
	late []string      // lines that nobody had been told
}

func (l *laggingLog) Error(line string) { l.Notice(line) }
func (l *laggingLog) Notice(line string) {
	if !strings.Contains(l.told.String(), line) {
		l.late = append(l.late, line)
	}
}

// Whatever the log gets, people have been told before, by both faces: the log may hang.
func TestPeopleBeforeTheLog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   []string
		params map[string]string
		states []answer
		want   string
	}{
		{[]string{"off", "n1"}, map[string]string{"hostlist": "n1"}, []answer{{power: On}, {power: Off}}, "off-observed"},
		{[]string{"off", "n9"}, map[string]string{"hostlist": "n1"}, nil, "wrong-target"},
		{[]string{"status"}, map[string]string{"hostlist": "n1"}, nil, "ready"},
		{nil, map[string]string{"action": "off", "plug": "n1", "hostlist": "n1", "odd": "x"}, []answer{{power: On}, {power: Off}}, "off-observed"},
		{nil, map[string]string{"action": "off", "plug": "n9", "hostlist": "n1"}, nil, "wrong-target"},
		{nil, map[string]string{"action": "monitor", "hostlist": "n1"}, nil, "ready"},
	} {
		var told bytes.Buffer
		log := &laggingLog{told: &told}
		call := process(c.args, c.params, &told, &told)
		call.Log = log
		plugin := memoryPlugin(memoryConfig{device: &script{states: c.states}, warns: true})
		run := plugin.Run
		if c.args == nil {
			run = plugin.RunAgent
		}
		run(t.Context(), call)
		if len(log.late) > 0 || !strings.Contains(told.String(), c.want) {
			t.Errorf("%q %v: the log had %q before people; they were told %q, want %q", c.args, c.params, log.late, &told, c.want)
		}
	}
}

// A device may warn of one thing many times in a call: people are told once.
func TestWarningIsToldOnce(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	plugin := memoryPlugin(memoryConfig{device: &script{}, warns: true})
	plugin.Run(t.Context(), process([]string{"status"}, map[string]string{"hostlist": "n1"}, io.Discard, &stderr))
	if n := strings.Count(stderr.String(), "warning: "); n != 1 {
		t.Errorf("%d warnings in %q, want 1", n, &stderr)
	}
}
