package policy

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

func TestParse(t *testing.T) {
	t.Parallel()
	node1 := Guest{Name: "node-1", Accounts: []string{"alpha"}, Config: "/etc/xen/node-1.cfg", Line: 1}
	node10 := Guest{Name: "node-10", Accounts: []string{"alpha", "_b.c-d"}, Config: "/etc/xen/#10", Line: 1}
	tests := []struct {
		name, text string
		want       Policy
	}{
		{"empty", "", Policy{}},
		{"blanks and comments", "\n  \t\r\n# a guest\n   #guest\n#\n", Policy{}},
		{"one guest", "guest node-1 account alpha config /etc/xen/node-1.cfg", Policy{Guests: []Guest{node1}}},
		{
			"several accounts", "guest node-10 account alpha,_b.c-d config /etc/xen/#10\n",
			Policy{Guests: []Guest{node10}},
		},
		{
			"all directives",
			"\tguest  node-1\taccount alpha config /etc/xen/node-1.cfg #x\r\n" +
				"toolstack /usr/sbin/xl\n" +
				"client c1 account beta guests node-2\n" +
				"state /run/dom0-helper # as root\n" +
				"guest node-2 account beta config /2 uuid 0e6a1a94-36c3-4b1e-8c43-6d1b7c5d3f01 # y # z\n" +
				"client c2 account alpha guests node-1\nstarts 3 within 10m\ndump /var/crash size 4G time 5s\n",
			Policy{
				Toolstack: "/usr/sbin/xl", State: "/run/dom0-helper",
				Guests: []Guest{node1, {
					Name: "node-2", Accounts: []string{"beta"}, Config: "/2",
					UUID: "0e6a1a94-36c3-4b1e-8c43-6d1b7c5d3f01", Line: 5,
				}},
				Clients: []Client{
					{Name: "c1", Account: "beta", Guests: []string{"node-2"}, Line: 3},
					{Name: "c2", Account: "alpha", Guests: []string{"node-1"}, Line: 6},
				},
				Starts: Starts{Number: 3, Within: 10 * time.Minute},
				Dump:   Dump{Dir: "/var/crash", Size: 4 << 30, Time: 5 * time.Second},
			},
		},
		{
			"images", "images /a,/b/c\nimages /d",
			Policy{Images: []string{"/a", "/b/c", "/d"}},
		},
		{
			"keywords as names", "guest guest account account config /config",
			Policy{Guests: []Guest{{Name: "guest", Accounts: []string{"account"}, Config: "/config", Line: 1}}},
		},
		{
			"UTF-8 in a path", "guest node-1 account a config /etc/x\u00e9n/1",
			Policy{Guests: []Guest{{Name: "node-1", Accounts: []string{"a"}, Config: "/etc/x\u00e9n/1", Line: 1}}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatalf("Parse(%q): %v", test.text, err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const form = "want: guest NAME account ACCOUNT[,ACCOUNT...] config PATH [uuid UUID]"
	const name = " is not a guest name, want a letter or digit, then at most 62 of letters, digits, '.', '_' and '-'"
	const noUUID = " is not the UUID of a guest in lower case, as in xl list -v"
	const someUUID = "0e6a1a94-36c3-4b1e-8c43-6d1b7c5d3f01"
	const rule = "guest node-1 account a config /a\n"
	tests := []struct{ text, want string }{
		{"allow node-1", `1:1: "allow" is none of client, dump, guest, images, starts, state, toolstack`},
		{"\n\n  Guest node-1", `3:3: "Guest" is none of client, dump, guest, images, starts, state, toolstack`},
		{"guest# node-1", `1:1: "guest#" is none of client, dump, guest, images, starts, state, toolstack`},
		{"\ufeffguest node-1", `1:1: "\ufeffguest" is none of client, dump, guest, images, starts, state, toolstack`},
		{"guest\vnode-1", `1:1: "guest\vnode-1" is none of client, dump, guest, images, starts, state, toolstack`},
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
		{"guest node-1 account a,,b config /a", `1:24: "" is not the name of an account`},
		{"guest node-1 account a, config /a", `1:24: "" is not the name of an account`},
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
		{"state ./a", `1:7: "./a" is not an absolute path in its shortest form`},
		{"state /a\n\n state /a", "3:2: state is given twice"},
		{"images", "1:1: want: images DIRECTORY[,DIRECTORY...]"},
		{"images /a,./b", `1:11: "./b" is not an absolute path in its shortest form`},
		{"images /a,", `1:11: "" is not an absolute path in its shortest form`},
		{"images /a\nimages /b,/a", "2:11: directory /a is named twice"},
		{"guest node-1 account a,b,1 config /a", `1:26: "1" is not the name of an account`},
		{"guest node-1 account a config /a uuid", "1:1: " + form},
		{"guest node-1 account a config /a id 1", "1:1: " + form},
		{"guest node-1 account a config /a uuid 1", `1:39: "1"` + noUUID},
		{"guest node-1 account a config /a uuid " + strings.ToUpper(someUUID), `1:39: "` + strings.ToUpper(someUUID) + `"` + noUUID},
		{"guest node-1 account a config /a uuid " + controlUUID, `1:39: "` + controlUUID + `"` + noUUID},
		{
			"guest node-1 account a config /a uuid " + someUUID + "\nguest node-2 account a config /b uuid " + someUUID,
			`2:39: ` + someUUID + ` is the UUID of guest "node-1" already`,
		},
		{"client c account a", "1:1: want: client NAME account ACCOUNT guests GUEST[,GUEST...]"},
		{"client -c account a guests node-1", `1:8: "-c" is not an identifier`},
		{"client c account 1 guests node-1", `1:18: "1" is not the name of an account`},
		{"client c account a guests node-1", `1:27: "node-1" is no guest of account a`},
		{rule + "client c account b guests node-1", `2:27: "node-1" is no guest of account b`},
		{rule + "client c account a guests node-1,node-2", `2:34: "node-2" is no guest of account a`},
		{rule + "client c account a guests node-1,node-1", `2:34: guest "node-1" is named twice`},
		{rule + "client c account a guests node-1,", `2:34: "" is no guest of account a`},
		{
			rule + "client c account a guests node-1\nclient c account a guests node-1",
			`3:8: client "c" of account a is listed twice`,
		},
		{"starts 0 within 1m", `1:8: "0" is not a number from 1 to 1000`},
		{"starts +3 within 1m", `1:8: "+3" is not a number from 1 to 1000`},
		{"starts 1001 within 1m", `1:8: "1001" is not a number from 1 to 1000`},
		{"starts 3 within 10", `1:17: "10" is not a time from 1s to 168h0m0s`},
		{"starts 3 within 999ms", `1:17: "999ms" is not a time from 1s to 168h0m0s`},
		{"starts 3 in 10m", "1:1: want: starts NUMBER within TIME"},
		{"starts 3 within 1m\nstarts 3 within 1m", "2:1: starts is given twice"},
		{"dump crash size 1G time 5s", `1:6: "crash" is not an absolute path in its shortest form`},
		{"dump /a size 1 time 5s", `1:14: "1" is not a size, want a number and one of K, M, G, T`},
		{"dump /a size 0G time 5s", `1:14: "0G" is not a size, want a number and one of K, M, G, T`},
		{"dump /a size 10000G time 5s", `1:14: "10000G" is not a size, want a number and one of K, M, G, T`},
		{"dump /a size 1G time 9s", `1:22: "9s" is not a time from 1s to 8s`},
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
	p, err := Parse([]byte("guest node-1 account alpha,beta config /1\nguest node-10 account beta config /10\n" +
		"client c1 account beta guests node-1\nclient c10 account beta guests node-10,node-1\n"))
	if err != nil {
		t.Fatal(err)
	}
	const account = "account %s may not control guest %s"
	const client = "client %s of account beta may not control guest %s"
	tests := []struct {
		account, client, guest string
		want                   string // path of the configuration, or the error
	}{
		{"alpha", "anyone", "node-1", "/1"},
		{"alpha", "c1", "node-1", "/1"},
		{"beta", "c1", "node-1", "/1"},
		{"beta", "c10", "node-1", "/1"},
		{"beta", "c10", "node-10", "/10"},
		{"beta", "c1", "node-10", fmt.Sprintf(client, "c1", "node-10")},
		{"beta", "anyone", "node-1", fmt.Sprintf(client, "anyone", "node-1")},
		{"beta", "C1", "node-1", fmt.Sprintf(client, "C1", "node-1")},
		{"alpha", "c10", "node-10", fmt.Sprintf(account, "alpha", "node-10")},
		{"alpha", "c1", "node-2", fmt.Sprintf(account, "alpha", "node-2")},
		{"alpha", "c1", "node", fmt.Sprintf(account, "alpha", "node")},
		{"alpha", "c1", "NODE-1", fmt.Sprintf(account, "alpha", "NODE-1")},
		{"alpha", "c1", "", fmt.Sprintf(account, "alpha", "")},
		{"Alpha", "c1", "node-1", fmt.Sprintf(account, "Alpha", "node-1")},
		{"alph", "c1", "node-1", fmt.Sprintf(account, "alph", "node-1")},
		{"alpha,beta", "c1", "node-1", fmt.Sprintf(account, "alpha,beta", "node-1")},
		{"root", "c1", "node-1", fmt.Sprintf(account, "root", "node-1")},
		{"", "c1", "node-1", fmt.Sprintf(account, "", "node-1")},
	}
	for _, test := range tests {
		got, err := p.Lookup(test.account, test.client, test.guest)
		if found := got.Config + text(err); found != test.want {
			t.Errorf("Lookup(%q, %q, %q) = %q, want %q", test.account, test.client, test.guest, found, test.want)
		}
		if got, err := (&Policy{}).Lookup(test.account, test.client, test.guest); err == nil {
			t.Errorf("an empty policy: Lookup(%q, %q, %q) = %+v, want nothing", test.account, test.client, test.guest, got)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestLoad(t *testing.T) {
	t.Parallel()
	good := write(t, t.TempDir(), "policy", "guest node-1 account a config /1\n", 0o600)
	if p, err := Load(good); err != nil {
		t.Errorf("Load: %v", err)
	} else if _, err := p.Lookup("a", "c", "node-1"); err != nil {
		t.Errorf("Load: %v", err)
	}
	bad := write(t, t.TempDir(), "policy", "\nguests\n", 0o600)
	requireError(t, loadError(bad), bad+`:2:1: "guests" is none of client, dump, guest, images, starts, state, toolstack`)
	large := write(t, t.TempDir(), "policy", strings.Repeat("#", maxSize+1), 0o600)
	requireError(t, loadError(large), large+": more than 1048576 bytes")
	open := write(t, t.TempDir(), "policy", "", 0o666)
	requireError(t, loadError(open), open+": mode 0666 lets others than its owner write")
}

func loadError(path string) error {
	_, err := Load(path)
	return err
}

// What is accepted is what a policy says in its plainest form.
func FuzzParsePolicy(f *testing.F) {
	for _, text := range []string{
		"", "guest node-1 account a config /a", "guest node-1 account a,b config /a # b\n\nstate /run/x\ntoolstack /usr/sbin/xl",
		"guest node-1 account a config /a\nguest node-1 account b config /b", "guest -f account a config ../a", "#",
		"guest a account a config /\x00", "\xff", "state /\r\n",
		"client c account a guests b\nguest b account a config /b uuid 0e6a1a94-36c3-4b1e-8c43-6d1b7c5d3f01",
		"starts 3 within 10m\ndump /var/crash size 4G time 5s",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse([]byte(plain(p)))
		if err != nil {
			t.Fatalf("%q is accepted, and its plain form %q is not: %v", text, plain(p), err)
		}
		if diff := cmp.Diff(p, again, cmpopts.IgnoreFields(Guest{}, "Line"), cmpopts.IgnoreFields(Client{}, "Line")); diff != "" {
			t.Errorf("%q and its plain form %q (-first +second):\n%s", text, plain(p), diff)
		}
		requireSound(t, p)
	})
}

// plain returns the policy in the plainest form of the grammar.
func plain(p *Policy) string {
	var lines []string
	for _, g := range p.Guests {
		lines = append(lines, g.String())
	}
	for _, c := range p.Clients {
		lines = append(lines, c.String())
	}
	if p.Starts.Number > 0 {
		lines = append(lines, fmt.Sprintf("starts %d within %s", p.Starts.Number, p.Starts.Within))
	}
	if p.Dump.Dir != "" {
		lines = append(lines, "dump "+p.Dump.Dir+" size "+plainSize(p.Dump.Size)+" time "+p.Dump.Time.String())
	}
	if p.Toolstack != "" {
		lines = append(lines, "toolstack "+p.Toolstack)
	}
	if p.State != "" {
		lines = append(lines, "state "+p.State)
	}
	if p.Images != nil {
		lines = append(lines, "images "+strings.Join(p.Images, ","))
	}
	return strings.Join(lines, "\n")
}

func plainSize(bytes int64) string {
	unit := 0
	for bytes >>= 10; bytes%1024 == 0 && unit < len("KMG"); bytes >>= 10 {
		unit++
	}
	return fmt.Sprintf("%d%c", bytes, "KMGT"[unit])
}

// requireSound demands that no guest is without what it needs, and that no one has
// it by an account that the policy does not give it to.
func requireSound(t *testing.T, p *Policy) {
	t.Helper()
	seen := map[string]bool{}
	for _, g := range p.Guests {
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
		if _, err := p.Lookup("", "c", g.Name); err == nil {
			t.Errorf("guest %q may be controlled by no one at all", g.Name)
		}
	}
}
