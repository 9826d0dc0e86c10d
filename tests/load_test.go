package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// many is how many nodes are fenced at the same moment.
const many = 64

// A crowd is a Dom0 with many guests.
type crowd struct {
	*dom0
	guests []string // that live on it
}

const crowdKey = "crowd"

// newCrowd makes the Dom0, and the key that controls its guests.
func newCrowd() (*crowd, error) {
	c := &crowd{}
	for i := range many {
		c.guests = append(c.guests, fmt.Sprintf("crowd-%d", i+1))
	}
	var err error
	if c.dom0, err = newDom0("crowd", "127.0.200.1", nil); err != nil {
		return nil, err
	}
	if err := errors.Join(c.host.Allow("xen", c.guests), c.keepEtc(), c.makeKnown()); err != nil {
		return nil, err
	}
	return c, makeKey(crowdKey, "xen",
		`restrict,command="/usr/local/sbin/dom0-helper gate --allow `+strings.Join(c.guests, ",")+` --client crowd"`)
}

// makeKey makes a key that authorized_keys of the account has, with these options.
func makeKey(owner, account, options string) error {
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key(owner)).CombinedOutput(); err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	public, err := os.ReadFile(key(owner) + ".pub")
	if err != nil {
		return err
	}
	return appendFile("/etc/ssh/authorized_keys/"+account, options+" "+string(public))
}

// limitStartups sets how many connections sshd takes that have not logged in. It
// then tells of each that it drops.
func (c *crowd) limitStartups(limit string) error {
	path := c.dir("etc/sshd_config")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text = regexp.MustCompile(`(?m)^MaxStartups .*$`).ReplaceAll(text, []byte("MaxStartups "+limit))
	text = regexp.MustCompile(`(?m)^LogLevel .*$`).ReplaceAll(text, []byte("LogLevel VERBOSE"))
	return errors.Join(os.WriteFile(path, text, 0o644), c.stopSSHD(), c.startSSHD())
}

// params are the device's parameters. Here many calls share few processors, and a
// connection takes its time.
func (c *crowd) params() []string {
	return []string{"hostlist=" + strings.Join(c.guests, " "), "sshaccount=xen@crowd", "identity_file=" + key(crowdKey), "timeout=150s", "connect_timeout=60s"}
}

// begin has all guests run, or none. They run without an xl in the background: so
// many of the simulated ones take more of the processor than the calls do.
func (c *crowd) begin(running bool) error {
	if err := c.reset(); err != nil || !running {
		return err
	}
	for _, guest := range c.guests {
		if _, err := c.xl("create", "-q", "-e", c.host.Config(guest)); err != nil {
			return err
		}
	}
	return nil
}

// An answered is what a call has said of its guest.
type answered struct {
	guest  string
	status int
	out    string
	took   time.Duration
}

// call calls the plugin for every guest at once.
func (c *crowd) call(verb string) []answered {
	answers := make([]answered, len(c.guests))
	var all sync.WaitGroup
	for i, guest := range c.guests {
		all.Go(func() {
			command := pluginCommand(append([]string{verb, guest}, c.params()...)...)
			start := time.Now()
			out, _ := command.CombinedOutput() // the exit status says it
			answers[i] = answered{guest, command.ProcessState.ExitCode(), string(out), time.Since(start)}
		})
	}
	all.Wait()
	return answers
}

// processesOf are those of the guest: what is true.
func (c *crowd) processesOf(guest string) []string {
	out, _ := c.xl("sim", "pid", guest) // fails if there is none
	return strings.Fields(out)
}

// TestSixtyFourAtOnce fences, starts and resets 64 guests of one Dom0 by as many
// calls at the same moment, with sshd's usual limit of connections that have not
// logged in, which drops some of them, and with one that suffices.
func TestSixtyFourAtOnce(t *testing.T) {
	c, err := newCrowd()
	must("the crowd", err)
	defer c.end()
	for _, tt := range []struct {
		limit string
		drops bool
		verbs []string
	}{
		{"10:30:100", true, []string{"off", "on", "reset"}}, // of OpenSSH, and of Debian
		{fmt.Sprint(many), false, []string{"reset"}},        // which is off and on
	} {
		t.Run(tt.limit, func(t *testing.T) {
			must("sshd", c.limitStartups(tt.limit))
			dropped := 0
			for _, verb := range tt.verbs {
				dropped += c.check(t, verb, tt.drops)
			}
			if (dropped > 0) != tt.drops {
				t.Errorf("sshd dropped %d connections", dropped)
			}
		})
	}
}

// check makes the calls and compares all answers with the truth and the audit. It
// returns how many connections were dropped.
func (c *crowd) check(t *testing.T, verb string, mayFail bool) (dropped int) {
	must("the crowd", c.begin(verb != "on"))
	mark := logged.mark()
	before := map[string][]string{}
	for _, guest := range c.guests {
		before[guest] = c.processesOf(guest)
	}
	start := time.Now()
	answers := c.call(verb)
	took := time.Since(start)
	must("the log", logged.settled())
	dropped = linesWith(mark, "sshd[", "drop connection")
	records := c.audits(t, mark)
	failed := 0
	var slowest time.Duration
	for _, a := range answers {
		slowest = max(slowest, a.took)
		switch {
		case a.status == 0:
			c.judge(t, verb, a, before[a.guest])
			checkAudit(t, verb, a, records)
		case mayFail && strings.Contains(a.out, ": unreachable: "):
			failed++
		default:
			t.Errorf("%s of %s: exit status %d; %s", verb, a.guest, a.status, a.out)
		}
	}
	t.Logf("%s: %d calls in %s, the slowest in %s; %d failed; sshd dropped %d connections; %d lines of audit",
		verb, many, took.Round(time.Millisecond), slowest.Round(time.Millisecond), failed, dropped, len(records))
	return dropped
}

// judge compares a success with the guest's processes.
func (c *crowd) judge(t *testing.T, verb string, a answered, before []string) {
	now := c.processesOf(a.guest)
	want := 1
	if verb == "off" {
		want = 0
	}
	if len(now) != want || verb == "reset" && len(before) == 1 && now[0] == before[0] {
		t.Errorf("FALSE SUCCESS: %s of %s: its processes were %v and are %v; %s", verb, a.guest, before, now, a.out)
	}
}

// An auditLine is what counts of a line of the audit.
type auditLine struct{ Request, Verb, Guests, Verdict, Text string }

type auditLines []auditLine

// of are the lines of one call.
func (l auditLines) of(id string) []auditLine {
	return slices.DeleteFunc(slices.Clone(l), func(r auditLine) bool { return !strings.HasPrefix(r.Request, id+"-") })
}

// audits are the lines of the audit since mark. Each must be one whole record.
func (c *crowd) audits(t *testing.T, mark int) auditLines {
	var records auditLines
	for _, text := range logged.since(mark) {
		_, record, found := strings.Cut(text, "dom0-helper[")
		if !found || strings.Contains(text, "sudo: ") {
			continue
		}
		_, record, _ = strings.Cut(record, "]: ")
		var line auditLine
		if err := json.Unmarshal([]byte(record), &line); err != nil {
			t.Errorf("audit %q: %v", text, err)
		}
		records = append(records, line)
	}
	return records
}

// checkAudit wants the requests of a call to be about its guest alone, and among
// them those that the verb needs.
func checkAudit(t *testing.T, verb string, a answered, records auditLines) {
	found := lastID.FindStringSubmatch(verdictLine(a.out))
	if found == nil {
		t.Fatalf("no request id at the end of %q", a.out)
	}
	ok := map[string]int{}
	for _, r := range records.of(found[1]) {
		if r.Guests != a.guest {
			t.Errorf("request %s of %s is about %s", r.Request, a.guest, r.Guests)
		}
		if r.Verdict == "ok" {
			ok[r.Verb]++
		}
	}
	needs := map[string][]string{"off": {"off", "state"}, "on": {"on", "state"}, "reset": {"off", "on", "state"}}[verb]
	for _, need := range needs {
		if ok[need] == 0 {
			t.Errorf("%s of %s succeeded, and the audit of request %s has no %s that is ok: %v", verb, a.guest, found[1], need, records.of(found[1]))
		}
	}
}
