package verify

import (
	"fmt"
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

// One supply that is switched twice leaves the other one on.
func TestOneSupplyTwice(t *testing.T) {
	t.Parallel()
	level := func(address string) string {
		supply := strings.NewReplacer(`id="`, `id="2`, "192.0.2.1", address).Replace(twoNodes[strings.Index(twoNodes, `<primitive id="st-a"`):strings.Index(twoNodes, `<primitive id="st-b"`)])
		return strings.NewReplacer("</resources>", supply+"</resources>", `devices="st-a"`, `devices="st-a,2st-a"`).Replace(twoNodes)
	}
	const want = `level 1: node "a" is "192.0.2.1" to two devices of one level`
	isTold := func(row Row) bool { return row.Result == Wrong && strings.HasPrefix(row.Text, want) }
	if rows := rulesOf(t, level("192.0.2.1")); !slices.ContainsFunc(rows, isTold) {
		t.Errorf("none is %q: %v", want, rows)
	}
	if rows := rulesOf(t, level("192.0.2.7")); slices.ContainsFunc(rows, isTold) {
		t.Errorf("two supplies are taken for one: %v", rows)
	}
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
	if want := []string{"enabled", "nodes", "levels", "parameters", "locations", "monitor", "timeouts", "delay", "secrets"}; !slices.Equal(checks, want) {
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
		{"nobody else, by a score", `<constraints>`, `<constraints><rsc_location id="lc" rsc="st-a" node="b" score="-1000"/><rsc_location id="ld" rsc="st-a" node="b" score="500"/>`, "locations", "no other node may run a device of a"},
		{"nobody else, by a pattern", `<constraints>`, `<constraints><rsc_location id="lc" rsc-pattern="^st-a" node="b" score="-INFINITY"/>`, "locations", "no other node may run a device of a"},
		{"nobody else, in a set", `<constraints>`, `<constraints><rsc_location id="lc" node="b" score="-INFINITY"><resource_set id="s"><resource_ref id="st-a"/></resource_set></rsc_location>`, "locations", "no other node may run a device of a"},
		{"opt-in", `<crm_config>`, `<crm_config><cluster_property_set id="p"><nvpair id="p-1" name="symmetric-cluster" value="false"/></cluster_property_set>`, "locations", "no other node may run a device of a"},
		{"too short", `"pcmk_off_timeout" value="55s"`, `"pcmk_off_timeout" value="40s"`, "timeouts", "pcmk_off_timeout of 40s ends a call that may take 45s"},
		{"too long", `"pcmk_reboot_timeout" value="55s"`, `"pcmk_reboot_timeout" value="2min"`, "timeouts", "second call"},
		{"the default is too long", `name="pcmk_on_timeout" value="25s"`, `name="pcmk_delay_max" value="0"`, "timeouts", "st-b: pcmk_on_timeout (not set: stonith-timeout) of 1m0s is so long"},
		{"no time", `"pcmk_on_timeout" value="55s"`, `"pcmk_on_timeout" value="soon"`, "timeouts", "pcmk_on_timeout is no time"},
		{"monitor", `interval="600s" timeout="55s"`, `interval="600s" timeout="15s"`, "timeouts", "the timeout of monitor, 15s, ends a call that may take 15s"},
		{"long looks", `timeout="55s"/></operations>`, `timeout="20s"/></operations><instance_attributes id="x" score="1000"><nvpair id="x1" name="status_timeout" value="25s"/></instance_attributes>`, "timeouts", "the timeout of monitor, 20s, ends a call that may take 25s"},
		{"looks without a time", `name="power_timeout" value="20"/>`, `name="power_timeout" value="20"/><nvpair id="x" name="status_timeout" value="soon"/>`, "timeouts", "status_timeout is no time"},
		{"no monitor", `<op id="8b" name="monitor" interval="600s"/>`, ``, "monitor", "st-b: without a monitor"},
		{"a monitor once", `<op id="8b" name="monitor" interval="600s"/>`, `<op id="8b" name="monitor" interval="0"/>`, "monitor", "st-b: without a monitor"},
		{"a monitor that is off", `<op id="8b" name="monitor" interval="600s"/>`, `<op id="8b" name="monitor" interval="600s" enabled="false"/>`, "monitor", "st-b: without a monitor"},
		{"no delay", `"pcmk_delay_base" value="5s"`, `"pcmk_delay_base" value="0"`, "delay", "may fence each other"},
		{"a chance of nothing", `name="pcmk_delay_base" value="5s"`, `name="pcmk_delay_max" value="1s"`, "delay", "may fence each other"},
		{"the delay is of the other node", `"pcmk_delay_base" value="5s"`, `"pcmk_delay_base" value="b:5s"`, "delay", "may fence each other"},
		{"secret", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3a"`, `name="passwd" value="s3cret"/><nvpair id="3a"`, "secrets", "st-a: passwd stands"},
		{"secret by an old name", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3b"`, `name="passwd" value="s3cret"/><nvpair id="3b"`, "secrets", "st-b: passwd stands"},
		{"level without device", `devices="st-a"`, `devices="st-a,st-c"`, "levels", "there is no device st-c"},
		{"level with another node's device", `devices="st-a"`, `devices="st-a,st-b"`, "levels", "level 1 of a: st-b does not fence it"},
		{"switched off in the set that counts", `</crm_config>`, `<cluster_property_set id="cib-bootstrap-options"><nvpair id="p-1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>`, "enabled", "stonith-enabled is false"},
		{"switched off first", `name="stonith-enabled" value="true"/>`, `name="stonith-enabled" value="false"/><nvpair id="x" name="stonith-enabled" value="true"/>`, "enabled", "stonith-enabled is false"},
		{"switched off second", `name="stonith-enabled" value="true"/>`, `name="stonith-enabled" value="true"/><nvpair id="x" name="stonith-enabled" value="false"/>`, "enabled", "stonith-enabled is set to several values: only one of them counts, here true"},
		{"two values in two sets", `<crm_config>`, `<crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="p-1" name="no-quorum-policy" value="stop"/></cluster_property_set><cluster_property_set id="p" score="5"><nvpair id="p-2" name="no-quorum-policy" value="freeze"/></cluster_property_set>`, "enabled", "no-quorum-policy is set to several values: only one of them counts, here stop"},
		{"a set that counts more", `<operations><op id="8a"`, `<instance_attributes id="x" score="1000"><nvpair id="x1" name="pcmk_off_timeout" value="1s"/></instance_attributes><operations><op id="8a"`, "timeouts", "st-a: pcmk_off_timeout of 1s ends"},
		{"the first of a set", `"pcmk_off_timeout" value="55s"/>`, `"pcmk_off_timeout" value="1s"/><nvpair id="x" name="pcmk_off_timeout" value="55s"/>`, "timeouts", "st-a: pcmk_off_timeout of 1s ends"},
		{"two values", `"hostlist" value="a:192.0.2.1"/>`, `"hostlist" value="a:192.0.2.1"/><nvpair id="x" name="hostlist" value="a:192.0.2.9"/>`, "parameters", "st-a: hostlist has several values"},
		{"two values in equal sets", `<operations><op id="8a"`, `<instance_attributes id="x"><nvpair id="x1" name="hostlist" value="a:192.0.2.9"/></instance_attributes><operations><op id="8a"`, "parameters", "st-a: hostlist has several values"},
		{"not at the start", `name="stonith-enabled" value="true"`, `name="startup-fencing" value="false"`, "enabled", "startup-fencing is false"},
		{"another action", `"pcmk_delay_base" value="5s"/>`, `"pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_reboot_action" value="on"/>`, "nodes", "st-a: pcmk_reboot_action is on: a node counts as fenced that is not"},
		{"reset for off", `"pcmk_delay_base" value="5s"/>`, `"pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_off_action" value="reboot"/>`, "nodes", "st-a: pcmk_off_action is reboot"},
		{"action", `name="power_timeout" value="20"/>`, `name="power_timeout" value="20"/><nvpair id="x" name="action" value="status"/>`, "nodes", "st-b: action is status"},
		{"any node", `"pcmk_delay_base" value="5s"/>`, `"pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_host_check" value="none"/>`, "nodes", "takes it for a device of any node"},
		{"any node, by the status of the BMC", `"pcmk_delay_base" value="5s"/>`, `"pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_host_check" value="status"/>`, "nodes", "takes it for a device of any node"},
		{"list that does not count", `"pcmk_delay_base" value="5s"/>`, `"pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_host_check" value="dynamic-list"/>`, "nodes", "pcmk_host_list does not count"},
		{"mapped twice", `name="power_timeout" value="20"/>`, `name="power_timeout" value="20"/><nvpair id="x" name="pcmk_host_map" value="b:a"/>`, "nodes", "pcmk_host_map calls b a"},
		{"mapped twice, by another sign", `name="power_timeout" value="20"/>`, `name="power_timeout" value="20"/><nvpair id="x" name="pcmk_host_map" value="b=a"/>`, "nodes", "pcmk_host_map calls b a"},
		{"one guest for several nodes", `name="hostlist" value="b:192.0.2.2"/>`, `name="plug" value="b"/><nvpair id="x" name="pcmk_host_list" value="b a"/>`, "nodes", "st-b: plug is set for good, and the same for all its nodes: b, a"},
		{"one guest for several nodes of a map", `name="hostlist" value="b:192.0.2.2"/>`, `name="vm_name" value="b"/><nvpair id="x" name="pcmk_host_map" value="b:b;a:a"/>`, "nodes", "st-b: vm_name is set for good, and the same for all its nodes: b, a"},
		{"argument", `name="power_timeout" value="20"/>`, `name="power_timeout" value="20"/><nvpair id="x" name="pcmk_host_argument" value="uuid"/>`, "nodes", "pcmk_host_argument is uuid"},
		{"one BMC", `value="b:192.0.2.2"`, `value="b:192.0.2.1:623"`, "nodes", `nodes "a" and "b" are both "192.0.2.1": who fences one of them switches the other off`},
		{"one BMC by hostname", `name="hostlist" value="b:192.0.2.2"`, `name="hostname" value="b"/><nvpair id="x" name="ipaddr" value="192.0.2.1"`, "nodes", `are both "192.0.2.1"`},
		{"not its hostname", `name="hostlist" value="a:192.0.2.1"`, `name="ipaddr" value="192.0.2.1"/><nvpair id="x" name="hostname" value="c"`, "nodes", "st-a is to fence a, which is not in its hostlist"},
		{"nobody else, by a rule about all but one", `<constraints>`, `<constraints><rsc_location id="lc" rsc="st-a"><rule id="x" score="-INFINITY"><expression id="y" attribute="#uname" operation="ne" value="a"/></rule></rsc_location>`, "locations", "no other node may run a device of a"},
		{"nobody else, by a rule about several", `<constraints>`, `<constraints><rsc_location id="lc" rsc="st-a"><rule id="x" score="-INFINITY" boolean-op="or"><expression id="y" attribute="#uname" operation="eq" value="b"/><expression id="z" attribute="#uname" operation="eq" value="c"/></rule></rsc_location>`, "locations", "no other node may run a device of a"},
		{"itself, by a rule that never holds", `value="B"/>`, `value="B"/><expression id="x" attribute="#uname" operation="eq" value="a"/>`, "locations", "st-b may run on b"},
		{"itself, by a rule about the other", `operation="eq" value="B"`, `operation="ne" value="B"`, "locations", "st-b may run on b"},
		{"long delay", `"pcmk_delay_base" value="5s"`, `"pcmk_delay_base" value="22s"`, "timeouts", "st-a: its delay of 22s is too long"},
		{"one supply of two", `devices="st-a"/>`, `devices="st-a,st-b"/><fencing-level id="f2" target="a" index="2" devices="st-b"/>`, "levels", "level 2 of a is content with st-b, where level 1 wants st-a and st-b to switch it off"},
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
		{"all but one, by a pattern", `rsc="st-a" node="a"`, `rsc-pattern="!st-b" node="a"`},
		{"all but one, by a rule", `rsc="st-a" node="a" score="-INFINITY"/>`, `rsc="st-a"><rule id="x" score="-INFINITY"><expression id="y" attribute="#uname" operation="ne" value="b"/></rule></rsc_location>`},
		{"a rule that forbids nothing", `<constraints>`, `<constraints><rsc_location id="lc" rsc="st-a"><rule id="x" score="100"><expression id="y" attribute="rack" operation="defined"/></rule></rsc_location>`},
		{"map by another sign", `"pcmk_host_list" value="a"`, `"pcmk_host_map" value="a=a"`},
		{"plug of one node", `name="hostlist" value="b:192.0.2.2"/>`, `name="plug" value="b"/><nvpair id="x" name="ipaddr" value="192.0.2.2"/><nvpair id="y" name="pcmk_host_list" value="b"/>`},
		{"somebody else, after all", `<constraints>`, `<constraints><rsc_location id="lc" rsc="st-a" node="b" score="-1000"/><rsc_location id="ld" rsc="st-a" node="b" score="INFINITY"/>`},
		{"list that counts", `"pcmk_delay_base" value="5s"/>`, `"pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_host_check" value="static-list"/>`},
		{"a set that counts less", `<operations><op id="8a"`, `<instance_attributes id="x" score="-1000"><nvpair id="x1" name="pcmk_off_timeout" value="1s"/></instance_attributes><operations><op id="8a"`},
		{"off in place of a reset", `"pcmk_delay_base" value="5s"/>`, `"pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_reboot_action" value="off"/>`},
		{"delay by node", `"pcmk_delay_base" value="5s"`, `"pcmk_delay_base" value="a:5s;b:0s"`},
		{"delay by chance", `name="pcmk_delay_base" value="5s"`, `name="pcmk_delay_max" value="5s"`},
		{"secret that is kept elsewhere", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3a"`, `name="passwd" value="lrm://"/><nvpair id="3a"`},
		{"name of an environment variable", `name="passwd_file" value="/etc/x"/>` + "\n" + `<nvpair id="3a"`, `name="passwd" value="X"/><nvpair id="x" name="passwd_method" value="env"/><nvpair id="3a"`},
		{"default of operations", `<operations><op id="8a" name="monitor" interval="600s" timeout="55s"/></operations>`, `<operations><op id="8a" name="monitor" interval="600s" timeout="1min"/></operations>`},
		{"monitor without a time-out", `interval="600s" timeout="55s"`, `interval="600s"`},
		{"a remote node's device", `<primitive id="st-a"`, `<primitive id="r" class="ocf" provider="pacemaker" type="remote"/>
<primitive id="v" class="ocf" provider="heartbeat" type="Xen"><meta_attributes id="m"><nvpair id="m1" name="remote-node" value="v1"/></meta_attributes></primitive>
<primitive id="st-r" class="stonith" type="fence_ipmi"><instance_attributes id="st-r-i"><nvpair id="r1" name="hostlist" value="r:192.0.2.3 v1:192.0.2.4"/><nvpair id="r3" name="passwd_file" value="/etc/x"/></instance_attributes><operations><op id="r2" name="monitor" interval="60s" timeout="45s"/></operations></primitive>
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
	for _, row := range rulesOf(t, other) {
		if row.Result == OK && slices.Contains(checks, row.Check) {
			t.Errorf("%+v too", row)
		}
	}
	if want := []string{"nodes", "nodes", "parameters", "timeouts", "delay", "secrets"}; !slices.Equal(checks, want) {
		t.Errorf("not checked: %q, want %q", checks, want)
	}
	for _, c := range []struct{ old, now, check, want string }{
		{`<nodes>`, `<nodes><node id="r" uname="r" type="remote"/>`, "nodes", "r is a remote node without a device"},
		{`<resources>`, `<resources><template id="t" class="stonith" type="external/ipmi2"/><primitive id="st-t" template="t"/>`, "nodes", "st-t: what it has from elsewhere"},
		{`<nvpair id="1a"`, `<nvpair id-ref="1b"/><nvpair id="1a"`, "delay", "what st-a has from elsewhere is not known"},
		{`<nvpair id="1a"`, `<nvpair id-ref="1b"/><nvpair id="1a"`, "nodes", "st-a: what it has from elsewhere"},
		{`<crm_config>`, `<crm_config><cluster_property_set id="p" score="5"><rule id="p-r"/><nvpair id="p-2" name="stonith-enabled" value="false"/></cluster_property_set>`, "enabled", "a rule says when the properties of p count"},
		{`value="B"/>`, `value="B"/><expression id="x" attribute="y" operation="defined"/>`, "locations", "st-b: lb goes by more than the names of nodes"},
		{`<constraints>`, `<constraints><rsc_location id="lc" rsc="st-a"><rule id="x" score="-INFINITY"><expression id="y" attribute="rack" operation="not_defined"/></rule></rsc_location>`, "locations", "st-a: lc goes by more than the names of nodes"},
		{`<fencing-topology>`, `<fencing-topology><fencing-level id="p" target-pattern=".*" index="1" devices="st-a"/>`, "", "p is for nodes by a pattern"},
	} {
		found := false
		for _, row := range rulesOf(t, strings.Replace(twoNodes, c.old, c.now, 1)) {
			found = found || row.Result == NotChecked && strings.HasPrefix(row.Text, c.want)
			if row.Result != NotChecked && row.Check == c.check {
				t.Errorf("%s: %+v too", c.now, row)
			}
		}
		if !found {
			t.Errorf("%s: want %q not checked", c.now, c.want)
		}
	}
}

// A device that goes by a list, and has none, is for no node, whatever its hostlist says.
func TestNoList(t *testing.T) {
	t.Parallel()
	var said []string
	for _, row := range rulesOf(t, strings.Replace(twoNodes, `"pcmk_host_list" value="a"`, `"pcmk_host_check" value="Static-List"`, 1)) {
		if row.Result == Wrong && row.Check == "nodes" {
			said = append(said, row.Text)
		}
	}
	want := []string{"st-a: with pcmk_host_check=static-list, and neither pcmk_host_list nor pcmk_host_map, no node has this device", "a has no device"}
	if !slices.Equal(said, want) {
		t.Errorf("wrong: %q, want %q", said, want)
	}
}

// A location that goes by more than names is not guessed at, where it may forbid a node,
// or allow one that nothing else allows.
func TestUnclearLocations(t *testing.T) {
	t.Parallel()
	const optIn = `<cluster_property_set id="p"><nvpair id="p-1" name="symmetric-cluster" value="false"/></cluster_property_set></crm_config>`
	for _, c := range []struct{ name, config, location string }{
		{"an attribute", "</crm_config>", `<rule id="x" score="-INFINITY"><expression id="y" attribute="rack" operation="not_defined"/></rule>`},
		{"an attribute that has it avoided", "</crm_config>", `<rule id="x" score="-1000"><expression id="y" attribute="rack" operation="not_defined"/></rule>`},
		{"an attribute that allows it", optIn, `<rule id="x" score="100"><expression id="y" attribute="rack" operation="defined"/></rule>`},
		{"a score that is elsewhere", "</crm_config>", `<rule id="x" score-attribute="z"><expression id="y" attribute="#uname" operation="eq" value="a"/></rule>`},
		{"a name that is elsewhere", "</crm_config>", `<rule id="x" score="-INFINITY"><expression id="y" attribute="#uname" operation="eq" value="a" value-source="meta"/></rule>`},
		{"a rule in a rule", "</crm_config>", `<rule id="x" score="-INFINITY"><rule id="y"><expression id="z" attribute="#uname" operation="eq" value="a"/></rule></rule>`},
		{"a time", "</crm_config>", `<lifetime><rule id="x" score="0"><date_expression id="y" operation="lt" end="2001-01-01"/></rule></lifetime>`},
	} {
		text := strings.NewReplacer("</crm_config>", c.config, "<constraints>", `<constraints><rsc_location id="lc" rsc-pattern="^st-">`+c.location+"</rsc_location>").Replace(twoNodes)
		var said []string
		for _, row := range rulesOf(t, text) {
			if row.Check == "locations" {
				said = append(said, string(row.Result)+" "+row.Text)
			}
		}
		want := []string{"not checked st-a: lc goes by more than the names of nodes", "not checked st-b: lc goes by more than the names of nodes"}
		if !slices.Equal(said, want) {
			t.Errorf("%s: %q, want %q", c.name, said, want)
		}
	}
}

// Without devices nothing about them is well.
func TestNoDevices(t *testing.T) {
	t.Parallel()
	text := twoNodes[:strings.Index(twoNodes, "<primitive")] + twoNodes[strings.Index(twoNodes, "</resources>"):]
	for _, row := range rulesOf(t, text) {
		if slices.Contains([]string{"parameters", "timeouts", "secrets"}, row.Check) && row.Result != NotChecked {
			t.Errorf("%+v, want not checked", row)
		}
	}
	if !slices.Contains(rulesOf(t, text), Row{NotChecked, "parameters", "there is no device"}) {
		t.Error("want parameters not checked")
	}
}

// No device may be asked for an action that fences nobody.
func TestActionsThatFenceNobody(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{"fence_ipmi", "fence_other"} {
		for _, name := range []string{"pcmk_off_action", "pcmk_reboot_action", "action"} {
			for _, action := range []string{"monitor", "list", "list-status", "status", "diag", "metadata", "manpage", "validate-all", "check", "On"} {
				pair := fmt.Sprintf(`name="power_timeout" value="20"/><nvpair id="x" name="%s" value="%s"/>`, name, action)
				text := strings.NewReplacer(`name="power_timeout" value="20"/>`, pair, "fence_ipmi", agent).Replace(twoNodes)
				want := fmt.Sprintf("st-b: %s is %s: a node counts as fenced that is not", name, strings.ToLower(action))
				if !slices.Contains(rulesOf(t, text), Row{Wrong, "nodes", want}) {
					t.Errorf("%s: want %q", agent, want)
				}
			}
		}
	}
}

// foreign is a device of another agent.
const foreign = `<resources><primitive id="st-f" class="stonith" type="fence_ipmilan"><instance_attributes id="st-f-i">
<nvpair id="f1" name="pcmk_host_list" value="b"/><nvpair id="f2" name="ip" value="192.0.2.2"/><nvpair id="f3" name="passwd" value="s3cret"/>
</instance_attributes><operations><op id="f4" name="monitor" interval="60s"/></operations></primitive>`

// A device of another agent beside ours is named by each check that knows ours alone.
func TestForeignDevice(t *testing.T) {
	t.Parallel()
	var said []string
	for _, row := range rulesOf(t, strings.Replace(twoNodes, `<resources>`, foreign, 1)) {
		if row.Result == NotChecked && strings.HasSuffix(row.Text, "not looked at: st-f (fence_ipmilan)") {
			said = append(said, row.Check)
		}
	}
	if want := []string{"parameters", "timeouts", "secrets"}; !slices.Equal(said, want) {
		t.Errorf("it is named in %q, want %q", said, want)
	}
}

// The BMC of another agent's device is one of those that clash.
func TestForeignBMC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		old, now string
		clashes  bool
	}{
		{"", "", true},
		{`type="fence_ipmilan"`, `type="external/ipmi"`, true},
		{`name="ip"`, `name="ipaddr"`, true},
		{`value="192.0.2.1"/>`, `value="192.0.2.1"/><nvpair id="x" name="ipport" value="624"/>`, false},
		{`value="192.0.2.1"/>`, `value="192.0.2.1"/><nvpair id="x" name="port_as_ip" value="1"/>`, false},
		{`value="192.0.2.1"/>`, `value="192.0.2.2"/>`, false},
	} {
		other := strings.Replace(strings.Replace(foreign, "192.0.2.2", "192.0.2.1", 1), c.old, c.now, 1)
		found := false
		for _, row := range rulesOf(t, strings.Replace(twoNodes, `<resources>`, other, 1)) {
			found = found || row.Result == Wrong && strings.HasPrefix(row.Text, `nodes "b" and "a" are both "192.0.2.1": `)
		}
		if found != c.clashes {
			t.Errorf("%s: %t that it clashes, want %t", c.now, found, c.clashes)
		}
	}
}

// Where a rule decides about the parameters of a device, nothing is guessed.
func TestParametersByRule(t *testing.T) {
	t.Parallel()
	text := strings.Replace(twoNodes, `<instance_attributes id="st-b-i">`,
		`<instance_attributes id="st-b-i"><rule id="x" score="0"><date_expression id="y" operation="lt" end="2001-01-01"/></rule>`, 1)
	var said []string
	for _, row := range rulesOf(t, text) {
		if row.Result == Wrong {
			t.Errorf("%+v, want not checked", row)
		}
		if row.Result == NotChecked {
			said = append(said, row.Check+" "+row.Text)
		}
	}
	const others = " not looked at: st-b (a rule decides about its parameters)"
	want := []string{
		"nodes st-b: a rule decides about its parameters", "parameters" + others, "timeouts" + others,
		"delay it is not known which nodes st-b fences", "secrets" + others,
	}
	if !slices.Equal(said, want) {
		t.Errorf("not checked: %q, want %q", said, want)
	}
}

// Of two devices without a level, any is enough, and any delay may be the one.
func TestSeveralDevices(t *testing.T) {
	t.Parallel()
	other := twoNodes[strings.Index(twoNodes, `<primitive id="st-a"`):strings.Index(twoNodes, `<primitive id="st-b"`)]
	other = strings.NewReplacer(`id="`, `id="other-`, `value="5s"`, `value="0"`).Replace(other)
	text := strings.Replace(twoNodes, `<resources>`, `<resources>`+other, 1)
	text = strings.Replace(text, `<fencing-level id="f1" target="a" index="1" devices="st-a"/>`, ``, 1)
	var said []string
	for _, row := range rulesOf(t, text) {
		if row.Result != OK {
			said = append(said, row.Text)
		}
	}
	all := strings.Join(said, "\n")
	for _, want := range []string{"counts as enough, since no level says otherwise: a", "may fence each other"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s\nwant %q", all, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	rows := []Row{{OK, "nodes", "x"}, {NotChecked, "pcs", "y"}, {Wrong, "delay", "z\nok\tall"}}
	var out strings.Builder
	if err := Write(&out, rows); err != nil || Failures(rows) != 1 {
		t.Errorf("Write: %v; Failures: %d, want 1", err, Failures(rows))
	}
	if want := "ok           nodes  x\nnot checked  pcs    y\nwrong        delay  z; ok\\u0009all\n"; out.String() != want {
		t.Errorf("table\n%swant\n%s", out.String(), want)
	}
}

// Some things are wrong, or right, only together.
func TestTogether(t *testing.T) {
	t.Parallel()
	const priority = `<cluster_property_set id="p"><nvpair id="p-1" name="priority-fencing-delay" value="5s"/></cluster_property_set></crm_config>`
	const important = `<resources><primitive id="x" class="ocf" provider="heartbeat" type="Dummy"><meta_attributes id="x-m"><nvpair id="x-1" name="priority" value="1"/></meta_attributes></primitive>`
	for _, c := range []struct {
		name    string
		changes []string
		wrong   string // how the only thing that is wrong begins
	}{
		{"disabled by default", []string{`</configuration>`, `<rsc_defaults><meta_attributes id="m"><nvpair id="m-1" name="target-role" value="stopped"/></meta_attributes></rsc_defaults></configuration>`}, "st-a is disabled"},
		{"priorities of nobody", []string{`value="5s"`, `value="0"`, `</crm_config>`, priority, `<resources>`, strings.Replace(important, `value="1"`, `value="0"`, 1)}, "two nodes without"},
		{"priorities that may come", []string{`value="5s"`, `value="0"`, `</crm_config>`, priority}, ""},
		{"priorities", []string{`value="5s"`, `value="0"`, `</crm_config>`, priority, `<resources>`, important}, ""},
		{"chances of nothing", []string{`name="pcmk_delay_base" value="5s"/>`, `name="pcmk_delay_max" value="1500ms"/>`, `name="power_timeout"`, `name="pcmk_delay_max" value="1"/><nvpair id="x" name="power_timeout"`}, "two nodes without"},
		{"chances beside a base", []string{`name="pcmk_delay_base" value="5s"/>`, `name="pcmk_delay_base" value="5s"/><nvpair id="x" name="pcmk_delay_max" value="6s"/>`, `name="power_timeout"`, `name="pcmk_delay_max" value="1"/><nvpair id="y" name="power_timeout"`}, ""},
		{"quorum that does not count", []string{
			`<nodes>`, `<nodes><node id="3" uname="c"/>`, `value="a"`, `value="a c"`, `value="a:192.0.2.1"`, `value="a:192.0.2.1 c:192.0.2.3"`,
			`</crm_config>`, strings.NewReplacer("priority-fencing-delay", "no-quorum-policy", "5s", "Ignore").Replace(priority),
		}, "no-quorum-policy is ignore"},
		{"plug that the cluster gives", []string{`<nodes>`, `<nodes><node id="3" uname="c"/>`, `value="b:192.0.2.2"/>`, `value="b:192.0.2.2 c:192.0.2.3"/><nvpair id="x" name="plug" value="dynamic"/>`}, ""},
		{"plug for good", []string{`<nodes>`, `<nodes><node id="3" uname="c"/>`, `value="b:192.0.2.2"/>`, `value="b:192.0.2.2 c:192.0.2.3"/><nvpair id="x" name="plug" value="b"/>`}, "st-b: plug is set for good"},
		{"a map that maps nothing", []string{`"pcmk_host_list" value="a"`, `"pcmk_host_map" value="a"`}, "a has no device"},
		{"a parameter of the group", []string{`<primitive id="st-b"`, `<group id="g"><primitive id="st-b"`, `</resources>`, `<instance_attributes id="g-i"><nvpair id="g-1" name="pcmk_host_list" value="c"/></instance_attributes></group></resources>`}, "st-b fences c"},
		{"a parameter of its own", []string{`<primitive id="st-b"`, `<group id="g"><primitive id="st-b"`, `</resources>`, `<instance_attributes id="g-i"><nvpair id="g-1" name="pcmk_off_timeout" value="1s"/></instance_attributes></group></resources>`}, ""},
		{"long delay", []string{`value="5s"`, `value="22s"`, `</cluster_property_set>`, `<nvpair id="o-2" name="dc-version" value="2.1.5-x"/></cluster_property_set>`}, "st-a: its delay of 22s"},
		{"long delay of a new Pacemaker", []string{`value="5s"`, `value="22s"`, `</cluster_property_set>`, `<nvpair id="o-2" name="dc-version" value="2.1.10-x"/></cluster_property_set>`}, ""},
	} {
		first := ""
		for _, row := range rulesOf(t, strings.NewReplacer(c.changes...).Replace(twoNodes)) {
			if row.Result == Wrong && first == "" {
				first = row.Text
			}
		}
		if (first == "") != (c.wrong == "") || !strings.HasPrefix(first, c.wrong) {
			t.Errorf("%s: %q is wrong first, want %q", c.name, first, c.wrong)
		}
	}
}
