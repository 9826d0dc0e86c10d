package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/gateline"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

func TestGateJudge(t *testing.T) {
	t.Parallel()
	g := &gate{gateline.Options{Allow: gateline.GuestSet{"node-1", "node-2"}, Client: "a"}}
	tests := []struct {
		line string
		want wire.Request
	}{
		{"dom0/2 off node-1 7", wire.Request{Verb: wire.Off, Guests: []string{"node-1"}, ID: "7"}},
		{"dom0/2 on node-2 7", wire.Request{Verb: wire.On, Guests: []string{"node-2"}, ID: "7"}},
		{"dom0/2 state node-2 7", wire.Request{Verb: wire.State, Guests: []string{"node-2"}, ID: "7"}},
		{"dom0/2 check node-2,node-1 7", wire.Request{Verb: wire.Check, Guests: []string{"node-2", "node-1"}, ID: "7"}},
		{"dom0/2 list node-2 7", wire.Request{Verb: wire.List, Guests: []string{"node-2"}, ID: "7"}},
		{"dom0/2 list - 7", wire.Request{Verb: wire.List, Guests: []string{"node-1", "node-2"}, ID: "7"}},
	}
	for _, test := range tests {
		got, refusal := g.judge(test.line)
		if refusal != nil {
			t.Errorf("judge(%q): %s", test.line, refusal)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("judge(%q) (-want +got):\n%s", test.line, diff)
		}
	}
}

func TestGateJudgeRefuses(t *testing.T) {
	t.Parallel()
	g := &gate{gateline.Options{Allow: gateline.GuestSet{"node-1", "node-2"}, Client: "a"}}
	const foreign = "dom0/2 7 refused not-permitted client a may not control guest "
	const bad = "dom0/2 - refused bad-request "
	tests := []struct{ name, line, want string }{
		{"shell", "", bad + `request "" is not of the form`},
		{"command", "xl destroy node-1", bad},
		{"subsystem", "internal-sftp", bad},
		{"too long", "dom0/2 list " + strings.Repeat("node-1,", wire.MaxRequest) + "node-2 7", bad + "request of "},
		{"two lines", "dom0/2 off node-1 7\ndom0/2 off node-3 8", bad},
		{"longer name", "dom0/2 off node-10 7", foreign + "node-10"},
		{"shorter name", "dom0/2 off node 7", foreign + "node"},
		{"other letters", "dom0/2 off NODE-1 7", foreign + "NODE-1"},
		{"on of another", "dom0/2 on node-3 7", foreign + "node-3"},
		{"state of another", "dom0/2 state node-3 7", foreign + "node-3"},
		{"list of another", "dom0/2 list node-3 7", foreign + "node-3"},
		{"check of several", "dom0/2 check node-1,node-3,node-2 7", foreign + "node-3"},
		{"pattern", "dom0/2 off node-? 7", bad},
		{"control domain", "dom0/2 off Domain-0 7", bad},
		{"no guest", "dom0/2 off - 7", bad},
		{"relayed request", "dom0/2 off node-1 7 client root from ::1", bad},
		{"reply in the request", "dom0/2 off node-1 7\r\ndom0/2 7 ok done", bad},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, refusal := g.judge(test.line)
			if refusal == nil {
				t.Fatalf("judge(%.80q) = %s, want a refusal", test.line, r)
			}
			if !strings.HasPrefix(refusal.String(), test.want) {
				t.Errorf("judge(%.80q): %q, want %q", test.line, refusal, test.want)
			}
			if _, err := wire.ParseAnswer(refusal.String()); err != nil {
				t.Errorf("judge(%.80q): the refusal is no answer: %v", test.line, err)
			}
		})
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"192.0.2.7 50000 192.0.2.1 22":       "192.0.2.7",
		"2001:db8::7 50000 2001:db8::1 22":   "2001:db8::7",
		"fe80::1%eth0 50000 fe80::2%eth0 22": "fe80::1%eth0",
		"UNKNOWN 65535 UNKNOWN 65535":        "UNKNOWN",
		"192.0.2.7":                          "192.0.2.7",
		"":                                   "unknown",
		" 192.0.2.7":                         "unknown",
		"192.0.2.7\n50000":                   "unknown",
		"$(id) 1":                            "unknown",
		"-x 1":                               "unknown",
	}
	for connection, want := range tests {
		if got := clientAddress(connection); got != want {
			t.Errorf("clientAddress(%q) = %q, want %q", connection, got, want)
		}
	}
}
