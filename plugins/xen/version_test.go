package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

// previous lets a Dom0 of the bed have a dom0-helper of the previous version, in whose
// words the answers are.
func (b *bed) previous(dom0 int) {
	serve := b.dom0s[dom0].Exec
	b.dom0s[dom0].Exec = func(c loopback.Command) int {
		if !wire.IsPrevious(c.Line) {
			fmt.Fprintf(c.Stdout, "dom0/1 - refused bad-request request %q is not of the form \"dom0/1 VERB GUEST ID\"\n", c.Line)
			return 1
		}
		answer := &strings.Builder{}
		to := c.Stdout
		c.Stdout = answer
		status := serve(c)
		fmt.Fprint(to, strings.Replace(answer.String(), "dom0/2 ", "dom0/1 ", 1))
		return status
	}
}

// What a Dom0 says whose dom0-helper is older than the plugin proves nothing: it does not see
// saved images, restores and migrations.
func TestPreviousVersion(t *testing.T) {
	for _, power := range []stonith.Power{stonith.On, stonith.Off} {
		for _, args := range [][]string{{"off", stonithtest.Node}, {"on", stonithtest.Node}, {"reset", stonithtest.Node}, {"status"}, {"check"}} {
			t.Run(fmt.Sprint(power, args[0]), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, 2)
				b.previous(1) // where the guest lives
				b.SetPower(power)
				got := stonithtest.Run(t.Context(), b, "elsewhere", nil, args...)
				if got.Status != 1 {
					t.Errorf("exit status %d, %q, want 1", got.Status, got.Stdout)
				}
				says := "bad-config: dom0 " + b.dom0s[1].Address() + ": its dom0-helper is older than this plugin"
				if !strings.Contains(got.Stderr+got.Stdout, says) || !strings.Contains(got.Stderr, "hint: install the new dom0-helper") {
					t.Errorf("stderr %q, want %q and a hint", got.Stderr, says)
				}
			})
		}
	}
}

// What a Dom0 says beside a result is told once, and changes no result.
func TestNotes(t *testing.T) {
	b := newBed(t, 2)
	for i := range b.dom0s {
		on := i == 1
		b.answerBy(i, func(r wire.Request) wire.Answer {
			switch {
			case r.Verb == wire.Off && on:
				on = false
				return fine("done; image /a/node-1 is /a/.node-1.fenced now")
			case r.Verb == wire.Check:
				return fine("guest-1=known guest-2=known; image /a/node-1 lies beside guest-1")
			case r.Verb == wire.Off:
				return fine(wire.Done)
			case on:
				return fine("on; image /a/node-1 lies beside guest-1")
			}
			return fine("off; look")
		})
	}
	beside := "warning: WHAT: dom0 " + b.dom0s[1].Address() + ": image /a/node-1 lies beside guest-1"
	got := stonithtest.Run(t.Context(), b, "elsewhere", nil, "status")
	if got.Status != 0 || strings.Count(got.Stderr, strings.Replace(beside, "WHAT", "status", 1)) != 1 {
		t.Errorf("status: %d, %q, want 0 and once %q", got.Status, got.Stderr, beside)
	}
	got = stonithtest.Run(t.Context(), b, "elsewhere", nil, "off", stonithtest.Node)
	moved := "warning: off node-1: dom0 " + b.dom0s[1].Address() + ": image /a/node-1 is /a/.node-1.fenced now"
	for _, line := range []string{moved, strings.Replace(beside, "WHAT", "off node-1", 1)} {
		if got.Status != 0 || strings.Count(got.Stderr, line) != 1 {
			t.Errorf("off: %d, %q, want 0 and once %q", got.Status, got.Stderr, line)
		}
	}
}

// A guest that is saved is neither off nor on: off is asked for, and it is not started.
func TestSaved(t *testing.T) {
	b := newBed(t, 2)
	state := wire.GuestSaved
	for i := range b.dom0s {
		b.answerBy(i, func(r wire.Request) wire.Answer {
			switch {
			case r.Verb == wire.State && i == 1:
				return fine(string(state))
			case r.Verb == wire.State:
				return fine(string(wire.GuestAbsent))
			case r.Verb == wire.Off && i == 1:
				state = wire.GuestOff
			}
			return fine(wire.Done)
		})
	}
	got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"timeout": "1s"}, "on", stonithtest.Node)
	if got.Status != 1 || !strings.Contains(got.Stderr, `guest "guest-1" is saved`) || slices.Contains(b.verbsSeen(), "on") {
		t.Errorf("on: %d, %q, asked %q, want 1, and no Dom0 asked to start it", got.Status, got.Stderr, b.verbsSeen())
	}
	got = stonithtest.Run(t.Context(), b, "elsewhere", nil, "off", stonithtest.Node)
	if got.Status != 0 || !strings.Contains(got.Stdout, "off-observed") || !slices.Contains(b.verbsSeen(), "off") {
		t.Errorf("off: %d, %q, asked %q, want 0 and off-observed", got.Status, got.Stdout, b.verbsSeen())
	}
}

// Two entries that show one host key are told of, in each call that reaches them.
func TestTwins(t *testing.T) {
	b := newBed(t, 1)
	other := func(text string) string { return strings.ReplaceAll(text, "127.0.0.1", "localhost") }
	one, known := b.dom0s[0].Address(), b.dom0s[0].KnownHosts()
	b.params["known_hosts"] = writeFile(t, b.params["known_hosts"], known+other(known))
	b.params["sshaccount"] = "xen@" + one + " xen@" + other(one)
	want := "dom0 " + one + " and dom0 " + other(one) + " show the same host key SHA256:"
	for _, args := range [][]string{{"status"}, {"off", stonithtest.Node}} {
		got := stonithtest.Run(t.Context(), b, "elsewhere", nil, args...)
		if got.Status != 0 || strings.Count(got.Stderr, want) != 1 {
			t.Errorf("%v: %d, %q, want 0 and once %q", args, got.Status, got.Stderr, want)
		}
	}
	b = newBed(t, 2)
	if got := stonithtest.Run(t.Context(), b, "elsewhere", nil, "status"); got.Status != 0 || strings.Contains(got.Stderr, "same host key") {
		t.Errorf("two machines: %d, %q, want 0 and nothing of host keys", got.Status, got.Stderr)
	}
}
