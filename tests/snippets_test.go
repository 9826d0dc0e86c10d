package tests

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	snippetsProgram = "/usr/local/sbin/crm-snippets"
	snippetExamples = "../crm-snippets/examples/"
)

// A snippetBed is a file that stands for a cluster, and what the tools do to it.
type snippetBed struct {
	*toolBed
	t   *testing.T
	cib string
}

// newSnippetBed has the CIB of a cluster with such nodes, which are online, and no
// resources.
func newSnippetBed(t *testing.T, nodes []string) *snippetBed {
	t.Helper()
	var list, states strings.Builder
	for i, node := range nodes {
		fmt.Fprintf(&list, `<node id="%d" uname="%s"/>`, i+1, node)
		fmt.Fprintf(&states, `<node_state id="%d" uname="%s" in_ccm="true" crmd="online" join="member" expected="member" crm-debug-origin="test"/>`, i+1, node)
	}
	return snippetBedOf(t, `<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" have-quorum="1" dc-uuid="1">
<configuration><crm_config/><nodes>`+list.String()+`</nodes><resources/><constraints/></configuration>
<status>`+states.String()+`</status></cib>
`)
}

// snippetSlots are how many beds there are at a time: crm and pcs compute, and do not
// wait as most of the tests do.
var snippetSlots = make(chan struct{}, 4)

func snippetBedOf(t *testing.T, cib string) *snippetBed {
	t.Helper()
	snippetSlots <- struct{}{}
	t.Cleanup(func() { <-snippetSlots })
	dir := t.TempDir()
	b := &snippetBed{toolBed: &toolBed{dir: dir}, t: t, cib: filepath.Join(dir, "cib.xml")}
	b.put(cib)
	return b
}

func (b *snippetBed) put(cib string) {
	b.t.Helper()
	must(b.cib, os.WriteFile(b.cib, []byte(cib), 0o640))
}

// text is the CIB as it is now.
func (b *snippetBed) text() string {
	b.t.Helper()
	text, err := os.ReadFile(b.cib)
	must("the CIB", err)
	return string(text)
}

// tool runs a tool that must succeed, on the file where it takes it from the environment.
func (b *snippetBed) tool(program string, args ...string) string {
	b.t.Helper()
	out, err := b.run("CIB_file="+b.cib, program, args...)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// snippets runs crm-snippets, on the file.
func (b *snippetBed) snippets(args ...string) (status int, stdout, stderr string) {
	return b.call(snippetsProgram, append(args, "--cib", b.cib)...)
}

// call runs a program.
func (b *snippetBed) call(program string, args ...string) (status int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(context.Background(), toolLimit)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Env = []string{"PATH=/nonexistent", "HOME=/nonexistent"}
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), out.String(), errors.String()
}

// succeeds wants crm-snippets to exit 0, and to print such a line first.
func (b *snippetBed) succeeds(first string, args ...string) {
	b.t.Helper()
	status, stdout, stderr := b.snippets(args...)
	if status != 0 || !strings.HasPrefix(stdout, first) {
		b.t.Fatalf("crm-snippets %s: status %d, want 0 and %q first:\n%s%s", strings.Join(args, " "), status, first, stdout, stderr)
	}
}

// refuses wants crm-snippets to exit 1 with such an error, and the CIB to stay as it is.
func (b *snippetBed) refuses(fits string, args ...string) {
	b.t.Helper()
	before := b.text()
	status, stdout, stderr := b.snippets(args...)
	if status != 1 || !fitsLine("^crm-snippets: error: .*"+fits, stderr) {
		b.t.Errorf("crm-snippets %s: status %d, want 1 and %q:\n%s%s", strings.Join(args, " "), status, fits, stdout, stderr)
	}
	if b.text() != before {
		b.t.Errorf("crm-snippets %s has refused, and changed the CIB", strings.Join(args, " "))
	}
}

// An example is one of crm-snippets, by the path of its description without the ending.
type example string

func examples(t *testing.T) []example {
	t.Helper()
	files, err := filepath.Glob(snippetExamples + "*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	var all []example
	for _, file := range files {
		all = append(all, example(strings.TrimSuffix(file, ".toml")))
	}
	return all
}

func (e example) name() string { return filepath.Base(string(e)) }

func (e example) description() string { return string(e) + ".toml" }

// nodes are those that the example speaks of.
func (e example) nodes() []string {
	text, err := os.ReadFile(e.description())
	must("the example", err)
	nodes := regexp.MustCompile(`\bnode-[0-9]+\b`).FindAllString(string(text), -1)
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// A loader loads what is rendered by the tool that it is for, as its users do.
type loader struct {
	format string
	ending string
	load   func(*snippetBed, string) error
}

// pcsCommands lets a shell read commands of pcs, and one pcs carry those out that change
// a copy, on a file: most of the time that it takes is for its start. $1 are the commands,
// $2 is the file. TestSnippetsLive has all of them.
const pcsCommands = `cp() { :; }
pcs() { [ "$1" = -f ] || return 0; shift 2; for arg in "$@"; do printf '%s\0' "$arg"; done; printf '\n\0'; }
{ . "$1" && printf done; } | python3 -c '
import os, sys
from pcs import app
commands = sys.stdin.read().split("\n\0")
if commands.pop() != "done":
    sys.exit("the commands are no shell script")
for command in commands:
    pid = os.fork()
    if pid == 0:
        app.main(["-f", sys.argv[1]] + command.split("\0")[:-1])
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit(1)
' "$2"`

var loaders = []loader{
	{"crm", ".crm", func(b *snippetBed, file string) error {
		_, err := b.run("CIB_file="+b.cib, "crm", "configure", "load", "update", file)
		return err
	}},
	{"pcs", ".pcs", func(b *snippetBed, file string) error {
		_, err := b.run("", "sh", "-c", pcsCommands, "sh", file, b.cib)
		return err
	}},
	{"cibadmin", ".xml", func(b *snippetBed, file string) error {
		_, err := b.run("CIB_file="+b.cib, "cibadmin", "--modify", "--allow-create", "--xml-file", file)
		return err
	}},
}

// TestSnippetsLoad loads every example by the tool that it is rendered for. Then the
// cluster has all that the description says, no tool finds anything wrong with it, and
// Pacemaker would start each device on a node that it does not fence, and fence each node
// that fails.
func TestSnippetsLoad(t *testing.T) {
	must("/var/log/crmsh", makeDirs("/var/log/crmsh"))
	t.Parallel()
	for _, e := range examples(t) {
		for _, l := range loaders {
			t.Run(e.name()+"/"+l.format, func(t *testing.T) {
				t.Parallel()
				b := newSnippetBed(t, e.nodes())
				err := l.load(b, absolute(string(e)+l.ending))
				if e.name() == "pacemaker-3" && l.format == "pcs" {
					// This is Pacemaker 2.1, and pcs asks it for the names of its properties.
					if err == nil || !strings.Contains(err.Error(), "invalid cluster property options: 'fencing-enabled'") {
						t.Errorf("pcs takes properties of Pacemaker 3: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				b.isAsDescribed(e)
				if l.format == "cibadmin" {
					b.succeeds("ok ", "check", e.description()) // crm and pcs read it
				}
			})
		}
	}
}

func absolute(file string) string {
	path, err := filepath.Abs(file)
	must(file, err)
	return path
}

// TestSnippetsConvert converts what is rendered for tools that are no more, and installs
// that.
func TestSnippetsConvert(t *testing.T) {
	t.Parallel()
	for _, e := range examples(t) {
		for _, ending := range []string{".heartbeat.xml", ".cluster.conf"} {
			if _, err := os.Stat(string(e) + ending); err != nil {
				continue // the format cannot say it
			}
			t.Run(e.name()+ending, func(t *testing.T) {
				t.Parallel()
				b := newSnippetBed(t, e.nodes())
				status, description, notes := b.call(snippetsProgram, "convert", string(e)+ending)
				if status != 0 || !strings.Contains(notes, "crm-snippets: note: changed: ") {
					t.Fatalf("convert: status %d, %s", status, notes)
				}
				file := filepath.Join(b.dir, "converted.toml")
				must(file, os.WriteFile(file, []byte(description), 0o644))
				b.succeeds("+ property stonith-enabled=true\n", "install", file, "--tool", "cibadmin")
				b.tool("crm_verify", "-V", "--xml-file", b.cib)
				b.starts(e.nodes())
				b.fences(e.nodes())
			})
		}
	}
}

func (b *snippetBed) isAsDescribed(e example) {
	b.t.Helper()
	before := b.text()
	b.succeeds("nothing to do\n", "install", e.description())
	if b.text() != before {
		b.t.Error("crm-snippets had nothing to do, and changed the CIB")
	}
	b.tool("crm_verify", "-V", "--xml-file", b.cib)
	b.starts(e.nodes())
	b.fences(e.nodes())
}

// fences wants Pacemaker to fence each node that fails.
func (b *snippetBed) fences(nodes []string) {
	b.t.Helper()
	for _, node := range nodes {
		out := b.tool("crm_simulate", "--xml-file", b.cib, "--simulate", "--node-fail", node)
		if !fitsLine(`^ *\* Fencing `+node+` \(reboot\)$`, out) {
			b.t.Errorf("%s has failed, and is not fenced: %s", node, out)
		}
	}
}

// starts wants Pacemaker to start every device, and those of one node elsewhere.
func (b *snippetBed) starts(nodes []string) {
	b.t.Helper()
	out := b.tool("crm_simulate", "--xml-file", b.cib, "--simulate")
	started := regexp.MustCompile(`(?m)^ *\* Start +(\S+) +\( *(\S+) *\)`).FindAllStringSubmatch(out, -1)
	if devices := strings.Count(b.text(), `class="stonith"`); len(started) != devices || devices == 0 {
		b.t.Errorf("%d of %d devices are started: %s", len(started), devices, out)
	}
	for _, s := range started {
		device, on := s[1], s[2]
		if !slices.Contains(nodes, on) || strings.HasSuffix(device, "-"+on) {
			b.t.Errorf("%s is started on %s", device, on)
		}
	}
}
