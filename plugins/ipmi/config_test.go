package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	bmcbed "github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// What is wrong in the parameters is told before any BMC is asked.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	long := strings.Repeat("Secret-2", 3)
	both := "hostlist=" + b.params["hostlist"]
	tests := []struct {
		params []string // besides those of the bed
		says   string   // of stderr
		hint   string
	}{
		{[]string{"hostlist=node-1"}, "node node-1: no address of its BMC", "hint: write node:address in hostlist"},
		{[]string{"hostlist=node-1 node-2", "ipaddr=192.0.2.1"}, "node node-1: ipaddr is the BMC of one node, and there are 2", "hint: write node:address"},
		{[]string{"hostlist=node-1:192.0.2.1", "ipaddr=192.0.2.1"}, "node node-1: the address of its BMC is in hostlist and in ipaddr, want one of them", ""},
		{[]string{"hostlist=node-1:192.0.2.1 node-2:192.0.2.1:623"}, "nodes node-1 and node-2 have the same BMC 192.0.2.1:623", ""},
		{[]string{"hostlist=node-1:192.0.2.1 node-2:::ffff:192.0.2.1"}, "nodes node-1 and node-2 have the same BMC 192.0.2.1:623", ""},
		{[]string{"hostlist=node-1:BMC.example node-2:bmc.example"}, "nodes node-1 and node-2 have the same BMC bmc.example:623", ""},
		{[]string{"hostlist=node-1:fd00::1 node-2:[FD00:0::1]:623"}, "nodes node-1 and node-2 have the same BMC [fd00::1]:623", ""},
		{[]string{"hostlist=node-1:"}, `hostlist: node "node-1": no BMC behind the colon`, ""},
		{[]string{"hostlist=node-1:https://user:pw@192.0.2.1/"}, `hostlist: node "node-1": the BMC has a slash in it, want an address and no URL`, ""},
		{[]string{"hostlist=node-1:192.0.2.1:0"}, `"0" is not a port`, ""},
		{[]string{"hostname=node-1"}, "hostname: hostlist is set as well, want one of both", ""},
		{[]string{"hostlist=", "hostname=node-1"}, "node node-1: no address of its BMC", ""},
		{[]string{"ipport=70000"}, `ipport: "70000" is not a port`, ""},
		{[]string{"passwd_file="}, "none of passwd_file, passwd_script, passwd and nodes_file has a password", "hint: set passwd_file"},
		{[]string{"passwd=x"}, "passwd and passwd_file are set, want one of them", ""},
		{[]string{"passwd_script=/bin/true"}, "passwd_file and passwd_script are set, want one of them", ""},
		{[]string{"passwd=x", "passwd_script=/bin/true"}, "passwd and passwd_file and passwd_script are set, want one of them", ""},
		{[]string{"passwd_file=", "passwd_script=pass"}, `passwd_script: not an absolute path`, "hint: passwd_script is one program"},
		{[]string{"passwd_file=", "passwd_script=/bin/cat /etc/passwd"}, "passwd_script: stat /bin/cat /etc/passwd: no such file", "hint: passwd_script is one program"},
		{[]string{"passwd_file=", "passwd_script=" + writeFile(t, "script", 0o600, "#!/bin/sh\n")}, "is not an executable file", ""},
		{[]string{"passwd_file=", "passwd_script=" + writeFile(t, "script", 0o722, "#!/bin/sh\n")}, "mode 0722", "hint: chmod go-w"},
		{[]string{"passwd_file=", "passwd_script=" + script(t, "echo sealed >&2; exit 3")}, `exit status 3, stderr "sealed`, ""},
		{[]string{"passwd_file=", "passwd_script=" + script(t, "echo "+long)}, "password has 24 bytes, lanplus allows 20", "hint: no BMC has a longer one"},
		{[]string{"passwd_file=", "passwd_script=" + script(t, "echo Secret-2; echo Secret-2")}, "more than one line", ""},
		{[]string{"passwd_file=/nowhere"}, "passwd_file: open /nowhere: no such file", ""},
		{[]string{"passwd_file=" + writeFile(t, "open", 0o644, "Secret-2")}, "has mode 0644", "hint: chmod 600"},
		{[]string{"passwd_file=", "passwd_method=file", "passwd=/nowhere"}, "passwd: open /nowhere: no such file", ""},
		{[]string{"passwd_method=prompt"}, `passwd_method: "prompt" is none of param, env, file`, ""},
		{[]string{"passwd_file=", "passwd=" + long}, "password has 24 bytes, lanplus allows 20", "hint: no BMC has a longer one"},
		{[]string{"passwd_file=", "passwd=" + long[:17], "interface=lan"}, "password has 17 bytes, lan allows 16", ""},
		{[]string{"userid=" + strings.Repeat("u", 17)}, "user has 17 bytes, lanplus allows 16", ""},
		{[]string{"kg=" + strings.Repeat("k", 21)}, "K_g has 21 bytes, lanplus allows 20", ""},
		{[]string{"kg=0x1g"}, "kg: what follows 0x are not pairs of hexadecimal digits", ""},
		{[]string{"kg=k", "kg_file=/nowhere"}, "kg and kg_file are both set, want one", ""},
		{[]string{"kg_file=/nowhere"}, "kg_file: open /nowhere", ""},
		{[]string{"kg=k", "interface=lan"}, "K_g is for lanplus only", ""},
		{[]string{"interface=open"}, `interface: "open" is none of lanplus, lan`, ""},
		{[]string{"cipher=17 4"}, "cipher suite 4 is not one of", ""},
		{[]string{"cipher=strong"}, `cipher: "strong" is not the number of a cipher suite`, ""},
		{[]string{"auth=md2"}, `auth: "md2" is none of md5, password, none`, ""},
		{[]string{"priv=user"}, `priv: "user" may not switch a node`, "hint: OPERATOR is the least"},
		{[]string{"priv=root"}, `priv: "root" is neither OPERATOR nor ADMINISTRATOR`, ""},
		{[]string{"method=soft"}, `method: "soft" is none of onoff, cycle, hard`, ""},
		{[]string{"diag=later"}, `diag: "later" is not a time`, ""},
		{[]string{"bmc_guid=node-1=00"}, `bmc_guid: "node-1=00" is not of the form node=GUID`, ""},
		{[]string{"bmc_guid=node-3=" + strings.Repeat("0", 32)}, `bmc_guid: "node-3" is not a node of hostlist`, ""},
		{[]string{"bmc_guid=node-1=" + strings.Repeat("1", 32) + " node-2=" + strings.Repeat("1", 32)}, "nodes node-1 and node-2 have the same BMC with the GUID 111", ""},
		{[]string{"bmc_guid=node-1=" + strings.Repeat("0", 32)}, "bmc_guid: node node-1: " + strings.Repeat("0", 32) + " is what BMCs tell that have no GUID", "hint: leave this node out"},
		{[]string{"bmc_guid=node-2=" + strings.Repeat("F", 32)}, "bmc_guid: node node-2: " + strings.Repeat("f", 32) + " is what BMCs tell that have no GUID", "hint: leave this node out"},
		{[]string{"passwd_file=", "passwd_method=file", "passwd=Secret-2"}, "passwd: not an absolute path", "hint: passwd names a file"},
		{[]string{"ipmitool=ipmitool"}, `ipmitool: not an absolute path`, "hint: ipmitool is one program"},
		{[]string{"ipmitool=/nowhere/ipmitool"}, "ipmitool: stat /nowhere/ipmitool: no such file", ""},
		{[]string{"nodes_file=/nowhere"}, "nodes_file: open /nowhere: no such file", ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o666, "node-3 - - -\n")}, "mode 0666", "hint: chmod go-w"},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o620, "node-3 - - -\n")}, "mode 0620", "hint: chmod go-w"},
		{[]string{"nodes_file=" + t.TempDir()}, "is not a regular file", ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o600, strings.Repeat("#\n", 1<<19+1))}, "has more than 1048576 bytes", ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o600, "\n# a\nnode-1 192.0.2.1 admin\n")}, ":3: 3 words, want four", ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o600, "node-3 - - -\nNODE-3 - - -\n")}, `:2: node "NODE-3" is listed twice`, ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o600, "node-3 a..b: - -\n")}, `:1: BMC: "a..b:"`, ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o600, "node-1 192.0.2.1 - -\n")}, "node node-1: the address of its BMC is in hostlist and in nodes_file", ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o600, "node-1 - - /nowhere\n")}, "nodes_file: node node-1: open /nowhere", ""},
		{[]string{"nodes_file=" + writeFile(t, "nodes", 0o600, "node-1 - "+strings.Repeat("u", 17)+" -\n")}, "nodes_file: node node-1: too long: user has 17 bytes", ""},
		{[]string{both, "userid=" + strings.Repeat("u", 17), "ipport=x"}, "user has 17 bytes", ""},
	}
	for _, tt := range tests {
		got := b.run(params(tt.params...), "off", stonithtest.Node)
		if got.Status != 1 || !strings.Contains(got.Stderr, ": bad-config: ") || !strings.Contains(got.Stderr, tt.says) || !strings.Contains(got.Stderr, tt.hint) {
			t.Errorf("%q: exit status %d, want 1 with %q and %q; %q", tt.params, got.Status, tt.says, tt.hint, got.Stderr)
		}
		lines := strings.Split(strings.TrimSpace(got.Stderr), "\n")
		if sorted := slices.Sorted(slices.Values(lines)); len(slices.Compact(sorted)) != len(lines) {
			t.Errorf("%q: a line is said twice: %q", tt.params, got.Stderr)
		}
		if strings.Contains(got.Stderr, "Secret-2") || strings.Contains(got.Stderr, ":pw@") {
			t.Errorf("%q: a secret is shown: %q", tt.params, got.Stderr)
		}
	}
	if n := b.Contacts(); n != 0 {
		t.Errorf("the BMCs were contacted %d times, want none", n)
	}
}

// The ways to say where a BMC is, and with which user and password.
func TestWaysToConfigure(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	dead := startBMC(t, bmcbed.Options{})
	if err := dead.Fail(bmcbed.Silent); err != nil {
		t.Fatal(err)
	}
	at := addressOf(b.BMC)
	_, port, _ := strings.Cut(at, ":")
	secret := b.params["passwd_file"]
	admin := writeFile(t, "admin", 0o600, "Secret-1\r\n")
	for name, words := range map[string][]string{
		"as external/ipmi":            {"hostlist=", "hostname=node-1", "ipaddr=127.0.0.1", "ipport=" + port, "userid=admin", "passwd=Secret-1", "passwd_file=", "interface=lan", "priv=ADMINISTRATOR"},
		"external/ipmi, by file":      {"hostlist=", "hostname=node-1", "ipaddr=" + at, "passwd=" + secret, "passwd_file=", "passwd_method=file"},
		"external/ipmi, by env":       {"hostlist=", "hostname=node-1", "ipaddr=" + at, "passwd=Secret-2", "passwd_file=", "passwd_method=env"},
		"names of fence_ipmilan":      {"hostlist=node-1", "ip=" + at, "userid=", "username=oper", "passwd_file=", "password=Secret-2", "privlvl=operator"},
		"names of fence_ipmilan, too": {"hostlist=node-1", "ip=" + at, "userid=", "login=oper"},
		"a script":                    {"passwd_file=", "passwd_script=" + script(t, "echo Secret-2")},
		"a script, and a file for one": {
			"userid=nobody", "passwd_file=", "passwd_script=" + script(t, "exit 1"),
			"nodes_file=" + writeFile(t, "nodes", 0o600, "node-1 - oper "+secret+"\n"),
		},
		"two addresses":    {"hostlist=node-1", "ipaddr=" + addressOf(dead) + " " + at},
		"by name":          {"hostlist=node-1:localhost:" + port},
		"a file":           {"hostlist=NODE-1 node-2:" + addressOf(b.other), "userid=nobody", "nodes_file=" + writeFile(t, "nodes", 0o644, "# rack 1\nNode-1 "+addressOf(dead)+","+at+" admin "+admin+" # the first\nnode-9 - - /nowhere\n")},
		"a file for users": {"userid=nobody", "passwd_file=", "nodes_file=" + writeFile(t, "nodes", 0o600, "node-1 - oper "+secret+"\nnode-2 - oper "+secret+"\n")},
		"anonymous":        {"hostlist=node-1:" + addressOf(startBMC(t, bmcbed.Options{Users: []bmcbed.User{{Password: "Secret-2"}}})), "userid="},
	} {
		b.BMC.SetPower(true)
		got := stonithtest.Run(t.Context(), b, "elsewhere", params(words...), "off", stonithtest.Node)
		if got.Status != 0 || b.Power() != stonith.Off && name != "anonymous" {
			t.Errorf("%s: exit status %d, node %s, want 0 and off; %q", name, got.Status, b.Power(), got.Stderr)
		}
	}
}

// script writes a shell script and returns its path.
func script(t *testing.T, lines string) string {
	t.Helper()
	return writeFile(t, "script", 0o700, "#!/bin/sh\n"+lines+"\n")
}

// passwd_script is run when a BMC is to be contacted, and once for all of them.
func TestPasswordScript(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	runs := filepath.Join(t.TempDir(), "runs")
	given := map[string]string{"passwd_file": "", "passwd_script": script(t, "echo run >>'"+runs+"'; echo Secret-2")}
	counted := func() int {
		text, err := os.ReadFile(runs)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Count(string(text), "run")
	}
	b.run(given, "gethosts")
	b.open(given, b.node()).Close()
	if n := counted(); n != 0 {
		t.Errorf("it was run %d times, and no BMC was to be contacted", n)
	}
	if got := b.run(given, "status"); got.Status != 0 || counted() != 1 {
		t.Errorf("status of two nodes: exit status %d, it was run %d times; %q", got.Status, counted(), got.Stderr)
	}
	b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.Restarts)
	if got := b.run(given, "off", stonithtest.Node); got.Status != 0 || counted() != 2 {
		t.Errorf("off in two sessions: exit status %d, it was run %d times more; %q", got.Status, counted()-1, got.Stderr)
	}
}

func FuzzParseNodesFile(f *testing.F) {
	f.Add("# rack 1\nnode-1 192.0.2.1,bmc-1:623 admin /etc/passwd-1 # first\n\nnode-2 - - -\n")
	f.Add("a [fe80::1%eth0]:1 b\x00 c\r\n- - - -\na a")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseNodesFile("nodes", text)
		if err != nil {
			return
		}
		var again strings.Builder
		word := func(text string) string {
			if text == "" {
				return "-"
			}
			return text
		}
		for node, its := range all {
			again.WriteString(node + " " + word(strings.Join(its.addresses, ",")) + " " + word(its.user) + " " + word(its.passwdFile) + "\n")
		}
		same, err := parseNodesFile("nodes", again.String())
		if err != nil || len(same) != len(all) {
			t.Fatalf("%q is %v, and written again %q %v, %v", text, all, again.String(), same, err)
		}
		for node, its := range all {
			if got := same[node]; got.user != its.user || got.passwdFile != its.passwdFile || strings.Join(got.addresses, ",") != strings.Join(its.addresses, ",") {
				t.Errorf("node %q is %v, and written again %v", node, its, got)
			}
		}
	})
}
