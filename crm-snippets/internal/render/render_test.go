package render

import (
	"encoding/xml"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// odd has all that a plan lets through and some reader could take for its own.
const odd = "it's $(id) `id` \"q\" \\x # ; = * ? [a] {b} ~ ! | % --"

func oddPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.FromFlags(plan.Flags{
		Plugin: "ipmi", Hostlist: "node-1:192.0.2.1", Parameters: []string{"passwd_file=/f", "userid=" + odd},
	}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A shell gives pcs the arguments that it would have been given without one.
func TestShellQuotes(t *testing.T) {
	t.Parallel()
	commands, err := Render(PCS, oddPlan(t))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", `cp() { :; }; pcs() { [ "$1" = -f ] || return 0; shift 2; printf '%s\n' "$@"; }`+"\n"+commands.Text).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, command := range PCSCommands(oddPlan(t).Configuration()) {
		want = append(want, command.Args()...)
	}
	if diff := cmp.Diff(strings.Join(want, "\n")+"\n", string(out)); diff != "" {
		t.Errorf("arguments of pcs by way of a shell (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(out), "\nuserid="+odd+"\n") {
		t.Errorf("pcs has the arguments %s, want userid=%s", out, odd)
	}
}

// XML that is read again has the value.
func TestEscapes(t *testing.T) {
	t.Parallel()
	var read struct {
		Pairs []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"resources>primitive>instance_attributes>nvpair"`
	}
	if err := xml.Unmarshal([]byte(cibadmin(oddPlan(t))), &read); err != nil {
		t.Fatal(err)
	}
	for _, pair := range read.Pairs {
		if pair.Name == "userid" && pair.Value == odd {
			return
		}
	}
	t.Errorf("the pairs are %+v, want userid with %q", read.Pairs, odd)
}

// crm takes off the quotes and what stands before a quote or another backslash.
func TestCRMQuotes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"/etc/key": "/etc/key", "a b": `"a b"`, "": `""`, `it's`: `"it's"`, `s3 cr"et`: `"s3 cr\"et"`, `a\b`: `"a\\b"`, "#x": `"#x"`,
	} {
		if got := crmQuote(value); got != want {
			t.Errorf("crmQuote(%q) = %s, want %s", value, got, want)
		}
	}
}

// A comment of XML has no two dashes in it, whatever the description's has.
func TestComments(t *testing.T) {
	t.Parallel()
	p := oddPlan(t)
	p.Comment = []string{"Fenced --- or not --", ""}
	for _, format := range []Format{Cibadmin, Heartbeat, ClusterConf} {
		out, err := Render(format, p)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if err := xml.Unmarshal([]byte(out.Text), new(struct{})); err != nil {
			t.Errorf("%s is no XML: %v\n%s", format, err, out.Text)
		}
	}
}

// Heartbeat ends a call later than the plugin does, and not before the 40 s of 2007.
func TestHeartbeatTimes(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[string]string{"10s": `timeout="40s" prereq`, "28s": `timeout="40s" prereq`, "60s": `timeout="75s" prereq`} {
		p, err := plan.FromFlags(plan.Flags{Plugin: "xen", Hostlist: "a", Timeout: timeout, Parameters: []string{"sshaccount=x@y"}}, plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := Render(Heartbeat, p); err != nil || strings.Count(out.Text, want) != 2 {
			t.Errorf("with a timeout of %s, Heartbeat has %s, %v, want two operations with %s", timeout, out.Text, err, want)
		}
	}
}

// levelPlan has two devices in one level.
func levelPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.Parse("f.toml", []byte(`first = "a"
delay = "5s"
[[device]]
id = "s1"
plugin = "xen"
level = 1
hostlist = "a b"
parameters.sshaccount = "x@y"
[[device]]
id = "s2"
plugin = "xen"
with = "s1"
hostlist = "a b"
parameters.sshaccount = "x@z"
`), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// In cluster.conf a delay is before what switches off, and not before what switches on.
func TestClusterConfDelay(t *testing.T) {
	t.Parallel()
	out, err := Render(ClusterConf, levelPlan(t))
	if want := `<device name="s1" port="a" action="off" delay="5"/>`; err != nil || !strings.Contains(out.Text, want) || strings.Count(out.Text, "delay=") != 1 {
		t.Errorf("cluster.conf is\n%s\n%v, want one delay, in %s", out.Text, err, want)
	}
}

// That crm would take away the levels of other nodes is said before it is loaded, and in
// what is loaded.
func TestCRMLevels(t *testing.T) {
	t.Parallel()
	out, err := Render(CRM, levelPlan(t))
	if err != nil || len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "takes away the levels of all nodes that are not described here") {
		t.Errorf("crm with levels has the notes %q, %v, want one of the levels of other nodes", out.Notes, err)
	}
	if want := "\n# loaded, it replaces the levels of all nodes, also of those that are not here\nfencing_topology "; !strings.Contains(out.Text, want) {
		t.Errorf("crm is\n%s\nwant%s", out.Text, want)
	}
}

// Everybody sees what pcs is called with. What passwd is by another passwd_method is no
// secret.
func TestPCSSecrets(t *testing.T) {
	t.Parallel()
	p := oddPlan(t)
	p.Devices[0].Parameters = []plan.Parameter{{Name: "passwd", Value: "s3cret"}}
	if out, err := Render(PCS, p); err == nil || out.Text != "" || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("pcs with a secret is %q, %v, want an error without it", out.Text, err)
	}
	if _, err := Render(CRM, p); err != nil {
		t.Errorf("crm with a secret: %v", err)
	}
	p.Devices[0].Parameters = []plan.Parameter{{Name: "passwd_method", Value: "file"}, {Name: "passwd", Value: "/f"}}
	if _, err := Render(PCS, p); err != nil {
		t.Errorf("pcs with the name of a file: %v", err)
	}
}

// Neither Heartbeat nor cman has remote nodes.
func TestRemoteNodes(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		p := oddPlan(t)
		p.Nodes, p.Remote = []string{"node-2"}, []string{"node-1"}
		_, err := Render(format, p)
		if want := fmt.Sprintf(`node "node-1": %s knows no remote nodes`, format); (format == Heartbeat || format == ClusterConf) != (fmt.Sprint(err) == want) {
			t.Errorf("%s with a remote node: %v, want %s", format, err, want)
		}
	}
}

// What a format lacks is noted.
func TestNotes(t *testing.T) {
	t.Parallel()
	p := oddPlan(t)
	for format, want := range map[Format]string{
		Heartbeat: `device "ipmi": one clone runs on every node, also on those that it fences
stonith-enabled is not part of this: crm_attribute -t crm_config -n stonith-enabled -v true`,
		ClusterConf: `device "ipmi": fenced knows no external plugins, so it is fence_ipmi`,
		CRM:         "",
	} {
		if out, err := Render(format, p); err != nil || strings.Join(out.Notes, "\n") != want {
			t.Errorf("%s has the notes %q, %v, want %q", format, out.Notes, err, want)
		}
	}
	p.Devices[0].Agent.Face = metadata.FenceAgent
	if out, err := Render(ClusterConf, p); err != nil || len(out.Notes) != 0 {
		t.Errorf("a fence agent in cluster.conf has the notes %q, %v, want none", out.Notes, err)
	}
}
