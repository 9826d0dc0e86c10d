package rpc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer is an answer as xapi prints it: strings without a type, no white space.
func answer(members string) []byte {
	return []byte(`<?xml version="1.0"?><methodResponse><params><param><value><struct>` + members + `</struct></value></param></params></methodResponse>`)
}

func success(value string) []byte {
	return answer(member("Status", "Success") + member("Value", value))
}

func failure(words ...string) []byte {
	return answer(member("Status", "Failure") + member("ErrorDescription",
		"<array><data><value>"+strings.Join(words, "</value><value>")+"</value></data></array>"))
}

func member(name, value string) string {
	return "<member><name>" + name + "</name><value>" + value + "</value></member>"
}

// A record of a virtual machine as a xapi of 2026 printed it. It has 16 empty
// strings; the decoder alone loses what follows each of them, without an error.
func TestRealRecord(t *testing.T) {
	text, err := os.ReadFile("testdata/vm_record.xml")
	if err != nil {
		t.Fatal(err)
	}
	type record struct {
		UUID        string            `xmlrpc:"uuid"`
		Name        string            `xmlrpc:"name_label"`
		Description string            `xmlrpc:"name_description"`
		Power       string            `xmlrpc:"power_state"`
		Resident    string            `xmlrpc:"resident_on"`
		Template    *bool             `xmlrpc:"is_a_template"`
		Control     *bool             `xmlrpc:"is_control_domain"`
		Absent      *bool             `xmlrpc:"is_absent"`
		Blocked     map[string]string `xmlrpc:"blocked_operations"`
		Allowed     []string          `xmlrpc:"allowed_operations"`
		Secureboot  string            `xmlrpc:"secureboot_certificates_state"` // the last one
	}
	got, err := Decode[record](text)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := record{
		UUID: "8459d6e9-5c74-cd62-3f89-a06c8344c145", Name: "node1", Power: "Halted", Resident: "OpaqueRef:NULL",
		Template: &no, Control: &no, Blocked: map[string]string{}, Secureboot: "ok",
		Allowed: strings.Fields("create_vtpm destroy metadata_export export make_into_template changing_NVRAM changing_shadow_memory " +
			"changing_static_range changing_dynamic_range migrate_send start_on start copy clone snapshot"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestDecodeString(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"untyped", "OpaqueRef:1", "OpaqueRef:1"},
		{"typed", "<string>OpaqueRef:1</string>", "OpaqueRef:1"},
		{"nothing", "", ""},
		{"typed nothing", "<string></string>", ""},
		{"empty element", "<string/>", ""},
		{"blanks", "  ", "  "},
		{"blanks around", "  a b  ", "  a b  "},
		{"lines", "a\nb", "a\nb"},
		{"entities", "a &lt;b&gt; &amp; &quot;c&quot; é", `a <b> & "c" é`},
		{"CDATA", "<![CDATA[<b>]]>", "<b>"},
		{"a comment in it", "a<!-- x -->b", "ab"},
		{"what looks like a fault", "&lt;fault&gt;x&lt;/fault&gt;", "<fault>x</fault>"},
		{"no date", "<string>20261121T04:33:04Z</string>", "20261121T04:33:04Z"},
	}
	for _, tt := range tests {
		if got, err := Decode[string](success(tt.value)); err != nil || got != tt.want {
			t.Errorf("%s: Decode(%q) = %q, %v, want %q", tt.name, tt.value, got, err, tt.want)
		}
	}
}

func TestDecodeFailure(t *testing.T) {
	_, err := Decode[string](failure("VM_BAD_POWER_STATE", "", "paused, suspended, running", "halted"))
	var got *Failure
	if !errors.As(err, &got) {
		t.Fatalf("err = %v, want a Failure", err)
	}
	want := &Failure{"VM_BAD_POWER_STATE", []string{"", "paused, suspended, running", "halted"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failure (-want +got):\n%s", diff)
	}
	if got.Arg(2) != "halted" || got.Arg(3) != "" {
		t.Errorf("Arg(2), Arg(3) = %q, %q", got.Arg(2), got.Arg(3))
	}
	const text = `VM_BAD_POWER_STATE("", "paused, suspended, running", "halted")`
	if got.Error() != text {
		t.Errorf("Error() = %s, want %s", got, text)
	}
}

func TestFailureError(t *testing.T) {
	if got := (&Failure{Code: "HOST_STILL_BOOTING"}).Error(); got != "HOST_STILL_BOOTING" {
		t.Errorf("Error() = %s", got)
	}
	if got := (&Failure{"INTERNAL_ERROR", []string{strings.Repeat("x", 5000)}}).Error(); len(got) > 250 {
		t.Errorf("Error() has %d bytes", len(got))
	}
}

// Names of members are kept as they are: two that differ in case are two.
func TestNamesKeepTheirCase(t *testing.T) {
	got, err := Decode[map[string]string](success("<struct>" + member("a", "1") + member("A", "2") + "</struct>"))
	if diff := cmp.Diff(map[string]string{"a": "1", "A": "2"}, got); err != nil || diff != "" {
		t.Errorf("Decode: %v (-want +got):\n%s", err, diff)
	}
}

// What is nil has the zero value.
func TestNil(t *testing.T) {
	if got, err := Decode[string](success("<nil/>")); got != "" || err != nil {
		t.Errorf("Decode = %q, %v", got, err)
	}
}

// What is not a whole answer has no value, and no failure either.
func TestDecodeRefuses(t *testing.T) {
	whole := string(success("Halted"))
	tests := []struct{ name, answer, says string }{
		{"nothing", "", "unexpected EOF"},
		{"HTML", "<html><body><h1>HTTP 500 internal server error</h1></body></html>", "<html> within <>"},
		{"half", whole[:len(whole)/2], "not XML-RPC"},
		{"all but the end", strings.TrimSuffix(whole, "</methodResponse>"), "not XML-RPC"},
		{"more than one", whole + whole, "not XML-RPC"},
		{"text behind it", whole + "x", "behind the answer"},
		{"document type", "<!DOCTYPE a [<!ENTITY b 'c'>]>" + whole, "document type"},
		{"unknown entity", string(success("&b;")), "not XML-RPC"},
		{"no status", string(answer(member("Value", "Halted"))), "no status"},
		{"empty status", string(answer(member("Status", "") + member("Value", "Halted"))), "no status"},
		{"other status", string(answer(member("Status", "Pending") + member("Value", "Halted"))), "Pending"},
		{"failure without a word", string(answer(member("Status", "Failure") + member("Value", "Halted"))), "0 words"},
		{"failure with no list", string(answer(member("Status", "Failure") + member("ErrorDescription", "X"))), "another form"},
		{"two statuses", string(answer(member("Status", "Failure") + member("Status", "Success") + member("Value", "Halted"))), "two members"},
		{"value of another type", string(success("<boolean>1</boolean>")), "another form"},
		{"value that is a struct", string(success("<struct></struct>")), "another form"},
		{"fault", `<methodResponse><fault><value><struct>` + member("faultCode", "<int>4</int>") + member("faultString", "no") + `</struct></value></fault></methodResponse>`, "Fault(4): no"},
		{"bare value", "<methodResponse><params><param><value>Halted</value></param></params></methodResponse>", "another form"},
		{"two values in one", string(success("<string>a</string><string>b</string>")), "a second <string>"},
		{"two types in one value", string(success("<string>a</string><boolean>1</boolean>")), "a second <boolean>"},
		{"parameters and a fault", strings.Replace(whole, "</params>", "</params><fault></fault>", 1), "a second <fault>"},
		{"two lists of parameters", strings.Replace(whole, "</params>", "</params><params></params>", 1), "a second <params>"},
		{"two parameters", strings.Replace(whole, "</param>", "</param><param><value>Running</value></param>", 1), "a second <param>"},
		{"two values of a parameter", strings.Replace(whole, "</param>", "<value>Running</value></param>", 1), "a second <value>"},
		{"two values of a fault", "<methodResponse><fault><value>a</value><value>b</value></fault></methodResponse>", "a second <value>"},
		{"two values of a member", string(answer("<member><name>Value</name><value>a</value><value>b</value></member>")), "a second <value>"},
		{"two names of a member", string(answer("<member><name>Status</name><name>Value</name><value>a</value></member>")), "a second <name>"},
		{"two lists in one array", string(success("<array><data></data><data></data></array>")), "a second <data>"},
		{"an error without the status Failure", string(answer(member("Status", "Pending") + member("ErrorDescription", "<array><data><value>X</value></data></array>"))), `status "Pending" and 1 words`},
		{"text beside the type", string(success("Running<string>Halted</string>")), `text "Running"`},
		{"text behind the type", string(success("<string>Halted</string>Running")), `text "Running"`},
		{"unknown type", string(success("<word>Halted</word>")), "<word> within <value>"},
		{"member without a name", string(answer("<member><value>x</value></member>")), "without a name"},
		{"member without a value", string(answer("<member><name>x</name></member>")), "without a value"},
		{"too deep", string(success(strings.Repeat("<array><data><value>", 100) + strings.Repeat("</value></data></array>", 100))), "within each other"},
	}
	for _, tt := range tests {
		got, err := Decode[string]([]byte(tt.answer))
		var failed *Failure
		if err == nil || errors.As(err, &failed) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: Decode = %q, %v, want an error with %q", tt.name, got, err, tt.says)
		}
		if got != "" {
			t.Errorf("%s: Decode returns %q beside the error", tt.name, got)
		}
	}
}

// Ten thousand levels would end the process in the decoder, which recurses.
func TestDepthIsBounded(t *testing.T) {
	deep := success(strings.Repeat("<array><data><value>", 100_000) + strings.Repeat("</value></data></array>", 100_000))
	if _, err := Normalise(deep); err == nil {
		t.Error("accepted")
	}
}

func TestEncode(t *testing.T) {
	got, err := Encode("VM.start", "OpaqueRef:<1>", false, true, "")
	const want = `<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>VM.start</methodName><params>` +
		`<param><value><string>OpaqueRef:&lt;1&gt;</string></value></param><param><value><boolean>0</boolean></value></param>` +
		`<param><value><boolean>1</boolean></value></param><param><value><string></string></value></param></params></methodCall>`
	if err != nil || string(got) != want {
		t.Errorf("Encode = %s, %v\nwant %s", got, err, want)
	}
	if _, err := Encode("VM.start", "a\tb\r\nc"); err != nil {
		t.Errorf("Encode of white space: %v", err)
	}
	for _, bad := range []any{1, nil, "\x00", "a\x1b", "\xff", "\uFFFE", "\uFFFF", []string{"a"}} {
		if _, err := Encode("VM.start", bad); err == nil {
			t.Errorf("Encode(%q) is accepted", bad)
		}
	}
}

// leaves returns the texts of all values without another value in them.
func leaves(t *testing.T, text []byte) []string {
	type value struct {
		text   string
		inside bool
	}
	var all []string
	var open []value
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		switch tok := token.(type) {
		case xml.StartElement:
			if tok.Name.Local == "value" {
				for i := range open {
					open[i].inside = true
				}
				open = append(open, value{})
			}
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(tok)
			}
		case xml.EndElement:
			if tok.Name.Local == "value" {
				if v := open[len(open)-1]; !v.inside {
					all = append(all, v.text)
				}
				open = open[:len(open)-1]
			}
		}
	}
}

func FuzzNormalise(f *testing.F) {
	record, err := os.ReadFile("testdata/vm_record.xml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	f.Add(success(""))
	f.Add(success("  a  "))
	f.Add(success("<array><data><value>a</value><value></value><value><boolean>1</boolean></value><value><nil/></value></data></array>"))
	f.Add(failure("HOST_IS_SLAVE", ""))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := Normalise(text)
		if err != nil {
			return
		}
		twice, err := Normalise(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q, and that %q, %v", text, once, twice, err)
		}
		if bytes.Contains(once, []byte("<value></value>")) {
			t.Errorf("%q becomes %q, with a value that has no type", text, once)
		}
		if isPlain := !bytes.Contains(text, []byte("<struct")) && !bytes.Contains(text, []byte("<array")); isPlain {
			if before, after := leaves(t, text), leaves(t, once); !slices.Equal(before, after) {
				t.Errorf("%q has the values %q, and %q then", text, before, after)
			}
		}
	})
}

// Whatever an answer is, decoding ends, and an error has no value.
func FuzzDecode(f *testing.F) {
	f.Add(success("Halted"))
	f.Add(success("<struct>" + member("a", "") + member("uuid", "<boolean>1</boolean>") + "</struct>"))
	f.Add(failure("X", "", "y"))
	f.Add([]byte("<methodResponse><fault><value/></fault></methodResponse>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if value, err := Decode[string](text); err != nil && value != "" {
			t.Errorf("Decode(%q) = %q, %v", text, value, err)
		}
		_, _ = Decode[map[string]struct{ UUID *bool }](text)
		_, _ = Decode[[]string](text)
	})
}
