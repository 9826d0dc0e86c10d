package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// systemKnownHosts is OpenSSH's GlobalKnownHostsFile, ssh_config(5).
const systemKnownHosts = "/etc/ssh/ssh_known_hosts"

// knownHostsHint says what the file is.
const knownHostsHint = "the file has a line for each Dom0: its name, the type of its key, the key (ssh-keyscan prints them; compare them on each Dom0)"

// hostKeys checks the keys by which Dom0s prove who they are.
type hostKeys struct {
	files []string
	check ssh.HostKeyCallback
}

// readKnownHosts reads the file, or without one those of the user and the system.
func readKnownHosts(file, sshDir string) (*hostKeys, error) {
	files := []string{file}
	if file == "" {
		files = slices.DeleteFunc([]string{filepath.Join(sshDir, "known_hosts"), systemKnownHosts}, missing)
	}
	if len(files) == 0 {
		return nil, stonith.Errorf(stonith.BadConfig, "known_hosts: neither %s/known_hosts nor %s is there", sshDir, systemKnownHosts).
			WithHint("put the Dom0s' host keys there (ssh-keyscan prints them; compare them on each Dom0), or set known_hosts")
	}
	for _, f := range files {
		if f == os.DevNull { // it has no key, and nobody can give it one
			continue
		}
		err := stonith.CheckFile("known_hosts", f)
		if told := new(stonith.Error); errors.As(err, &told) && told.Hint == "" {
			return nil, told.WithHint(knownHostsHint)
		}
		if err != nil {
			return nil, err
		}
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, stonith.Errorf(stonith.BadConfig, "known_hosts: %w", err).WithHint(knownHostsHint)
	}
	return &hostKeys{files: files, check: check}, nil
}

func missing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}

// verify is an ssh.HostKeyCallback that says what is wrong.
func (h *hostKeys) verify(address string, remote net.Addr, key ssh.PublicKey) error {
	err := h.check(address, remote, key)
	if err == nil {
		return nil
	}
	place := strings.Join(h.files, " and ")
	name := knownhosts.Normalize(address)
	fingerprint := ssh.FingerprintSHA256(key)
	var unfit *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return stonith.Errorf(stonith.NotAuthenticated, "host key %s is revoked in %s", fingerprint, place).
			WithHint("give the Dom0 a new host key, and put that into known_hosts")
	case errors.As(err, &unfit) && len(unfit.Want) == 0:
		return stonith.Errorf(stonith.NotAuthenticated, "host key %s %s is unknown: %s has no key of %s", key.Type(), fingerprint, place, name).
			WithHint("if the Dom0 itself says that this is its key (ssh-keygen -lf on its /etc/ssh/ssh_host_*_key.pub), add it to known_hosts")
	case errors.As(err, &unfit):
		known := unfit.Want[0]
		return stonith.Errorf(stonith.NotAuthenticated, "host key changed: %s shows %s %s, but %s:%d has another",
			name, key.Type(), fingerprint, known.Filename, known.Line).
			WithHint("either the Dom0 was set up anew, or something stands between: compare with ssh-keygen -lf on the Dom0 before you change known_hosts")
	default:
		return stonith.Errorf(stonith.NotAuthenticated, "host key %s: %w", fingerprint, err)
	}
}

// algorithms lists the kinds of host key that are known of the address. Without
// it, a Dom0 that also has a key of another kind could show that one, and would
// be taken for an impostor. All kinds are allowed if none is known.
func (h *hostKeys) algorithms(address string) []string {
	var unfit *knownhosts.KeyError
	if !errors.As(h.check(address, &net.TCPAddr{}, noKey{}), &unfit) {
		return nil
	}
	var list []string
	for _, known := range unfit.Want {
		switch kind := known.Key.Type(); kind {
		case ssh.KeyAlgoRSA:
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			list = append(list, kind)
		}
	}
	return list
}

// noKey is a key that no known_hosts file has.
type noKey struct{}

func (noKey) Type() string    { return "none" }
func (noKey) Marshal() []byte { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error {
	return errors.New("not a key")
}
