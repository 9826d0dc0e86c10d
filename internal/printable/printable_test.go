package printable

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, line, ascii string }{
		{"plain", "node-1: it's \"off\"", `node-1: it's "off"`, `node-1: it's "off"`},
		{"letters, marks and signs", "Größe 5 € e\u0301", "Größe 5 € e\u0301", `Gr\u00f6\u00dfe 5 \u20ac e\u0301`},
		{"lines", "\n a\nb \n", "a; b", "a; b"},
		{"C0", "\x00\t\r\x1b[2J", `\u0000\u0009\u000d\u001b[2J`, `\u0000\u0009\u000d\u001b[2J`},
		{"DEL", "a\x7f", `a\u007f`, `a\u007f`},
		{"C1: NEL, CSI, OSC", "a\u0085b\u009b2J\u009d", `a\u0085b\u009b2J\u009d`, `a\u0085b\u009b2J\u009d`},
		{"C1 as bytes that are no UTF-8", "\x9b2J\xff", `\x9b2J\xff`, `\x9b2J\xff`},
		{"overrides of direction", "\u202aa\u202ex\u202c", `\u202aa\u202ex\u202c`, `\u202aa\u202ex\u202c`},
		{"isolates of direction", "\u2066a\u2069\u200f\u061c", `\u2066a\u2069\u200f\u061c`, `\u2066a\u2069\u200f\u061c`},
		{"what is not seen", "a\u200bb\u2060\ufeff\u00ad", `a\u200bb\u2060\ufeff\u00ad`, `a\u200bb\u2060\ufeff\u00ad`},
		{"separators", "a\u2028b\u2029c\u00a0d", `a\u2028b\u2029c\u00a0d`, `a\u2028b\u2029c\u00a0d`},
		{"tags, beyond 16 bits", "a\U000e0041", `a\udb40\udc41`, `a\udb40\udc41`},
		{"private use", "\ue000", `\ue000`, `\ue000`},
		{"the sign for what was lost", "\ufffd", "\ufffd", `\ufffd`},
	} {
		if got := Line(tt.text); got != tt.line {
			t.Errorf("%s: Line(%q) = %q, want %q", tt.name, tt.text, got, tt.line)
		}
		if got := ASCII(tt.text); got != tt.ascii {
			t.Errorf("%s: ASCII(%q) = %q, want %q", tt.name, tt.text, got, tt.ascii)
		}
	}
}

// Whatever comes in, one printable line goes out, and a JSON text keeps its value.
func FuzzLine(f *testing.F) {
	f.Add("a\nb\x1b[0m\u2028\xff")
	f.Add("\u009b31;1m\u202e\x7f\U000e0001")
	f.Fuzz(func(t *testing.T, text string) {
		line := Line(text)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("Line(%q) = %q", text, line)
		}
		if ascii := ASCII(text); strings.ContainsFunc(ascii, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("ASCII(%q) = %q", text, ascii)
		}
		record, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal([]byte(Line(string(record))), &got); err != nil {
			t.Fatalf("the line of the JSON of %q: %v", text, err)
		}
		if want := strings.ToValidUTF8(text, "\ufffd"); utf8.ValidString(text) && got != want {
			t.Errorf("the line of the JSON of %q has the value %q", text, got)
		}
	})
}

func TestText(t *testing.T) {
	t.Parallel()
	if got, want := Text("one\u009b\n  two \u202e\n\tthree\n"), "one\\u009b\n  two \\u202e\nthree\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
