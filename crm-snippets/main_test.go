package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with a command line is said in a line, with status 1 and nothing on
// standard output.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const file = "examples/bmc-rack.toml"
	for _, c := range []struct {
		name, args, want string
	}{
		{"no command", "", "error: expected "},
		{"unknown command", "rendre", "error: unexpected argument rendre"},
		{"no format", "render " + file, "error: missing flags: --format=FORMAT"},
		{"unknown format", "render --format cib " + file, `error: unknown format "cib", want one of crm, pcs, cibadmin, heartbeat, cluster.conf`},
		{"nothing described", "render --format crm", "error: want one description file, or --plugin with --hostlist and parameters"},
		{"two files", "render --format crm a b", "error: want one description file, or --plugin"},
		{"no such file", "render --format crm examples/none.toml", "error: open examples/none.toml: no such file or directory"},
		{"file and flags", "render --format crm --shared " + file, "error: want a description file, or flags that describe a device"},
		{"file and plugin", "render --format crm --plugin xen --hostlist a " + file, `error: "examples/bmc-rack.toml" is no parameter, want name=value`},
		{"secret", "render --format crm --plugin ipmi --hostlist a:192.0.2.1 passwd=s3cret", "error: passwd: passwd would stand in the cluster's configuration"},
	} {
		status, stdout, stderr := call(strings.Fields(c.args)...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "crm-snippets: "+c.want) {
			t.Errorf("%s: crm-snippets %s: status %d, %q, %q, want 1, nothing, %q", c.name, c.args, status, stdout, stderr, c.want)
		}
		if strings.Contains(stderr, "s3cret") {
			t.Errorf("%s: %q has the secret", c.name, stderr)
		}
	}
}

// Help and version are asked for, so they are no failure.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--version": "crm-snippets dev\n", "--help": "Usage: crm-snippets", "render --help": "Usage: crm-snippets render",
	} {
		if status, stdout, stderr := call(strings.Fields(args)...); status != 0 || !strings.HasPrefix(stdout, want) || stderr != "" {
			t.Errorf("crm-snippets %s: status %d, %q, %q, want 0 and %q", args, status, stdout, stderr, want)
		}
	}
}

// Flags say the same as a file, but for its comment; a file may come by standard input.
func TestSameByOtherWays(t *testing.T) {
	t.Parallel()
	const file = "examples/bmc-two-nodes.toml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, byFile, _ := call("render", "--format", "crm", file)
	if status, stdout, stderr := callWith(string(text), "render", "--format", "crm", "-"); status != 0 || stdout != byFile {
		t.Errorf("render by standard input: status %d, %s, %s, want\n%s", status, stdout, stderr, byFile)
	}
	_, withoutComment, _ := strings.Cut(byFile, "property")
	status, byFlags, stderr := call("render", "--format", "crm", "--plugin", "ipmi", "--id", "bmc", "--hostlist", "node-1:192.0.2.1,node-2:192.0.2.2",
		"--delay", "node-1=5s", "userid=fence", "passwd_file=/etc/stonith-plugins/bmc.passwd")
	if status != 0 || byFlags != "property"+withoutComment {
		t.Errorf("render by flags: status %d, %s, %s, want\nproperty%s", status, byFlags, stderr, withoutComment)
	}
}

// What is most likely wrong is warned of, and rendered.
func TestWarns(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := call("render", "--format", "pcs", "--plugin", "xen", "--hostlist", "a b", "sshaccount=xen@dom0")
	if status != 0 || !strings.Contains(stdout, "pcs -f cib-after.xml stonith create xen-a") ||
		!strings.HasPrefix(stderr, "crm-snippets: warning: two nodes without first and delay") {
		t.Errorf("render of two nodes without a delay: status %d, %s, %s, want the text and a warning", status, stdout, stderr)
	}
}

func TestLongDescription(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "long.toml")
	if err := os.WriteFile(file, make([]byte, maxDescription+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := call("render", "--format", "crm", file); status != 1 || !strings.Contains(stderr, "more than 1048576 bytes are no description") {
		t.Errorf("render of a long file: status %d, %s", status, stderr)
	}
}
