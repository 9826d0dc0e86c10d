package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/xenapi/rpc"
)

// A boolean is a Value that is true or false, in the words that Pacemaker takes.
type boolean bool

// Set refuses other words.
func (b *boolean) Set(text string) (err error) {
	*(*bool)(b), err = stonith.ParseBool(text)
	return err
}

// String returns true or false.
func (b *boolean) String() string { return fmt.Sprint(bool(*b)) }

// Type is boolean.
func (b *boolean) Type() string { return "boolean" }

// A line is a Value with a text that XenAPI can be sent.
type line string

// Set refuses what XML cannot carry.
func (l *line) Set(text string) error {
	if !rpc.Carries(text) {
		return fmt.Errorf("has a character that XML cannot carry")
	}
	*l = line(text)
	return nil
}

// String returns the text.
func (l *line) String() string { return string(*l) }

// Type is string.
func (l *line) Type() string { return "string" }

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// asUUID returns text as xapi writes UUIDs.
func asUUID(text string) (uuid string, ok bool) {
	uuid = strings.ToLower(text)
	return uuid, uuidForm.MatchString(uuid)
}

// A uuidValue is a Value that takes a UUID.
type uuidValue string

// Set refuses what is no UUID.
func (u *uuidValue) Set(text string) error {
	uuid, ok := asUUID(text)
	if !ok {
		return fmt.Errorf("%q is not a UUID", text)
	}
	*u = uuidValue(uuid)
	return nil
}

// String returns the UUID.
func (u *uuidValue) String() string { return string(*u) }

// Type is string.
func (u *uuidValue) Type() string { return "string" }

// A fingerprint is the SHA-256 of a certificate.
type fingerprint [sha256.Size]byte

// String returns it as openssl x509 -fingerprint does.
func (f fingerprint) String() string {
	var x strings.Builder
	for i, b := range f {
		if i > 0 {
			x.WriteByte(':')
		}
		fmt.Fprintf(&x, "%02X", b)
	}
	return x.String()
}

// fingerprints is the Value of the parameter tls_pins.
type fingerprints []fingerprint

// Set parses fingerprints, separated by blanks, commas or semicolons: 64
// hexadecimal digits, with colons or without.
func (fs *fingerprints) Set(text string) error {
	for _, entry := range stonith.SplitList(text) {
		digits, err := hex.DecodeString(strings.ReplaceAll(entry, ":", ""))
		if err != nil || len(digits) != sha256.Size {
			return stonith.Errorf(stonith.BadConfig, "%q is not a SHA-256 fingerprint, want %d hexadecimal digits", entry, 2*sha256.Size).
				WithHint("openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint -sha256, on the member, prints it behind the =")
		}
		*fs = append(*fs, fingerprint(digits))
	}
	return nil
}

// String returns the fingerprints, separated by blanks.
func (fs *fingerprints) String() string {
	words := make([]string, len(*fs))
	for i, f := range *fs {
		words[i] = f.String()
	}
	return strings.Join(words, " ")
}

// Type is string.
func (fs *fingerprints) Type() string { return "string" }

// checkGuest says what is wrong with a guest's name-label or UUID in hostlist.
func checkGuest(name string) error {
	if !rpc.Carries(name) || strings.ContainsAny(name, "\t\r\n") {
		return fmt.Errorf("guest %q has a character that XML cannot carry", name)
	}
	return nil
}
