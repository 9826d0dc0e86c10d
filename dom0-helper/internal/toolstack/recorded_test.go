package toolstack

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// A recording is a command that ran on a real host with Xen 4.17, and what it did.
type recording struct {
	N      int
	Cmd    string
	Stdout string
	Stderr string
	Exit   int
}

// recordings reads a file of testdata/xen-4.17: a session, one recording a line.
func recordings(t testing.TB, session string) []recording {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "xen-4.17", session+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	for line := range strings.Lines(string(text)) {
		var r recording
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %.60q: %v", session, line, err)
		}
		all = append(all, r)
	}
	return all
}

// sessions are the names of all files of recordings.
func sessions(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/xen-4.17/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".jsonl")
	}
	return files
}

// The headers of `xl list` and `xl list -v`. Other tables begin with the former too.
const (
	plainHeader   = "Name                                        ID   Mem VCPUs\tState\tTime(s)"
	verboseHeader = plainHeader + "   UUID                            Reason-Code\tSecurity Label"
)

// plainEnd is the end of a row of `xl list`, with the domain's id and marks.
var plainEnd = regexp.MustCompile(` (\d+) +\d+ +\d+ {5}(\S{6}) +\d+\.\d$`)

// lists returns each whole table that a command printed.
func (r recording) lists() (tables []string) {
	single := !strings.ContainsAny(r.Cmd, ";|&")
	at := -1 // the table that the line belongs to
	for line := range strings.Lines(r.Stdout) {
		switch {
		case strings.HasPrefix(line, plainHeader):
			tables = append(tables, line)
			at = len(tables) - 1
		case at >= 0 && (single || plainEnd.MatchString(strings.TrimSpace(line))):
			tables[at] += line
		default:
			at = -1 // the output of another command
		}
	}
	return tables
}

// widened makes the output of `xl list` that of `xl list -v`, as it would have been.
func widened(plain string) string {
	table := strings.Replace(plain, plainHeader, verboseHeader, 1)
	var b strings.Builder
	for line := range strings.Lines(table) {
		row := strings.TrimSuffix(line, "\n")
		if end := plainEnd.FindStringSubmatch(row); end != nil {
			id, _ := strconv.Atoi(end[1])
			row += " " + madeUUID(id) + "        -                -"
		}
		b.WriteString(row + "\n")
	}
	return b.String()
}

// madeUUID is the UUID that widened gives to a domain.
func madeUUID(id int) string {
	if id == 0 {
		return "00000000-0000-0000-0000-000000000000"
	}
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", id, id)
}

// asLong makes an output of `xl list -l` of the names that it printed, for the domains of a table.
func asLong(t testing.TB, names, table string) string {
	t.Helper()
	domains, err := parseTable(table)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(names), "\n")
	ids := slices.Sorted(maps.Keys(domains))
	if len(lines) != len(ids) {
		t.Fatalf("%d names of %d domains", len(lines), len(ids))
	}
	var entries []string
	for i, line := range lines {
		uuid := madeUUID(ids[i])
		if ids[i] == 0 {
			uuid = "" // xl shows none
		}
		entries = append(entries, fmt.Sprintf(`{"domid": %d, "config": {"c_info": {%s, "uuid": %q}}}`,
			ids[i], strings.TrimSuffix(strings.TrimSpace(line), ","), uuid))
	}
	return "[\n" + strings.Join(entries, ",\n") + "\n]\n"
}

// outcome tells what a parser made of an output, a domain a line.
func outcome(domains map[int]Domain, err error) string {
	if err != nil {
		return "\trefused: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(domains)) {
		d := domains[id]
		name, uuid, stopped := "nameless", "without UUID", ""
		if d.Name != "" {
			name = strconv.Quote(d.Name)
		}
		if d.UUID != "" {
			uuid = d.UUID
		}
		if d.Stopped {
			stopped = " stopped"
		}
		fmt.Fprintf(&b, "\t%d %s %s%s\n", d.ID, name, uuid, stopped)
	}
	return b.String()
}

// understood tells all that this package makes of what a command did.
func (r recording) understood(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, table := range r.lists() {
		header, _, _ := strings.Cut(table, "\n")
		if header == verboseHeader {
			b.WriteString("   table\n" + outcome(parseTable(table)))
			continue
		}
		if got, err := parseTable(table); err == nil || !strings.Contains(err.Error(), "is not a table of domains") {
			t.Errorf("%d: %s: a table without UUIDs: %v, %v", r.N, r.Cmd, got, err)
		}
		if header == plainHeader {
			b.WriteString("   table, if it had UUIDs\n" + outcome(parseTable(widened(table))))
		}
	}
	if strings.HasPrefix(r.Cmd, "xl list -l") && !strings.Contains(r.Cmd, "|") {
		b.WriteString("   long list\n" + outcome(parseLong([]byte(r.Stdout))))
	}
	if r.Exit != 0 && r.Stderr != "" {
		fmt.Fprintf(&b, "   exit %d\n\t%s\n", r.Exit, cause(r.Stderr))
	}
	if b.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("%d: %s\n", r.N, r.Cmd) + b.String()
}

// What is made of each recorded list, and which line of each recorded error is
// kept, is in the golden files.
func TestRecorded(t *testing.T) {
	t.Parallel()
	for _, session := range sessions(t) {
		t.Run(session, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			for _, r := range recordings(t, session) {
				b.WriteString(r.understood(t))
			}
			requireGolden(t, filepath.Join("testdata", "xen-4.17", session+".golden"), b.String())
		})
	}
}

func requireGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// Each row of a recorded table is a domain, and each domain a row: none is lost, none made up.
func TestRecordedRows(t *testing.T) {
	t.Parallel()
	marks := map[string]bool{}
	for _, session := range sessions(t) {
		for _, r := range recordings(t, session) {
			for _, table := range r.lists() {
				if !strings.HasPrefix(table, plainHeader+"\n") {
					continue
				}
				want := map[int]bool{}
				for line := range strings.Lines(table) {
					if end := plainEnd.FindStringSubmatch(strings.TrimSuffix(line, "\n")); end != nil {
						id, _ := strconv.Atoi(end[1])
						want[id] = strings.Contains(end[2], "s")
						marks[end[2]] = true
					}
				}
				requireRows(t, session+": "+r.Cmd, widened(table), want)
			}
		}
	}
	for _, mark := range []string{"r-----", "-b----", "------", "--p---", "---s--", "---sc-", "---sr-", "---sw-", "--psc-", "-bp--d"} {
		if !marks[mark] {
			t.Errorf("no recording has the marks %s", mark)
		}
	}
}

// requireRows demands that a table has these domains, and which of them are stopped.
func requireRows(t *testing.T, what, table string, want map[int]bool) {
	t.Helper()
	domains, err := parseTable(table)
	if _, ok := want[0]; !ok {
		if err == nil {
			t.Errorf("%s: a table without the control domain is accepted", what)
		}
		return
	}
	got := map[int]bool{}
	for id, d := range domains {
		got[id] = d.Stopped
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s: error %v, ids and whether stopped (-want +got):\n%s", what, err, diff)
	}
}
