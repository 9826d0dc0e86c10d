package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What keeps a command from the cluster is said before anything is asked of it.
func TestClusterRefusals(t *testing.T) {
	t.Parallel()
	const file = "examples/bmc-rack.toml"
	broken := filepath.Join(t.TempDir(), "cib.xml")
	if err := os.WriteFile(broken, []byte("<cib>\n</configuration>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"install": "error: want one description file, or --plugin",
		"remove":  "error: want one description file, or --plugin",
		"install examples/none.toml --cib none.xml":                            "error: open examples/none.toml: no such file or directory",
		"install " + file + " --cib none.xml":                                  "error: open none.xml: no such file or directory",
		"remove --dry-run " + file + " --cib none.xml":                         "error: open none.xml: no such file or directory",
		"check --cib none.xml":                                                 "error: open none.xml: no such file or directory",
		"check " + file + " --cib " + broken:                                   "error: " + broken + ":2:17: broken XML: element <cib> closed by </configuration>",
		"install --plugin ipmi --hostlist a:192.0.2.1 passwd=x --cib none.xml": "error: passwd: passwd would stand in the cluster's configuration",
	} {
		status, stdout, stderr := call(strings.Fields(args)...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "crm-snippets: "+want) {
			t.Errorf("crm-snippets %s: status %d, %q, %q, want 1, nothing, %q", args, status, stdout, stderr, want)
		}
	}
}

// A variable of a shell that is empty does not stand for the cluster.
func TestEmptyNames(t *testing.T) {
	const file, want = "examples/bmc-rack.toml", "crm-snippets: error: --cib or CIB_file is empty"
	for _, args := range [][]string{
		{"install", "--dry-run", file, "--cib", ""}, {"remove", "--dry-run", file, "--cib="}, {"check", "--cib", ""}, {"convert", "--cib", ""},
	} {
		if status, stdout, stderr := call(args...); status != 1 || stdout != "" || !strings.HasPrefix(stderr, want) {
			t.Errorf("crm-snippets %q: status %d, %q, %q, want 1, nothing, %q", args, status, stdout, stderr, want)
		}
	}
	if status, _, stderr := call("convert", ""); status != 1 || !strings.HasPrefix(stderr, "crm-snippets: error: open : no such file") {
		t.Errorf("crm-snippets convert of a file without a name: status %d, %q", status, stderr)
	}
	t.Setenv("CIB_file", "")
	if status, _, stderr := call("check"); status != 1 || !strings.HasPrefix(stderr, want) {
		t.Errorf("crm-snippets check with an empty CIB_file: status %d, %q, want 1, %q", status, stderr, want)
	}
	if status, _, stderr := call("check", "--cib", "none.xml"); status != 1 || !strings.HasPrefix(stderr, "crm-snippets: error: open none.xml") {
		t.Errorf("crm-snippets check of a file with an empty CIB_file: status %d, %q", status, stderr)
	}
	if status, _, stderr := call("render", "--format", "crm", file); status != 0 {
		t.Errorf("crm-snippets render with an empty CIB_file: status %d, %q", status, stderr)
	}
}
