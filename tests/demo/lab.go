package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/xenhost"
)

// A lab is two Dom0s with two guests. Both guests may live on either of them.
type lab struct {
	dir    string
	plugin string
	hosts  []*xenhost.Host
	dom0s  []*loopback.Server
	params []string // of the plugin, as name=value
	once   sync.Once
}

const account = "xen"

var guests = []string{"demo-node-1", "demo-node-2"}

// newLab builds what the Dom0s run, and starts them with the first guest on the
// first Dom0 and the second on the second. Both Dom0s see all processes of this
// machine, so no xl watches the second guest: the first Dom0 would take it for its own.
func newLab(bin string) (_ *lab, err error) {
	syscall.Umask(0o022) // dom0-helper reads no policy that others can write
	bin, err = filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	l := &lab{plugin: filepath.Join(bin, "xen")}
	if l.dir, err = os.MkdirTemp("", "stonith-demo-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = filepath.EvalSymlinks(l.dir); err != nil {
		return nil, err
	}
	for _, bed := range []string{"xl", "sudo"} {
		if err := build(filepath.Join(l.dir, bed), "./tests/beds/"+bed); err != nil {
			return nil, err
		}
	}
	key, err := l.writeKey()
	if err != nil {
		return nil, err
	}
	for i, name := range []string{"alpha", "beta"} {
		if err := l.addDom0(name, guests[i], filepath.Join(bin, "dom0-helper"), key); err != nil {
			return nil, err
		}
	}
	return l, l.configure()
}

func build(program, source string) error {
	command := exec.Command("go", "build", "-o", program, source)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", source, err, out)
	}
	return nil
}

// addDom0 starts a Dom0 with one guest running.
func (l *lab) addDom0(name, guest, helper string, key ssh.PublicKey) error {
	host, err := xenhost.New(filepath.Join(l.dir, name), filepath.Join(l.dir, "xl"))
	if err != nil {
		return err
	}
	l.hosts = append(l.hosts, host)
	if err := errors.Join(host.Allow(account, guests), host.Start(guest, guest == guests[0])); err != nil {
		return err
	}
	sudo := filepath.Join(host.Dir, "sbin", "sudo")
	rule := fmt.Sprintf("%s %s root --policy %s\n", account, helper, host.Policy)
	if err := errors.Join(os.Link(filepath.Join(l.dir, "sudo"), sudo),
		os.WriteFile(filepath.Join(host.Dir, "sbin", "rule"), []byte(rule), 0o644)); err != nil {
		return err
	}
	server, err := loopback.Start(account, key, loopback.Forced(helper, "gate", "--allow", strings.Join(guests, ","),
		"--client", "demo-node-3", "--sudo", sudo, "--policy", host.Policy))
	if err != nil {
		return err
	}
	l.dom0s = append(l.dom0s, server)
	return nil
}

// writeKey makes the cluster's key and returns its public half.
func (l *lab) writeKey() (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "demo")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(l.dir, "key"), pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

// configure writes known_hosts and the plugin's parameters.
func (l *lab) configure() error {
	var knownHosts string
	var accounts []string
	for _, d := range l.dom0s {
		knownHosts += d.KnownHosts()
		accounts = append(accounts, account+"@"+d.Address())
	}
	file := filepath.Join(l.dir, "known_hosts")
	l.params = []string{
		"hostlist=" + strings.Join(guests, " "), "sshaccount=" + strings.Join(accounts, " "),
		"identity_file=" + filepath.Join(l.dir, "key"), "known_hosts=" + file,
		"timeout=10s",
	}
	return os.WriteFile(file, []byte(knownHosts), 0o600)
}

// place says where a guest really runs.
func (l *lab) place(guest string) string {
	var places []string
	for i, h := range l.hosts {
		for _, pid := range h.Processes(guest) {
			places = append(places, fmt.Sprintf("process %s on Dom0 %s", pid, []string{"alpha", "beta"}[i]))
		}
	}
	if len(places) == 0 {
		return "no process on any Dom0"
	}
	return strings.Join(places, ", ")
}

// close ends the Dom0s and their guests, and removes all files.
func (l *lab) close() {
	l.once.Do(func() {
		for _, d := range l.dom0s {
			d.Close()
		}
		for _, h := range l.hosts {
			if err := h.Down(); err != nil {
				fmt.Fprintln(os.Stderr, "demo:", err)
			}
		}
		if err := os.RemoveAll(l.dir); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
	})
}
