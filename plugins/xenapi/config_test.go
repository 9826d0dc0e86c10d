package main

import (
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// All mistakes are told at once, before any contact.
func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		params map[string]string
		says   []string
	}{
		{"a URL", map[string]string{"pool": "https://xen-a:8443"}, []string{
			`pool: "https://xen-a:8443" is a URL`, `hint: write pool="xen-a:8443", and the other members`,
		}},
		{"a URL with a password", map[string]string{"pool": "https://root:geheim@xen-a/"}, []string{"an entry with a slash is a URL", `hint: write the address alone`}},
		{"a login before a member", map[string]string{"pool": "root:geheim@xen-a xen-b"}, []string{`pool: "xen-a" has a user before it`}},
		{"several", map[string]string{"pool": "", "connect_timeout": "soon", "ca_file": "/nowhere", "passwd_file": "", "vm_uuid": "node-9=" + uuidA}, []string{
			"pool: not set", "connect_timeout:", "ca_file: open /nowhere", "0 of passwd, passwd_file", `vm_uuid: "node-9" is not a node of hostlist`,
		}},
		{"a CA file without certificates", map[string]string{"ca_file": "/etc/passwd"}, []string{"ca_file: /etc/passwd has no certificate in PEM form"}},
		{"two ways to trust", map[string]string{"tls_insecure": "true"}, []string{"ca_file, tls_pins and tls_insecure exclude each other"}},
		{"a pin that is none", map[string]string{"tls_pins": "abc"}, []string{`tls_pins: "abc" is not a SHA-256 fingerprint`, "hint: openssl x509"}},
		{"a user that is none", map[string]string{"user": "ro\x01ot"}, []string{"user: has a character that XML cannot carry"}},
		{"two nodes, one guest", map[string]string{"hostlist": "node-1:a node-2:a"}, []string{`nodes "node-1" and "node-2" are both guest "a"`}},
	}
	b := newBed(t, pool.Options{Members: 1})
	for _, tt := range tests {
		got := stonithtest.Run(t.Context(), b, "elsewhere", tt.params, "off", stonithtest.Node)
		for _, says := range tt.says {
			if got.Status != 1 || !strings.Contains(got.Stderr, says) {
				t.Errorf("%s: exit status %d, want 1 with %q; %s", tt.name, got.Status, says, got.Stderr)
			}
		}
		if strings.Contains(got.Stderr, "geheim") {
			t.Errorf("%s: it says the password: %s", tt.name, got.Stderr)
		}
	}
	if n := b.Contacts(); n != 0 {
		t.Errorf("%d calls reached the pool, want none", n)
	}
}

// Each way to trust a member lets no other in.
func TestTrust(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 1})
	untrusted := b.run(map[string]string{"ca_file": "", "timeout": "6s"}, "status")
	_, shown, _ := strings.Cut(untrusted.Stderr, "with fingerprint ")
	shown, _, _ = strings.Cut(shown, ", is not trusted")
	pinned := b.run(map[string]string{"ca_file": "", "tls_pins": strings.Repeat("00", 32) + " " + shown}, "status")
	if untrusted.Status != 1 || pinned.Status != 0 {
		t.Errorf("without a CA: exit status %d, want 1: %s; with the fingerprint %s that it showed: %d, want 0: %s",
			untrusted.Status, untrusted.Stderr, shown, pinned.Status, pinned.Stderr)
	}
	if n := b.Count("session.login_with_password"); n != 1 {
		t.Errorf("%d logins, want the password to be sent once: to a member that is trusted", n)
	}
}
