package stonithtest

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// Info checks the verbs that need no configuration. The texts that clusters and
// people read are compared with testdata/*.golden, which update writes anew.
func Info(t *testing.T, p stonith.Plugin, update bool) {
	t.Run("goldens", func(t *testing.T) { checkGoldens(t, p, update) })
	t.Run("names agree", func(t *testing.T) { checkNamesAgree(t, p) })
	t.Run("names are not taken", func(t *testing.T) { checkNamesAreNotTaken(t, p) })
	t.Run("usage errors", func(t *testing.T) { checkUsageErrors(t, p) })
}

// bare runs the plugin with no configuration at all.
func bare(t *testing.T, p stonith.Plugin, args ...string) Result {
	var stdout, stderr bytes.Buffer
	status := p.Run(t.Context(), stonith.Process{
		Args: args, Getenv: func(string) string { return "" },
		Stdout: &stdout, Stderr: &stderr, Log: Quiet{}, Version: "1.2.3",
	})
	return Result{Status: status, Stdout: stdout.String(), Stderr: stderr.String()}
}

func checkGoldens(t *testing.T, p stonith.Plugin, update bool) {
	for _, verb := range []string{
		"getconfignames", "getinfo-devid", "getinfo-devname", "getinfo-devdescr", "getinfo-devurl", "getinfo-xml", "--help", "--version",
	} {
		got := bare(t, p, verb)
		if got.Status != 0 || got.Stderr != "" {
			t.Errorf("%s: exit status %d, stderr %q, want 0 and nothing", verb, got.Status, got.Stderr)
		}
		golden := filepath.Join("testdata", strings.TrimLeft(verb, "-")+".golden")
		if update {
			if err := os.WriteFile(golden, []byte(got.Stdout), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != got.Stdout {
			t.Errorf("%s prints\n%s\nand %s has\n%s", verb, got.Stdout, golden, want)
		}
	}
}

// checkNamesAgree checks that the names in the XML, in getconfignames and in the help are the same.
func checkNamesAgree(t *testing.T, p stonith.Plugin) {
	var parameters struct {
		Parameter []struct {
			Name     string `xml:"name,attr"`
			Unique   string `xml:"unique,attr"`
			Required string `xml:"required,attr"`
			Long     string `xml:"longdesc"`
		} `xml:"parameter"`
	}
	if err := xml.Unmarshal([]byte(bare(t, p, "getinfo-xml").Stdout), &parameters); err != nil {
		t.Fatal(err)
	}
	var inXML []string
	var long strings.Builder
	help := bare(t, p, "--help").Stdout
	for _, param := range parameters.Parameter {
		inXML = append(inXML, param.Name)
		long.WriteString(param.Long + "\n")
		if param.Unique != "0" || (param.Required != "0" && param.Required != "1") {
			t.Errorf("parameter %s: unique %q, required %q", param.Name, param.Unique, param.Required)
		}
		if !strings.Contains(help, param.Name) {
			t.Errorf("parameter %s is not in the help", param.Name)
		}
	}
	for _, name := range otherNames(p) {
		if word := regexp.MustCompile(`\b` + name + `\b`); !word.MatchString(long.String()) {
			t.Errorf("%s is taken, but is in no long description", name)
		}
	}
	if names := strings.Fields(bare(t, p, "getconfignames").Stdout); !slices.Equal(names, inXML) {
		t.Errorf("getconfignames prints %q, and the XML has %q", names, inXML)
	}
}

// checkNamesAreNotTaken checks the names of the parameters, and those that are
// taken besides: aliases, and names of a plug.
func checkNamesAreNotTaken(t *testing.T, p stonith.Plugin) {
	names := strings.Fields(bare(t, p, "getconfignames").Stdout)
	for _, name := range slices.Concat(names, otherNames(p)) {
		checkName(t, name)
	}
	seen := map[string]bool{}
	for _, name := range slices.Concat(names, otherNames(p)) {
		if seen[name] {
			t.Errorf("parameter %s is there twice", name)
		}
		seen[name] = true
	}
}

func otherNames(p stonith.Plugin) []string {
	names := slices.Clone(p.Plug.Names)
	for _, param := range p.New().Params() {
		names = append(names, param.Aliases...)
	}
	return names
}

// checkName knows the names that fence_legacy takes for itself, with dire effects; see docs/protocol.md.
func checkName(t *testing.T, name string) {
	switch name {
	case "option", "action", "plugin", "stonith", "agent", "nodename", "PATH":
		t.Errorf("parameter %s is one that fence_legacy takes for itself", name)
	}
	if !regexp.MustCompile("^[a-z][a-z0-9_]*$").MatchString(name) {
		t.Errorf("parameter %s is no plain shell identifier", name)
	}
}

func checkUsageErrors(t *testing.T, p stonith.Plugin) {
	for _, args := range [][]string{{}, {"frobnicate"}, {"off"}, {"off", "-f"}, {"getinfo-xml", "more=secret"}, {"off", "node-1", "more=secret"}, {"off", "--nothing"}} {
		got := bare(t, p, args...)
		if got.Status != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, p.Name+": error: ") || strings.Contains(got.Stderr, "secret") {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q, want 1 and an error", args, got.Status, got.Stdout, got.Stderr)
		}
	}
}
