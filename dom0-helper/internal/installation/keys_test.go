package installation

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/gateline"
)

// blobOf is a key's blob with that type in it.
func blobOf(kind string) string {
	return base64.StdEncoding.EncodeToString(append([]byte{0, 0, 0, byte(len(kind))}, kind+"the key itself"...))
}

var (
	ed25519 = "ssh-ed25519 " + blobOf("ssh-ed25519")
	rsa     = "ssh-rsa " + blobOf("ssh-rsa")
)

func option(name string) keyOption        { return keyOption{name: name} }
func valued(name, value string) keyOption { return keyOption{name, value, true} }
func keyOf(text, comment string) publicKey {
	p, _ := parsePublicKey(text)
	p.comment = comment
	return p
}

func TestParseKeyLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want keyLine
	}{
		{ed25519, keyLine{key: keyOf(ed25519, "")}},
		{ed25519 + " me@here and there", keyLine{key: keyOf(ed25519, "me@here and there")}},
		{strings.Replace(ed25519, " AAAA", " AA\rAA", 1), keyLine{key: keyOf(ed25519, "")}},
		{"restrict " + rsa, keyLine{options: []keyOption{option("restrict")}, key: keyOf(rsa, "")}},
		{"ReStrict\t \t" + rsa, keyLine{options: []keyOption{option("restrict")}, key: keyOf(rsa, "")}},
		{
			`no-pty,command="a b,c \"d e\" \f" ` + ed25519 + " x",
			keyLine{options: []keyOption{option("no-pty"), valued("command", `a b,c "d e" \f`)}, key: keyOf(ed25519, "x")},
		},
		{
			`from="*.example,!1.2.3.4",environment="A=\" ssh-rsa AAAA",restrict ` + ed25519,
			keyLine{options: []keyOption{valued("from", "*.example,!1.2.3.4"), valued("environment", `A=" ssh-rsa AAAA`), option("restrict")}, key: keyOf(ed25519, "")},
		},
		{`command="" ` + ed25519, keyLine{options: []keyOption{valued("command", "")}, key: keyOf(ed25519, "")}},
	} {
		got, err := parseKeyLine(c.line)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(keyLine{}, publicKey{}, keyOption{}), cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("parseKeyLine(%q): %v (-want +got):\n%s", c.line, err, diff)
		}
	}
}

func TestParseKeyLineRefuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"ssh-ed25519":                         "is not a public key",
		"ssh-ed25519 AAAA":                    "is not a public key",
		"ssh-rsa " + blobOf("ssh-ed25519"):    "is not a public key",
		"restrict restrict " + ed25519:        "is not a public key",
		`command="a ` + ed25519:               "missing quote",
		`command="a"b ` + ed25519:             `option command is followed by "b"`,
		`command="a\" ` + ed25519:             "missing quote",
		"restrict,,no-pty " + ed25519:         "is not an option",
		"restrict, no-pty " + ed25519:         "is not an option",
		"command=ls " + ed25519:               `option command is followed by "=ls"`,
		"1024 65537 1234567890 me":            "is not a public key",
		"-----BEGIN OPENSSH PRIVATE KEY-----": "is not a public key",
	} {
		_, err := parseKeyLine(line)
		requireError(t, "parseKeyLine("+line+")", err, want)
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	keys, odd := parseKeys("# " + rsa + "\n\n  \t" + ed25519 + "\r\nnonsense\nrestrict " + rsa)
	var numbers []int
	for _, k := range keys {
		numbers = append(numbers, k.number)
	}
	if diff := cmp.Diff([]int{3, 5}, numbers) + cmp.Diff([]int{4}, odd); diff != "" {
		t.Errorf("lines with keys, and odd lines (-want +got):\n%s", diff)
	}
}

func TestOnlyKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		ed25519 + " me\n":              "",
		"# mine\n" + ed25519 + "\n\n":  "",
		"":                             "0 public keys, want one",
		ed25519 + "\n" + rsa + "\n":    "2 public keys, want one",
		"restrict " + ed25519:          "the key has options before it",
		ed25519 + " a\x1b[2J":          "control characters",
		"nonsense secret":              "line 1 is not a public key",
		"PuTTY-User-Key-File-3: x":     "this is a private key",
		"-----BEGIN RSA PRIVATE KEY--": "this is a private key",
		"ssh-rsa-cert-v01@openssh.com " + blobOf("ssh-rsa-cert-v01@openssh.com"): "this is a certificate",
	} {
		_, err := onlyKey(text)
		requireError(t, "onlyKey("+text+")", err, want)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("onlyKey(%q): %v, which quotes the file", text, err)
		}
	}
}

func TestGateOfKey(t *testing.T) {
	t.Parallel()
	const helper = "/usr/local/sbin/dom0-helper"
	g := gateline.Options{Allow: []string{"a", "b"}, Client: "c", Sudo: "/opt/sudo", Policy: "/opt/policy"}
	request := KeyRequest{From: []string{"10.0.0.*", "::1"}}
	line := request.line(helper, g, keyOf(rsa, "me"))
	want := `restrict,from="10.0.0.*,::1",command="` + helper + ` gate --allow a,b --client c --sudo /opt/sudo --policy /opt/policy" ` + rsa + " me"
	if diff := cmp.Diff(want, line.String()); diff != "" {
		t.Errorf("the line of a key (-want +got):\n%s", diff)
	}
	read, err := parseKeyLine(line.String())
	if err != nil {
		t.Fatal(err)
	}
	path, got, ok, err := read.gate()
	if err != nil || !ok || path != helper || !got.Same(g) {
		t.Errorf("%s: gate %q %+v %t, want %+v", line, path, got, ok, g)
	}
	g.Allow = []string{"b", "a"}
	if !got.Same(g) {
		t.Error("the order of --allow counts")
	}
	for _, other := range []gateline.Options{{Allow: []string{"a"}, Client: "c"}, {Allow: []string{"a", "b"}, Client: "d"}, {Allow: []string{"a", "b"}, Client: "c", Policy: "/x"}} {
		if got.Same(other) {
			t.Errorf("%+v is the same as %+v", got, other)
		}
	}
}

// A line that the gate refuses lets nobody control anything, as much of it as can be read.
func TestGateThatRefuses(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"--client b --allow a,a", "--client b --allow a c", "--client b --allow a --root", "--client b"} {
		k, err := parseKeyLine(`command="/usr/local/sbin/dom0-helper gate ` + options + `" ` + ed25519)
		if err != nil {
			t.Fatal(err)
		}
		_, g, ok, err := k.gate()
		if diff := cmp.Diff(gateline.Options{}, g); !ok || err == nil || diff != "" {
			t.Errorf("%s: gate %t, error %v (-want +got):\n%s", options, ok, err, diff)
		}
	}
}

func TestNoGate(t *testing.T) {
	t.Parallel()
	for _, options := range []string{
		`restrict`, `command="/bin/sh"`, `command="/usr/local/sbin/dom0-helper root"`, `command="sudo dom0-helper gate"`,
		`command="/usr/local/sbin/dom0-helper gate --allow a --client b",command="/bin/sh"`,
	} {
		k, err := parseKeyLine(options + " " + ed25519)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok, _ := k.gate(); ok {
			t.Errorf("%s passes for the gate", options)
		}
	}
}

func TestKeyRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		request KeyRequest
		want    string
	}{
		{KeyRequest{Client: "c", Allow: []string{"a"}}, ""},
		{KeyRequest{Client: "c", Allow: []string{"a"}, From: []string{"*.example.com", "!10.0.0.?", "2001:db8::/32"}}, ""},
		{KeyRequest{Allow: []string{"a"}}, "--client is missing"},
		{KeyRequest{Client: `c" x`, Allow: []string{"a"}}, "is not an identifier"},
		{KeyRequest{Client: "c"}, "--allow is missing"},
		{KeyRequest{Client: "c", Allow: []string{"a"}, From: []string{""}}, "is not a pattern"},
		{KeyRequest{Client: "c", Allow: []string{"a"}, From: []string{"a b"}}, "is not a pattern"},
		{KeyRequest{Client: "c", Allow: []string{"a"}, From: []string{`a"`}}, "is not a pattern"},
		{KeyRequest{Client: "c", Allow: []string{"a"}, From: []string{"a\nb"}}, "is not a pattern"},
		{KeyRequest{Client: "c", Allow: []string{"a"}, From: []string{"!a", "!b"}}, "admits no address"},
	} {
		requireError(t, "validate", c.request.validate(), c.want)
	}
}

func TestWithoutGates(t *testing.T) {
	t.Parallel()
	gate := `restrict,command="/usr/local/sbin/dom0-helper gate --allow a --client b" `
	text := "# mine\n" + gate + rsa + "\n" + ed25519 + "\nodd\n" + gate + ed25519
	want := "# mine\n" + ed25519 + "\nodd\n"
	if diff := cmp.Diff(want, withoutGates(text)); diff != "" {
		t.Errorf("withoutGates (-want +got):\n%s", diff)
	}
}

// What is taken for a key is written again as a line that says the same.
func FuzzParseKeyLine(f *testing.F) {
	for _, line := range []string{
		ed25519, ed25519 + " a b", "restrict " + rsa, `no-pty,command="a,\"b c\"" ` + rsa + " x", `command="\\" ` + rsa,
		`from="a",from="b" ` + rsa, `a="\"" ` + ed25519, `a=" ` + ed25519, `command="dom0-helper gate --allow" ` + rsa,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "\n") {
			return
		}
		k, err := parseKeyLine(line)
		if err != nil {
			return
		}
		if !strings.Contains(line, k.key.kind) || len(k.options) == 0 && !strings.HasPrefix(line, k.key.kind) {
			t.Errorf("%q: the key %s is not the one of the line", line, k.key)
		}
		_, _, _, _ = k.gate() // it does not panic
		again, err := parseKeyLine(k.String())
		if diff := cmp.Diff(k, again, cmp.AllowUnexported(keyLine{}, publicKey{}, keyOption{})); err != nil || diff != "" {
			t.Errorf("%q is written as %q: %v (-first +again):\n%s", line, k.String(), err, diff)
		}
	})
}

// requireError demands an error that holds want, or none if want is empty.
func requireError(t *testing.T, call string, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("%s: no error, want %q", call, want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: error %q, want %q", call, err, want)
	}
}
