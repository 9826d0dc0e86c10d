package main

import (
	"os"
	"strings"
	"testing"
)

const oldCIB = "internal/convert/testdata/ipmi.xml"

// What is converted is taken by render at once, and can be had in a format directly.
func TestConvert(t *testing.T) {
	t.Parallel()
	status, description, stderr := call("convert", oldCIB)
	if status != 0 || !strings.HasPrefix(description, "# Converted from "+oldCIB) {
		t.Fatalf("convert: status %d, %s, %s", status, description, stderr)
	}
	for line := range strings.Lines(stderr) {
		note, isNote := strings.CutPrefix(line, "crm-snippets: note: ")
		if !isNote || !strings.Contains(description, "# "+note) {
			t.Errorf("convert: %q is no note that the description has", line)
		}
	}
	if stderr == "" {
		t.Error("convert: no notes")
	}
	for _, format := range []string{"crm", "pcs", "cibadmin", "heartbeat", "cluster.conf"} {
		_, want, _ := callWith(description, "render", "--format", format, "-")
		if status, got, stderr := call("convert", "--format", format, oldCIB); status != 0 || got != want || want == "" {
			t.Errorf("convert --format %s: status %d, %s, %s, want\n%s", format, status, got, stderr, want)
		}
	}
}

// A configuration may come by standard input.
func TestConvertSources(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(oldCIB)
	if err != nil {
		t.Fatal(err)
	}
	_, byFile, _ := call("convert", oldCIB)
	_, byFile, _ = strings.Cut(byFile, "\n")
	status, stdout, stderr := callWith(string(text), "convert", "-")
	if first, rest, _ := strings.Cut(stdout, "\n"); status != 0 || first != "# Converted from standard input by crm-snippets convert." || rest != byFile {
		t.Errorf("convert -: status %d, %s, %s, want\n%s", status, stdout, stderr, byFile)
	}
}

// What cannot be converted is said, with status 1 and nothing on standard output.
func TestConvertRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, args, stdin, want string }{
		{"broken", "convert -", "<cib>\n</cob>", "error: standard input:2:7: broken XML: element <cib> closed by </cob>"},
		{"no such file", "convert none.xml", "", "error: open none.xml: no such file or directory"},
		{"unknown format", "convert --format cib " + oldCIB, "", `error: unknown format "cib"`},
	} {
		status, stdout, stderr := callWith(c.stdin, strings.Fields(c.args)...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "crm-snippets: "+c.want) {
			t.Errorf("%s: crm-snippets %s: status %d, %q, %q, want 1, nothing, %q", c.name, c.args, status, stdout, stderr, c.want)
		}
	}
}
