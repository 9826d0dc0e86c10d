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
		{"a URL without TLS", map[string]string{"pool": "", "session_url": "http://xen-a:8080"}, []string{
			`session_url: "http://xen-a:8080" is not a URL of the form https://member`, `hint: write pool="xen-a:8080", and the other members`,
		}},
		{"a login before a member", map[string]string{"pool": "root:geheim@xen-a xen-b"}, []string{`pool: "xen-a" has a user before it`}},
		{"a URL with a password", map[string]string{"pool": "https://root:geheim@xen-a/"}, []string{
			"pool: it has an entry that is neither an address nor a URL", `hint: write the addresses of the members alone`,
		}},
		{"two pools", map[string]string{"session_url": "https://xen-a"}, []string{"pool and session_url are both set, and differ", "hint: they are names of one parameter: set pool alone"}},
		{"two users", map[string]string{"username": "xen", "login": "root"}, []string{"username and login are both set, and differ", "set user alone"}},
		{"two passwords", map[string]string{"passwd_file": "", "password": "geheim", "passwd": "Geheim"}, []string{"passwd and password are both set, and differ", "set passwd alone"}},
		{"two ways to a password", map[string]string{"password": "geheim"}, []string{"2 of passwd, passwd_file", "password and password_script count"}},
		{"another guest", map[string]string{"port": "web-1"}, []string{`port: "web-1" is neither a node of hostlist nor a guest of one: node-1 node-2:guest-2`, "hint: hostlist alone says which guest a node is"}},
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
		if strings.Contains(strings.ToLower(got.Stderr), "geheim") {
			t.Errorf("%s: the password is shown: %s", tt.name, got.Stderr)
		}
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

// The parameters of fence_xenapi have the same meaning here.
func TestOldNames(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 1})
	delete(b.params, "pool")
	delete(b.params, "passwd_file")
	b.params["session_url"] = b.Member(0).URL()
	b.params["login"] = b.User()
	for name, value := range map[string]string{
		"passwd": b.Password(), "password": b.Password(),
		"passwd_script": script(t, "echo "+b.Password()), "password_script": script(t, "echo "+b.Password()),
	} {
		for _, guest := range []string{stonithtest.Other, "guest-2"} {
			if got := b.run(map[string]string{name: value, "port": guest}, "status"); got.Status != 0 {
				t.Errorf("with %s and port=%s: exit status %d: %s", name, guest, got.Status, got.Stderr)
			}
		}
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

// A certificate that is not trusted says what helps against its own fault.
func TestRemedies(t *testing.T) {
	t.Parallel()
	for kind, says := range map[pool.Certificate]string{
		pool.CertExpired:    "hint: is the clock of this node right?",
		pool.CertWrongName:  "hint: write the member into pool as its certificate names it",
		pool.CertNoAddress:  "hint: write the member into pool as its certificate names it",
		pool.CertSelfSigned: "hint: is ca_file the authority that signed it?",
		pool.CertOtherCA:    "hint: is ca_file the authority that signed it?",
	} {
		b := newBed(t, pool.Options{Members: 1})
		if err := b.Member(0).Show(kind); err != nil {
			t.Fatal(err)
		}
		got := b.run(nil, "off", stonithtest.Node)
		if got.Status != 1 || !strings.Contains(got.Stderr, says) || b.Contacts() > 0 {
			t.Errorf("%s: exit status %d, %d calls, %q, want %q and none", kind, got.Status, b.Contacts(), got.Stderr, says)
		}
	}
}
