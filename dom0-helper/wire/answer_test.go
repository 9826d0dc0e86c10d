package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAnswer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxAnswer-len("dom0/2 7 ok "))
	tests := map[string]Answer{
		"dom0/1 7 ok off":                          {ID: "7", Status: OK, Text: "off", Previous: true},
		"dom0/2 7 ok off":                          {ID: "7", Status: OK, Text: "off"},
		"dom0/2 7 ok node-1=on node-2=off":         {ID: "7", Status: OK, Text: "node-1=on node-2=off"},
		"dom0/2 7 ok -":                            {ID: "7", Status: OK, Text: "-"},
		"dom0/2 - refused bad-request no \"line\"": {ID: "-", Status: Refused, Reason: "bad-request", Text: "no \"line\""},
		"dom0/2 7 failed still-on $(id); a":        {ID: "7", Status: Failed, Reason: "still-on", Text: "$(id); a"},
		"dom0/2 7 failed a-b-c ok":                 {ID: "7", Status: Failed, Reason: "a-b-c", Text: "ok"},
		"dom0/2 7 ok bad-request a":                {ID: "7", Status: OK, Text: "bad-request a"},
		"dom0/2 7 ok " + long:                      {ID: "7", Status: OK, Text: long},
	}
	testAccepted(t, ParseAnswer, tests)
}

func TestParseAnswerRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing":              "",
		"no version":           "7 ok off",
		"wrong version":        "dom0/3 7 ok off",
		"longer version":       "dom0/20 7 ok off",
		"no id":                "dom0/2 ok off",
		"empty id":             "dom0/2  ok off",
		"option for an id":     "dom0/2 -7 ok off",
		"slash in an id":       "dom0/2 a/b ok off",
		"id too long":          "dom0/2 " + strings.Repeat("i", 129) + " ok off",
		"no text":              "dom0/2 7 ok",
		"empty text":           "dom0/2 7 ok ",
		"unknown status":       "dom0/2 7 okay off",
		"status in capitals":   "dom0/2 7 OK off",
		"no reason":            "dom0/2 7 failed",
		"reason without text":  "dom0/2 7 failed still-on",
		"empty text of reason": "dom0/2 7 failed still-on ",
		"reason in capitals":   "dom0/2 7 failed Still-On a",
		"reason with a digit":  "dom0/2 7 failed still-0n a",
		"reason ends in -":     "dom0/2 7 refused still- a",
		"reason begins with -": "dom0/2 7 refused -still a",
		"two - in a reason":    "dom0/2 7 refused still--on a",
		"blank before":         " dom0/2 7 ok off",
		"blank behind":         "dom0/2 7 ok off ",
		"two blanks":           "dom0/2 7 ok node-1=on  node-2=on",
		"two before the text":  "dom0/2 7 ok  off",
		"two after a reason":   "dom0/2 7 failed still-on  a",
		"line end":             "dom0/2 7 ok off\n",
		"carriage return":      "dom0/2 7 ok off\r",
		"second line":          "dom0/2 7 failed still-on a\ndom0/2 7 ok off",
		"line before":          "Warning: a\ndom0/2 7 ok off",
		"tab":                  "dom0/2 7 ok a\tb",
		"NUL":                  "dom0/2 7 ok off\x00",
		"escape":               "dom0/2 7 ok \x1b[2J",
		"delete":               "dom0/2 7 ok \x7f",
		"UTF-8":                "dom0/2 7 ok \u043eff",
		"no UTF-8":             "dom0/2 7 ok \xff",
		"one byte too long":    "dom0/2 7 ok " + strings.Repeat("x", MaxAnswer+1-len("dom0/2 7 ok ")),
	}
	testRefused(t, ParseAnswer, tests)
}

func TestPerGuest(t *testing.T) {
	t.Parallel()
	guests := []string{"node-10", "node-1", "n"}
	states := []string{"on", "off", "absent"}
	text := PerGuest(guests, func(guest string) string {
		return states[slices.Index(guests, guest)]
	})
	if diff := cmp.Diff("node-10=on node-1=off n=absent", text); diff != "" {
		t.Errorf("PerGuest (-want +got):\n%s", diff)
	}
	got, err := ParsePerGuest(guests, text)
	if diff := cmp.Diff(states, got); diff != "" || err != nil {
		t.Errorf("ParsePerGuest(%q): error %v, (-want +got):\n%s", text, err, diff)
	}
	for _, text := range []string{
		"", "-", "node-10=on", "node-10=on node-1=off", "node-10=on node-1=off n=absent x=on",
		"node-1=off node-10=on n=absent", "node-10=on node-1=off  n=absent", "node-10=on node-1=off n:absent",
		"node-10=on node-1=off n", "node-10=on node-1=off N=absent", "node-10=on node-10=off n=absent",
		"node-10=on node-1=off n=absent ", "node-10=on node-1 =off n=absent",
	} {
		if got, err := ParsePerGuest(guests, text); err == nil {
			t.Errorf("ParsePerGuest(%q) = %q, want an error", text, got)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	tests := []struct{ text, want string }{
		{"", "-"},
		{" ", "-"},
		{"\t\r\n", "-"},
		{"\u00e4\u00f6", `\u00e4\u00f6`},
		{"\xff", `\xff`},
		{"-", "-"},
		{"off", "off"},
		{"  a  b ", "a b"},
		{"a\nb", "a b"},
		{"a\r\n\tb", "a b"},
		{"a\x1b[2Jb", `a\u001b[2Jb`},
		{"gr\u00fc\u00dfe", `gr\u00fc\u00dfe`},
		{"a\u00a0b\u2028c", `a\u00a0b\u2028c`},
		{"a\x00b\x7fc", `a\u0000b\u007fc`},
		{"\u009b31m\u202e\u2066x", `\u009b31m\u202e\u2066x`},
		{`"$(id)"; \`, `"$(id)"; \`},
		{long, long},
		{long + "y", long},
		{long[1:] + " y", long[1:]},
		{strings.Repeat("\u00e4", 1000) + "a", strings.Repeat(`\u00e4`, 1000)[:1000]},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, Clean(test.text)); diff != "" {
			t.Errorf("Clean(%.80q) (-want +got):\n%s", test.text, diff)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, line := range []string{
		"", "dom0/2 7 ok off", "dom0/2 - refused bad-request a b", "dom0/2 7 failed still-on", "dom0/2 7 ok  off",
		"dom0/2 7 ok node-1=on node-2=off", "dom0/2 7 ok off\n", "dom0/2 7 refused ok ok",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		a, err := ParseAnswer(line)
		if err != nil {
			return
		}
		requireSame(t, line, a)
		requirePrintable(t, line)
		if (a.Reason == "") != (a.Status == OK) {
			t.Errorf("ParseAnswer(%q): status %s has reason %q", line, a.Status, a.Reason)
		}
	})
}

func FuzzClean(f *testing.F) {
	for _, text := range []string{"", "a\nb", "  ", "\xff\u00e4", "\x1b[2J", strings.Repeat("a ", 600), strings.Repeat("\u00e4x", 1000)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean := Clean(text)
		for _, want := range []Answer{
			{ID: "7", Status: OK, Text: clean},
			{ID: "-", Status: Refused, Reason: BadRequest, Text: clean},
		} {
			got, err := ParseAnswer(want.String())
			if err != nil {
				t.Fatalf("Clean(%q) = %q: %v", text, clean, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Clean(%q) (-want +got):\n%s", text, diff)
			}
		}
		if again := Clean(clean); again != clean {
			t.Errorf("Clean(%q) = %q, and Clean of that is %q", text, clean, again)
		}
	})
}

func TestNote(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("guest-with-a-name=known ", 100) + "x=known"
	tests := []struct{ result, note, want, wantNote string }{
		{Done, "", "done", ""},
		{Done, "image /a/b moved; to /a/.b\n", "done; image /a/b moved; to /a/.b", "image /a/b moved; to /a/.b"},
		{long, "a", long + "; a", "a"},
	}
	for _, test := range tests {
		text := WithNote(test.result, test.note)
		if diff := cmp.Diff(test.want, text); diff != "" {
			t.Errorf("WithNote(%.40q, %q) (-want +got):\n%s", test.result, test.note, diff)
		}
		if result, note := CutNote(text); result != test.result || note != test.wantNote {
			t.Errorf("CutNote(%.60q) = %.40q, %q, want %.40q, %q", text, result, note, test.result, test.wantNote)
		}
	}
}
