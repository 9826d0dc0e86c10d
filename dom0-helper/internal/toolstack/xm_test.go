package toolstack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tableXM reads an output of `xm list`, written by hand.
func tableXM(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "handmade-xm-table.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestXMDomains(t *testing.T) {
	t.Parallel()
	x := xm{fakeProgram(t, "xm", map[string]string{"list": tableXM(t)})}
	got, err := x.Domains(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Domain{
		{ID: 0, Name: "Domain-0"},
		{ID: 3, Name: "node-1"},
		{ID: 5, Name: "Zombie-node-2", Dying: true},
		{ID: 12, Name: "migrating-node-3", Stopped: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Domains (-want +got):\n%s", diff)
	}
	if processes, err := x.Processes(); err != nil || processes.Of(Identity{Name: "node-1"}, nil).Revivers != nil {
		t.Errorf("Processes = %v, %v, want none", processes, err)
	}
}

func TestParseXMRefuses(t *testing.T) {
	t.Parallel()
	table := tableXM(t)
	header, rows, _ := strings.Cut(table, "\n")
	tests := map[string]string{
		"nothing":                "",
		"garbage":                "Error: Unable to connect to xend: No such file or directory. Is xend running?\n",
		"header alone":           header + "\n",
		"no header":              rows,
		"no control domain":      header + "\nnode-1  3  512  1  -b----  12.3\n",
		"control domain idle":    header + "\nDomain-0  512  1  0.0\n",
		"line before":            "warning\n" + table,
		"empty line":             strings.Replace(table, "\n", "\n\n", 1),
		"line behind":            table + "warning\n",
		"name with a blank":      table + "node 7  9  512  1  -b----  12.3\n",
		"no name":                table + "  9  512  1  -b----  12.3\n",
		"unknown states":         table + "node-7  9  512  1  -b--?-  12.3\n",
		"no states":              table + "node-7  9  512  1  12.3\n",
		"huge id":                table + "node-7  99999999999999999999  512  1  -b----  12.3\n",
		"negative id":            table + "node-7  -9  512  1  -b----  12.3\n",
		"carriage returns":       strings.ReplaceAll(table, "\n", "\r\n"),
		"rows of another number": table + "node-7  9  512  1  -b----  12.3  x\n",
	}
	for what, text := range tests {
		if got, err := parseXM(text); err == nil {
			t.Errorf("%s: parseXM = %v, want an error", what, got)
		}
	}
}

// The table of xm cannot lose domains but where a row ends, as that of xl.
func TestParseXMCut(t *testing.T) {
	t.Parallel()
	whole := tableXM(t)
	list, err := parseXM(whole)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		got, err := parseXM(whole[:cut])
		if err != nil {
			continue
		}
		if !strings.HasSuffix(whole[:cut], "\n") && whole[cut] != '\n' {
			t.Errorf("cut after %d bytes, %q: %v is accepted", cut, tail(whole[:cut]), got)
		}
		requirePartOf(t, byID(list), byID(got))
	}
}

func FuzzParseXM(f *testing.F) {
	f.Add(tableXM(f))
	f.Add("")
	f.Add("Name ID\nDomain-0 0 1 1 r----- 0.0")
	f.Fuzz(func(t *testing.T, table string) {
		if got, err := parseXM(table); err == nil {
			requireList(t, byID(got))
		}
	})
}
