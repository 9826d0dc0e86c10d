package stonith

import (
	"errors"
	"fmt"
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
