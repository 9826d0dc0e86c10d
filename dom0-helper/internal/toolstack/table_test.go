package toolstack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTable(t *testing.T) {
	t.Parallel()
	const zero = "00000000-0000-0000-0000-000000000000"
	tests := []struct {
		file string
		want []Domain
	}{
		{tableAlone, []Domain{{0, "Domain-0", zero, false, false, false}}},
		{tableGuests, []Domain{
			{0, "Domain-0", zero, false, false, false},
			{16, "alpha", "9e8b58c8-81e2-4411-b8fc-f2ab88b5627c", false, false, false},
			{17, "beta", "d3343abe-9deb-4e93-84ea-4371cc9bdd1e", false, false, false},
		}},
		{tableDying, []Domain{{0, "Domain-0", zero, false, false, false}, {29, "", "fef5fff0-4802-4a8f-8617-d615be2c0604", false, true, true}}},
		{tableStates, []Domain{
			{0, "Domain-0", zero, false, false, false},
			{16, "alpha", madeUUID(16), false, false, false},
			{17, "beta", madeUUID(17), false, false, false},
			{18, "spin", madeUUID(18), false, false, true},
			{19, "born-paused", madeUUID(19), false, false, true},
			{20, "crashed-kept", madeUUID(20), true, false, false},
			{21, "faulted-kept", madeUUID(21), true, false, false},
			{22, "off-kept", madeUUID(22), true, false, false},
			{23, "wd-kept", madeUUID(23), true, false, false},
			{24, "rb-kept", madeUUID(24), true, false, false},
			{25, strings.Repeat("n", 39), madeUUID(25), false, false, false},
			{26, strings.Repeat("n", 40), madeUUID(26), false, false, false},
			{27, strings.Repeat("n", 41), madeUUID(27), false, false, false},
			{28, strings.Repeat("n", 80), madeUUID(28), false, false, false},
		}},
		{tableHostile, append(hostileDomains(zero)[:14], Domain{116, "", madeUUID(116), false, false, false})},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			got, err := parseTable(recorded(t, test.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(byID(test.want), got); diff != "" {
				t.Errorf("parseTable (-want +got):\n%s", diff)
			}
		})
	}
}

// All marks that xl 4.17 can print, of which recordings show some only: whether
// it runs, is blocked, paused, shut down, why, dying.
func TestParseTableMarks(t *testing.T) {
	t.Parallel()
	alone := recorded(t, tableAlone)
	for _, marks := range []string{
		"r-----", "-b----", "------", "--p---", "-bp---", "-bp--d", "--p--d", "-----d", "?-----",
		"---s--", "---sr-", "---ss-", "---sc-", "---sw-", "---sS-", "---s?-", "--ps--", "--psc-", "--ps-d", "---sSd",
	} {
		row := fmt.Sprintf("%-40s %5d %5d %5d     %6s  %8.1f %s %8s %16s\n", "alpha", 7, 8, 1, marks, 0.0, madeUUID(7), "-", "-")
		want := Domain{7, "alpha", madeUUID(7), strings.Contains(marks, "s"), strings.HasSuffix(marks, "d"), strings.Contains(marks, "p")}
		got, err := parseTable(alone + row)
		if diff := cmp.Diff(want, got[7]); diff != "" || err != nil || len(got) != 2 {
			t.Errorf("%s: parseTable = %v, %v, (-want +got):\n%s", marks, got, err, diff)
		}
	}
}

// A row is read from its right end, so the rest of a table can only be lost
// where a row ends. There it is lost without a trace, as far as the domains
// are concerned that xl list -l does not have either, those without a name; but
// the control domain must be there, which xl puts first.
func TestParseTableCut(t *testing.T) {
	t.Parallel()
	rowEnd := strings.Repeat(" ", 16) + "-"
	for _, file := range []string{tableAlone, tableGuests, tableDying, tableStates, tableHostile} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			whole := recorded(t, file)
			all, err := parseTable(whole)
			if err != nil {
				t.Fatal(err)
			}
			for cut := range len(whole) {
				got, err := parseTable(whole[:cut])
				if err != nil {
					continue
				}
				rows := strings.Count(whole[:cut], rowEnd)
				if !strings.HasSuffix(strings.TrimSuffix(whole[:cut], "\n"), rowEnd) || rows != len(got) {
					t.Errorf("cut after %d bytes, %q: %d domains of %d rows are accepted", cut, tail(whole[:cut]), len(got), rows)
				}
				requirePartOf(t, all, got)
			}
		})
	}
}

func tail(text string) string { return text[max(0, len(text)-40):] }

// requirePartOf demands that what is known of a part of the output is true, and holds domain 0.
func requirePartOf(t *testing.T, all, part map[int]Domain) {
	t.Helper()
	if _, ok := part[0]; !ok {
		t.Error("a list without the control domain is accepted")
	}
	for id, d := range part {
		if diff := cmp.Diff(all[id], d); diff != "" {
			t.Errorf("domain %d of a part of the output (-whole +part):\n%s", id, diff)
		}
	}
}

func TestParseTableRefuses(t *testing.T) {
	t.Parallel()
	alone := recorded(t, tableAlone)
	header, row, _ := strings.Cut(alone, "\n")
	edit := func(old, replacement string) string { return strings.Replace(alone, old, replacement, 1) }
	tests := map[string]string{
		"nothing":                    "",
		"line end":                   "\n",
		"garbage":                    "xl: command not found\n",
		"binary":                     "\x00\xff\x7fELF",
		"header alone":               header + "\n",
		"header without its end":     header,
		"no header":                  row,
		"other header":               "ID Name UUID\n" + row,
		"table without UUIDs":        edit("UUID", "Uuid"),
		"line before":                "warning\n" + alone,
		"empty line behind":          alone + "\n",
		"line behind":                alone + "warning\n",
		"no control domain":          recorded(t, tableCrashed),
		"control domain has no id":   edit("  0   512", "      512"),
		"negative id":                edit("  0   512", " -1   512"),
		"id of no number":            edit("  0   512", " 0x0  512"),
		"huge id":                    edit("  0   512", " 99999999999999999999   512"),
		"control domain has no UUID": edit("00000000-0000-0000-0000-000000000000", "-"),
		"short UUID":                 edit("00000000-0000", "0000000-0000"),
		"tabs for blanks":            edit("     1     r-----", "\t1\tr-----"),
		"five states":                edit("r-----", "r----"),
		"seven states":               edit("r-----", "r------"),
		"no time":                    edit("80.5", ""),
		"carriage returns":           strings.ReplaceAll(alone, "\n", "\r\n"),
	}
	for what, table := range tests {
		if got, err := parseTable(table); err == nil {
			t.Errorf("%s: parseTable = %v, want an error", what, got)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	for _, session := range sessions(f) {
		for _, r := range recordings(f, session) {
			for _, table := range r.lists() {
				f.Add(widened(table))
			}
		}
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, table string) {
		got, err := parseTable(table)
		if err != nil {
			return
		}
		requireList(t, got)
		again, err := parseTable(writeTable(got))
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("written again: error %v, (-first +second):\n%s", err, diff)
		}
	})
}

// writeTable is the output of `xl list -v` with these domains.
func writeTable(domains map[int]Domain) string {
	var b strings.Builder
	b.WriteString(verboseHeader + "\n")
	for _, id := range slices.Sorted(maps.Keys(domains)) {
		d, marks := domains[id], "-b----"
		if d.Stopped {
			marks = "---s--"
		}
		if d.Paused {
			marks = marks[:2] + "p" + marks[3:]
		}
		if d.Dying {
			marks = marks[:5] + "d"
		}
		name := d.Name
		if name == "" {
			name = "(null)"
		}
		fmt.Fprintf(&b, "%-40s %5d %5d %5d     %6s  %8.1f %s %8s %16s\n", name, d.ID, 8, 1, marks, 0.0, d.UUID, "-", "-")
	}
	return b.String()
}

// requireList demands what holds for each list that is accepted.
func requireList(t *testing.T, domains map[int]Domain) {
	t.Helper()
	if _, ok := domains[0]; !ok {
		t.Error("a list without the control domain is accepted")
	}
	for id, d := range domains {
		if d.ID != id {
			t.Errorf("domain %d is under id %d", d.ID, id)
		}
	}
}
