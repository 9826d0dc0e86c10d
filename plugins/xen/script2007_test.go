package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

func TestConformance2007OneDom0(t *testing.T)  { stonithtest.Conform(t, with2007Dom0s(1)) }
func TestConformance2007TwoDom0s(t *testing.T) { stonithtest.Conform(t, with2007Dom0s(2)) }

// with2007Dom0s has a gap that lets the suite end soon.
func with2007Dom0s(n int) func(*testing.T) stonithtest.Bed {
	return func(t *testing.T) stonithtest.Bed {
		b := new2007Bed(t, n, time.Millisecond)
		for i, d := range b.dom0s {
			d.Exec = func(c loopback.Command) int { return b.serve(c, i == n-1) }
		}
		return b
	}
}

// bed2007 is a bed whose Dom0s have the script of 2007.
type bed2007 struct {
	*bed
	gap time.Duration
}

// new2007Bed starts n Dom0s that accept a new key. Their Exec is for the test to set.
func new2007Bed(t *testing.T, n int, gap time.Duration) *bed2007 {
	t.Helper()
	b := &bed2007{newBed(t, n), gap}
	b.params["dom0_protocol"] = "2007"
	return b
}

func (b *bed2007) Plugin() stonith.Plugin {
	p := plugin()
	p.New = func() stonith.Config {
		c := newConfig()
		c.restartGap, c.restartShare = b.gap, 0
		return c
	}
	return p
}

// Gropes says that only an off tells which names the script knows.
func (b *bed2007) Gropes() {}

// serve is the script of 2007 with the faults of the suite, on the Dom0 where the guest lives or on another.
func (b *bed2007) serve(c loopback.Command, lives bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	host := host2007{nodes: []string{"guest-1", "guest-2"}, deaf: b.fault == stonithtest.Lies}
	if lives && b.power == stonith.On {
		host.running = []string{"guest-1"}
	}
	switch f := b.fault; {
	case f == stonithtest.Garbage, f == stonithtest.FailsOnce && b.requests == 1, f == stonithtest.Flaps && b.requests < 8 && b.requests%2 == 1:
		fmt.Fprintln(c.Stdout, "Last login: yesterday")
		return 0
	case f == stonithtest.Empty:
		return 0
	case f == stonithtest.Refuses:
		fmt.Fprintln(c.Stderr, "sudo: a password is required")
		return 1
	case f == stonithtest.NeverOn:
		host.noMemory = true
	}
	if b.fault == stonithtest.LosesAnswer && strings.Contains(c.Line, " off ") {
		b.power = stonith.Off
		return 0
	}
	status := host.script(c)
	if running := slices.Contains(host.running, "guest-1"); lives || running {
		b.power = stonith.Off
		if running {
			b.power = stonith.On
		}
	}
	return status
}

// host2007 is a Dom0 as the script of 2007 sees it, by the script's forms and
// weaknesses: its words are echoed whatever happened, and names match by their beginning.
type host2007 struct {
	nodes    []string // that the script knows
	running  []string
	deaf     bool // the toolstack does nothing
	noMemory bool // it creates nothing
	asked    []string
}

// script runs one command line, and returns its exit status.
func (h *host2007) script(c loopback.Command) int {
	words, ok := strings.CutPrefix(c.Line, "sudo -u root xen-stonith ")
	if !ok {
		fmt.Fprintf(c.Stderr, "sh: 1: %s: not found\n", c.Line)
		return 127
	}
	h.asked = append(h.asked, words)
	if words == "list" {
		fmt.Fprint(c.Stdout, table2007(h.running...))
		return 0
	}
	verb, node, _ := strings.Cut(words, " ")
	switch {
	case !slices.Contains(h.nodes, node):
		fmt.Fprintln(c.Stderr, "Invalid node", node)
		return 1
	case verb == "on":
		if !h.listed(node) && !h.noMemory && !h.deaf {
			h.running = append(h.running, node)
		}
		fmt.Fprintln(c.Stdout, "Started", node)
		return 0
	case verb == "off":
		return h.destroy(c, node)
	default:
		fmt.Fprintln(c.Stderr, "Invalid operation", verb)
		return 1
	}
}

func (h *host2007) destroy(c loopback.Command, node string) int {
	if !slices.Contains(h.running, node) {
		fmt.Fprintf(c.Stderr, "Error: Domain '%s' does not exist.\n", node)
		fmt.Fprintln(c.Stdout, "Failed to stop", node)
		return 1
	}
	if !h.deaf {
		h.running = slices.DeleteFunc(h.running, func(name string) bool { return name == node })
	}
	fmt.Fprintln(c.Stdout, "Stopped", node)
	return 0
}

// listed is `xm list | grep ^NODE`.
func (h *host2007) listed(node string) bool {
	return slices.ContainsFunc(h.running, func(name string) bool { return strings.HasPrefix(name, node) })
}

const header2007 = "Name                                        ID   Mem VCPUs      State   Time(s)\n"

// table2007 is the output of `xm list` with these guests.
func table2007(guests ...string) string {
	table := header2007 + row2007("Domain-0", 0, "r-----")
	for i, guest := range guests {
		table += row2007(guest, i+3, "-b----")
	}
	return table
}

func row2007(name string, id int, marks string) string {
	return fmt.Sprintf("%-40s %5d %5d %5d %10s %8.1f\n", name, id, 512, 1, marks, 12.3)
}

// on2007 runs one call against Dom0s that the test looks at afterwards.
func on2007(t *testing.T, gap time.Duration, params map[string]string, hosts []*host2007, args ...string) stonithtest.Result {
	t.Helper()
	b := new2007Bed(t, len(hosts), gap)
	for i, d := range b.dom0s {
		d.Exec = func(c loopback.Command) int {
			b.mu.Lock()
			defer b.mu.Unlock()
			return hosts[i].script(c)
		}
	}
	defer func() {
		for _, d := range b.dom0s {
			d.Close() // so that the test can read what was done
		}
	}()
	return stonithtest.Run(t.Context(), b, "elsewhere", params, args...)
}

// patience gives the usual time to calls that will end by themselves, and little to
// those that would go on to the last.
func patience(status int, says string) map[string]string {
	if status == 0 || strings.HasPrefix(says, "not-found") {
		return nil
	}
	return map[string]string{"timeout": "16s"}
}

func known(running ...string) *host2007 {
	return &host2007{nodes: []string{"guest-1", "guest-2"}, running: running}
}

// A name that no script knows is not off, however absent; one that one of them knows is.
func TestNamesOf2007(t *testing.T) {
	stranger := func() *host2007 { return &host2007{nodes: []string{"guest-2"}} }
	tests := []struct {
		name   string
		hosts  []*host2007
		status int
		says   string
	}{
		{"known", []*host2007{known()}, 0, "already-off"},
		{"known, and its neighbour is on", []*host2007{known("guest-10", "guest-1x", "xguest-1", "Guest-1")}, 0, "already-off"},
		{"known to one of two", []*host2007{stranger(), known()}, 0, "already-off"},
		{"on, and known there only", []*host2007{stranger(), known("guest-1")}, 0, "off-observed"},
		{"known to none", []*host2007{stranger(), stranger()}, 1, "not-found: dom0 "},
		{"on where it is not known", []*host2007{{running: []string{"guest-1"}}, known()}, 1, "not-found: dom0 "},
		{"migrating", []*host2007{known("guest-1--incoming"), known()}, 1, "last seen on "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := on2007(t, time.Millisecond, patience(tt.status, tt.says), tt.hosts, "off", stonithtest.Node)
			if got.Status != tt.status || !strings.Contains(got.Stdout+got.Stderr, tt.says) {
				t.Errorf("exit status %d, stdout %q, stderr %q, want %d and %q", got.Status, got.Stdout, got.Stderr, tt.status, tt.says)
			}
			for i, h := range tt.hosts {
				if slices.Contains(h.running, "guest-1") && got.Status == 0 {
					t.Errorf("FALSE SUCCESS: it runs on Dom0 %d", i)
				}
			}
		})
	}
}

// What is not the script's answer to off tells nothing about the name.
func TestAnswersOf2007(t *testing.T) {
	tests := []struct {
		name, stdout, stderr string
		exit                 int
		status               int
		says                 string
	}{
		{name: "done", stdout: "Stopped guest-1\n", says: "already-off"},
		{name: "failed", stdout: "Failed to stop guest-1\n", exit: 1, says: "already-off"},
		{name: "failed, on stderr, after the toolstack's words", stderr: "Error: Domain 'guest-1' does not exist.\nFailed to stop guest-1\n", exit: 1, says: "already-off"},
		{name: "done, whatever the exit status", stdout: "Stopped guest-1\n", exit: 1, says: "already-off"},
		{name: "nothing", status: 1, says: "unknown-state"},
		{name: "exit status alone", exit: 1, status: 1, says: "unknown-state"},
		{name: "of another guest", stdout: "Stopped guest-10\n", status: 1, says: "unknown-state"},
		{name: "Invalid node", stderr: "Invalid node guest-1\n", exit: 1, status: 1, says: "not-found"},
		{name: "Invalid operation", stderr: "Invalid operation off\n", exit: 1, status: 1, says: "bad-config"},
		{name: "sudo", stderr: "Sorry, user xen is not allowed to execute '/usr/local/sbin/xen-stonith off guest-1' as root on dom0.\n", exit: 1, status: 1, says: "not-permitted"},
		{name: "broken script", stderr: "/usr/local/sbin/xen-stonith: 3: Syntax error: Unterminated quoted string\n", exit: 2, status: 1, says: "Unterminated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := new2007Bed(t, 1, time.Millisecond)
			b.dom0s[0].Exec = func(c loopback.Command) int {
				if strings.HasSuffix(c.Line, " list") {
					return (&host2007{}).script(c)
				}
				fmt.Fprint(c.Stdout, tt.stdout)
				fmt.Fprint(c.Stderr, tt.stderr)
				return tt.exit
			}
			got := stonithtest.Run(t.Context(), b, "elsewhere", patience(tt.status, tt.says), "off", stonithtest.Node)
			if got.Status != tt.status || !strings.Contains(got.Stdout+got.Stderr, tt.says) {
				t.Errorf("exit status %d, stdout %q, stderr %q, want %d and %q", got.Status, got.Stdout, got.Stderr, tt.status, tt.says)
			}
		})
	}
}

// Only a list that is understood, without the guest and without a domain that may be it, is off.
func TestListsOf2007(t *testing.T) {
	alone := table2007()
	tests := []struct {
		name, list, stderr string
		exit               int
		status             int
		says               string
	}{
		{name: "alone", list: alone, says: "already-off"},
		{name: "with words on stderr", list: alone, stderr: "sudo: unable to resolve host dom0\n", says: "already-off"},
		{name: "idle in xend", list: alone + "guest-1   512   1   0.0\n", says: "already-off"},
		{name: "shut down", list: alone + row2007("guest-1", 7, "---s--"), status: 1, says: `unknown-state: .*guest \"guest-1\" is there as domain 7`},
		{name: "crashed", list: alone + row2007("guest-1", 7, "----c-"), status: 1, says: "unknown-state"},
		{name: "rebooting", list: alone + row2007("guest-1", 7, "---sr-"), status: 1, says: "unknown-state"},
		{name: "dying", list: alone + row2007("guest-1", 7, "-----d"), status: 1, says: "unknown-state"},
		{name: "dying by xend's name", list: alone + row2007("Zombie-guest-1", 7, "-----d"), status: 1, says: "unknown-state"},
		{name: "crashed and kept", list: alone + row2007("guest-1-20261121T0507Z", 7, "---sc-"), status: 1, says: "unknown-state"},
		{name: "two, one runs", list: alone + row2007("guest-1", 7, "-----d") + row2007("guest-1", 8, "------"), status: 1, says: "still-on"},
		{name: "paused", list: alone + row2007("guest-1", 7, "--p---"), status: 1, says: "still-on"},
		{name: "a nameless one", list: alone + row2007("(null)", 7, "-bp--d"), status: 1, says: "domain 7 has no name"},
		{name: "an empty name", list: alone + row2007("", 7, "--p---"), status: 1, says: "domain 7 has no name"},
		{name: "garbage behind", list: alone + "what\n", status: 1, says: "unknown-state"},
		{name: "error of xend", stderr: "Error: Unable to connect to xend: Connection refused. Is xend running?\n", exit: 1, status: 1, says: "Is xend running"},
		{name: "no toolstack, and exit status 0", stderr: "xen-stonith: line 4: xm: command not found\n", status: 1, says: "unknown-state"},
		{name: "good list, bad exit status", list: alone, exit: 1, status: 1, says: "device-error"},
		{name: "of dom0-helper", list: "guest-1 off\nguest-2 on\n", status: 1, says: "hint: .* Where dom0-helper is, dom0_protocol is 1"},
		{name: "half a row", list: alone + row2007("guest-2", 7, "-b----")[:50], status: 1, says: "breaks off"},
		{name: "too long", list: alone + manyRows(64<<10), status: 1, says: "more than 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := new2007Bed(t, 1, time.Millisecond)
			b.dom0s[0].Exec = func(c loopback.Command) int {
				if !strings.HasSuffix(c.Line, " list") {
					fmt.Fprintln(c.Stdout, "Stopped guest-1")
					return 0
				}
				fmt.Fprint(c.Stdout, tt.list)
				fmt.Fprint(c.Stderr, tt.stderr)
				return tt.exit
			}
			got := stonithtest.Run(t.Context(), b, "elsewhere", patience(tt.status, tt.says), "off", stonithtest.Node)
			if got.Status != tt.status || !matches(t, tt.says, got.Stdout+got.Stderr) {
				t.Errorf("exit status %d, stdout %q, stderr %q, want %d and %q", got.Status, got.Stdout, got.Stderr, tt.status, tt.says)
			}
		})
	}
}

// manyRows are rows of that size together, or a little more. The guest is in the last one.
func manyRows(size int) string {
	var rows strings.Builder
	for id := 9; rows.Len() < size; id++ {
		rows.WriteString(row2007(fmt.Sprintf("other-%d", id), id, "-b----"))
	}
	return rows.String() + row2007("guest-1", 8, "-b----")
}

// A guest that reboots is absent and comes back. That it was absent twice is no proof.
func TestRebootBefore2007(t *testing.T) {
	b := new2007Bed(t, 1, longestStep+longestStep/2) // more than two looks can prove, however slow
	host := known()
	looks := 0
	b.dom0s[0].Exec = func(c loopback.Command) int {
		b.mu.Lock()
		defer b.mu.Unlock()
		if strings.HasSuffix(c.Line, " list") {
			if looks++; looks == 3 {
				host.running = []string{"guest-1"}
			}
		}
		return host.script(c)
	}
	got := stonithtest.Run(t.Context(), b, "elsewhere", nil, "off", stonithtest.Node)
	if got.Status != 0 || !strings.Contains(got.Stdout, "off-observed") || len(host.running) > 0 {
		t.Errorf("exit status %d, stdout %q, stderr %q, running %q, want 0, off-observed and none", got.Status, got.Stdout, got.Stderr, host.running)
	}
	if !slices.Contains(host.asked, "off guest-1") {
		t.Errorf("asked %q, want off among it", host.asked)
	}
}

// A look that ends before the absence is a proof says so.
func TestTooShortFor2007(t *testing.T) {
	got := on2007(t, time.Hour, map[string]string{"timeout": "2s"}, []*host2007{known()}, "off", stonithtest.Node)
	if got.Status != 1 || !matches(t, `timed-out: .*guest \"guest-1\" is absent, but only for .*\n.*hint: is timeout at least 40s`, got.Stderr) {
		t.Errorf("exit status %d, stderr %q, want 1, and for how long it was absent", got.Status, got.Stderr)
	}
}

// A guest is started where it ran; else on the first Dom0 whose script knows it. What
// the script finds by the beginning of a name is not the guest.
func TestWhere2007GuestStarts(t *testing.T) {
	stranger := func() *host2007 { return &host2007{} }
	tests := []struct {
		name   string
		verb   string
		hosts  []*host2007
		want   int // the Dom0 that runs it then, -1 for none
		status int
	}{
		{"reset: where it ran", "reset", []*host2007{known(), known("guest-1")}, 1, 0},
		{"on: the first", "on", []*host2007{known(), known()}, 0, 0},
		{"on: the first that knows it", "on", []*host2007{stranger(), known()}, 1, 0},
		{"on: no one knows it", "on", []*host2007{stranger(), stranger()}, -1, 1},
		{"on: it runs already", "on", []*host2007{known(), known("guest-1")}, 1, 0},
		{"on: taken for its neighbour", "on", []*host2007{known("guest-10")}, -1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := on2007(t, time.Millisecond, patience(tt.status, ""), tt.hosts, tt.verb, stonithtest.Node)
			runs := slices.IndexFunc(tt.hosts, func(h *host2007) bool { return slices.Contains(h.running, "guest-1") })
			if got.Status != tt.status || runs != tt.want {
				t.Errorf("exit status %d, runs on %d, want %d, %d; stderr %q", got.Status, runs, tt.status, tt.want, got.Stderr)
			}
		})
	}
}

// What the plugin sends is what the sudo rule and the script of 2007 take. status touches no guest.
func TestLinesOf2007(t *testing.T) {
	for verb, want := range map[string][]string{
		"status": {"list"},
		"off":    {"list", "off guest-1", "list"},
		"reset":  {"list", "off guest-1", "list", "list", "on guest-1", "list"},
	} {
		host := known("guest-1")
		args := []string{verb, stonithtest.Node}
		if verb == "status" {
			args = args[:1]
		}
		got := on2007(t, time.Millisecond, nil, []*host2007{host}, args...)
		if asked := slices.Compact(host.asked); got.Status != 0 || !slices.Equal(asked, slices.Compact(want)) {
			t.Errorf("%s: exit status %d, asked %q, want 0 and %q; stderr %q", verb, got.Status, asked, want, got.Stderr)
		}
	}
}

func TestUnknownProtocol(t *testing.T) {
	for _, protocol := range []string{"2", "2008", "01", "dom0/1"} {
		b := newBed(t, 1)
		got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"dom0_protocol": protocol}, "off", stonithtest.Node)
		if got.Status != 1 || b.Contacts() != 0 || !strings.Contains(got.Stderr, "bad-config: dom0_protocol: ") {
			t.Errorf("%q: exit status %d, %d contacts, stderr %q, want 1, none, and the parameter", protocol, got.Status, b.Contacts(), got.Stderr)
		}
	}
}
