package main

import (
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

const (
	uuidA = "8459d6e9-5c74-cd62-3f89-a06c8344c145"
	uuidB = "1b4f5c1e-0000-4000-8000-a06c8344c146"
)

// A text and what a Value makes of it: its String, or a part of the error.
func TestValues(t *testing.T) {
	pin := strings.Repeat("0a", 32)
	tests := []struct {
		value      stonith.Value
		text, want string
		bad        bool
	}{
		{value: new(addresses), text: "xen-a, xen-b;XEN-C  192.0.2.1", want: "xen-a xen-b xen-c 192.0.2.1"},
		{value: new(addresses), text: "xen-a:8443 xen-a:443", want: "xen-a:8443 xen-a"},
		{value: new(addresses), text: "fd00::1 [fd00::2] [fd00:0::3]:8443", want: "fd00::1 fd00::2 [fd00::3]:8443"},
		{value: new(addresses), text: " , ;", want: "names no member", bad: true},
		{value: new(addresses), text: "xen-a XEN-A:443", want: "xen-a is listed twice", bad: true},
		{value: new(addresses), text: "fd00::1 [fd00:0::1]", want: "fd00::1 is listed twice", bad: true},
		{value: new(addresses), text: "xen-a:https", want: `"https" is not a port`, bad: true},
		{value: new(addresses), text: "xen-a:0", want: `"0" is not a port`, bad: true},
		{value: new(addresses), text: "xen-a:65536", want: `"65536" is not a port`, bad: true},
		{value: new(addresses), text: "[xen-a]", want: "neither a host name nor an address", bad: true},
		{value: new(addresses), text: "fe80::1%eth0", want: "has a zone", bad: true},
		{value: new(addresses), text: "-oX root@xen-a", want: `"-oX" is neither a host name nor an address` + "\n" + `"xen-a" has a user before it`, bad: true},
		{value: new(addresses), text: "https://xen-a HTTPS://xen-b:8443/ https://[fd00::1]:8443/RPC2", want: "xen-a xen-b:8443 [fd00::1]:8443"},
		{value: new(addresses), text: "xen-a https://XEN-A:443/", want: "xen-a is listed twice", bad: true},
		{value: new(addresses), text: "xen-a http://192.0.2.1:80", want: `"http://192.0.2.1:80" is not a URL of the form https://`, bad: true},
		{value: new(addresses), text: "https://xen-a/pool", want: `"https://xen-a/pool" is not a URL of the form https://`, bad: true},
		{value: new(addresses), text: "https://xen-a/?pool=1", want: "is not a URL of the form https://", bad: true},
		{value: new(addresses), text: "https://xen-a:0/", want: `"0" is not a port`, bad: true},
		{value: new(addresses), text: "https://root@xen-a/", want: "neither an address nor a URL of one", bad: true},
		{value: new(addresses), text: "xen-a/", want: "neither an address nor a URL of one", bad: true},
		{value: new(boolean), text: "TRUE", want: "true"},
		{value: new(boolean), text: "off", want: "false"},
		{value: new(boolean), text: "perhaps", want: `"perhaps" is neither true nor false`, bad: true},
		{value: new(uuidValue), text: strings.ToUpper(uuidA), want: uuidA},
		{value: new(uuidValue), text: uuidA + "0", want: "is not a UUID", bad: true},
		{value: newUUIDs(), text: "node-2=" + uuidB + ", Node-1=" + uuidA, want: "node-1=" + uuidA + " node-2=" + uuidB},
		{value: newUUIDs(), text: "node-1=" + uuidA + " NODE-1=" + uuidB, want: `node "node-1" is listed twice`, bad: true},
		{value: newUUIDs(), text: "node-1 =" + uuidA, want: `"node-1" is not of the form node=uuid; "=` + uuidA + `" is not`, bad: true},
		{value: new(fingerprints), text: pin, want: strings.TrimSuffix(strings.Repeat("0A:", 32), ":")},
		{value: new(fingerprints), text: strings.TrimSuffix(strings.Repeat("0A:", 32), ":"), want: strings.TrimSuffix(strings.Repeat("0A:", 32), ":")},
		{value: new(fingerprints), text: pin + "00", want: "is not a SHA-256 fingerprint", bad: true},
		{value: new(fingerprints), text: strings.Repeat("0g", 32), want: "is not a SHA-256 fingerprint", bad: true},
		{value: new(line), text: "root", want: "root"},
		{value: new(line), text: "ro\x00ot", want: "a character that XML cannot carry", bad: true},
		{value: new(stonith.Secret), text: "s3cr3t", want: ""},
	}
	for _, tt := range tests {
		err := tt.value.Set(tt.text)
		switch {
		case tt.bad && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%T.Set(%q) = %v, want an error with %q", tt.value, tt.text, err, tt.want)
		case !tt.bad && (err != nil || tt.value.String() != tt.want):
			t.Errorf("%T.Set(%q) = %v, and is %q, want %q", tt.value, tt.text, err, tt.value.String(), tt.want)
		}
	}
}

func newUUIDs() *stonith.PerNode { return &newConfig().guestUUIDs }

func TestURLOfAddress(t *testing.T) {
	tests := []struct{ text, want string }{
		{"xen-a", "https://xen-a:443/"}, {"192.0.2.1:8443", "https://192.0.2.1:8443/"}, {"fd00::1", "https://[fd00::1]:443/"},
	}
	for _, tt := range tests {
		a, err := parseAddress(tt.text, httpsPort)
		if err != nil || a.url() != tt.want {
			t.Errorf("parseAddress(%q) = %s, %v, want %s", tt.text, a.url(), err, tt.want)
		}
	}
}

func TestCheckGuest(t *testing.T) {
	for _, name := range []string{"a\x00b", "a\nb", "\xff"} {
		if checkGuest(name) == nil {
			t.Errorf("checkGuest(%q) accepts it", name)
		}
	}
	for _, name := range []string{"web:1", "Übung", "web's", uuidA} {
		if err := checkGuest(name); err != nil {
			t.Errorf("checkGuest(%q) = %v", name, err)
		}
	}
}
