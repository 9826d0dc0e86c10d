package main

import (
	"encoding/pem"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

// Mistakes of configuration are each told with a hint, and nothing is contacted.
func TestBadFiles(t *testing.T) {
	locked := func(t *testing.T) string {
		block, err := ssh.MarshalPrivateKeyWithPassphrase(newPrivateKey(t), "", []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(block))
	}
	tests := []struct {
		name  string
		param string // whose file it is
		text  func(t *testing.T) string
		mode  os.FileMode
		says  string
		hint  bool
	}{
		{name: "key that the group can write", param: "identity_file", text: aKey, mode: 0o620, says: "mode 0620", hint: true},
		{name: "key that all can read", param: "identity_file", text: aKey, mode: 0o644, says: "has mode 0644", hint: true},
		{name: "key with a passphrase", param: "identity_file", text: locked, mode: 0o600, says: "protected by a passphrase", hint: true},
		{name: "garbage for a key", param: "identity_file", text: text("ssh-ed25519 AAAA"), mode: 0o600, says: "no key found", hint: true},
		{name: "known_hosts that all can write", param: "known_hosts", text: text("# none\n"), mode: 0o666, says: "mode 0666 lets others than its owner write", hint: true},
		{name: "garbage in known_hosts", param: "known_hosts", text: text("what is this"), mode: 0o600, says: "known_hosts", hint: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			path := writeFile(t, filepath.Join(t.TempDir(), "file"), tt.text(t))
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{tt.param: path}, "off", stonithtest.Node)
			if got.Status != 1 || !strings.Contains(got.Stderr, "bad-config: "+tt.param) || !strings.Contains(got.Stderr, tt.says) {
				t.Errorf("exit status %d, stderr %q, want 1, %s and %q", got.Status, got.Stderr, tt.param, tt.says)
			}
			if tt.hint && !strings.Contains(got.Stderr, "xen: hint: ") {
				t.Errorf("no hint: %q", got.Stderr)
			}
			if strings.Contains(got.Stderr, "PRIVATE KEY") {
				t.Errorf("the key is in the message: %q", got.Stderr)
			}
			if b.Contacts() != 0 {
				t.Errorf("the Dom0 was contacted")
			}
		})
	}
}

func text(s string) func(*testing.T) string { return func(*testing.T) string { return s } }

func aKey(t *testing.T) string {
	_, text := generateKey(t)
	return text
}

func TestEveryMistakeAtOnce(t *testing.T) {
	b := newBed(t, 1)
	got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"identity_file": "/no/key", "known_hosts": "/no/hosts", "hostlist": "a a", "timeout": "soon"}, "off", stonithtest.Node)
	for _, want := range []string{`hostlist: node "a" is listed twice`, `timeout: "soon"`, "identity_file: open /no/key: no such file", "known_hosts: open /no/hosts: no such file"} {
		if !strings.Contains(got.Stderr, want) {
			t.Errorf("stderr %q, want %q in it", got.Stderr, want)
		}
	}
	if got.Status != 1 || b.Contacts() != 0 {
		t.Errorf("exit status %d, %d contacts, want 1 and none", got.Status, b.Contacts())
	}
}

func TestNoKeyAtAll(t *testing.T) {
	got := stonithtest.Run(t.Context(), newBed(t, 1), "elsewhere", map[string]string{"identity_file": "", "HOME": t.TempDir()}, "off", stonithtest.Node)
	if got.Status != 1 || !strings.Contains(got.Stderr, "identity_file: not set, and there is neither an agent nor a key") {
		t.Errorf("exit status %d, stderr %q", got.Status, got.Stderr)
	}
}

// Without parameters, the keys are where OpenSSH has them.
func TestUsualFiles(t *testing.T) {
	b := newBed(t, 1)
	b.SetPower(stonith.On)
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{b.params["identity_file"]: "id_ed25519", b.params["known_hosts"]: "known_hosts"} {
		if err := os.Rename(from, filepath.Join(home, ".ssh", to)); err != nil {
			t.Fatal(err)
		}
	}
	params := map[string]string{"identity_file": "", "known_hosts": "", "HOME": home}
	if got := stonithtest.Run(t.Context(), b, "elsewhere", params, "off", stonithtest.Node); got.Status != 0 {
		t.Errorf("exit status %d, want 0; stderr %q", got.Status, got.Stderr)
	}
}

// A Dom0 that does not prove who it is gets no request.
func TestHostKeys(t *testing.T) {
	other, _ := generateKey(t)
	tests := []struct {
		name  string
		lines func(d *loopback.Server) string
		says  string
	}{
		{"unknown", func(*loopback.Server) string { return "" }, "is unknown"},
		{"known of another host", func(*loopback.Server) string { return knownhosts.Line([]string{"other"}, other.PublicKey()) + "\n" }, "is unknown"},
		{"changed", func(d *loopback.Server) string {
			return knownhosts.Line([]string{knownhosts.Normalize(d.Address())}, other.PublicKey()) + "\n"
		}, "host key changed"},
		{"revoked", func(d *loopback.Server) string { return "@revoked " + d.KnownHosts() }, "is revoked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, 1)
			b.SetPower(stonith.On)
			file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), tt.lines(b.dom0s[0]))
			got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"known_hosts": file}, "off", stonithtest.Node)
			if got.Status != 1 || !strings.Contains(got.Stderr, "not-authenticated") || !strings.Contains(got.Stderr, tt.says) || !strings.Contains(got.Stderr, "hint: ") {
				t.Errorf("exit status %d, stderr %q, want 1, not-authenticated, %q and a hint", got.Status, got.Stderr, tt.says)
			}
			if len(b.seen) > 0 || b.Power() != stonith.On {
				t.Errorf("requests %q reached the Dom0", b.seen)
			}
		})
	}
}

// A key of another kind that is known of the host is no reason to distrust it:
// the kinds that are known are the ones that are asked for.
func TestAlgorithms(t *testing.T) {
	signer, _ := generateKey(t)
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), knownhosts.Line([]string{"dom0"}, signer.PublicKey())+"\n")
	keys, err := readKnownHosts(file, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := keys.algorithms("dom0:22"); len(got) != 1 || got[0] != ssh.KeyAlgoED25519 {
		t.Errorf("algorithms of a known host = %q, want %s", got, ssh.KeyAlgoED25519)
	}
	if got := keys.algorithms("other:22"); got != nil {
		t.Errorf("algorithms of an unknown host = %q, want all", got)
	}
}

// Wherever in the life of a connection the Dom0 fails, the call ends in time and without a success.
func TestStages(t *testing.T) {
	stages := map[string]loopback.Stage{
		"banner": loopback.AtBanner, "keys": loopback.AtKeys, "session": loopback.AtSession, "command": loopback.AtCommand, "cut off": loopback.CutOff,
	}
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2)
			b.SetPower(stonith.On)
			b.dom0s[0].Fail(stage) // the one without the guest
			got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"timeout": "5s"}, "off", stonithtest.Node)
			if got.Status != 1 || got.Took > 40*time.Second || !strings.Contains(got.Stderr, b.dom0s[0].Address()) {
				t.Errorf("exit status %d after %s, stderr %q, want 1 in time and the name of the Dom0", got.Status, got.Took, got.Stderr)
			}
			if b.Power() != stonith.Off {
				t.Error("the other Dom0 was not asked to switch the guest off")
			}
		})
	}
}

// A connection that breaks is made again.
func TestReconnect(t *testing.T) {
	b := newBed(t, 1)
	b.SetPower(stonith.On)
	b.dom0s[0].Fail(loopback.CutOff)
	go func() {
		for b.dom0s[0].Contacts() < 2 {
			time.Sleep(time.Millisecond)
		}
		b.dom0s[0].Fail(loopback.Nowhere)
	}()
	got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"timeout": "5s"}, "off", stonithtest.Node)
	if got.Status != 0 || b.Power() != stonith.Off {
		t.Errorf("exit status %d, node %s, want 0 and off; stderr %q", got.Status, b.Power(), got.Stderr)
	}
}

// A name that no resolver knows is told as such.
func TestUnknownName(t *testing.T) {
	params := map[string]string{"sshaccount": "xen@dom0.invalid", "timeout": "2s"}
	got := stonithtest.Run(t.Context(), newBed(t, 1), "elsewhere", params, "off", stonithtest.Node)
	if got.Status != 1 || !strings.Contains(got.Stderr, "dom0 dom0.invalid") {
		t.Errorf("exit status %d, stderr %q, want 1 and the name", got.Status, got.Stderr)
	}
}

// Over IPv6 it is the same.
func TestIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Fatalf("no IPv6 loopback: %v", err)
	} else {
		_ = l.Close()
	}
	b := newBed(t, 1)
	params := maps.Clone(b.params)
	params["sshaccount"] = "xen@[::1]:1"
	params["timeout"] = "1s"
	got := stonithtest.Run(t.Context(), b, "elsewhere", params, "off", stonithtest.Node)
	if got.Status != 1 || !strings.Contains(got.Stderr, "dom0 [::1]:1: dial tcp [::1]:1: connect: connection refused") {
		t.Errorf("exit status %d, stderr %q, want 1 and a refused connection to ::1", got.Status, got.Stderr)
	}
}

// The keys of an agent serve several Dom0s at the same time.
func TestAgent(t *testing.T) {
	b := newBed(t, 3)
	b.SetPower(stonith.On)
	text, err := os.ReadFile(b.params["identity_file"])
	if err != nil {
		t.Fatal(err)
	}
	private, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keyring, conn) }()
		}
	}()
	params := map[string]string{"identity_file": "", "HOME": t.TempDir(), "SSH_AUTH_SOCK": socket}
	if got := stonithtest.Run(t.Context(), b, "elsewhere", params, "off", stonithtest.Node); got.Status != 0 || b.Power() != stonith.Off {
		t.Errorf("exit status %d, node %s, want 0 and off; stderr %q", got.Status, b.Power(), got.Stderr)
	}
}
