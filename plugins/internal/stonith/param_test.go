package stonith

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func anyPlug(string) error { return nil }

func TestHostList(t *testing.T) {
	tests := []struct {
		name, text string
		want       []Node
		err        string
	}{
		{name: "blanks", text: "node-1 node-2", want: []Node{{"node-1", "node-1"}, {"node-2", "node-2"}}},
		{name: "commas, semicolons, line ends", text: "a, b;c\nd\t", want: []Node{{"a", "a"}, {"b", "b"}, {"c", "c"}, {"d", "d"}}},
		{name: "mapped", text: "Node-1:guest-1", want: []Node{{"Node-1", "guest-1"}}},
		{name: "the first colon ends the node", text: "n:[::1]:623", want: []Node{{"n", "[::1]:623"}}},
		{name: "only separators", text: " ,; ", err: "names no node"},
		{name: "twice", text: "a b a", err: `node "a" is listed twice`},
		{name: "twice but for case", text: "node Node", err: `node "Node" is listed twice`},
		{name: "one guest for two nodes", text: "a:x b:x", err: `nodes "a" and "b" are both guest "x"`},
		{name: "one node is the guest of another", text: "a b:a", err: `nodes "a" and "b" are both guest "a"`},
		{name: "option", text: "-f", err: `"-f" is not a node name, want letters, digits, '.', '_' and '-'`},
		{name: "shell words", text: "$(id)", err: `"$(id)" is not a node name, want letters, digits, '.', '_' and '-'`},
		{name: "every mistake", text: "a a :x", err: `node "a" is listed twice; "" is not a node name, want letters, digits, '.', '_' and '-'`},
		{name: "dropped by Pacemaker", text: "off", err: `node name "off" is one that Pacemaker drops from a device's list`},
		{name: "dropped with its line", text: "my-invalid-node", err: `node name "my-invalid-node" is one that Pacemaker drops from a device's list`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hostList{syntax: PlugSyntax{Word: "guest", Check: anyPlug}}
			err := h.Set(tt.text)
			if text := errText(err); text != tt.err {
				t.Fatalf("Set(%q) = %q, want %q", tt.text, text, tt.err)
			}
			if diff := cmp.Diff(tt.want, h.nodes); err == nil && diff != "" {
				t.Errorf("Set(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestPlugIsChecked(t *testing.T) {
	h := hostList{syntax: PlugSyntax{Word: "guest", Check: func(string) error { return errors.New("no guest") }}}
	if got, want := errText(h.Set("a:b")), `node "a": no guest`; got != want {
		t.Errorf("Set(a:b) = %q, want %q", got, want)
	}
}

func TestFindNode(t *testing.T) {
	h := hostList{syntax: PlugSyntax{Check: anyPlug}}
	if err := h.Set("Node-1:x node-10"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"node-1": "Node-1", "NODE-10": "node-10", "node": "", "node-100": "", "": "", "x": "", "node-1 ": ""} {
		n, err := h.find(name)
		if n.Name != want || (err == nil) != (want != "") || (err != nil && ReasonOf(err) != WrongTarget) {
			t.Errorf("find(%q) = %q, %v, want %q", name, n.Name, err, want)
		}
	}
}

func TestRunsOn(t *testing.T) {
	tests := []struct {
		node, hostname string
		want           bool
	}{
		{"node-1", "node-1", true},
		{"node-1", "NODE-1", true},
		{"node-1", "node-1.example.org", true},
		{"node-1.example.org", "node-1", true},
		{"node-1.example.org", "node-1.example.net", false},
		{"node-1", "node-10", false},
		{"node-1", "node-10.example.org", false},
	}
	for _, tt := range tests {
		if got := (Node{Name: tt.node}).runsOn(tt.hostname); got != tt.want {
			t.Errorf("node %q runs on %q: %t, want %t", tt.node, tt.hostname, got, tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"40": 40 * time.Second, "40s": 40 * time.Second, "2min": 2 * time.Minute, "2m": 2 * time.Minute, "1500ms": 1500 * time.Millisecond,
		"": 0, "0": 0, "-1": 0, "soon": 0, "1 s": 0, "0x10": 0, "5in": 0, "99999999999999999999": 0,
	} {
		var d Duration
		err := d.Set(text)
		if (err == nil) != (want != 0) || time.Duration(d) != want {
			t.Errorf("Set(%q) = %s, %v, want %s", text, time.Duration(d), err, want)
		}
	}
	short := Duration(1500 * time.Millisecond)
	if got, want := short.String(), "1.5s"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}

// FuzzHostList: what is accepted is written again as the same list, and has only
// names that Pacemaker's reader of lists lets through.
func FuzzHostList(f *testing.F) {
	for _, seed := range []string{"a b", "a:b,c;d:e", "node-1:node-1", "-f", "a:b:c", "\x00", "ä"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := hostList{syntax: PlugSyntax{Check: anyPlug}}
		if h.Set(text) != nil {
			return
		}
		again := hostList{syntax: h.syntax}
		if err := again.Set(h.String()); err != nil {
			t.Fatalf("%q was accepted, but not its own form %q: %v", text, h.String(), err)
		}
		if diff := cmp.Diff(h.nodes, again.nodes); diff != "" {
			t.Errorf("%q changes when written again (-first +again):\n%s", text, diff)
		}
		for _, n := range h.nodes {
			if strings.Trim(n.Name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") != "" {
				t.Errorf("%q gives the node name %q", text, n.Name)
			}
		}
	})
}
