package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// bmcs describes two nodes with their BMCs.
const bmcs = `# Two servers.
first = "node-1"
delay = "5s"

[[device]]
id = "bmc"
plugin = "ipmi"
hostlist = "node-1:192.0.2.1 node-2:192.0.2.2"
[device.parameters]
userid = "fence"
passwd_file = "/etc/bmc.passwd"
`

// guests describes two of one Dom0.
const guests = `[[device]]
id = "xen"
plugin = "xen"
hostlist = "a b"
parameters = { sshaccount = "xen@dom0" }
`

// pool describes a device in whose place others stand in tests.
const pool = `
[[device]]
id = "pool"
plugin = "xenapi"
hostlist = "node-1 node-2"
parameters = { pool = "192.0.2.9", passwd_file = "/etc/pool.passwd" }
`

// supply describes a power supply of a node that the device bmc switches with it.
const supply = `[[device]]
id = "supply"
plugin = "ipmi"
with = "bmc"
hostlist = "node-1:192.0.2.9"
parameters.passwd_file = "/f"
`

func parse(t *testing.T, text string) *Plan {
	t.Helper()
	p, err := Parse("f.toml", []byte(text), Options{})
	if err != nil {
		t.Fatalf("Parse of %s: %v", text, err)
	}
	return p
}

func TestParse(t *testing.T) {
	t.Parallel()
	want := &Plan{
		Comment: []string{"Two servers."}, Nodes: []string{"node-1", "node-2"}, Pacemaker: Version{2, 1, -1},
		First: "node-1", Delay: 5 * time.Second,
		Devices: []Device{{
			ID: "bmc", Agent: metadata.Agent{Plugin: metadata.IPMI, Face: metadata.External},
			Hostlist: []Entry{{"node-1", "192.0.2.1"}, {"node-2", "192.0.2.2"}}, Timeout: metadata.IPMI.Timeout(),
			Parameters: []Parameter{{"userid", "fence"}, {"passwd_file", "/etc/bmc.passwd"}},
		}},
	}
	if diff := cmp.Diff(want, parse(t, bmcs)); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	// Names of nodes are spelled as in the list.
	listed := parse(t, strings.Replace(bmcs, "first =", "nodes = [\"Node-2\", \"node-1\"]\nfirst =", 1))
	if got := listed.Devices[0].Hostlist[1].Node; got != "Node-2" {
		t.Errorf("node-2 of the hostlist is %q, want Node-2 as in nodes", got)
	}
	// A fence agent's names of parameters are taken as well, and whole numbers.
	other := strings.Replace(bmcs, `userid = "fence"`, "username = \"fence\"\nipport = 1623", 1)
	wantNames := []Parameter{{"ipport", "1623"}, {"userid", "fence"}, {"passwd_file", "/etc/bmc.passwd"}}
	if diff := cmp.Diff(wantNames, parse(t, other).Devices[0].Parameters); diff != "" {
		t.Errorf("parameters by an agent's names (-want +got):\n%s", diff)
	}
}

// Flags and a file that say the same are the same plan.
func TestFromFlags(t *testing.T) {
	t.Parallel()
	got, err := FromFlags(Flags{
		ID: "bmc", Plugin: "ipmi", Hostlist: "node-1:192.0.2.1 node-2:192.0.2.2", Delay: "node-1=5s",
		Parameters: []string{"userid=fence", "passwd_file=/etc/bmc.passwd"},
	}, Options{})
	if err != nil {
		t.Fatalf("FromFlags: %v", err)
	}
	want := parse(t, bmcs)
	want.Comment = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("FromFlags (-file +flags):\n%s", diff)
	}
}

func TestFlagMistakes(t *testing.T) {
	t.Parallel()
	good := Flags{Plugin: "ipmi", Hostlist: "a:192.0.2.1", Parameters: []string{"passwd_file=/f"}}
	for _, c := range []struct {
		name   string
		change func(*Flags)
		want   string
	}{
		{"no pair", func(f *Flags) { f.Parameters = []string{"s3cret"} }, `"s3cret" is no parameter, want name=value`},
		{"twice", func(f *Flags) { f.Parameters = append(f.Parameters, "passwd_file=/g") }, "passwd_file is given twice"},
		{"delay of whom", func(f *Flags) { f.Delay = "5s" }, "--delay 5s: want NODE=TIME, the node that is to win and how long its attacker waits"},
		{"unknown parameter", func(f *Flags) { f.Parameters = append(f.Parameters, "colour=red") }, `colour: unknown parameter "colour", ipmi has ipaddr, ` +
			"ipport, nodes_file, bmc_guid, userid, passwd_file, passwd_script, passwd, passwd_method, kg_file, kg, priv, interface, cipher, auth, ipmitool, " +
			"method, cycle_time, diag, status_timeout, reset_off_node"},
		{"plugin", func(f *Flags) { f.Plugin = "ilo" }, `--plugin: plugin "ilo" is none of xen, xenapi, ipmi`},
		{"secret", func(f *Flags) { f.Parameters = nil }, "command line: the secret is missing: give passwd_file"},
		{"node", func(f *Flags) { f.Nodes = []string{"a,b", "a"} }, `--nodes: node "a" is listed twice`},
	} {
		flags := good
		flags.Parameters = append([]string(nil), good.Parameters...)
		c.change(&flags)
		if _, err := FromFlags(flags, Options{}); err == nil || err.Error() != c.want {
			t.Errorf("%s: FromFlags(%+v): %v, want %s", c.name, flags, err, c.want)
		}
	}
}

// A mistake is named with its line and column.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, old, new string // what is different from bmcs
		want           string
	}{
		{"not TOML", `plugin = "ipmi"`, `plugin = ipmi`, `f.toml:7:10: expected keyword "inf"`},
		{"unknown key", `plugin =`, "colour = 1\nplugin =", `f.toml:7:1: unknown key "colour"`},
		{"wrong type", `delay = "5s"`, `delay = 5`, "f.toml:3:9: delay is of the wrong type, integer"},
		{"key twice", `id = "bmc"`, "id = \"bmc\"\nid = \"bmc\"", "f.toml:7:1: key id is already defined"},
		{"unknown plugin", `"ipmi"`, `"ilo"`, `f.toml:7:1: plugin "ilo" is none of xen, xenapi, ipmi`},
		{"unknown face", `plugin =`, "face = \"glue\"\nplugin =", `f.toml:7:1: face "glue" is none of external, agent`},
		{"no id", `id = "bmc"`, ``, `f.toml:5:3: "" is no id, want a letter, and letters, digits, '.', '_' and '-'`},
		{"no XML id", `id = "bmc"`, `id = "1 bmc"`, `f.toml:6:1: "1 bmc" is no id, want a letter, and letters, digits, '.', '_' and '-'`},
		{"node twice in nodes", `first =`, "nodes = [\"node-1\", \"node-2\", \"NODE-1\"]\nfirst =", `f.toml:2:30: node "NODE-1" is listed twice`},
		{"remote node in nodes", `first =`, "nodes = [\"node-1\", \"node-2\"]\nremote = [\"NODE-1\"]\nfirst =", `f.toml:3:11: node "NODE-1" is listed twice`},
		{"remote node that is first", `first =`, "remote = [\"node-1\"]\nfirst =", `f.toml:3:1: node "node-1" is none of node-2`},
		{"one member and a remote node", `first =`, "remote = [\"node-2\"]\nfirst =", "f.toml:3:1: first and delay are for two nodes, and here are 1: the part with quorum fences the other"},
		{"foreign node beside remote ones", `first =`, "nodes = [\"node-1\"]\nremote = [\"node-3\"]\nfirst =", `f.toml:10:1: node "node-2" is none of nodes, which has node-1, node-3`},
		{"node twice in hostlist", `2:192.0.2.2`, `2:192.0.2.2 node-1:192.0.2.3`, `f.toml:8:1: node "node-1" is listed twice`},
		{"BMC twice", `192.0.2.2`, `192.0.2.1`, `f.toml:8:1: nodes "node-1" and "node-2" are both "192.0.2.1"`},
		{"BMC twice, in other words", `192.0.2.2`, `192.0.2.1:623`, `f.toml:8:1: nodes "node-1" and "node-2" are both "192.0.2.1"`},
		{"BMC twice, by IPv6", `node-1:192.0.2.1 node-2:192.0.2.2`, `node-1:2001:DB8::1 node-2:[2001:db8::1]:623`, `f.toml:8:1: nodes "node-1" and "node-2" are both "2001:db8::1"`},
		{"BMC twice, by IPv6 with zeros", `node-1:192.0.2.1 node-2:192.0.2.2`, `node-1:2001:db8::1 node-2:2001:0db8:0::1`, `f.toml:8:1: nodes "node-1" and "node-2" are both "2001:db8::1"`},
		{"BMC twice, by IPv4 in IPv6", `node-2:192.0.2.2`, `node-2:[::ffff:192.0.2.1]`, `f.toml:8:1: nodes "node-1" and "node-2" are both "192.0.2.1"`},
		{
			"guest of one Dom0, by two accounts", bmcs, guests + strings.NewReplacer(`"xen"`+"\nplugin", `"other"`+"\nplugin", `"a b"`, `"c:a"`, "xen@dom0", "fence@DOM0:22").Replace(guests),
			`f.toml:9:1: nodes "a" and "c" are both "a"`,
		},
		{
			"guest of one pool, by two spellings", bmcs, pool + strings.NewReplacer(`"pool"`, `"other"`, "node-1 node-2", "node-3:node-1", "192.0.2.9", "https://192.0.2.9:443/").Replace(pool),
			`f.toml:11:1: nodes "node-1" and "node-3" are both "node-1"`,
		},
		{
			"BMC of another device", `[[device]]`, strings.NewReplacer("192.0.2.1 node-2:192.0.2.2", "192.0.2.2", `"bmc"`, `"other"`).Replace(bmcs[strings.Index(bmcs, "[[device]]"):]) + "[[device]]",
			`f.toml:15:1: nodes "node-1" and "node-2" are both "192.0.2.2"`,
		},
		{
			"BMC twice, in one level", `[[device]]`, strings.Replace(supply, "192.0.2.9", "192.0.2.1:623", 1) + "[[device]]\nlevel = 1",
			`f.toml:15:1: node "node-1" is "192.0.2.1" to two devices of one level: a second power supply would not be switched`,
		},
		{"guest twice", bmcs, strings.Replace(guests, `"a b"`, `"a:b b"`, 1), `f.toml:4:1: nodes "a" and "b" are both "b"`},
		{"item of a node that is not there", `userid = "fence"`, `bmc_guid = "node-3=1"`, `f.toml:10:1: bmc_guid has node "node-3", which is not in hostlist`},
		{"item twice", `userid = "fence"`, `bmc_guid = "node-1=1 NODE-1=2"`, `f.toml:10:1: bmc_guid has node "node-1" twice`},
		{"item of no node", `userid = "fence"`, `bmc_guid = "1"`, `f.toml:10:1: "1" is not of the form node=value`},
		{"BMC missing", `node-2:192.0.2.2`, `node-2`, `f.toml:8:1: node "node-2" has no BMC, want node:address`},
		{"foreign node", `first =`, "nodes = [\"node-1\", \"node-3\"]\nfirst =", `f.toml:9:1: node "node-2" is none of nodes, which has node-1, node-3`},
		{"node name", `node-2:`, `node$2:`, `f.toml:8:1: "node$2" is not a node name, want letters, digits, '.', '_' and '-'`},
		{"node that Pacemaker drops", `node-2:`, `invalid-2:`, `f.toml:8:1: node name "invalid-2" is one that Pacemaker drops from a device's list`},
		{"no node", `"node-1:192.0.2.1 node-2:192.0.2.2"`, `" "`, "f.toml:8:1: hostlist names no node\nf.toml:2:1: node \"node-1\" is none of "},
		{"derived parameter", `userid`, `pcmk_host_map`, "f.toml:10:1: pcmk_host_map is Pacemaker's, and derived from the description"},
		{"key of the device", `userid`, `timeout`, "f.toml:10:1: timeout is no parameter here: it is a key of the device itself"},
		{"twice by two names", `userid =`, "username = \"x\"\nuserid =", "f.toml:10:1: userid is given twice, by two names"},
		{"no secret", `passwd_file`, `kg_file`, "f.toml:9:2: the secret is missing: give passwd_file"},
		{"literal secret", `passwd_file`, `passwd`, "f.toml:11:1: passwd would stand in the cluster's configuration, where many can read it: " +
			"put it into a file and give passwd_file (--allow-secret lets it pass in a description file)"},
		{"number", `userid = "fence"`, `ipport = "many"`, "f.toml:10:1: ipport is no whole number"},
		{"word", `userid = "fence"`, `method = "soft"`, "f.toml:10:1: method is no one of onoff, cycle, hard"},
		{"time", `userid = "fence"`, `cycle_time = "soon"`, "f.toml:10:1: cycle_time is no time, such as 40, 40s or 2min"},
		{"list", `userid = "fence"`, `userid = ["fence"]`, "f.toml:10:1: userid must be a text, a whole number, true or false"},
		{"value that would not survive", `"fence"`, `"fence&"`, "f.toml:10:1: userid has what a cluster's tools do not keep: " +
			`want ASCII without control characters, '&', '<' and '>', and no '\' at its end or before '"'`},
		{"value that ends crm's quotes", `"fence"`, `'a\"b'`, "f.toml:10:1: userid has what a cluster's tools do not keep: " +
			`want ASCII without control characters, '&', '<' and '>', and no '\' at its end or before '"'`},
		{"guest that would not survive", bmcs, strings.Replace(guests, `"a b"`, `"a:r&d b"`, 1), `f.toml:4:1: node "a": behind the colon is what a cluster's tools do not keep: ` +
			`want ASCII without control characters, '&', '<' and '>', and no '\' at its end or before '"'`},
		{"guest that eats a blank", bmcs, strings.Replace(guests, `"a b"`, `'a:vm\ b'`, 1), `f.toml:4:1: node "a": behind the colon is what a cluster's tools do not keep: ` +
			`want ASCII without control characters, '&', '<' and '>', and no '\' at its end or before '"'`},
		{"short timeout", `plugin =`, "timeout = \"5s\"\nplugin =", `f.toml:7:1: "5s" is too short, want at least 10s`},
		{"long timeout", `plugin =`, "timeout = \"9000000000\"\nplugin =", `f.toml:7:1: "9000000000" is too long, want at most 3600s`},
		{"long priority delay", "first = \"node-1\"\ndelay = \"5s\"", "priority-delay = \"3601s\"", `f.toml:2:1: "3601s" is too long, want at most 3600s`},
		{"part of a second", `plugin =`, "timeout = \"40500ms\"\nplugin =", `f.toml:7:1: "40500ms" is no whole number of seconds`},
		{"first without delay", `delay = "5s"`, ``, "f.toml:2:1: delay must say how long the attacker of node-1 waits, such as 5s"},
		{"delay without first", `first = "node-1"`, ``, "f.toml:3:1: first must say which node is to win"},
		{"both delays", `delay = "5s"`, "delay = \"5s\"\npriority-delay = \"5s\"", "f.toml:4:1: first with delay, or priority-delay: both would add up"},
		{"long delay", `delay = "5s"`, `delay = "30s"`, "f.toml:3:1: 30s is too long beside a timeout of 45s: at most 24s"},
		{"unknown first", `first = "node-1"`, `first = "node-3"`, `f.toml:2:1: node "node-3" is none of node-1, node-2`},
		{"three nodes", `2:192.0.2.2`, `2:192.0.2.2 node-3:192.0.2.3`, "f.toml:2:1: first and delay are for two nodes, and here are 3: " +
			"the part with quorum fences the other"},
		{"version", `first =`, "pacemaker = \"1.1\"\nfirst =", `f.toml:2:1: "1.1" is no version of Pacemaker, want for example 2.1 or 3.0.2`},
		{"old Pacemaker", `[[device]]`, "pacemaker = \"2.1.1\"\n[[device]]\nshared = true", "f.toml:3:1: Pacemaker 2.1.1 knows no delay for one node of a shared device"},
		{
			"old Pacemaker without priorities", "first = \"node-1\"\ndelay =", "pacemaker = \"2.0.3\"\npriority-delay =",
			"f.toml:3:1: Pacemaker 2.0.3 has no priority-fencing-delay",
		},
		{"one BMC for two nodes", `userid = "fence"`, `ipaddr = "192.0.2.1"`, "f.toml:10:1: ipaddr is of one BMC, and hostlist has 2 nodes: give them as node:address"},
		{"no device", bmcs, "", "f.toml: no device is described"},
		{"one node, two devices", `[[device]]`, pool + "[[device]]", `f.toml:6:3: node "node-1" has 2 devices: give each a level, or with, if both must switch it off`},
		{
			"remote node, two devices", "first = \"node-1\"\ndelay = \"5s\"", "remote = [\"node-2\"]" + strings.Replace(pool, "node-1 node-2", "node-2", 1),
			`f.toml:3:3: node "node-2" has 2 devices: give each a level, or with, if both must switch it off`,
		},
		{"level of another", `[[device]]`, pool + "level = 1\n[[device]]\nlevel = 1", `f.toml:13:1: level 1 of node "node-1" is that of device "pool" already: ` +
			`take another one, or with = "pool" if both must switch the node off`},
		{"level 10", `plugin =`, "level = 10\nplugin =", "f.toml:7:1: level 10 is none of 1 to 9"},
		{"with nothing", `plugin =`, "with = \"pool\"\nplugin =", `f.toml:7:1: there is no device "pool"`},
		{"with itself", `plugin =`, "with = \"bmc\"\nplugin =", `f.toml:7:1: device "bmc" must be another one, and have a level`},
		{
			"id twice", `[[device]]`, strings.Replace(pool, "pool\"", "bmc\"\nlevel = 1", 1) + "[[device]]\nlevel = 2",
			`f.toml:14:1: resource id "bmc-node-1" is that of device "bmc" already`,
		},
	} {
		text := strings.Replace(bmcs, c.old, c.new, 1)
		p, err := Parse("f.toml", []byte(text), Options{})
		if got := fmt.Sprint(err); err == nil || !hasLine(got, c.want) {
			t.Errorf("%s: Parse of\n%s= %+v,\n%s\nwant\n%s", c.name, text, p, got, c.want)
		}
	}
}

// hasLine reports whether some lines of a text are these.
func hasLine(text, lines string) bool {
	return strings.Contains("\n"+text+"\n", "\n"+lines+"\n")
}

// All mistakes are told at once.
func TestAllMistakes(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`"5s"`, `"soon"`, "userid", "colour", "192.0.2.2", "").Replace(bmcs)
	_, err := Parse("f.toml", []byte(text), Options{})
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 4 {
		t.Errorf("Parse of\n%s= %q, want four mistakes", text, lines)
	}
}

// No mistake says what a parameter's value is: it may be a secret.
func TestMistakesKeepSecrets(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`"s3cret"`, `"s3cret&"`, `["s3cret"]`} {
		for _, name := range []string{"passwd", "kg", "password", "cipher", "ipport", "unknown"} {
			text := strings.Replace(bmcs, `userid = "fence"`, name+" = "+value, 1)
			if _, err := Parse("f.toml", []byte(text), Options{}); strings.Contains(fmt.Sprint(err), "s3cret") {
				t.Errorf("Parse of %s = %s: %v, which has the value", name, value, err)
			}
		}
	}
}

func TestAllowSecrets(t *testing.T) {
	t.Parallel()
	text := strings.Replace(bmcs, `passwd_file = "/etc/bmc.passwd"`, `passwd = "s3cret"`, 1)
	if _, err := Parse("f.toml", []byte(text), Options{AllowSecrets: true}); err != nil {
		t.Errorf("Parse with AllowSecrets: %v", err)
	}
	words := Flags{Plugin: "ipmi", Hostlist: "node-1:192.0.2.1", Parameters: []string{"passwd=s3cret"}}
	if _, err := FromFlags(words, Options{AllowSecrets: true}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("FromFlags with a secret, which all can read there: %v", err)
	}
	method := strings.Replace(text, "s3cret\"", "/etc/bmc.passwd\"\npasswd_method = \"file\"", 1)
	if _, err := Parse("f.toml", []byte(method), Options{}); err != nil {
		t.Errorf("Parse with passwd as the name of a file: %v", err)
	}
}

func TestFencingNames(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"2.1": false, "2.1.11": false, "3.0.1": false, "3.0": true, "3.0.2": true, "3.1.0": true,
	} {
		p := parse(t, fmt.Sprintf("pacemaker = %q\n%s", version, bmcs))
		if got := p.Pacemaker.FencingNames(); got != want || p.Pacemaker.String() != version {
			t.Errorf("FencingNames of %s (read as %s) = %v, want %v", version, p.Pacemaker, got, want)
		}
	}
}

// Guests on Dom0s that have nothing in common may have one name, and BMCs behind one
// address different ports.
func TestApart(t *testing.T) {
	t.Parallel()
	other := strings.NewReplacer(`id = "xen"`, `id = "other"`, `"a b"`, `"c:a"`, "xen@dom0", "xen@another").Replace(guests)
	for _, text := range []string{
		guests + other,
		strings.Replace(guests, `"a b"`, `"a:b b:a"`, 1),
		strings.Replace(guests, "id", "level = 1\nid", 1) + strings.NewReplacer(`id = "xen"`, "level = 2\nid = \"again\"").Replace(guests),
		strings.Replace(bmcs, "192.0.2.2", "192.0.2.1:6230", 1),
		strings.Replace(bmcs, `userid = "fence"`, `bmc_guid = "NODE-1=1 node-2=2"`, 1),
	} {
		if _, err := Parse("f.toml", []byte(text), Options{}); err != nil {
			t.Errorf("Parse of\n%s: %v", text, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"first and delay", "", "", ""},
		{"no delay", "first = \"node-1\"\ndelay = \"5s\"", "", "two nodes without first and delay, or priority-delay: when they lose sight of each other, both may be fenced"},
		{"priority", "first = \"node-1\"\ndelay = \"5s\"", "priority-delay = \"5s\"", ""},
		{"no device", "first = \"node-1\"\ndelay = \"5s\"", "nodes = [\"node-1\", \"node-2\", \"node-3\"]", `no device fences node "node-3": when it fails, the cluster waits for ever`},
		{
			"one power supply", "[[device]]", supply + "[[device]]\nlevel = 1",
			`"bmc" fences node "node-2" alone, and other nodes only with "supply": a power supply that is not switched keeps a node running`,
		},
	} {
		if got := strings.Join(parse(t, strings.Replace(bmcs, c.old, c.new, 1)).Warnings(), "\n"); got != c.want {
			t.Errorf("%s: Warnings() = %q, want %q", c.name, got, c.want)
		}
	}
}

// Remote nodes are fenced as others are, also by level, and do not count where two
// members fence each other.
func TestRemoteNodes(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("first =", "remote = [\"Node-3\"]\nfirst =", "2:192.0.2.2", "2:192.0.2.2 node-3:192.0.2.3",
		"plugin =", "level = 1\nplugin =").Replace(bmcs)
	for _, c := range []struct{ name, old, new, warning string }{
		{"with first and delay", "", "", ""},
		{"without", "first = \"node-1\"\ndelay = \"5s\"", "", "two nodes without first and delay"},
		{"without a device", " node-3:192.0.2.3", "", `no device fences node "Node-3"`},
	} {
		p := parse(t, strings.Replace(text, c.old, c.new, 1))
		if fmt.Sprint(p.Nodes, p.Remote) != "[node-1 node-2] [Node-3]" {
			t.Errorf("%s: nodes %q, remote %q", c.name, p.Nodes, p.Remote)
		}
		if got := strings.Join(p.Warnings(), "\n"); !strings.HasPrefix(got, c.warning) || (got == "") != (c.warning == "") {
			t.Errorf("%s: Warnings() = %q, want %q", c.name, got, c.warning)
		}
	}
	levels := parse(t, text).Configuration().Levels
	if last := levels[len(levels)-1]; last.Node != "Node-3" || last.Resources[0] != "bmc-Node-3" {
		t.Errorf("the last of the levels %+v is not that of Node-3", levels)
	}
}

// Whatever is taken for a description, the cluster gets ids that are good and of one
// thing each, values that survive, and no node that fences itself.
func FuzzParse(f *testing.F) {
	f.Add(bmcs)
	f.Add(bmcs + strings.Replace(pool, "\nid", "\nlevel = 2\nid", 1))
	f.Add("nodes = [\"a\"]\n[[device]]\nid = \"x\"\nplugin = \"xen\"\nshared = true\nhostlist = \"a:b\"\nparameters.sshaccount = \"x@y\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("f.toml", []byte(text), Options{})
		if err != nil {
			return
		}
		c := p.Configuration()
		ids := map[string]bool{}
		for _, r := range c.Resources {
			if ids[r.ID] || !idForm.MatchString(r.ID) {
				t.Errorf("resource id %q is no id, or that of two", r.ID)
			}
			ids[r.ID] = true
			for _, parameter := range r.Parameters {
				if parameter.Value == "" || !survives(parameter.Value) {
					t.Errorf("%s of %s is %q", parameter.Name, r.ID, parameter.Value)
				}
			}
			kept := slices.ContainsFunc(c.Locations, func(l Location) bool { return l.Resource == r.ID && l.Node == r.Nodes[0] })
			if len(r.Nodes) == 1 && len(p.Nodes) > 1 && !kept && !slices.ContainsFunc(p.Devices, func(d Device) bool { return d.Shared && d.ID == r.ID }) {
				t.Errorf("%s may run on %s, which it fences", r.ID, r.Nodes[0])
			}
		}
	})
}
