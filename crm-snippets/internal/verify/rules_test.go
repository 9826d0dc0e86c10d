package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
)

// twoNodes is a cluster in which nothing is wrong. Its second device has what a fence
// agent calls the same.
const twoNodes = `<cib validate-with="pacemaker-3.9" epoch="1">
<configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o-1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="a"/><node id="2" uname="b"/></nodes>
<resources>
<primitive id="st-a" class="stonith" type="external/ipmi2">
<instance_attributes id="st-a-i">
<nvpair id="1a" name="hostlist" value="a:192.0.2.1"/><nvpair id="2a" name="passwd_file" value="/etc/x"/>
<nvpair id="3a" name="pcmk_host_list" value="a"/><nvpair id="4a" name="pcmk_delay_base" value="5s"/>
<nvpair id="5a" name="pcmk_off_timeout" value="55s"/><nvpair id="6a" name="pcmk_on_timeout" value="55s"/><nvpair id="7a" name="pcmk_reboot_timeout" value="55s"/>
</instance_attributes>
<operations><op id="8a" name="monitor" interval="600s" timeout="55s"/></operations>
</primitive>
<primitive id="st-b" class="stonith" type="fence_ipmi">
<instance_attributes id="st-b-i">
<nvpair id="1b" name="hostlist" value="b:192.0.2.2"/><nvpair id="2b" name="passwd_file" value="/etc/x"/>
<nvpair id="3b" name="power_timeout" value="20"/>
<nvpair id="5b" name="pcmk_off_timeout" value="25s"/><nvpair id="6b" name="pcmk_on_timeout" value="25s"/><nvpair id="7b" name="pcmk_reboot_timeout" value="25s"/>
</instance_attributes>
<operations><op id="8b" name="monitor" interval="600s"/></operations>
</primitive>
</resources>
<constraints>
<rsc_location id="la" rsc="st-a" node="a" score="-INFINITY"/>
<rsc_location id="lb" rsc="st-b"><rule id="r" score="-INFINITY"><expression id="e" attribute="#uname" operation="eq" value="B"/></rule></rsc_location>
</constraints>
<fencing-topology>
<fencing-level id="f1" target="a" index="1" devices="st-a"/>
</fencing-topology>
</configuration>
<status/>
</cib>`

func rulesOf(t *testing.T, text string) []Row {
	t.Helper()
	cib, err := live.ReadCIB("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return read(cib).rules(Options{})
}

func TestNothingIsWrong(t *testing.T) {
	t.Parallel()
	var checks []string
	for _, row := range rulesOf(t, twoNodes) {
		checks = append(checks, row.Check)
		if row.Result != OK {
			t.Errorf("%+v, want ok", row)
		}
	}
	if want := []string{"enabled", "nodes", "levels", "parameters", "locations", "timeouts", "delay", "secrets"}; !slices.Equal(checks, want) {
		t.Errorf("checks %q, want %q", checks, want)
	}
}

// Each change makes one thing wrong, which is said, and nothing else.
func TestOneThingIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, now, check, want string }{
		{"switched off", `"stonith-enabled" value="true"`, `"stonith-enabled" value="false"`, "enabled", "stonith-enabled is false"},
		{"switched off by the new name", `name="stonith-enabled" value="true"`, `name="fencing-enabled" value="off"`, "enabled", "fencing-enabled is off"},
		{"a node without device", `<nodes>`, `<nodes><node id="3" uname="c"/>`, "nodes", "c has no device"},
		{"a node of another cluster", `"pcmk_host_list" value="a"`, `"pcmk_host_list" value="a c"`, "nodes", "st-a fences c, which is no node"},
		{"not in the hostlist", `"hostlist" value="a:`, `"hostlist" value="c:`, "nodes", "st-a is to fence a, which is not in its hostlist"},
		{"unknown parameter", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3a"`, `name="passwort" value="/etc/x"/><nvpair id="3a"`, "parameters", "external/ipmi2 has no parameter passwort"},
		{"missing parameter", `type="external/ipmi2"`, `type="external/xen"`, "parameters", "external/xen needs sshaccount"},
		{"itself", `<rsc_location id="la" rsc="st-a" node="a" score="-INFINITY"/>`, ``, "locations", "st-a may run on a, the only node"},
		{"itself, with a score", `node="a" score="-INFINITY"`, `node="a" score="-1000"`, "locations", "st-a may run on a"},
		{"nobody else", `<constraints>`, `<constraints><rsc_location id="lc" rsc="st-a" node="b" score="-INFINITY"/>`, "locations", "no other node may run a device of a"},
		{"opt-in", `<crm_config>`, `<crm_config><cluster_property_set id="p"><nvpair id="p-1" name="symmetric-cluster" value="false"/></cluster_property_set>`, "locations", "no other node may run a device of a"},
		{"too short", `"pcmk_off_timeout" value="55s"`, `"pcmk_off_timeout" value="40s"`, "timeouts", "pcmk_off_timeout of 40s ends a call that may take 45s"},
		{"too long", `"pcmk_reboot_timeout" value="55s"`, `"pcmk_reboot_timeout" value="2min"`, "timeouts", "second call"},
		{"the default is too long", `name="pcmk_on_timeout" value="25s"`, `name="pcmk_delay_max" value="0"`, "timeouts", "st-b: pcmk_on_timeout (not set: stonith-timeout) of 1m0s is so long"},
		{"no time", `"pcmk_on_timeout" value="55s"`, `"pcmk_on_timeout" value="soon"`, "timeouts", "pcmk_on_timeout is no time"},
		{"monitor", `interval="600s" timeout="55s"`, `interval="600s"`, "timeouts", "the timeout of monitor, 20s, ends a call that may take 45s"},
		{"no delay", `"pcmk_delay_base" value="5s"`, `"pcmk_delay_base" value="0"`, "delay", "may fence each other"},
		{"the delay is of the other node", `"pcmk_delay_base" value="5s"`, `"pcmk_delay_base" value="b:5s"`, "delay", "may fence each other"},
		{"secret", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3a"`, `name="passwd" value="s3cret"/><nvpair id="3a"`, "secrets", "st-a: passwd stands"},
		{"secret by an old name", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3b"`, `name="passwd" value="s3cret"/><nvpair id="3b"`, "secrets", "st-b: passwd stands"},
		{"level without device", `devices="st-a"`, `devices="st-a,st-c"`, "levels", "there is no device st-c"},
		{"level with another node's device", `devices="st-a"`, `devices="st-a,st-b"`, "levels", "level 1 of a: st-b does not fence it"},
		{"never tried", `target="a" index="1" devices="st-a"`, `target="b" index="1" devices="st-a"`, "levels", "st-b is in no level of b"},
	} {
		changed := strings.Replace(twoNodes, c.old, c.now, 1)
		if changed == twoNodes {
			t.Fatalf("%s: there is no %q", c.name, c.old)
		}
		found := false
		for _, row := range rulesOf(t, changed) {
			if strings.Contains(row.Text, "s3cret") {
				t.Errorf("%s: %q has the secret", c.name, row.Text)
			}
			switch {
			case row.Result == Wrong && row.Check == c.check:
				found = found || strings.Contains(row.Text, c.want)
			case row.Result == Wrong && row.Check != "levels" && row.Check != "parameters":
				t.Errorf("%s: %+v too", c.name, row)
			}
		}
		if !found {
			t.Errorf("%s: %+v, want that %s is wrong: %s", c.name, rulesOf(t, changed), c.check, c.want)
		}
	}
}

// Each of these is as good.
func TestAlsoRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, now string }{
		{"delay by node", `"pcmk_delay_base" value="5s"`, `"pcmk_delay_base" value="a:5s;b:0s"`},
		{"delay by chance", `name="pcmk_delay_base" value="5s"`, `name="pcmk_delay_max" value="5s"`},
		{"secret that is kept elsewhere", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3a"`, `name="passwd" value="lrm://"/><nvpair id="3a"`},
		{"name of an environment variable", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3a"`, `name="passwd" value="X"/><nvpair id="x" name="passwd_method" value="env"/><nvpair id="3a"`},
		{"default of operations", `<operations><op id="8a" name="monitor" interval="600s" timeout="55s"/></operations>`, `<operations><op id="8a" name="monitor" interval="600s" timeout="1min"/></operations>`},
		{"a remote node", `<nodes>`, `<nodes><node id="r" uname="r" type="remote"/>`},
		{"a remote node's device", `<primitive id="st-a"`, `<primitive id="r" class="ocf" provider="pacemaker" type="remote"/>
<primitive id="v" class="ocf" provider="heartbeat" type="Xen"><meta_attributes id="m"><nvpair id="m1" name="remote-node" value="v1"/></meta_attributes></primitive>
<primitive id="st-r" class="stonith" type="fence_other"><instance_attributes id="st-r-i"><nvpair id="r1" name="pcmk_host_list" value="r v1"/></instance_attributes></primitive>
<primitive id="st-a"`},
		{"nodes that only devices name", `<nodes><node id="1" uname="a"/><node id="2" uname="b"/></nodes>`, `<nodes/>`},
	} {
		changed := strings.Replace(twoNodes, c.old, c.now, 1)
		if changed == twoNodes {
			t.Fatalf("%s: there is no %q", c.name, c.old)
		}
		for _, row := range rulesOf(t, changed) {
			if row.Result != OK {
				t.Errorf("%s: %+v, want ok", c.name, row)
			}
		}
	}
}

// What nobody has looked at is no pass.
func TestNotChecked(t *testing.T) {
	t.Parallel()
	other := strings.NewReplacer(`type="external/ipmi2"`, `type="fence_other"`, `type="fence_ipmi"`, `type="fence_other"`,
		`name="hostlist"`, `name="other"`, `name="pcmk_host_list"`, `name="another"`).Replace(twoNodes)
	var checks []string
	for _, row := range rulesOf(t, other) {
		if row.Result == NotChecked {
			checks = append(checks, row.Check)
		}
	}
	if want := []string{"nodes", "nodes", "parameters"}; !slices.Equal(checks, want) {
		t.Errorf("not checked: %q, want %q", checks, want)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	rows := []Row{{OK, "nodes", "x"}, {NotChecked, "pcs", "y"}, {Wrong, "delay", "z"}}
	var out strings.Builder
	if err := Write(&out, rows); err != nil || Failures(rows) != 1 {
		t.Errorf("Write: %v; Failures: %d, want 1", err, Failures(rows))
	}
	if want := "ok           nodes  x\nnot checked  pcs    y\nwrong        delay  z\n"; out.String() != want {
		t.Errorf("table\n%swant\n%s", out.String(), want)
	}
}
