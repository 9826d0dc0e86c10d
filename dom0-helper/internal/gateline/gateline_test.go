package gateline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]Options{
		"--allow node-1 --client cluster-a": {Allow: GuestSet{"node-1"}, Client: "cluster-a", Sudo: DefaultSudo},
		"--client=a --allow=node-1,node-10 -allow node-2 --sudo /opt/sudo --policy /etc/p": {
			Allow: GuestSet{"node-1", "node-10", "node-2"}, Client: "a", Sudo: "/opt/sudo", Policy: "/etc/p",
		},
	} {
		got, err := Parse(strings.Fields(args))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Parse(%q): %v (-want +got):\n%s", args, err, diff)
		}
		again, err := Parse(strings.Fields(want.Command("/x"))[2:])
		if err != nil || !again.Same(want) {
			t.Errorf("%q is read as %+v, %v", want.Command("/x"), again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	var many []string
	for n := range MaxAllow / len("node-000,") {
		many = append(many, fmt.Sprintf("node-%04d", n))
	}
	for args, want := range map[string]string{
		"":                                              "option --allow is missing",
		"--client a":                                    "option --allow is missing",
		"--allow node-1":                                "option --client is missing",
		"--allow node-1 --client -a":                    `"-a" is not an identifier`,
		"--allow node-1 --client":                       "flag needs an argument: -client",
		"--allow":                                       "flag needs an argument: -allow",
		"--allow , --client a":                          `"" is not a guest name`,
		"--allow node-1, --client a":                    `"" is not a guest name`,
		"--allow node-* --client a":                     `"node-*" is not a guest name`,
		"--allow node-1,node-1 --client a":              `guest "node-1" is named twice`,
		"--allow node-1,Domain-0 --client a":            `"Domain-0" is the control domain, not a guest`,
		"--allow node-1 --client a node-2":              `unexpected argument "node-2"`,
		"--allow node-1 --client a -- node-2":           `unexpected argument "node-2"`,
		"--allow node-1 --client a --root":              "flag provided but not defined: -root",
		"--client a --allow " + strings.Join(many, ","): "option --allow has ",
	} {
		if _, err := Parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.80q): error %v, want %q", args, err, want)
		}
	}
}
