package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// toolLimit is what a tool may take, many times over.
const toolLimit = 2 * time.Minute

// The schemas that the tools, or the projects that they are of, have for what agents
// say of themselves.
const (
	agentSchema = "/usr/share/cluster/relaxng/metadata.rng" // of fence-agents
	pcsSchema10 = "/usr/share/pcs/data/ocf-1.0.rng"         // for fence agents, and for external plugins up to Pacemaker 2.1
	pcsSchema11 = "/usr/share/pcs/data/ocf-1.1.rng"         // for external plugins from Pacemaker 3.0
)

// knownHosts has the Dom0s' host keys.
var knownHosts = filepath.Join(labDir, "home/.ssh/known_hosts")

// A toolName is one of the names that a plugin has for the tools of a cluster.
type toolName struct {
	name     string
	program  string
	options  []string // of a resource
	required string   // one of options that must be there, "" if there is none
	old      []string // the same resource, with the names that other agents have
}

func toolNames() []toolName {
	const plugins = "/usr/lib/stonith/plugins/"
	xen := []string{"sshaccount=xen@alpha", "hostlist=node-1", "identity_file=" + key("cluster"), "known_hosts=" + knownHosts}
	return []toolName{
		{"fence_xen", "/usr/sbin/fence_xen", xen, "", nil},
		{"fence_xapi", "/usr/sbin/fence_xapi", []string{"session_url=https://192.0.2.1", "plug=node-1", "password=s3cret"}, "", []string{"session_url=https://192.0.2.1", "plug=node-1", "login=fence", "passwd=s3cret"}},
		{"fence_ipmi", "/usr/sbin/fence_ipmi", []string{"ip=192.0.2.1", "plug=node-1", "username=fence", "password=s3cret"}, "", []string{"ipaddr=192.0.2.1", "plug=node-1", "login=fence", "passwd=s3cret", "lanplus=1"}},
		{"external/xen", plugins + "external/xen", xen, "sshaccount", nil},
		{"external/xenapi", plugins + "external/xenapi", []string{"pool=192.0.2.1", "hostlist=node-1", "passwd=s3cret"}, "pool", nil},
		{"external/ipmi2", plugins + "external/ipmi2", []string{"hostlist=node-1:192.0.2.1", "userid=fence", "passwd=s3cret"}, "", nil},
	}
}

func (n toolName) isAgent() bool { return strings.HasPrefix(n.name, "fence_") }

// A toolBed is where the tools look at one name.
type toolBed struct {
	toolName
	dir        string
	parameters []string // that they must know of
}

// A tool looks at what a name says of itself, and returns what is wrong.
type tool struct {
	name  string
	looks func(*toolBed) error
}

var tools = []tool{
	{"schemas", (*toolBed).schemas},
	{"stonith_admin --metadata", func(b *toolBed) error { return b.knows(`name="%s"`, "stonith_admin", "--metadata", "--agent", b.name) }},
	{"pcs stonith describe", func(b *toolBed) error { return b.knows(`^  %s( \(.*\))?:`, "pcs", "stonith", "describe", b.name) }},
	{"pcs stonith list", (*toolBed).listed},
	{"crm ra info", func(b *toolBed) error { return b.knows(`^%s\*? \(`, "crm", "ra", "info", "stonith:"+b.name) }},
	{"pcs stonith create", func(b *toolBed) error { return b.creates(b.byPCS) }},
	{"crm configure", func(b *toolBed) error { return b.creates(b.byCRM) }},
}

// TestTools shows what each name says of itself to the tools, which must take it, and
// to twins of it that have one parameter without a name, which they must not. The tools
// keep processors busy, so nothing else runs beside them.
func TestTools(t *testing.T) {
	must("/var/log/crmsh", makeDirs("/var/log/crmsh"))
	twins := []*toolBed{newTwin(t, toolNames()[0]), newTwin(t, toolNames()[3])}
	for _, n := range toolNames() {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			b := newToolBed(t, n)
			for _, one := range tools {
				if err := one.looks(b); err != nil {
					t.Errorf("%s: %v", one.name, err)
				}
			}
		})
	}
	for _, twin := range twins {
		t.Run(twin.name, func(t *testing.T) {
			t.Parallel()
			for _, one := range tools {
				if err := one.looks(twin); err == nil {
					t.Errorf("%s takes a parameter without a name", one.name)
				}
			}
		})
	}
}

// TestToolsValidate lets stonith_admin and pcs ask the agent about configurations.
func TestToolsValidate(t *testing.T) {
	t.Parallel()
	for _, n := range toolNames() {
		if !n.isAgent() {
			continue // they cannot be validated, by its own words
		}
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			b := newToolBed(t, n)
			if out, err := b.validate(n.options...); err != nil || !strings.Contains(out, "succeeded") {
				t.Errorf("a good configuration: %v: %s", err, out)
			}
			if out, err := b.validate(append(n.options, "timeout=soon")...); err == nil || !strings.Contains(out, `timeout: "soon"`) {
				t.Errorf("a wrong configuration: %v: %s", err, out)
			}
			if err := b.create(b.byPCS, append(n.options, "--agent-validation")); err != nil {
				t.Errorf("a good configuration: %v", err)
			}
			if err := b.create(b.byPCS, append(n.options, "timeout=soon", "--agent-validation")); err == nil || !strings.Contains(err.Error(), `timeout: "soon"`) {
				t.Errorf("a wrong configuration: %v", err)
			}
		})
	}
}

// TestInstalledManPages looks for the man pages where man does.
func TestInstalledManPages(t *testing.T) {
	t.Parallel()
	for _, n := range toolNames() {
		if !n.isAgent() {
			continue
		}
		shipped, err := os.ReadFile("../docs/man/" + n.name + ".8")
		must("the man page of "+n.name, err)
		installed, err := os.ReadFile("/usr/local/share/man/man8/" + n.name + ".8")
		if diff := cmp.Diff(string(shipped), string(installed)); err != nil || diff != "" {
			t.Errorf("the installed man page of %s (-shipped +installed): %v\n%s", n.name, err, diff)
		}
	}
}

func newToolBed(t *testing.T, n toolName) *toolBed {
	t.Helper()
	b := &toolBed{toolName: n, dir: t.TempDir()}
	text, err := b.saysOfItself()
	if err != nil {
		t.Fatal(err)
	}
	if b.parameters, err = parameterNames(text); err != nil {
		t.Fatal(err)
	}
	return b
}

// newTwin is a bed of a twin that says the same, but for one parameter's name. It must
// be made before anything is run in parallel, as all that writes programs.
func newTwin(t *testing.T, n toolName) *toolBed {
	t.Helper()
	b := newToolBed(t, n)
	text, err := b.saysOfItself()
	if err != nil {
		t.Fatal(err)
	}
	nameless, _, _ := strings.Cut(b.options[0], "=")
	said, named := filepath.Join(b.dir, "said.xml"), ` name="`+nameless+`"`
	if !strings.Contains(text, named) {
		t.Fatalf("there is no%s in %s", named, text)
	}
	must(said, os.WriteFile(said, []byte(strings.Replace(text, named, "", 1)), 0o644))
	script := "#!/bin/sh\ncat " + said + "\n"
	if !b.isAgent() {
		script = "#!/bin/sh\n[ \"$1\" = getinfo-xml ] || exec " + b.program + " \"$@\"\ncat " + said + "\n"
	}
	b.name, b.program = b.name+"-twin", b.program+"-twin"
	must(b.program, program.Write(b.program, script, 0o755))
	t.Cleanup(func() { must(b.program, os.Remove(b.program)) })
	return b
}

// saysOfItself is what the program itself prints: an agent all of its metadata, an
// external plugin its parameters.
func (b *toolBed) saysOfItself() (string, error) {
	if b.isAgent() {
		return b.run("", b.program, "-o", "metadata")
	}
	return b.run("", b.program, "getinfo-xml")
}

// parameterNames are those in metadata, but for old ones, which pcs hides.
func parameterNames(text string) ([]string, error) {
	var names []string
	for _, found := range regexp.MustCompile(`<parameter name="(\w+)"( deprecated="1"| \w+="\d")*>`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(found[0], "deprecated") {
			names = append(names, found[1])
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there are no parameters: %s", text)
	}
	return names, nil
}

// run runs a tool, with a home of its own, and with a variable more, and returns what
// it prints.
func (b *toolBed) run(variable, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), toolLimit)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + b.dir, "LC_ALL=C.UTF-8"}
	if variable != "" {
		command.Env = append(command.Env, variable)
	}
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// knows wants a tool to show all parameters, each in a line of that form.
func (b *toolBed) knows(form, program string, args ...string) error {
	out, err := b.run("", program, args...)
	if err != nil {
		return err
	}
	for _, name := range b.parameters {
		hidden := name == "action" && program == "pcs"
		if !hidden && !fitsLine(fmt.Sprintf(form, name), out) {
			return fmt.Errorf("%s %s does not show %s: %s", program, strings.Join(args, " "), name, out)
		}
	}
	return nil
}

// listed wants pcs to list the name with its title. It leaves out what it cannot read.
func (b *toolBed) listed() error {
	out, err := b.run("", "pcs", "stonith", "list", b.name)
	if err == nil && !fitsLine("^"+b.name+" - [A-Z]", out) {
		err = fmt.Errorf("pcs stonith list: %s", out)
	}
	return err
}

// schemas holds what the name says of itself, and what Pacemaker makes of that, to all
// schemas for such a name.
func (b *toolBed) schemas() error {
	own, err := b.saysOfItself()
	if err != nil {
		return err
	}
	wrapped, err := b.run("", "stonith_admin", "--metadata", "--agent", b.name)
	if err != nil {
		return err
	}
	err = b.valid(pcsSchema10, wrapped)
	if b.isAgent() {
		return errors.Join(err, b.valid(pcsSchema10, own), b.valid(agentSchema, own))
	}
	newer := `<resource-agent name="x"><version>1.1</version><longdesc lang="en">x</longdesc><shortdesc lang="en">x</shortdesc>` + own + `</resource-agent>`
	return errors.Join(err, b.valid(pcsSchema11, newer))
}

// valid holds XML to a schema.
func (b *toolBed) valid(schema, text string) error {
	file := filepath.Join(b.dir, filepath.Base(schema)+".xml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	_, err := b.run("", "xmllint", "--noout", "--relaxng", schema, file)
	return err
}

// creates wants a configuration, and what Pacemaker says of it, and none without what
// is required, or with what nobody knows.
func (b *toolBed) creates(by func(cib string, options []string) error) error {
	for name, options := range b.wrong() {
		if b.create(by, options) == nil {
			return fmt.Errorf("a configuration %s is taken", name)
		}
	}
	if len(b.old) > 0 {
		if err := b.create(by, b.old); err != nil {
			return err
		}
	}
	return b.create(by, b.options)
}

// create makes a configuration with one resource.
func (b *toolBed) create(by func(cib string, options []string) error, options []string) error {
	empty, err := b.run("", "cibadmin", "--empty")
	if err != nil {
		return err
	}
	cib := filepath.Join(b.dir, "cib.xml")
	if err := os.WriteFile(cib, []byte(empty), 0o600); err != nil {
		return err
	}
	if err := by(cib, options); err != nil {
		return err
	}
	text, err := os.ReadFile(cib)
	if err != nil || !strings.Contains(string(text), `type="`+b.name+`"`) {
		return fmt.Errorf("there is no such resource: %w: %s", err, text)
	}
	_, err = b.run("", "crm_verify", "-V", "--xml-file", cib)
	return err
}

// wrong are configurations that nobody should take.
func (b *toolBed) wrong() map[string][]string {
	all := map[string][]string{"with an unknown parameter": append(slices.Clone(b.options), "nonsense=1")}
	if b.required != "" {
		all["without "+b.required] = slices.DeleteFunc(slices.Clone(b.options), func(option string) bool {
			return strings.HasPrefix(option, b.required+"=")
		})
	}
	return all
}

func (b *toolBed) byPCS(cib string, options []string) error {
	_, err := b.run("", "pcs", append([]string{"-f", cib, "stonith", "create", "st", b.name}, options...)...)
	return err
}

func (b *toolBed) byCRM(cib string, options []string) error {
	words := append([]string{"configure", "primitive", "st", "stonith:" + b.name, "params"}, options...)
	_, err := b.run("CIB_file="+cib, "crm", append(words, "op", "monitor", "interval=60s")...)
	return err
}

// validate lets Pacemaker ask the agent.
func (b *toolBed) validate(options ...string) (string, error) {
	args := []string{"--validate", "--agent", b.name}
	for _, option := range options {
		args = append(args, "--option", option)
	}
	return b.run("", "stonith_admin", args...)
}
