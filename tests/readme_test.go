package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var parameterRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")

// The documents' tables of parameters have those of the plugin, in its order.
func TestParameterTables(t *testing.T) {
	for document, program := range map[string]string{"../README.md": pluginPath, "../docs/xenapi.md": xenapiProgram, "../docs/ipmi.md": ipmiProgram} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		table, _, _ := strings.Cut(string(text), "| theirs |") // other names are below
		var inTable []string
		for _, row := range parameterRow.FindAllStringSubmatch(table, -1) {
			inTable = append(inTable, row[1])
		}
		names, err := exec.Command(program, "getconfignames").Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Fields(string(names)); !slices.Equal(inTable, want) {
			t.Errorf("%s has the parameters %q, want %q", document, inTable, want)
		}
	}
}

// The README's setup of a Dom0, word for word, lets the node fence its guests.
func TestReadmeSetup(t *testing.T) {
	d, err := newBare()
	if err != nil {
		t.Fatal(err)
	}
	defer d.end()
	setup := readmeCommand(t, readReadme(t), "dom0-helper setup ")
	setup = strings.NewReplacer("/etc/xen/", d.dir("xen/etc")+"/", "cluster.pub", key("cluster")+".pub").Replace(setup)
	for _, line := range []string{setup, readmeCommand(t, readReadme(t), "dom0-helper check")} {
		if out, err := d.run("sh", "-c", line); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	must("known_hosts", d.makeKnown())
	if _, err := d.xl("create", "-q", d.host.Config("node-1")); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"-S", "-T reset node-1", "-T off node-1"} {
		args := append([]string{
			"-t", "external/xen", "hostlist=node-1 node-2", "sshaccount=xen@" + d.address,
			"identity_file=" + key("cluster"), "known_hosts=" + filepath.Join(labDir, "home/.ssh/known_hosts"),
		}, strings.Fields(verb)...)
		if out, err := exec.Command("stonith", args...).CombinedOutput(); err != nil {
			t.Errorf("stonith %s: %v: %s", verb, err, out)
		}
	}
	if d.runs("node-1") {
		t.Error("node-1 runs after off")
	}
}

func readReadme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readmeCommand returns the only command of text that begins so, with its further lines.
func readmeCommand(t *testing.T, text, beginning string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(beginning)+`(?:[^\n]*\\\n)*[^\n]*$`).FindAllString(text, -1)
	if len(found) != 1 {
		t.Fatalf("%d commands of the README begin with %q, want one", len(found), beginning)
	}
	return found[0]
}
