package cib

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func parse(t *testing.T, text string) []*Element {
	t.Helper()
	roots, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return roots
}

// Elements have their places, and can be found by id.
func TestPlaces(t *testing.T) {
	root := parse(t, "<?xml version=\"1.0\"?>\n<!-- a note -->\n<cib>\n  <a id=\"x\"/><b id=\"y\">\n</b></cib>\n")[0]
	for id, want := range map[string]Place{"x": {4, 3}, "y": {4, 14}} {
		if e := root.Find(id); e == nil || e.Place != want {
			t.Errorf("Find(%q): %+v, want one at %v", id, e, want)
		}
	}
	if e := root.Find("z"); e != nil {
		t.Errorf("Find(z): %+v, want none", e)
	}
	if n := len(root.All()); n != 3 {
		t.Errorf("All(): %d elements, want 3", n)
	}
}

// Broken XML is refused with its place, and without what may be a secret.
func TestBroken(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "1:1: no XML in it"},
		{" \n<!-- nothing -->", "2:17: no XML in it"},
		{"<a>\n <b>\n</a>", "3:5: broken XML: element <b> closed by </a>"},
		{"<a", "1:3: broken XML: the text ends in the middle"},
		{"</a>", "1:5: broken XML: an element ends that has not begun"},
		{"<a b=\"s3cret<\"/>", "1:14: broken XML: a < in an attribute: write &lt;"},
		{"<a b=\"&s3cret;\"/>", "1:15: broken XML: a & that begins no entity: write &amp;"},
		{"<a b=s3cret/>", "1:7: broken XML: an attribute's value without quotes"},
		{"<a s3cret/>", "1:11: broken XML: an attribute without ="},
		{"<a b=\"\x01\"/>", "1:9: broken XML: a character that XML cannot have"},
		{"<a b=\"\xff\"/>", "1:9: broken XML: it is not in UTF-8"},
		{"<a/>s3cret", "1:5: broken XML: text that is in no element"},
		{"<?xml version=\"1.0\" encoding=\"koi8-r\"?><a/>", "1:40: broken XML: it is not in UTF-8"},
		{strings.Repeat("<a>", maxDepth+1), "1:301: more than 100 elements in one another are no cluster's configuration"},
		{strings.Repeat(" ", MaxSize+1), fmt.Sprintf("more than %d bytes are no cluster's configuration", MaxSize)},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("Parse(%.60q): error %v, want %s", c.text, err, c.want)
		}
	}
}

// The old form and the new one say the same.
func TestForms(t *testing.T) {
	const old = `<configuration>
<crm_config><cluster_property_set id="o"><attributes><nvpair name="stonith_enabled" value="true"/></attributes></cluster_property_set></crm_config>
<nodes><node id="1" uname="n"/></nodes>
<resources><clone id="c"><instance_attributes><attributes><nvpair name="clone_max" value="2"/></attributes></instance_attributes>
<primitive id="p" class="stonith" type="external/x" provider="heartbeat">
<operations><op id="m" name="monitor" interval="20s" timeout="40s" prereq="nothing"/></operations>
<instance_attributes><attributes><nvpair name="hostlist" value="n"/></attributes></instance_attributes></primitive></clone></resources>
<constraints><rsc_location id="l" rsc="c"><rule id="r" score="INFINITY"><expression id="e" attribute="#uname" operation="eq" value="n"/></rule></rsc_location></constraints>
</configuration>`
	const modern = `<cib><configuration>
<crm_config><cluster_property_set id="o"><nvpair name="stonith-enabled" value="true"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n"/></nodes>
<resources><clone id="c"><meta_attributes id="cm"><nvpair name="clone-max" value="2"/></meta_attributes>
<primitive id="p" class="stonith" type="external/x">
<operations><op id="m" name="monitor" interval="20s" timeout="40s" prereq="nothing"/></operations>
<instance_attributes id="i"><nvpair name="hostlist" value="n"/></instance_attributes></primitive></clone></resources>
<constraints><rsc_location id="l" rsc="c" node="n" score="INFINITY"/></constraints>
</configuration><status><node_state id="1"/></status></cib>`
	a, b := ReadConfiguration(parse(t, old)), ReadConfiguration(parse(t, modern))
	if !a.Heartbeat || b.Heartbeat {
		t.Errorf("Heartbeat: %v of the old form, %v of the new one", a.Heartbeat, b.Heartbeat)
	}
	if diff := cmp.Diff(a, b, cmpopts.IgnoreTypes(Place{}), cmpopts.IgnoreFields(Configuration{}, "Heartbeat", "IDs")); diff != "" {
		t.Errorf("(-old +modern):\n%s", diff)
	}
	want := Primitive{
		ID: "p", Type: "external/x", Clone: "c",
		Parameters: []Parameter{{Name: "hostlist", Value: "n"}},
		Meta:       []Parameter{{Name: "clone-max", Value: "2"}},
		Operations: []Operation{{Name: "monitor", Interval: "20s", Timeout: "40s", Others: []Parameter{{Name: "prereq", Value: "nothing"}}}},
		Locations:  []Location{{ID: "l", Score: "INFINITY", Node: "n"}},
	}
	if diff := cmp.Diff([]Primitive{want}, b.Devices, cmpopts.IgnoreTypes(Place{})); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	if len(a.Unread) > 0 || len(b.Unread) > 0 {
		t.Errorf("unread: %v of the old form, %v of the new one", a.Unread, b.Unread)
	}
}

// What is not understood is named, if it is of fencing, and so is what is left alone.
func TestUnread(t *testing.T) {
	c := ReadConfiguration(parse(t, `<configuration><resources>
<primitive id="web" class="ocf" type="apache"><meta_attributes id="wm"/></primitive>
<primitive id="p" class="stonith" type="external/x" colour="blue">
<instance_attributes id="i" score="5"><rule id="r"/><nvpair id="n" id-ref="other"/></instance_attributes></primitive>
</resources><constraints>
<rsc_order id="o" first="p" then="web"/>
<rsc_order id="o2" first="web" then="ip"/>
<rsc_location id="l" rsc="p"><rule id="lr" score="5"><date_expression id="d"/></rule></rsc_location>
<rsc_colocation id="s"><resource_set id="rs"><resource_ref id="p"/></resource_set></rsc_colocation>
</constraints><acls><acl_role id="a"/></acls></configuration>`))
	var unread, others []string
	for _, item := range c.Unread {
		unread = append(unread, item.String())
	}
	for _, item := range c.Others {
		others = append(others, item.String())
	}
	wantUnread := []string{
		"attribute colour of primitive p in line 3", "attribute score of instance_attributes i in line 4", "rule r in line 4",
		"nvpair n in line 4", "rsc_order o in line 6", "rule lr in line 8", "rsc_colocation s in line 9",
	}
	if diff := cmp.Diff(wantUnread, unread); diff != "" {
		t.Errorf("unread (-want +got):\n%s", diff)
	}
	wantOthers := []string{"primitive web in line 2", "rsc_order o2 in line 7", "acls in line 10"}
	if diff := cmp.Diff(wantOthers, others); diff != "" {
		t.Errorf("others (-want +got):\n%s", diff)
	}
}

// Levels are for a node, for nodes whose names fit, or for nodes with an attribute.
func TestLevels(t *testing.T) {
	c := ReadConfiguration(parse(t, `<fencing-topology>
<fencing-level id="a" target="n" index="1" devices="x, y"/>
<fencing-level id="b" target-pattern="n.*" index="2" devices="x"/>
<fencing-level id="c" target-attribute="rack" target-value="1" index="3" devices="x"/>
</fencing-topology>`))
	want := []Level{
		{ID: "a", Index: "1", Node: "n", Devices: []string{"x", "y"}},
		{ID: "b", Index: "2", Pattern: "n.*", Devices: []string{"x"}},
		{ID: "c", Index: "3", Devices: []string{"x"}},
	}
	if diff := cmp.Diff(want, c.Levels, cmpopts.IgnoreTypes(Place{})); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
}

// A cluster.conf has devices, and their use by nodes.
func TestCluster(t *testing.T) {
	c := ReadCluster(parse(t, `<cluster name="c" config_version="1">
<cman two_node="1"/><rm><service name="s"/></rm>
<clusternodes><clusternode name="n" nodeid="1" votes="1" weight="2">
<fence><method name="m"><device name="d" port="p"/></method></fence><unfence/></clusternode></clusternodes>
<fencedevices><fencedevice name="d" agent="fence_x" ipaddr="192.0.2.1"/></fencedevices></cluster>`)[0])
	want := Cluster{
		Name:     "c",
		Settings: []Parameter{{Name: "cman.two_node", Value: "1"}},
		Nodes: []ClusterNode{{Name: "n", Methods: []Method{{Name: "m", Devices: []FenceDevice{
			{Name: "d", Parameters: []Parameter{{Name: "port", Value: "p"}}},
		}}}}},
		Devices: []FenceDevice{{Name: "d", Agent: "fence_x", Parameters: []Parameter{{Name: "ipaddr", Value: "192.0.2.1"}}}},
		Others:  []Item{{Kind: "rm"}},
		Unread:  []Item{{Kind: "attribute weight of clusternode", ID: "n"}, {Kind: "unfence"}},
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreTypes(Place{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever is read, elements have places in the text, in its order, and reading it as a
// configuration ends.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"ipmi.xml", "heartbeat-2007.xml", "fence-cxs-cluster.conf"} {
		text, err := os.ReadFile("../convert/testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		roots, err := Parse(text)
		if err != nil {
			return
		}
		last := Place{}
		for _, root := range roots {
			for _, e := range root.All() {
				if e.Place.Line < last.Line || e.Place.Line == last.Line && e.Place.Column <= last.Column {
					t.Errorf("Parse(%q): <%s> at %v is not behind %v", text, e.Name, e.Place, last)
				}
				last = e.Place
			}
			ReadCluster(root)
		}
		ReadConfiguration(roots)
	})
}
