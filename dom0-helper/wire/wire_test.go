package wire

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// hostile is what no name, identifier or line may be or hold. Each breaks one rule.
var hostile = map[string]string{
	"empty":              "",
	"option":             "-f",
	"long option":        "--force",
	"blank":              "node 1",
	"leading blank":      " node-1",
	"trailing blank":     "node-1 ",
	"tab":                "node-1\t",
	"carriage return":    "node-1\r",
	"line end":           "node-1\n",
	"second line":        "node-1\nnode-2",
	"NUL":                "node-1\x00",
	"escape":             "node-1\x1b[2J",
	"delete":             "node-1\x7f",
	"quote":              "node'1",
	"double quote":       `node"1`,
	"backslash":          `node\1`,
	"variable":           "$HOME",
	"substitution":       "$(id)",
	"backquote":          "`id`",
	"semicolon":          "node-1;id",
	"ampersand":          "node-1&id",
	"pipe":               "node-1|id",
	"redirection":        "node-1>x",
	"glob":               "node-*",
	"class":              "node-[1]",
	"brace":              "{node-1}",
	"home":               "~root",
	"comment":            "node#1",
	"path":               "a/b",
	"upwards":            "../x",
	"upwards alone":      "..",
	"hyphen of UTF-8":    "node\u20101",
	"Cyrillic letter":    "n\u043ede-1",
	"full-width digit":   "node-\uff11",
	"zero-width space":   "node-1\u200b",
	"no-break space":     "node\u00a01",
	"combining mark":     "e\u0301",
	"byte of no UTF-8":   "node-1\xff",
	"overlong encoding":  "node\xc0\xaf1",
	"right-to-left mark": "\u202enode-1",
}

func TestCheckGuest(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"n", "7", "0", "node-1", "node-10", "Node_1.example.org", "a--b", "node-1--", "x-", "a..b",
		"incoming", "node-1-incoming", "node--incoming-1", "Domain-1", "Domain-01", "Domain-0x",
		strings.Repeat("n", 63),
	} {
		if err := CheckGuest(name); err != nil {
			t.Errorf("CheckGuest(%q) = %v, want no error", name, err)
		}
	}
	refused := map[string]string{
		"too long":           strings.Repeat("n", 64),
		"colon":              "node:1",
		"at":                 "node@1",
		"percent":            "node%1",
		"comma":              "node-1,node-2",
		"leading dot":        ".node",
		"leading underscore": "_node",
		"migrating hither":   "node-1--incoming",
		"migrating away":     "node-1--migratedaway",
		"control domain":     "Domain-0",
		"in small letters":   "domain-0",
		"in capitals":        "DOMAIN-0",
		"in mixed letters":   "dOmAiN-0",
	}
	for what, name := range merge(hostile, refused) {
		if CheckGuest(name) == nil {
			t.Errorf("%s: CheckGuest(%q) = nil, want an error", what, name)
		}
	}
}

func TestCheckWord(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"1", "::1", "192.0.2.7", "2001:db8::7", "fe80::1%eth0", "admin@node-1", "node-1.4711", strings.Repeat("n", 128),
	} {
		if err := CheckWord(name); err != nil {
			t.Errorf("CheckWord(%q) = %v, want no error", name, err)
		}
	}
	refused := map[string]string{
		"too long":           strings.Repeat("n", 129),
		"comma":              "a,b",
		"equals":             "a=b",
		"hyphen alone":       "-",
		"leading dot":        ".a",
		"leading underscore": "_a",
		"leading at":         "@a",
	}
	for what, name := range merge(hostile, refused) {
		if CheckWord(name) == nil {
			t.Errorf("%s: CheckWord(%q) = nil, want an error", what, name)
		}
	}
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	longest := longRequest(MaxRequest)
	tests := map[string]Request{
		"dom0/1 state node-1 1":                    {Verb: State, Guests: []string{"node-1"}, ID: "1", Previous: true},
		"dom0/2 state node-1 1":                    {Verb: State, Guests: []string{"node-1"}, ID: "1"},
		"dom0/2 off node-1 host.4711":              {Verb: Off, Guests: []string{"node-1"}, ID: "host.4711"},
		"dom0/2 on node-10 ::1":                    {Verb: On, Guests: []string{"node-10"}, ID: "::1"},
		"dom0/2 check node-1 1":                    {Verb: Check, Guests: []string{"node-1"}, ID: "1"},
		"dom0/2 check node-1,node-10 1":            {Verb: Check, Guests: []string{"node-1", "node-10"}, ID: "1"},
		"dom0/2 list - 1":                          {Verb: List, ID: "1"},
		"dom0/2 list node-1,Node-1 1":              {Verb: List, Guests: []string{"node-1", "Node-1"}, ID: "1"},
		"dom0/2 off state off":                     {Verb: Off, Guests: []string{"state"}, ID: "off"},
		longest:                                    {Verb: List, Guests: strings.Split(strings.Fields(longest)[2], ","), ID: "1"},
		"dom0/2 off n " + strings.Repeat("i", 128): {Verb: Off, Guests: []string{"n"}, ID: strings.Repeat("i", 128)},
		"dom0/2 state node-1.example_a--b 1":       {Verb: State, Guests: []string{"node-1.example_a--b"}, ID: "1"},
	}
	testAccepted(t, ParseRequest, tests)
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing":                    "",
		"version alone":              "dom0/2",
		"no version":                 "off node-1 1",
		"old version":                "dom0/0 off node-1 1",
		"later version":              "dom0/3 off node-1 1",
		"version in capitals":        "DOM0/1 off node-1 1",
		"longer version":             "dom0/20 off node-1 1",
		"no id":                      "dom0/2 off node-1",
		"empty id":                   "dom0/2 off node-1 ",
		"id of an answer to nothing": "dom0/2 off node-1 -",
		"fifth word":                 "dom0/2 off node-1 1 --force",
		"blank before":               " dom0/2 off node-1 1",
		"blank behind":               "dom0/2 off node-1 1 ",
		"two blanks":                 "dom0/2 off  node-1 1",
		"two blanks and no id":       "dom0/2 off node-1  ",
		"tab for a blank":            "dom0/2 off\tnode-1 1",
		"line end":                   "dom0/2 off node-1 1\n",
		"second request":             "dom0/2 off node-1 1\ndom0/2 off node-2 1",
		"carriage return":            "dom0/2 off node-1 1\r",
		"unknown verb":               "dom0/2 destroy node-1 1",
		"verb in capitals":           "dom0/2 OFF node-1 1",
		"empty verb":                 "dom0/2  node-1 1",
		"option for a verb":          "dom0/2 --help node-1 1",
		"off of none":                "dom0/2 off - 1",
		"on of none":                 "dom0/2 on - 1",
		"state of none":              "dom0/2 state - 1",
		"check of none":              "dom0/2 check - 1",
		"off of two":                 "dom0/2 off node-1,node-2 1",
		"on of two":                  "dom0/2 on node-1,node-2 1",
		"state of two":               "dom0/2 state node-1,node-2 1",
		"none among several":         "dom0/2 list node-1,-,node-2 1",
		"guest named twice":          "dom0/2 list node-1,node-2,node-1 1",
		"comma at the end":           "dom0/2 list node-1, 1",
		"comma at the beginning":     "dom0/2 list ,node-1 1",
		"comma alone":                "dom0/2 list , 1",
		"control domain":             "dom0/2 off Domain-0 1",
		"control domain among some":  "dom0/2 check node-1,domain-0 1",
		"guest that migrates":        "dom0/2 off node-1--incoming 1",
		"one byte too long":          longRequest(MaxRequest + 1),
		"far too long":               strings.Repeat("dom0/2 off node-1 1 ", 1<<16),
	}
	for what, text := range hostile {
		tests["guest: "+what] = "dom0/2 off " + text + " 1"
		tests["one of several guests: "+what] = "dom0/2 list node-7," + text + " 1"
		tests["id: "+what] = "dom0/2 off node-1 " + text
		tests["verb: "+what] = "dom0/2 " + text + " node-1 1"
		tests["version: "+what] = text + " off node-1 1"
		tests["line: "+what] = text
	}
	testRefused(t, ParseRequest, tests)
}

func FuzzParseRequest(f *testing.F) {
	for _, line := range []string{
		"", "dom0/2 off node-1 1", "dom0/2 list - 1", "dom0/2 check node-1,node-10 ::1", "dom0/2 off -f 1",
		"dom0/2 state node-1 1\n", "dom0/2 off node-1;id 1", "dom0/2 on n\u00f6de 1", "dom0/2 list a,a 1",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseRequest(line)
		if err != nil {
			return
		}
		requireSame(t, line, r)
		requireHarmless(t, line)
		for _, guest := range r.Guests {
			if err := CheckGuest(guest); err != nil {
				t.Errorf("ParseRequest(%q) accepts a guest: %v", line, err)
			}
		}
	})
}

// testAccepted parses each line, and demands that it is written in the same way again.
func testAccepted[T fmt.Stringer](t *testing.T, parse func(string) (T, error), tests map[string]T) {
	t.Helper()
	for line, want := range tests {
		got, err := parse(line)
		if err != nil {
			t.Errorf("parse(%.80q): %v", line, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parse(%.80q) (-want +got):\n%s", line, diff)
		}
		requireSame(t, line, got)
	}
}

// testRefused demands an error for each line, and one that can be shown.
func testRefused[T any](t *testing.T, parse func(string) (T, error), tests map[string]string) {
	t.Helper()
	for what, line := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			got, err := parse(line)
			if err == nil {
				t.Fatalf("parse(%.80q) = %+v, want an error", line, got)
			}
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("parse(%.80q): the error %q holds a control character", line, err)
			}
		})
	}
}

// requireSame demands that what was accepted is written in exactly the same way.
func requireSame(t *testing.T, line string, parsed fmt.Stringer) {
	t.Helper()
	if diff := cmp.Diff(line, parsed.String()); diff != "" {
		t.Errorf("what was accepted is written otherwise (-read +written):\n%s", diff)
	}
}

// requireHarmless demands that a line holds nothing that means something to a shell or a terminal.
func requireHarmless(t *testing.T, line string) {
	t.Helper()
	requirePrintable(t, line)
	if i := strings.IndexAny(line, "'\"`$\\;&|<>(){}[]*?!~#^="); i >= 0 {
		t.Errorf("line %q holds %q", line, line[i])
	}
}

// requirePrintable demands of every byte that it is of ASCII and can be seen.
func requirePrintable(t *testing.T, line string) {
	t.Helper()
	if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Errorf("line %q holds the byte %#x", line, line[i])
	}
}

// longRequest returns a request of that many bytes, with a great many guests.
func longRequest(size int) string {
	line := "dom0/2 list node-0000"
	for i := 1; len(line)+len(",node-0000 1") <= size; i++ {
		line += fmt.Sprintf(",node-%04d", i)
	}
	return line + strings.Repeat("n", size-len(line)-len(" 1")) + " 1"
}

func merge(a, b map[string]string) map[string]string {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}
