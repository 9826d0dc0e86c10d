package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var snippetTools = []string{"crm", "pcs", "cibadmin"}

// guestThenHost is an example that has all kinds of elements.
const guestThenHost = example(snippetExamples + "guest-then-host")

// busy is the CIB of a cluster that has something already.
func busy(t *testing.T) *snippetBed {
	t.Helper()
	text, err := os.ReadFile("testdata/snippets/busy.xml")
	must("the CIB", err)
	return snippetBedOf(t, string(text))
}

// TestSnippetsInstall installs and removes an example in a cluster that has something
// already, which stays, by each tool; each twice, and first without doing it.
func TestSnippetsInstall(t *testing.T) {
	must("/var/log/crmsh", makeDirs("/var/log/crmsh"))
	t.Parallel()
	for _, tool := range snippetTools {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			b := busy(t)
			must("chown", os.Chown(b.cib, 1, 2))
			install := []string{"install", guestThenHost.description(), "--tool", tool}
			remove := []string{"remove", guestThenHost.description(), "--tool", tool}

			before := b.text()
			added := b.dry(install)
			if b.does(install) != added {
				t.Error("install shows another difference than with --dry-run")
			}
			if !strings.HasPrefix(added, "~ property stonith-enabled=true, was false\n+ primitive xen-node-1 ") || strings.Count(added, "\n") != 13 {
				t.Errorf("install shows\n%s", added)
			}
			b.does(append(install, "--dry-run"), "nothing to do\n")
			b.does(install, "nothing to do\n")
			b.succeeds("ok ", "check", guestThenHost.description())

			taken := b.dry(remove)
			if b.does(remove) != taken {
				t.Error("remove shows another difference than with --dry-run")
			}
			if diff := cmp.Diff(strings.ReplaceAll(restOf(added), "+", "-"), taken); diff != "" {
				t.Errorf("what is added, and what is taken away (-added +taken):\n%s", diff)
			}
			b.does(remove, "nothing to do\n")
			if diff := cmp.Diff(meaning(b, before), meaning(b, b.text())); diff != "" {
				t.Errorf("after all, the CIB is not as before (-before +now):\n%s", diff)
			}
			if info, err := exec.Command("stat", "-c", "%u %g %a", b.cib).Output(); err != nil || string(info) != "1 2 640\n" {
				t.Errorf("owner and mode are %s, %v, want 1 2 640", info, err)
			}
		})
	}
}

// restOf is without the first line.
func restOf(text string) string {
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}

// dry does not do what it would do.
func (b *snippetBed) dry(args []string) string {
	b.t.Helper()
	before := b.text()
	status, stdout, stderr := b.snippets(append(slices.Clone(args), "--dry-run")...)
	if status != 0 || b.text() != before {
		b.t.Fatalf("crm-snippets %s --dry-run: status %d, or the CIB is another: %s%s", strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

// does does it. If it says that there is nothing to do, the CIB must stay as it is.
func (b *snippetBed) does(args []string, want ...string) string {
	b.t.Helper()
	before := b.text()
	status, stdout, stderr := b.snippets(args...)
	if status != 0 || len(want) > 0 && stdout != want[0] {
		b.t.Fatalf("crm-snippets %s: status %d, want 0 and %q: %s%s", strings.Join(args, " "), status, want, stdout, stderr)
	}
	if nothing := stdout == "nothing to do\n"; nothing != (b.text() == before) {
		b.t.Fatalf("crm-snippets %s says %q, and the CIB is the same: %v", strings.Join(args, " "), stdout, b.text() == before)
	}
	return stdout
}

// meaning is a CIB without what a change is allowed to leave: its number and time, the
// property, comments, and sections with nothing in them; a line for each element.
func meaning(b *snippetBed, text string) []string {
	b.t.Helper()
	b.put(text)
	text = b.tool("xmllint", "--format", "--noblanks", b.cib)
	for _, forget := range []string{`(?s)<!--.*?-->`, `(?m)^<cib .*$`, `(?m)^.*name="stonith-enabled".*$`, `<[a-z-]+/>`, `(?m)^ +`} {
		text = regexp.MustCompile(forget).ReplaceAllString(text, "")
	}
	// Tools have other orders of attributes.
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(strings.Trim(line, "<>/"))
		slices.Sort(words)
		if len(words) > 0 {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	return lines
}

// TestSnippetsRemoveStarted removes devices that are started, as they always are in a
// cluster, by each tool. The cluster stops them then.
func TestSnippetsRemoveStarted(t *testing.T) {
	must("/var/log/crmsh", makeDirs("/var/log/crmsh"))
	t.Parallel()
	two := example(snippetExamples + "bmc-two-nodes").description()
	for _, tool := range snippetTools {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			b := newSnippetBed(t, []string{"node-1", "node-2"})
			b.succeeds("+", "install", two, "--tool", "cibadmin")
			b.tool("crm_simulate", "--xml-file", b.cib, "--simulate", "--save-output", b.cib)
			if out := b.tool("crm_mon", "--one-shot"); strings.Count(out, "Started") != 2 {
				t.Fatalf("the devices are not started: %s", out)
			}
			b.succeeds("- primitive bmc-node-1 ", "remove", two, "--tool", tool)
			out := b.tool("crm_simulate", "--xml-file", b.cib, "--simulate")
			if !fitsLine(`\* Stop +bmc-node-1 `, out) || !fitsLine(`\* Stop +bmc-node-2 `, out) {
				t.Errorf("the devices are not stopped: %s", out)
			}
		})
	}
}

// unknownNodeLevels is a description whose levels are for a node that is not in the
// cluster, which pcs finds out when it has made the devices.
const unknownNodeLevels = `
[[device]]
id = "first"
plugin = "ipmi"
shared = true
level = 1
hostlist = "node-2:192.0.2.1"
parameters = { passwd_file = "/x" }

[[device]]
id = "second"
plugin = "ipmi"
shared = true
level = 2
hostlist = "node-2:192.0.2.2"
parameters = { passwd_file = "/x" }
`

// TestSnippetsRefuse wants nothing to be changed where not all is as it should be.
func TestSnippetsRefuse(t *testing.T) {
	must("/var/log/crmsh", makeDirs("/var/log/crmsh"))
	t.Parallel()
	two := example(snippetExamples + "bmc-two-nodes").description()
	install, remove := []string{"install", two}, []string{"remove", two}
	for name, test := range map[string]func(*snippetBed){
		"half done": func(b *snippetBed) {
			b.succeeds("~", "install", two, "--tool", "cibadmin")
			b.tool("cibadmin", "--delete", "--xml-text", `<rsc_location id="bmc-node-2-avoids-node-2"/>`)
			b.refuses("  location bmc-node-2-avoids-node-2: missing$", install...)
			b.refuses("crm-snippets remove, with the same description, takes away what is there", install...)
			b.succeeds("- primitive bmc-node-1 ", remove...)
			b.succeeds("+ primitive bmc-node-1 ", install...)
		},
		"another value": func(b *snippetBed) {
			b.succeeds("~", "install", two, "--tool", "cibadmin")
			b.put(strings.Replace(b.text(), `value="node-1:192.0.2.1"`, `value="node-1:192.0.2.9"`, 1))
			want := `  primitive bmc-node-1: different: hostlist is "node-1:192.0.2.9", not "node-1:192.0.2.1"$`
			b.refuses(want, install...)
			b.refuses(want, remove...)
		},
		"id of something else": func(b *snippetBed) {
			b.put(strings.ReplaceAll(b.text(), `id="vip"`, `id="bmc-node-1"`))
			b.refuses("  primitive bmc-node-1: different: class is \"ocf\"", install...)
			b.refuses("  primitive bmc-node-1: different: class is \"ocf\"", remove...)
			b.put(strings.ReplaceAll(b.text(), `id="web"`, `id="bmc-node-2-avoids-node-2"`))
			b.refuses("  location bmc-node-2-avoids-node-2: different: the id is that of a group$", install...)
		},
		"a level that is there": func(b *snippetBed) {
			b.put(strings.Replace(b.text(), `target="node-3"`, `target="node-1"`, 1))
			b.refuses(`  level 1 of node-1: different: devices is "by-hand", not "xen-node-1"$`, "install", guestThenHost.description())
		},
		"somebody needs it": func(b *snippetBed) {
			b.succeeds("~", "install", two, "--tool", "cibadmin")
			b.tool("cibadmin", "--create", "--scope", "constraints", "--xml-text", `<rsc_order id="first-fence" first="bmc-node-1" then="web"/>`)
			b.refuses("others speak of these resources: rsc_order first-fence", remove...)
		},
		"broken XML": func(b *snippetBed) {
			b.put("<cib>\n  <configuration>\n</cib>")
			b.refuses(regexp.QuoteMeta(b.cib)+":3:7: broken XML: element <configuration> closed by </cib>$", install...)
			b.refuses(":3:7: ", remove...)
			b.refuses(":3:7: ", "check")
		},
		"no CIB": func(b *snippetBed) {
			b.put("<cluster/>")
			b.refuses("this is no CIB", install...)
		},
		"a schema that nobody has": func(b *snippetBed) {
			b.put(strings.Replace(b.text(), "pacemaker-3.9", "pacemaker-9.9", 1))
			for _, tool := range snippetTools {
				b.refuses("nothing was changed: ", append(install, "--tool", tool)...)
			}
		},
		"a tool that fails in the middle": func(b *snippetBed) {
			b.put(strings.Replace(b.text(), `uname="node-2"`, `uname="node-4"`, 1))
			file := filepath.Join(b.dir, "description.toml")
			must(file, os.WriteFile(file, []byte(unknownNodeLevels), 0o644))
			b.refuses("nothing was changed: pcs: .*Node 'node-2' does not appear to exist", "install", file, "--tool", "pcs")
		},
		"a secret": func(b *snippetBed) {
			secret := filepath.Join(b.dir, "secret.toml")
			must(secret, os.WriteFile(secret, []byte("[[device]]\nid = \"s\"\nplugin = \"ipmi\"\nhostlist = \"node-1:192.0.2.1\"\n"+
				"[device.parameters]\nuserid = \"fence\"\npasswd = \"s3cret\"\n"), 0o600))
			b.refuses("passwd would stand in the cluster's configuration", "install", secret)
			allowed := []string{"install", "--allow-secret", secret}
			b.refuses("pcs would show the secret", append(allowed, "--tool", "pcs")...)
			for _, tool := range []string{"crm", "cibadmin"} {
				_, stdout, stderr := b.snippets(append(allowed, "--tool", tool)...)
				if !strings.Contains(stdout, " passwd=*** ") || strings.Contains(stdout+stderr, "s3cret") || !strings.Contains(b.text(), "s3cret") {
					t.Errorf("%s: %s%s", tool, stdout, stderr)
				}
				b.succeeds("- primitive s-node-1 ", "remove", "--allow-secret", secret)
			}
			status, _, stderr := b.hidden([]string{"crm"}, allowed...)
			if status != 0 || !strings.Contains(b.text(), `id="s-node-1-start-0s"`) {
				b.t.Errorf("without crm it is not cibadmin that takes the secret: status %d, %s", status, stderr)
			}
			status, stdout, _ := b.snippets("check")
			if status != 1 || !fitsLine("^wrong +secrets +s-node-1: passwd stands in the configuration", stdout) || strings.Contains(stdout, "s3cret") {
				b.t.Errorf("check: status %d, %s", status, stdout)
			}
		},
		"no such file": func(b *snippetBed) {
			status, _, stderr := b.call(snippetsProgram, "install", two, "--cib", "/nonexistent/cib.xml")
			if status != 1 || !strings.Contains(stderr, "/nonexistent/cib.xml: no such file") {
				b.t.Errorf("status %d: %s", status, stderr)
			}
		},
		"the cluster's own file": func(b *snippetBed) {
			must("sig", os.WriteFile(b.cib+".sig", nil, 0o600))
			b.refuses("this is the cluster's own file", install...)
		},
		"unknown tool": func(b *snippetBed) {
			b.refuses(`unknown tool "vi", want crm, pcs or cibadmin`, append(install, "--tool", "vi")...)
		},
		"environment": func(b *snippetBed) {
			status, _, stderr := b.call("/usr/bin/env", "CIB_shadow=x", snippetsProgram, "install", two)
			if status != 1 || !strings.Contains(stderr, "CIB_shadow is x") {
				b.t.Errorf("CIB_shadow: status %d: %s", status, stderr)
			}
			status, stdout, stderr := b.call("/usr/bin/env", "CIB_file="+b.cib, snippetsProgram, "install", two, "--dry-run")
			if status != 0 || !strings.HasPrefix(stdout, "~ property stonith-enabled=true, was false\n") {
				b.t.Errorf("CIB_file: status %d: %s%s", status, stdout, stderr)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(busy(t))
		})
	}
}

// hidden runs crm-snippets where some programs are not.
func (b *snippetBed) hidden(programs []string, args ...string) (status int, stdout, stderr string) {
	script := `for program in ` + strings.Join(programs, " ") + `; do for dir in /usr/sbin /usr/bin /usr/lib/stonith/plugins/external; do
	[ ! -e $dir/$program ] || mount --bind /dev/null $dir/$program
done; done
exec "$@"`
	return b.call("/usr/bin/unshare", append([]string{"--mount", "/bin/sh", "-c", "PATH=/usr/sbin:/usr/bin:/sbin:/bin; " + script, "sh", snippetsProgram}, append(args, "--cib", b.cib)...)...)
}

// TestSnippetsToolsMissing hides tools: another one takes their place, and what cannot
// be checked is said, and no pass.
func TestSnippetsToolsMissing(t *testing.T) {
	must("/var/log/crmsh", makeDirs("/var/log/crmsh"))
	t.Parallel()
	two := example(snippetExamples + "bmc-two-nodes").description()
	for _, c := range []struct {
		hide []string
		made string // the id of the operation, by which one knows who has made it
	}{
		{nil, `id="bmc-node-1-start-0s"`},
		{[]string{"crm"}, `id="bmc-node-1-start-interval-0s"`},
		{[]string{"crm", "pcs"}, `id="bmc-node-1-start-0s"`},
		{[]string{"crm", "pcs", "xmllint", "crm_verify", "stonith_admin"}, `id="bmc-node-1-start-0s"`},
	} {
		t.Run(strings.Join(append([]string{"without"}, c.hide...), " "), func(t *testing.T) {
			t.Parallel()
			b := newSnippetBed(t, []string{"node-1", "node-2"})
			if status, stdout, stderr := b.hidden(c.hide, "install", two); status != 0 || !strings.Contains(b.text(), c.made) {
				t.Fatalf("install: status %d, %s%s, want %s: %s", status, stdout, stderr, c.made, b.text())
			}
			status, stdout, stderr := b.hidden(c.hide, "check", two)
			if status != 0 || strings.Count(stdout, "not checked ") != len(c.hide) {
				t.Errorf("check: status %d, want 0 and %d things not checked: %s%s", status, len(c.hide), stdout, stderr)
			}
			for _, program := range c.hide {
				if !fitsLine("^not checked +[a-z_]+ +"+program+" is not installed here$", stdout) {
					t.Errorf("check does not say that %s is not there: %s", program, stdout)
				}
			}
		})
	}
	t.Run("without the agent", func(t *testing.T) {
		t.Parallel()
		b := newSnippetBed(t, []string{"node-1", "node-2"})
		before := b.text()
		status, stdout, stderr := b.hidden([]string{"ipmi2"}, "install", two, "--tool", "crm")
		if status != 1 || !strings.Contains(stderr, "nothing was changed: crm: ") || b.text() != before {
			t.Errorf("install by crm, which asks the agent: status %d, %s%s", status, stdout, stderr)
		}
		if status, stdout, stderr = b.hidden([]string{"ipmi2"}, "install", two, "--tool", "cibadmin"); status != 0 {
			t.Errorf("install by cibadmin, which does not: status %d, %s%s", status, stdout, stderr)
		}
		status, stdout, stderr = b.hidden([]string{"ipmi2"}, "check", two)
		if status != 0 || !fitsLine("^not checked +agents +external/ipmi2 is not installed here", stdout) || !fitsLine("^not checked +crm +shows the same devices", stdout) {
			t.Errorf("check: status %d, %s%s", status, stdout, stderr)
		}
	})
	t.Run("without all tools", func(t *testing.T) {
		t.Parallel()
		b := newSnippetBed(t, []string{"node-1", "node-2"})
		before := b.text()
		status, stdout, stderr := b.hidden(snippetTools, "install", two)
		if status != 1 || !strings.Contains(stderr, "none of crm, pcs and cibadmin is in /usr/sbin") || b.text() != before {
			t.Errorf("install: status %d, %s%s", status, stdout, stderr)
		}
	})
}
