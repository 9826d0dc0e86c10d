package main

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/render"
)

var update = flag.Bool("update", false, "write the goldens in examples/ anew")

// endings are of the goldens' names, by format.
var endings = map[render.Format]string{
	render.CRM: ".crm", render.PCS: ".pcs", render.Cibadmin: ".xml",
	render.Heartbeat: ".heartbeat.xml", render.ClusterConf: ".cluster.conf",
}

// refusals are what the formats cannot say of the examples.
var refusals = map[string]string{
	"guest-then-host.heartbeat.xml":    `device "xen": Heartbeat has no levels: it would take any device of a node`,
	"two-power-supplies.heartbeat.xml": `device "supply-a": Heartbeat has no levels: it would take any device of a node`,
	"bmc-rack-agent.heartbeat.xml":     `device "bmc": Heartbeat knows no fence agents, want face external`,
	"xenapi-agent.heartbeat.xml":       `device "pool": Heartbeat knows no fence agents, want face external`,
	"xen-agent.heartbeat.xml":          `device "xen": Heartbeat knows no fence agents, want face external`,
	"pacemaker-3.heartbeat.xml":        `device "xen": Heartbeat knows no fence agents, want face external`,
}

func examples(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("examples/*.toml")
	if err != nil || len(all) == 0 {
		t.Fatalf("examples: %q, %v", all, err)
	}
	return all
}

// Every example is what its description renders to, in every format.
func TestExamples(t *testing.T) {
	t.Parallel()
	var goldens []string
	for _, description := range examples(t) {
		for _, format := range render.Formats() {
			golden := strings.TrimSuffix(description, ".toml") + endings[format]
			goldens = append(goldens, golden)
			t.Run(filepath.Base(golden), func(t *testing.T) {
				t.Parallel()
				checkGolden(t, golden, description, format)
			})
		}
	}
	files, err := filepath.Glob("examples/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Ext(file) != ".toml" && !slices.Contains(goldens, file) {
			t.Errorf("%s is of no description", file)
		}
	}
}

func checkGolden(t *testing.T, golden, description string, format render.Format) {
	status, stdout, stderr := call("render", "--format", string(format), description)
	if want, refused := refusals[filepath.Base(golden)]; refused {
		if status != 1 || stdout != "" || !strings.HasSuffix(stderr, "crm-snippets: error: "+want+"\n") {
			t.Errorf("render %s for %s: status %d, %q, %q, want the error %q", description, format, status, stdout, stderr, want)
		}
		if _, err := os.Stat(golden); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there, and the format cannot say it: %v", golden, err)
		}
		return
	}
	if status != 0 || strings.Contains(stderr, "warning:") {
		t.Fatalf("render %s for %s: status %d, %s, want 0 and no warning", description, format, status, stderr)
	}
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
		t.Errorf("%s is not what is rendered; -update writes it (-file +rendered):\n%s", golden, diff)
	}
}

// Every agent is in an example of each format that today's tools load. Those of
// Pacemaker 3 do not count: the tools of Pacemaker 2 do not take all of them.
func TestExamplesHaveAllAgents(t *testing.T) {
	t.Parallel()
	for _, format := range []render.Format{render.CRM, render.PCS, render.Cibadmin} {
		all := ""
		for _, description := range examples(t) {
			if filepath.Base(description) == "pacemaker-3.toml" {
				continue
			}
			text, err := os.ReadFile(strings.TrimSuffix(description, ".toml") + endings[format])
			if err != nil {
				t.Fatal(err)
			}
			all += string(text)
		}
		for _, agent := range metadata.Agents() {
			if !regexp.MustCompile(agent.Type() + `\b`).MatchString(all) {
				t.Errorf("%s is in no example for %s", agent.Type(), format)
			}
		}
	}
}

// Every example says what it is for, in all its forms.
func TestExamplesSayWhatFor(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("examples/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("# ")) && !bytes.HasPrefix(text, []byte("<!-- ")) {
			t.Errorf("%s does not begin with a comment", file)
		}
	}
}

// call carries out a command line.
func call(args ...string) (status int, stdout, stderr string) {
	return callWith("", args...)
}

// callWith carries out a command line, with a text on standard input.
func callWith(stdin string, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &session{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs})
	return status, out.String(), errs.String()
}

var fence = regexp.MustCompile("(?s)```toml\n(.*?)```")

// The README's description is one of the examples, and its table has them all.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := fence.FindAllStringSubmatch(string(readme), -1)
	if len(shown) != 1 {
		t.Fatalf("README.md shows %d descriptions, want one", len(shown))
	}
	found := false
	for _, example := range examples(t) {
		text, err := os.ReadFile(example)
		if err != nil {
			t.Fatal(err)
		}
		found = found || string(text) == shown[0][1]
		if name := "`" + strings.TrimSuffix(filepath.Base(example), ".toml") + "`"; !strings.Contains(string(readme), name) {
			t.Errorf("README.md does not name the example %s", name)
		}
	}
	if !found {
		t.Errorf("README.md shows what is no example:\n%s", shown[0][1])
	}
}

// What the nodes of each device need is said with every format.
func TestExampleNotes(t *testing.T) {
	t.Parallel()
	const golden = "testdata/notes.golden"
	var got strings.Builder
	for _, description := range examples(t) {
		var first string
		for _, format := range render.Formats() {
			status, _, stderr := call("render", "--format", string(format), description)
			var notes strings.Builder
			for line := range strings.Lines(stderr) {
				if note, ok := strings.CutPrefix(line, "crm-snippets: note: device "); ok && strings.Contains(note, "hibernates") {
					notes.WriteString(note)
				}
			}
			switch {
			case status != 0:
			case first == "":
				first = notes.String()
				got.WriteString(filepath.Base(description) + "\n" + first)
			case first != notes.String():
				t.Errorf("%s in %s has the notes %q, want %q", description, format, notes.String(), first)
			}
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("notes (-%s +got):\n%s", golden, diff)
	}
}
