package policy

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

func TestParse(t *testing.T) {
	t.Parallel()
	node1 := Guest{Name: "node-1", Accounts: []string{"alpha"}, Config: "/etc/xen/node-1.cfg"}
	node10 := Guest{Name: "node-10", Accounts: []string{"alpha", "_b.c-d"}, Config: "/etc/xen/#10"}
	tests := []struct {
		name, text string
		want       Policy
	}{
		{"empty", "", Policy{}},
		{"blanks and comments", "\n  \t\r\n# a guest\n   #guest\n#\n", Policy{}},
		{"one guest", "guest node-1 account alpha config /etc/xen/node-1.cfg", Policy{guests: []Guest{node1}}},
		{
			"several accounts", "guest node-10 account alpha,_b.c-d config /etc/xen/#10\n",
			Policy{guests: []Guest{node10}},
		},
		{
			"all directives",
			"toolstack /usr/sbin/xl\n" +
				"locks /run/dom0-helper # as root\n" +
				"\tguest  node-1\taccount alpha config /etc/xen/node-1.cfg #x\r\n" +
				"guest node-10 account alpha,_b.c-d config /etc/xen/#10 # y # z\n",
			Policy{Toolstack: "/usr/sbin/xl", Locks: "/run/dom0-helper", guests: []Guest{node1, node10}},
		},
		{
			"keywords as names", "guest guest account account config /config",
			Policy{guests: []Guest{{Name: "guest", Accounts: []string{"account"}, Config: "/config"}}},
		},
		{
			"UTF-8 in a path", "guest node-1 account a config /etc/x\u00e9n/1",
			Policy{guests: []Guest{{Name: "node-1", Accounts: []string{"a"}, Config: "/etc/x\u00e9n/1"}}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatalf("Parse(%q): %v", test.text, err)
			}
			if diff := cmp.Diff(&test.want, got, cmp.AllowUnexported(Policy{})); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const form = "want: guest NAME account ACCOUNT[,ACCOUNT...] config PATH"
	const name = " is not a guest name, want a letter or digit, then at most 62 of letters, digits, '.', '_' and '-'"
	tests := []struct{ text, want string }{
		{"allow node-1", `1:1: "allow" is none of guest, toolstack, locks`},
		{"\n\n  Guest node-1", `3:3: "Guest" is none of guest, toolstack, locks`},
		{"guest# node-1", `1:1: "guest#" is none of guest, toolstack, locks`},
		{"\ufeffguest node-1", `1:1: "\ufeffguest" is none of guest, toolstack, locks`},
		{"guest\vnode-1", `1:1: "guest\vnode-1" is none of guest, toolstack, locks`},
		{"guest", "1:1: " + form},
		{"guest node-1", "1:1: " + form},
		{"\tguest node-1 account a", "1:2: " + form},
		{"guest node-1 config /a account a", "1:1: " + form},
		{"guest node-1 accounts a config /a", "1:1: " + form},
		{"guest node-1 account a config /a b", "1:1: " + form},
		{"guest node-1 account a, b config /a", "1:1: " + form},
		{"guest node-1 account # a config /a", "1:1: " + form},
		{"guest -f account a config /a", `1:7: "-f"` + name},
		{"guest * account a config /a", `1:7: "*"` + name},
		{"guest node-1,node-2 account a config /a", `1:7: "node-1,node-2"` + name},
		{"guest n\u00f6de account a config /a", `1:7: "n\u00f6de"` + name},
		{"guest Domain-0 account a config /a", `1:7: "Domain-0" is the control domain, not a guest`},
		{
			"guest node-1--incoming account a config /a",
			`1:7: guest name "node-1--incoming" is one that Xen gives to another guest that migrates, crashed or is dying`,
		},
		{
			"guest node-1 account a config /a\nguest  node-1 account b config /b",
			`2:8: guest "node-1" is listed twice`,
		},
		{"guest node-1 account a,,b config /a", `1:22: "" is not the name of an account`},
		{"guest node-1 account a, config /a", `1:22: "" is not the name of an account`},
		{"guest node-1 account 1a config /a", `1:22: "1a" is not the name of an account`},
		{"guest node-1 account -a config /a", `1:22: "-a" is not the name of an account`},
		{"guest node-1 account * config /a", `1:22: "*" is not the name of an account`},
		{"guest node-1 account %wheel config /a", `1:22: "%wheel" is not the name of an account`},
		{
			"guest node-1 account a" + strings.Repeat("b", 32) + " config /a",
			`1:22: "a` + strings.Repeat("b", 32) + `" is not the name of an account`,
		},
		{"guest node-1 account a config a.cfg", `1:31: "a.cfg" is not an absolute path in its shortest form`},
		{"guest node-1 account a config /a/../b", `1:31: "/a/../b" is not an absolute path in its shortest form`},
		{"guest node-1 account a config /a//b", `1:31: "/a//b" is not an absolute path in its shortest form`},
		{"guest node-1 account a config /a/", `1:31: "/a/" is not an absolute path in its shortest form`},
		{"guest node-1 account a config \"/a\"", `1:31: "\"/a\"" is not an absolute path in its shortest form`},
		{"toolstack", "1:1: want: toolstack PATH"},
		{"toolstack /usr/sbin/xl -v", "1:1: want: toolstack PATH"},
		{"toolstack xl", `1:11: "xl" is not an absolute path in its shortest form`},
		{"toolstack /a\ntoolstack /b", "2:1: toolstack is given twice"},
		{"locks ./a", `1:7: "./a" is not an absolute path in its shortest form`},
		{"locks /a\n\n locks /a", "3:2: locks is given twice"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, parseError(test.text)); diff != "" {
				t.Errorf("error of Parse(%q) (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

func parseError(text string) string {
	if _, err := Parse([]byte(text)); err != nil {
		return err.Error()
	}
	return "no error"
}

func TestLookup(t *testing.T) {
	t.Parallel()
	p, err := Parse([]byte("guest node-1 account alpha,beta config /1\nguest node-10 account beta config /10\n"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		account, guest string
		want           string // path of the configuration, empty if nothing is to be found
	}{
		{"alpha", "node-1", "/1"},
		{"beta", "node-1", "/1"},
		{"beta", "node-10", "/10"},
		{"alpha", "node-10", ""},
		{"alpha", "node-2", ""},
		{"alpha", "node", ""},
		{"alpha", "NODE-1", ""},
		{"alpha", "", ""},
		{"Alpha", "node-1", ""},
		{"alph", "node-1", ""},
		{"alpha,beta", "node-1", ""},
		{"root", "node-1", ""},
		{"", "node-1", ""},
	}
	for _, test := range tests {
		got, ok := p.Lookup(test.account, test.guest)
		if got.Config != test.want || ok != (test.want != "") {
			t.Errorf("Lookup(%q, %q) = %+v, %t, want the configuration %q", test.account, test.guest, got, ok, test.want)
		}
		if got, ok := (&Policy{}).Lookup(test.account, test.guest); ok {
			t.Errorf("an empty policy: Lookup(%q, %q) = %+v, want nothing", test.account, test.guest, got)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	good := write(t, t.TempDir(), "policy", "guest node-1 account a config /1\n", 0o600)
	if p, err := Load(good); err != nil {
		t.Errorf("Load: %v", err)
	} else if _, ok := p.Lookup("a", "node-1"); !ok {
		t.Errorf("Load: guest node-1 is missing")
	}
	bad := write(t, t.TempDir(), "policy", "\nguests\n", 0o600)
	requireError(t, loadError(bad), bad+`:2:1: "guests" is none of guest, toolstack, locks`)
	large := write(t, t.TempDir(), "policy", strings.Repeat("#", maxSize+1), 0o600)
	requireError(t, loadError(large), large+": more than 1048576 bytes")
	open := write(t, t.TempDir(), "policy", "", 0o666)
	requireError(t, loadError(open), open+": mode 0666 lets others than its owner write")
}

func loadError(path string) error {
	_, err := Load(path)
	return err
}

func FuzzParsePolicy(f *testing.F) {
	for _, text := range []string{
		"", "guest node-1 account a config /a", "guest node-1 account a,b config /a # b\n\nlocks /run/x\ntoolstack /usr/sbin/xl",
		"guest node-1 account a config /a\nguest node-1 account b config /b", "guest -f account a config ../a", "#",
		"guest a account a config /\x00", "\xff", "locks /\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, g := range p.guests {
			if err := wire.CheckGuest(g.Name); err != nil {
				t.Errorf("accepted: %v", err)
			}
			if seen[g.Name] {
				t.Errorf("guest %q is accepted twice", g.Name)
			}
			seen[g.Name] = true
			if len(g.Accounts) == 0 {
				t.Errorf("guest %q is accepted without an account", g.Name)
			}
			if !filepath.IsAbs(g.Config) || filepath.Clean(g.Config) != g.Config {
				t.Errorf("guest %q is accepted with the configuration %q", g.Name, g.Config)
			}
			for _, account := range append(g.Accounts, "") {
				if _, ok := p.Lookup(account, g.Name); ok != (account != "") {
					t.Errorf("Lookup(%q, %q) = %t", account, g.Name, ok)
				}
			}
		}
	})
}
