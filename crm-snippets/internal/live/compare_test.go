package live

import (
	"slices"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// wanted is a configuration, which testCIB has.
func wanted() plan.Configuration {
	return plan.Configuration{
		Properties: []plan.Parameter{{Name: "stonith-enabled", Value: "true"}, {Name: "stonith-timeout", Value: "60s"}},
		Resources: []plan.Resource{{
			ID: "st", Type: "external/ipmi2", Nodes: []string{"a"},
			Parameters: []plan.Parameter{{Name: "hostlist", Value: "a:192.0.2.1"}, {Name: "passwd", Value: "s3cret"}},
			Operations: []plan.Operation{{Name: "monitor", Interval: "600s", Timeout: "60s"}},
		}},
		Locations: []plan.Location{{ID: "st-avoids-a", Resource: "st", Node: "a"}},
		Levels:    []plan.Level{{ID: "fl-a-1", Node: "a", Index: 1, Resources: []string{"st"}}},
	}
}

const testCIB = `<cib validate-with="pacemaker-3.9">
<configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o-1" name="stonith-enabled" value="yes"/><nvpair id="o-2" name="fencing-timeout" value="2min"/></cluster_property_set></crm_config>
<resources>
<primitive id="st" class="stonith" type="external/ipmi2"><!-- it says so -->
<operations><op id="2" timeout="60s" name="monitor" interval="600s"/></operations>
<instance_attributes id="1"><nvpair id="12" name="passwd" value="s3cret"/><nvpair id="11" name="hostlist" value="a:192.0.2.1"/></instance_attributes>
</primitive>
</resources>
<constraints><rsc_location id="st-avoids-a" rsc="st" node="a" score="-inf"/></constraints>
<fencing-topology><fencing-level id="anything" target="a" index="1" devices="st"/></fencing-topology>
</configuration>
</cib>`

func readTest(t *testing.T, old, now string) *CIB {
	t.Helper()
	text := strings.Replace(testCIB, old, now, 1)
	if text == testCIB && old != now {
		t.Fatalf("there is no %q", old)
	}
	c, err := ReadCIB("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Other ids, another order and another spelling are the same to the cluster.
func TestAllIsThere(t *testing.T) {
	t.Parallel()
	if how := Deviations(readTest(t, "", ""), wanted()); len(how) != 0 {
		t.Errorf("deviations %q, want none", how)
	}
}

// Each change is a deviation, and none has a secret.
func TestDeviations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, now, want string }{
		{"property", `value="yes"`, `value="no"`, "property stonith-enabled: is no, should be true"},
		{"property by both names", `value="yes"/>`, `value="yes"/><nvpair id="o-3" name="fencing-enabled" value="false"/>`, "property fencing-enabled: is false, should be true"},
		{
			"property in two sets", `</cluster_property_set>`, `</cluster_property_set><cluster_property_set id="cib-bootstrap-options"><nvpair id="o-3" name="stonith-enabled" value="false"/></cluster_property_set>`,
			"property stonith-enabled: is false, should be true",
		},
		{"shorter time-out", `value="2min"`, `value="59s"`, "property fencing-timeout: is 59s, should be 60s"},
		{"no property", `name="fencing-timeout"`, `name="x"`, "property stonith-timeout: missing, should be 60s"},
		{"parameter", `value="a:192.0.2.1"`, `value="a"`, `primitive st: different: hostlist is "a", not "a:192.0.2.1"`},
		{"secret", `value="s3cret"`, `value="0ther"`, `primitive st: different: passwd is "***", not "***"`},
		{"secret that should not be there", `name="passwd" value="s3cret"`, `name="kg" value="0ther"`, `primitive st: different: passwd is missing; kg should not be there`},
		{"parameter twice", `<instance_attributes id="1">`, `<instance_attributes id="1"><nvpair name="hostlist" value="b"/>`, `primitive st: different: hostlist is "b", not "a:192.0.2.1"; hostlist (2) should not be there`},
		{"secret twice", `<instance_attributes id="1">`, `<instance_attributes id="1"><nvpair name="passwd" value="0ther"/>`, `primitive st: different: passwd is "***", not "***"; passwd (2) should not be there`},
		{"secret of another agent", `<instance_attributes id="1">`, `<instance_attributes id="1"><nvpair name="admin_pw" value="0ther"/>`, `primitive st: different: admin_pw should not be there`},
		{"secret of an operation", `name="monitor" interval="600s"/>`, `name="monitor" interval="600s"><instance_attributes id="3"><nvpair name="passwd" value="0ther"/></instance_attributes></op>`, `primitive st: different: op monitor element should not be there`},
		{"type", `external/ipmi2`, `fence_ipmi`, `primitive st: different: type is "fence_ipmi", not "external/ipmi2"`},
		{"operation", `timeout="60s" name`, `timeout="20s" on-fail="ignore" name`, `primitive st: different: op monitor timeout is "20s", not "60s"; op monitor on-fail is "ignore", and should not be there`},
		{"meta", `<operations>`, `<meta_attributes id="m"><nvpair name="target-role" value="Stopped"/></meta_attributes><operations>`, `primitive st: different: meta target-role is "Stopped", and should not be there`},
		{"rule in parameters", `<instance_attributes id="1">`, `<instance_attributes id="1"><rule id="r"/>`, `primitive st: different: element should not be there`},
		{"group", `<resources>`, `<resources><group id="g"><primitive id="st" class="stonith" type="external/ipmi2"/></group>`, `primitive st: different: hostlist is missing; op monitor interval is missing; op monitor timeout is missing; passwd is missing; within is "group g", and should not be there`},
		{"no resource", `<primitive id="st"`, `<primitive id="other"`, "primitive st: missing"},
		{"id of something else", `<primitive id="st"`, `<tag id="st"/><primitive id="other"`, "primitive st: different: the id is that of a tag"},
		{"location", `node="a" score`, `node="b" score`, `location st-avoids-a: different: node is "b", not "a"`},
		{"score", `"-inf"`, `"-1000"`, `location st-avoids-a: different: score is "-1000", not "-INFINITY"`},
		{"no location", `id="st-avoids-a"`, `id="x"`, "location st-avoids-a: missing"},
		{"level", `devices="st"`, `devices="st,x"`, `level 1 of a: different: devices is "st,x", not "st"`},
		{"level of another node", `target="a"`, `target="b"`, "level 1 of a: missing"},
		{"level's id", `<fencing-topology><fencing-level id="anything" target="a"`, `<fencing-topology><fencing-level id="fl-a-1" target="b"`, `level 1 of a: different: target is "b", not "a"`},
	} {
		all := Deviations(readTest(t, c.old, c.now), wanted())
		if !slices.Contains(all, c.want) {
			t.Errorf("%s: deviations %q, want %q", c.name, all, c.want)
		}
		if text := strings.Join(all, ""); strings.Contains(text, "s3cret") || strings.Contains(text, "0ther") {
			t.Errorf("%s: %q has a secret", c.name, text)
		}
	}
}

// What is to be shown is a line for each element, without secrets.
func TestLines(t *testing.T) {
	t.Parallel()
	empty, err := ReadCIB("test", []byte(`<cib><configuration><crm_config><cluster_property_set><nvpair name="stonith-timeout" value="20s"/></cluster_property_set></crm_config></configuration></cib>`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"+ property stonith-enabled=true",
		"~ property stonith-timeout=60s, was 20s",
		"+ primitive st stonith:external/ipmi2 hostlist=a:192.0.2.1 passwd=*** op monitor interval=600s timeout=60s",
		"+ location st-avoids-a: st never on a",
		"+ level 1 of a: st",
	}
	if got := compare(empty, wanted()).lines(); !slices.Equal(got, want) {
		t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSpeaking(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ now, want string }{
		{`<constraints>`, ""},
		{`<constraints><rsc_location id="x" rsc="st" node="b" score="1"/>`, "rsc_location x"},
		{`<constraints><rsc_colocation id="x" rsc="vip" with-rsc="st" score="1"/>`, "rsc_colocation x"},
		{`<constraints><rsc_order id="x" first="st" then="vip"/>`, "rsc_order x"},
		{`<constraints><fencing-level id="x" target="b" index="2" devices="y,st"/>`, "fencing-level x"},
		{`<constraints><tag id="x"><obj_ref id="st"/></tag>`, "tag x"},
		{`<constraints><rsc_location id="x" rsc="st-2" node="st" score="1"/>`, ""},
	} {
		if got := strings.Join(speaking(readTest(t, "<constraints>", c.now), wanted()), ", "); got != c.want {
			t.Errorf("%s: %q speaks of the resource, want %q", c.now, got, c.want)
		}
	}
}

// A change that has to do with something else is found, whatever it is.
func TestForeignChange(t *testing.T) {
	t.Parallel()
	before := readTest(t, "<constraints>", `<constraints><rsc_order id="x" first="vip" then="db"/>`)
	ours := func(e *Element) bool {
		return isPart(e, wanted()) || isSetting(e, []setting{{name: "stonith-enabled"}})
	}
	for _, c := range []struct{ name, old, now, want string }{
		{"ours", `hostlist" value="a`, `hostlist" value="b`, ""},
		{"our property", `value="yes"`, `value="no"`, ""},
		{"another property", `"2min"`, `"3min"`, `crm_config: <cluster_property_set id="o">`},
		{"something more", `<resources>`, `<resources><primitive id="new"/>`, `resources: <primitive id="new">`},
		{"something twice", `<resources>`, `<resources><primitive id="new"/><primitive id="new"/>`, `resources: <primitive id="new">`},
	} {
		after := readTest(t, c.old, c.now)
		after.root.Child("configuration").Child("constraints").Children = before.Configuration().Child("constraints").Children
		if got := foreignChange(before, after, ours); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := foreignChange(before, readTest(t, "", ""), ours); !strings.Contains(got, "rsc_order") {
		t.Errorf("something less: %q, want the rsc_order", got)
	}
}
