package convert

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/render"
)

var update = flag.Bool("update", false, "write the goldens anew")

// sources returns the files of testdata that are converted.
func sources(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"testdata/*.xml", "testdata/*.conf"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		t.Fatal("no sources in testdata")
	}
	return all
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func convertFile(t *testing.T, file string) Result {
	t.Helper()
	result, err := Convert(filepath.Base(file), read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Each source has the description and the notes of its goldens.
func TestGoldens(t *testing.T) {
	for _, file := range sources(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			result := convertFile(t, file)
			name := strings.TrimSuffix(file, filepath.Ext(file))
			golden(t, name+".toml", result.Description)
			golden(t, name+".notes", strings.Join(result.Notes, "\n")+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, file)), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// What was made of a source is taken at once, and can be rendered.
func TestRenders(t *testing.T) {
	for _, file := range sources(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, err := plan.Parse(file, []byte(convertFile(t, file).Description), plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range render.Formats() {
				if _, err := render.Render(format, p); err != nil && format != render.Heartbeat {
					t.Errorf("render %s: %v", format, err)
				}
			}
		})
	}
}

// The secrets of the sources begin with hidden.
func TestSecretsAreNotShown(t *testing.T) {
	seen := 0
	for _, file := range sources(t) {
		seen += strings.Count(string(read(t, file)), "hidden-")
		result := convertFile(t, file)
		for _, text := range append(slices.Clone(result.Notes), result.Description) {
			if strings.Contains(text, "hidden-") || strings.Contains(text, "00112233") {
				t.Errorf("%s: a secret is in %q", file, text)
			}
		}
	}
	if seen == 0 {
		t.Error("no source has a secret")
	}
}

// examples returns the plans of the examples, by file.
func examples(t *testing.T) map[string]*plan.Plan {
	t.Helper()
	files, err := filepath.Glob("../../examples/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	plans := map[string]*plan.Plan{}
	for _, file := range files {
		if plans[file], err = plan.Parse(file, read(t, file), plan.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	return plans
}

// What is ours already becomes the same again, and there is nothing to say of it.
func TestOursStays(t *testing.T) {
	for file, before := range examples(t) {
		out, err := render.Render(render.Cibadmin, before)
		if err != nil {
			t.Fatal(err)
		}
		result, err := Convert(file, []byte(out.Text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before.Configuration(), result.Plan.Configuration()); diff != "" {
			t.Errorf("%s (-before +after):\n%s", file, diff)
		}
		if len(result.Notes) > 0 {
			t.Errorf("%s: notes %q, want none", file, result.Notes)
		}
	}
}

// The form of 2007 that we write can be read, and has the same devices.
func TestHeartbeatComesForward(t *testing.T) {
	tried := 0
	for file, before := range examples(t) {
		out, err := render.Render(render.Heartbeat, before)
		if err != nil {
			continue // Heartbeat has no counterpart for it
		}
		tried++
		result, err := Convert(file, []byte(out.Text))
		if err != nil {
			t.Fatal(err)
		}
		for i, device := range before.Devices {
			after := result.Plan.Devices[i]
			if diff := cmp.Diff(device.Hostlist, after.Hostlist); diff != "" {
				t.Errorf("%s: hostlist of %s (-before +after):\n%s", file, device.ID, diff)
			}
		}
	}
	if tried == 0 {
		t.Error("no example has a form of 2007")
	}
}

// What cannot be converted is said in a line, with its place where it has one.
func TestRefusals(t *testing.T) {
	const ipmi = `<primitive id="a" class="stonith" type="external/ipmi"><instance_attributes id="b">%s</instance_attributes></primitive>`
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "in:1:1: no XML in it"},
		{"no XML", "primitive a stonith:external/ipmi", "in:1:1: broken XML: text that is in no element"},
		{"broken", "<cib>\n  <configuration>\n</cib>\n", "in:3:7: broken XML: element <configuration> closed by </cib>"},
		{"cut off", "<cib>\n<configuration>", "in:2:16: broken XML: the text ends in the middle"},
		{"secret with a sign", "<cib>\n<nvpair value=\"hidden&treasure;\"/></cib>", "in:2:32: broken XML: a & that begins no entity: write &amp;"},
		{"attribute twice", `<primitive id="a" id="b"/>`, "in:1:1: broken XML: element <primitive> has the attribute id twice"},
		{"other XML", "<html><body/></html>", "in:1:1: <html> is neither a CIB, a piece of one, nor a cluster.conf"},
		{"two ends", "<cluster/>\n<cluster/>", "in:2:1: something is behind the end of the cluster.conf"},
		{"no fencing", `<resources><primitive id="ip" class="ocf" type="IPaddr2"/></resources>`, "in: no fencing device is in it"},
		{"no fencing in cluster.conf", `<cluster name="c"><clusternodes/></cluster>`, "in: no fencing device is in it"},
		{
			"unknown agents", `<resources><primitive id="a" class="stonith" type="fence_apc"/><primitive id="b" class="stonith" type="external/sbd"/></resources>`,
			"in: none of its fencing devices can be converted\nrefused: a: agent fence_apc has no counterpart here: it stays as it is\n" +
				"refused: b: agent external/sbd has no counterpart here: it stays as it is",
		},
		{
			"no fencedevice", `<cluster><clusternodes><clusternode name="n"><fence><method name="1"><device name="x"/></method></fence></clusternode></clusternodes></cluster>`,
			"in: none of its fencing devices can be converted\nrefused: x: there is no fencedevice x",
		},
		{"no node", fmt.Sprintf(ipmi, `<nvpair name="ipaddr" value="192.0.2.1"/>`), "it does not say which nodes it fences"},
		{"no BMC", fmt.Sprintf(ipmi, `<nvpair name="hostname" value="n"/>`), "it has no address of a BMC"},
		{"no secret", fmt.Sprintf(ipmi, `<nvpair name="hostname" value="n"/><nvpair name="ipaddr" value="192.0.2.1"/>`), "the secret is missing: give passwd_file"},
		{
			"two nodes, one BMC", "<resources>" + fmt.Sprintf(ipmi, `<nvpair name="hostname" value="n"/><nvpair name="ipaddr" value="192.0.2.1"/><nvpair name="passwd" value="x"/>`) +
				fmt.Sprintf(ipmi, `<nvpair name="hostname" value="m"/><nvpair name="ipaddr" value="[192.0.2.1]"/><nvpair name="passwd" value="y"/>`) + "</resources>",
			"refused: a: nodes n and m are both 192.0.2.1: one of them would be fenced by switching the other off",
		},
		{
			"no node name", fmt.Sprintf(ipmi, `<nvpair name="hostname" value="-n"/><nvpair name="ipaddr" value="192.0.2.1"/><nvpair name="passwd" value="x"/>`),
			`"-n" is not a node name`,
		},
	} {
		_, err := Convert("in", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Convert(%q): error %v, want %q", c.name, c.text, err, c.want)
		}
	}
}

// primitive returns a device with parameters given as name, value and so on.
func primitive(id, agent string, parameters ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, `<primitive id="%s" class="stonith" type="%s"><instance_attributes id="%s-p">`, id, agent, id)
	for i := 0; i < len(parameters); i += 2 {
		fmt.Fprintf(&text, `<nvpair name="%s" value="%s"/>`, parameters[i], parameters[i+1])
	}
	return text.String() + "</instance_attributes></primitive>"
}

// Devices that say the same become one, but not if each has a secret of its own in
// Pacemaker's store, nor if each was a resource for several nodes.
func TestOneDeviceOrSeveral(t *testing.T) {
	bmc := func(node, address, passwd string) string {
		return primitive("st-"+node, "external/ipmi", "hostname", node, "ipaddr", address, "userid", "u", "passwd", passwd)
	}
	pool := func(id, nodes string) string {
		return primitive(id, "fence_xenapi", "pcmk_host_list", nodes, "session_url", "https://192.0.2.1", "passwd", "p")
	}
	member := func(id, address, user string) string {
		return primitive(id, "fence_xenapi", "pcmk_host_list", "a", "session_url", "https://"+address, "login", user, "passwd", "p")
	}
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"members of a pool", member("x", "192.0.2.1", "u") + member("y", "192.0.2.2", "u"), 1},
		{"members of two pools", member("x", "192.0.2.1", "u") + member("y", "192.0.2.2", "v"), 2},
		{"same password", bmc("a", "192.0.2.1", "p") + bmc("b", "192.0.2.2", "p"), 1},
		{"other password", bmc("a", "192.0.2.1", "p") + bmc("b", "192.0.2.2", "q"), 2},
		{"Pacemaker's secrets", bmc("a", "192.0.2.1", "lrm://") + bmc("b", "192.0.2.2", "lrm://"), 2},
		{"a node each", pool("x", "a") + pool("y", "b"), 1},
		{"several nodes each", pool("x", "a b") + pool("y", "c d"), 2},
	} {
		result, err := Convert("in", []byte("<resources>"+c.text+"</resources>"))
		if err != nil || len(result.Plan.Devices) != c.want {
			t.Errorf("%s: error %v, want %d devices in\n%s", c.name, err, c.want, result.Description)
		}
	}
}

// Two devices of a level that are one thing keep that level from being converted, and
// two that have one thing for two nodes are refused. Others are converted.
func TestOneThing(t *testing.T) {
	bmc := func(id, node, address string, more ...string) string {
		return primitive(id, "fence_ipmilan", append([]string{"pcmk_host_list", node, "ip", address, "username", "u", "password", "p"}, more...)...)
	}
	level := func(node, devices string) string {
		return fmt.Sprintf(`<fencing-topology><fencing-level id="l-%[1]s" target="%[1]s" index="1" devices="%[2]s"/></fencing-topology>`, node, devices)
	}
	good := bmc("good", "c", "192.0.2.9")
	for _, c := range []struct {
		name, text, want string
		devices          int
	}{
		{
			"two nodes, one BMC", good + bmc("x", "a", "2001:db8::1") + bmc("y", "b", "2001:0db8:0::1"),
			"refused: x, y: nodes a and b are both 2001:db8::1: one of them would be fenced by switching the other off", 1,
		},
		{
			"one node twice in a device", good + primitive("x", "external/ipmi2", "hostlist", "a:192.0.2.1 b:192.0.2.1", "passwd_file", "/f"),
			`refused: x: nodes "a" and "b" are both "192.0.2.1"`, 1,
		},
		{
			"two power supplies at one address", good + bmc("x", "a", "192.0.2.1") + bmc("y", "a", "192.0.2.1") + bmc("z", "a", "192.0.2.2") + level("a", "x,y,z"),
			"refused: x, y, z: level 1 of a has x and y, which are one thing to it", 1,
		},
		{
			"two actions", bmc("x", "a", "192.0.2.1", "action", "off") + bmc("y", "a", "192.0.2.2", "action", "off") +
				bmc("x-on", "a", "192.0.2.1", "action", "on") + bmc("y-on", "a", "192.0.2.2", "action", "on") + level("a", "x,y,x-on,y-on"),
			"changed: x-on: it is x for another action, and left out", 2,
		},
	} {
		result, err := Convert("in", []byte("<configuration>"+c.text+"</configuration>"))
		if err != nil || len(result.Plan.Devices) != c.devices || !strings.Contains(strings.Join(result.Notes, "\n"), c.want) {
			t.Errorf("%s: error %v, want %d devices and %q in\n%s", c.name, err, c.devices, c.want, result.Description)
		}
	}
}

// A map of nodes has either sign between a node and what the device knows it by.
func TestHostMap(t *testing.T) {
	result, err := Convert("in", []byte(primitive("st", "fence_xenapi", "session_url", "https://pool", "login", "u", "passwd", "p", "pcmk_host_map", "a=vm-a;b:vm-b c=vm:c")))
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.Entry{{Node: "a", Plug: "vm-a"}, {Node: "b", Plug: "vm-b"}, {Node: "c", Plug: "vm:c"}}
	if diff := cmp.Diff(want, result.Plan.Devices[0].Hostlist); diff != "" {
		t.Errorf("hostlist (-want +got):\n%s", diff)
	}
}

// A map with blanks around the sign, which Pacemaker does not take for pairs, keeps its
// own device from being converted, and no other one.
func TestBrokenHostMap(t *testing.T) {
	result, err := Convert("in", []byte("<configuration><nodes><node uname=\"a\"/></nodes>"+
		primitive("good", "external/ipmi2", "hostlist", "a:192.0.2.1", "passwd_file", "/f")+
		primitive("st", "fence_xenapi", "session_url", "https://pool", "login", "u", "passwd", "p", "pcmk_host_map", "a : vm-a")+"</configuration>"))
	if want := `refused: st: pcmk_host_map: ":" names no node`; err != nil || !strings.Contains(result.Description, want) || len(result.Plan.Devices) != 1 {
		t.Errorf("error %v, want one device, and %s in\n%s", err, want, result.Description)
	}
}

// Two members stay two, whatever else the source calls a node: remote nodes are fenced
// all the same, guests of the cluster's own where a device is for them, and what
// Heartbeat sent pings to is no node.
func TestOtherNodes(t *testing.T) {
	const members = `<nodes><node id="1" uname="a"/><node id="2" uname="b" type="member"/>%s</nodes>`
	bmc := func(node, address string, more ...string) string {
		return primitive("st-"+node, "fence_ipmilan", append([]string{"pcmk_host_list", node, "ip", address, "username", "u", "password", "p"}, more...)...)
	}
	const remote = `<node id="r" uname="r" type="remote"/>`
	const guest = `<primitive id="vm" class="ocf" type="Xen"><meta_attributes id="m"><nvpair id="mm" name="remote-node" value="r"/></meta_attributes></primitive>`
	for _, c := range []struct{ name, node, text, remote, note string }{
		{"remote node", remote, bmc("r", "192.0.2.3"), "[r]", ""},
		{"remote node without a device", remote, "", "[r]", `to do: cluster: no device fences node "r"`},
		{"remote node by its resource", "", bmc("r", "192.0.2.3") + `<primitive id="r" class="ocf" provider="pacemaker" type="remote"/>`, "[r]", ""},
		{"remote node with a delay", remote, bmc("r", "192.0.2.3", "pcmk_delay_base", "3s"), "[r]", "gone: st-r: its delay for r: a remote node fences nobody"},
		{"guest", remote, guest, "[]", ""},
		{"guest with a device", remote, guest + bmc("r", "192.0.2.3"), "[r]", ""},
		{"ping node", `<node id="p" uname="192.0.2.254" type="ping"/>`, "", "[]", "kept: cluster: no part of fencing, and left alone: node p"},
	} {
		text := "<configuration>" + fmt.Sprintf(members, c.node) + bmc("a", "192.0.2.1", "pcmk_delay_base", "5s") + bmc("b", "192.0.2.2") + c.text + "</configuration>"
		result, err := Convert("in", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		p := result.Plan
		if fmt.Sprintf("%v %v %s %s", p.Nodes, p.Remote, p.First, p.Delay) != "[a b] "+c.remote+" a 5s" || !strings.Contains(result.Description, c.note) {
			t.Errorf("%s: want members a and b, remote nodes %s, a delay for a, and the note %q in\n%s", c.name, c.remote, c.note, result.Description)
		}
	}
}

// Signs that a text of TOML or a line cannot have as they are do no harm.
func TestOddSigns(t *testing.T) {
	result, err := Convert("in\n[[device]]", []byte(primitive("a&#10;b&#x202e;", "external/ipmi",
		"hostname", "n", "ipaddr", "192.0.2.1", "userid", `DOMAIN\u&quot;`, "passwd", "p", "x&#10;y&#x202e;&#x9b;", "z")))
	if err != nil {
		t.Fatal(err)
	}
	if user, _ := result.Plan.Devices[0].Parameter("userid"); user != `DOMAIN\u"` {
		t.Errorf("userid %q", user)
	}
	if len(result.Plan.Devices) != 1 {
		t.Errorf("%d devices in\n%s", len(result.Plan.Devices), result.Description)
	}
	for _, line := range append(strings.Split(result.Description, "\n"), result.Notes...) {
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is no printable line", line)
		}
	}
}

// Whatever is read, the answer is an error, or a description of what it says it is, and
// notes of a line each.
func FuzzConvert(f *testing.F) {
	for _, pattern := range []string{"testdata/*.xml", "testdata/*.conf"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		result, err := Convert("in", text)
		if err != nil {
			if strings.Contains(err.Error(), "what was made of it is no description") && utf8.Valid(text) {
				t.Errorf("Convert(%q): %v", text, err)
			}
			return
		}
		p, err := plan.Parse("in", []byte(result.Description), plan.Options{})
		if err != nil {
			t.Fatalf("Convert(%q): %v in\n%s", text, err, result.Description)
		}
		if diff := cmp.Diff(result.Plan.Configuration(), p.Configuration()); diff != "" {
			t.Errorf("Convert(%q): the plan is not that of the description:\n%s", text, diff)
		}
		for _, note := range result.Notes {
			if strings.ContainsFunc(note, unicode.IsControl) {
				t.Errorf("Convert(%q): note %q is no line", text, note)
			}
		}
	})
}

// What is there twice is not decided by whoever comes first or last.
func TestTwice(t *testing.T) {
	t.Parallel()
	const method = `<fence><method name="1"><device name="f"/></method></fence></clusternode>`
	const device = `<fencedevice name="f" agent="fence_ipmilan" ipaddr="192.0.2.1" passwd="x"/>`
	for _, c := range []struct{ name, text, want string }{
		{
			"parameter", `<primitive id="st" class="stonith" type="fence_ipmilan"><instance_attributes id="i"><nvpair id="1" name="ipaddr" value="192.0.2.1"/></instance_attributes>` +
				`<instance_attributes id="j"><nvpair id="2" name="ipaddr" value="192.0.2.2"/><nvpair id="3" name="pcmk_host_list" value="a"/></instance_attributes></primitive>`,
			"refused: st: parameter ipaddr is there twice",
		},
		{
			"fencedevice", `<cluster><clusternodes><clusternode name="a">` + method + `</clusternodes><fencedevices>` + device + strings.Replace(device, "192.0.2.1", "192.0.2.2", 1) + `</fencedevices></cluster>`,
			"refused: f: there are several fencedevices of this name",
		},
		{
			"node", `<cluster><clusternodes><clusternode name="a">` + method + "\n" + `<clusternode name="A">` + method + `</clusternodes><fencedevices>` + device + `</fencedevices></cluster>`,
			"refused: cluster: node A is there twice: its second entry, in line 2, is not converted",
		},
		{
			"property", `<crm_config><nvpair id="1" name="stonith-enabled" value="true"/><nvpair id="2" name="stonith-enabled" value="false"/></crm_config>` +
				`<primitive id="st" class="stonith" type="external/xen"><instance_attributes id="i"><nvpair id="3" name="hostlist" value="a"/><nvpair id="4" name="sshaccount" value="x@y"/></instance_attributes></primitive>`,
			"gone: cluster: second value of property stonith-enabled in line 1",
		},
	} {
		result, err := Convert("x", []byte(c.text))
		if said := strings.Join(result.Notes, "\n") + fmt.Sprint(err); !strings.Contains(said, c.want) {
			t.Errorf("%s: %s, want %s", c.name, said, c.want)
		}
	}
}
