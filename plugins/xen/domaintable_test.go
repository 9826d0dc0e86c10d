package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func matches(t *testing.T, expression, text string) bool {
	t.Helper()
	return regexp.MustCompile(expression).MatchString(text)
}

const xlHeader = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"

func TestParseDomains(t *testing.T) {
	long := strings.Repeat("n", 60)
	zero := domainRow{"Domain-0", "0", "r-----"}
	tests := map[string]struct {
		table string
		want  []domainRow
	}{
		"alone":            {table2007(), []domainRow{zero}},
		"guests":           {table2007("node-1", "node-10"), []domainRow{zero, {"node-1", "3", "-b----"}, {"node-10", "4", "-b----"}}},
		"of xl":            {xlHeader + "Domain-0                                     0  1024     2     r-----      80.5\n", []domainRow{zero}},
		"of xm 3.0":        {strings.Replace(table2007(), " Mem", " Mem(MiB)", 1), []domainRow{zero}},
		"idle guests":      {table2007("a") + "node-10                        512     1                 0.0\nnode-11    512   1   ------   3.4\n", []domainRow{zero, {"a", "3", "-b----"}}},
		"long name":        {table2007(long), []domainRow{zero, {long, "3", "-b----"}}},
		"no name":          {table2007() + row2007("(null)", 7, "-bp--d"), []domainRow{zero, {"", "7", "-bp--d"}}},
		"empty name":       {table2007() + row2007("", 7, "-bp--d"), []domainRow{zero, {"", "7", "-bp--d"}}},
		"blanks in a name": {table2007("node 1", "-f", "node-1 9 512 1 r----- 1.0"), []domainRow{zero, {"node 1", "3", "-b----"}, {"-f", "4", "-b----"}, {"node-1 9 512 1 r----- 1.0", "5", "-b----"}}},
		"all reasons":      {table2007() + row2007("a", 1, "---sc-") + row2007("b", 2, "---sw-") + row2007("c", 3, "---sS-") + row2007("d", 4, "---s?d"), []domainRow{zero, {"a", "1", "---sc-"}, {"b", "2", "---sw-"}, {"c", "3", "---sS-"}, {"d", "4", "---s?d"}}},
	}
	for what, tt := range tests {
		got, err := parseDomains(tt.table)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(domainRow{})); diff != "" || err != nil {
			t.Errorf("%s: parseDomains(%q): %v (-want +got):\n%s", what, tt.table, err, diff)
		}
	}
}

func TestParseDomainsRefuses(t *testing.T) {
	alone := table2007()
	tests := map[string]string{
		"nothing":                   "",
		"line end":                  "\n",
		"garbage":                   "sh: 1: xm: not found\n",
		"binary":                    "\x00\xff\x7fELF",
		"header alone":              header2007,
		"no header":                 strings.TrimPrefix(alone, header2007),
		"other header":              "Name ID Mem State\n" + row2007("Domain-0", 0, "r-----"),
		"greeting":                  "Welcome\n" + alone,
		"empty line":                alone + "\n",
		"line behind":               alone + "done\n",
		"no end of the last line":   strings.TrimSuffix(alone, "\n"),
		"no control domain":         header2007 + row2007("node-1", 3, "-b----"),
		"control domain by id only": header2007 + row2007("node-1", 0, "-b----"),
		"control domain's name":     header2007 + row2007("Domain-0", 5, "-b----"),
		"idle control domain":       header2007 + "Domain-0   512   1   0.0\n",
		"an id twice":               table2007("node-1") + row2007("node-2", 3, "-b----"),
		"name of two lines":         table2007("a\nb"),
		"tab behind a name":         table2007("node-1\t"),
		"name ends in a tab":        table2007() + "node-1\t7 512 1 r----- 1.0\n",
		"carriage returns":          strings.ReplaceAll(alone, "\n", "\r\n"),
		"unknown marks":             alone + row2007("node-1", 7, "x-----"),
		"marks in another order":    alone + row2007("node-1", 7, "b-----"),
		"seven marks":               alone + row2007("node-1", 7, "-------"),
		"no marks":                  alone + "node-1  7  512  1  1.0\n",
		"no id, but runs":           alone + "node-1  512  1  r-----  1.0\n",
		"negative id":               alone + "node-1  -7  512  1  r-----  1.0\n",
		"no time":                   alone + "node-1  7  512  1  r-----\n",
		"more columns":              alone + "node-1  7  512  1  r-----  1.0  x\n",
	}
	for what, table := range tests {
		if got, err := parseDomains(table); err == nil {
			t.Errorf("%s: parseDomains(%q) = %v, want an error", what, table, got)
		}
	}
}

// A table that is cut can lose rows only where a row ends.
func TestParseDomainsCut(t *testing.T) {
	whole := table2007("node-1", "node 2", strings.Repeat("n", 50)) + "idle   512   1   0.0\n"
	for cut := range len(whole) {
		if got, err := parseDomains(whole[:cut]); err == nil && whole[cut-1] != '\n' {
			t.Errorf("cut after %d bytes: %v is accepted", cut, got)
		}
	}
}

// A guest's row is never missed, whatever stands around it.
func FuzzParseDomains(f *testing.F) {
	f.Add("", "")
	f.Add(row2007("node-2", 3, "-b----"), "node-10   512   1   0.0\n")
	f.Add("a\n", row2007("(null)", 7, "-bp--d"))
	f.Add("node-1 ", "")
	f.Fuzz(func(t *testing.T, before, behind string) {
		if before != "" && !strings.HasSuffix(before, "\n") {
			before += "\n"
		}
		rows, err := parseDomains(table2007() + before + row2007("node-1", 12345, "r-----") + behind)
		if err != nil {
			return
		}
		for _, r := range rows {
			if r.isGuest("node-1") && r.id == "12345" {
				return
			}
		}
		t.Errorf("the guest between %q and %q is not in %v", before, behind, rows)
	})
}

func TestIsGuest(t *testing.T) {
	for name, want := range map[string]bool{
		"node-1": true, "node-1--incoming": true, "node-1--migratedaway": true, "node-1-20261121T0507Z": true,
		"Zombie-node-1": true, "migrating-node-1": true,
		"node-10": false, "node": false, "xnode-1": false, "Node-1": false, "": false, "node-1-": false, "node-10--incoming": false,
	} {
		if got := (domainRow{name: name}).isGuest("node-1"); got != want {
			t.Errorf("domain %q is guest node-1: %v, want %v", name, got, want)
		}
	}
}
