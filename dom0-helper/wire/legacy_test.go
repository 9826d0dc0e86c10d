package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLegacy(t *testing.T) {
	t.Parallel()
	tests := map[string]Request{
		"sudo -u root xen-stonith list":           {Verb: List, Guests: []string{}, ID: "7"},
		"sudo -u root xen-stonith on node-1":      {Verb: On, Guests: []string{"node-1"}, ID: "7"},
		"sudo -u root xen-stonith off node-10":    {Verb: Off, Guests: []string{"node-10"}, ID: "7"},
		"sudo -u root xen-stonith reset Node_1.a": {Verb: Reset, Guests: []string{"Node_1.a"}, ID: "7"},
	}
	for line, want := range tests {
		got, err := ParseLegacy(line, "7")
		if err != nil || !IsLegacy(line) {
			t.Errorf("ParseLegacy(%q): %v, IsLegacy %t", line, err, IsLegacy(line))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseLegacy(%q) (-want +got):\n%s", line, diff)
		}
	}
}

func TestParseLegacyRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                                "Invalid operation sudo",
		" ":                               `Invalid operation ""`,
		" state node-1":                   "Invalid operation state",
		" List":                           "Invalid operation List",
		" off;id node-1":                  `Invalid operation "off;id"`,
		"  off node-1":                    `Invalid operation ""`,
		" list node-1":                    "Invalid operation list",
		" list ":                          "Invalid operation list",
		" off":                            "want: ",
		" off node-1 node-2":              "want: ",
		" off  node-1":                    "want: ",
		" off ":                           `Invalid node ""`,
		" off -f":                         `Invalid node "-f"`,
		" off Domain-0":                   "Invalid node Domain-0",
		" off node-1--incoming":           "Invalid node node-1--incoming",
		" off node-1;id":                  `Invalid node "node-1;id"`,
		" off node-1\nid":                 `Invalid node "node-1\nid"`,
		" off n\u043ede-1":                `Invalid node "n\u043ede-1"`,
		" off " + strings.Repeat("n", 64): "Invalid node nnnn",
		" off " + strings.Repeat("n", MaxRequest): "request of ",
	}
	for ending, want := range tests {
		r, err := ParseLegacy(legacyCommand+ending, "7")
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ParseLegacy(%.80q) = %s, %v, want %q", legacyCommand+ending, r, err, want)
		}
	}
	for _, line := range []string{"", "sudo", "sudo -u root xen-stonithx list", "sudo -u xen xen-stonith list", " sudo -u root xen-stonith list"} {
		if IsLegacy(line) {
			t.Errorf("IsLegacy(%q)", line)
		}
	}
}

// What is accepted has one form, and is accepted again on its way to the root half.
func FuzzParseLegacy(f *testing.F) {
	for _, ending := range []string{"", " list", " on node-1", " off node-10", " reset a", " off node-1 ", " off -f", " state a"} {
		f.Add(legacyCommand + ending)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseLegacy(line, "7")
		if err != nil || !IsLegacy(line) {
			return
		}
		if again := strings.Join(append([]string{legacyCommand, string(r.Verb)}, r.Guests...), " "); again != line {
			t.Errorf("%q is accepted as %q", line, again)
		}
		requireHarmless(t, line)
		relay := Relay{Request: r, Legacy: true, Client: "c", Source: "::1"}
		got, err := ParseRelay(relay.String())
		if err != nil {
			t.Fatalf("ParseRelay(%q): %v", relay, err)
		}
		requireSame(t, relay.String(), got)
	})
}
