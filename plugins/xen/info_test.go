package main

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// call runs the plugin with no configuration at all.
func call(args ...string) (status int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	status = plugin().Run(nil, stonith.Process{ //nolint:staticcheck // the verbs called here use no context
		Args: args, Getenv: func(string) string { return "" },
		Stdout: &out, Stderr: &errOut, Log: stonithtest.Quiet{}, Version: "1.2.3",
	})
	return status, out.String(), errOut.String()
}

// The texts that clusters and people read are compared with what was agreed on.
func TestInfoGoldens(t *testing.T) {
	for _, verb := range []string{
		"getconfignames", "getinfo-devid", "getinfo-devname", "getinfo-devdescr", "getinfo-devurl", "getinfo-xml", "--help", "--version",
	} {
		status, stdout, stderr := call(verb)
		if status != 0 || stderr != "" {
			t.Errorf("%s: exit status %d, stderr %q, want 0 and nothing", verb, status, stderr)
		}
		golden := filepath.Join("testdata", strings.TrimLeft(verb, "-")+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(stdout), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), stdout); diff != "" {
			t.Errorf("%s (-want +got):\n%s", verb, diff)
		}
	}
}

// The names in the XML, in getconfignames and in the help are the same.
func TestNamesAgree(t *testing.T) {
	var parameters struct {
		Parameter []struct {
			Name     string `xml:"name,attr"`
			Unique   string `xml:"unique,attr"`
			Required string `xml:"required,attr"`
		} `xml:"parameter"`
	}
	_, text, _ := call("getinfo-xml")
	if err := xml.Unmarshal([]byte(text), &parameters); err != nil {
		t.Fatal(err)
	}
	var inXML []string
	_, help, _ := call("--help")
	for _, p := range parameters.Parameter {
		inXML = append(inXML, p.Name)
		if p.Unique != "0" || (p.Required != "0" && p.Required != "1") {
			t.Errorf("parameter %s: unique %q, required %q", p.Name, p.Unique, p.Required)
		}
		if !strings.Contains(help, p.Name) {
			t.Errorf("parameter %s is not in the help", p.Name)
		}
	}
	_, names, _ := call("getconfignames")
	if diff := cmp.Diff(strings.Fields(names), inXML); diff != "" {
		t.Errorf("getconfignames and getinfo-xml (-names +XML):\n%s", diff)
	}
}

// fence_legacy takes these names for itself, with dire effects; see docs/protocol.md.
func TestNamesAreNotTaken(t *testing.T) {
	_, names, _ := call("getconfignames")
	for name := range strings.FieldsSeq(names) {
		switch name {
		case "option", "action", "plugin", "stonith", "agent", "nodename", "PATH":
			t.Errorf("parameter %s is one that fence_legacy takes for itself", name)
		}
		if !regexp.MustCompile("^[a-z][a-z0-9_]*$").MatchString(name) {
			t.Errorf("parameter %s is no plain shell identifier", name)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{}, {"frobnicate"}, {"off"}, {"off", "-f"}, {"getinfo-xml", "more=secret"}, {"off", "node-1", "more=secret"}, {"off", "--nothing"}} {
		status, stdout, stderr := call(args...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "xen: error: ") || strings.Contains(stderr, "secret") {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q, want 1 and an error", args, status, stdout, stderr)
		}
	}
}
