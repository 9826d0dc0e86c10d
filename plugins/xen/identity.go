package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// usualKeys are the files that OpenSSH tries by itself, ssh_config(5) IdentityFile.
var usualKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// identity is what the plugin proves itself by.
type identity struct {
	signers     []ssh.Signer
	agentSocket string // empty without an agent
}

// readIdentity reads the key file; without one it takes the agent and the usual
// files. It is an error if there is no key at all.
func readIdentity(file, sshDir, agentSocket string) (*identity, error) {
	if file != "" {
		signer, err := readKey(file)
		if err != nil {
			return nil, err
		}
		return &identity{signers: []ssh.Signer{signer}}, nil
	}
	id := &identity{}
	if hasAgent(agentSocket) {
		id.agentSocket = agentSocket
	}
	for _, name := range usualKeys {
		path := filepath.Join(sshDir, name)
		if missing(path) {
			continue
		}
		signer, err := readKey(path)
		if err != nil {
			return nil, err
		}
		id.signers = append(id.signers, signer)
	}
	if id.agentSocket == "" && len(id.signers) == 0 {
		return nil, stonith.Errorf(stonith.BadConfig, "identity_file: not set, and there is neither an agent nor a key in %s", sshDir).
			WithHint("make a key with ssh-keygen -t ed25519 -N '', give its public half to the Dom0s, and set identity_file")
	}
	return id, nil
}

// readKey reads a private key that no one else can read, as OpenSSH wants it.
func readKey(path string) (ssh.Signer, error) {
	text, err := stonith.ReadFile("identity_file", path, 1<<20, func(perm fs.FileMode) error {
		if perm&0o077 == 0 {
			return nil
		}
		return stonith.Errorf(stonith.BadConfig, "identity_file: %s has mode %04o, so that others than its owner can use the key", path, perm).
			WithHint("chmod 600 %s, and make a new key if others may have read this one", path)
	})
	if err != nil {
		return nil, err
	}
	return parseKey(path, text)
}

// parseKey does not pass on the parser's error text with the key's contents, since it has none of them.
func parseKey(path string, text []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, stonith.Errorf(stonith.BadConfig, "identity_file: %s is protected by a passphrase, which no one can type here", path).
			WithHint("use a key without a passphrase that the Dom0s restrict to dom0-helper, or an agent")
	case err != nil:
		return nil, stonith.Errorf(stonith.BadConfig, "identity_file: %s: %w", path, err).
			WithHint("identity_file is the private key, not the .pub file")
	}
	return signer, nil
}

// hasAgent reports whether an agent accepts connections.
func hasAgent(socket string) bool {
	if socket == "" {
		return false
	}
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close() // it was only tried
	return true
}

// methods returns the ways to authenticate within the time limit: with the keys,
// then with those of the agent, over a connection of its own, since handshakes
// run side by side. done ends that connection.
func (id *identity) methods(limit time.Duration) (methods []ssh.AuthMethod, done func()) {
	if id.agentSocket == "" {
		return []ssh.AuthMethod{ssh.PublicKeys(id.signers...)}, func() {}
	}
	conn, err := net.DialTimeout("unix", id.agentSocket, limit)
	if err != nil {
		return []ssh.AuthMethod{ssh.PublicKeys(id.signers...)}, func() {}
	}
	_ = conn.SetDeadline(time.Now().Add(limit)) // a local socket takes it
	return []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		held, err := agent.NewClient(conn).Signers()
		if err != nil && len(id.signers) == 0 {
			return nil, fmt.Errorf("ssh agent: %w", err)
		}
		return slices.Concat(id.signers, held), nil
	})}, func() { _ = conn.Close() }
}
