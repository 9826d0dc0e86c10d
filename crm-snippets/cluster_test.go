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
