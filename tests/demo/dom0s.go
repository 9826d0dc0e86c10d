package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/xenhost"
)

// A dom0Lab is two Dom0s with two guests. Both guests may live on either of them.
type dom0Lab struct {
	dir    string
	hosts  []*xenhost.Host
	dom0s  []*loopback.Server
	params []string // of the plugin, as name=value
}

const account = "xen"

var (
	dom0Names = []string{"alpha", "beta"}
	guests    = []string{"demo-node-1", "demo-node-2"}
)

// fenceByDom0s plays with external/xen.
func fenceByDom0s(ctx context.Context, bin string) error {
	l, err := newDom0Lab(bin)
	if err != nil {
		return err
	}
	defer l.close()
	return play(ctx, act{
		intro: "Two Dom0s, alpha and beta, and their guests, the cluster nodes demo-node-1 and demo-node-2",
		name:  "xen", plugin: filepath.Join(bin, "xen"), params: l.params, nodes: guests, where: l.where, scenes: l.scenes(),
	})
}

// newDom0Lab builds what the Dom0s run, and starts them with the first guest on the
// first Dom0 and the second on the second. Both Dom0s see all processes of this
// machine, so no xl watches the second guest: the first Dom0 would take it for its own.
func newDom0Lab(bin string) (_ *dom0Lab, err error) {
	syscall.Umask(0o022) // dom0-helper reads no policy that others can write
	l := &dom0Lab{}
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
	for i, name := range dom0Names {
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
func (l *dom0Lab) addDom0(name, guest, helper string, key ssh.PublicKey) error {
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
func (l *dom0Lab) writeKey() (ssh.PublicKey, error) {
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
func (l *dom0Lab) configure() error {
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

// where says where a guest really runs.
func (l *dom0Lab) where(guest string) (place string, runs bool) {
	var places []string
	for i, h := range l.hosts {
		for _, pid := range h.Processes(guest) {
			places = append(places, fmt.Sprintf("process %s on Dom0 %s", pid, dom0Names[i]))
		}
	}
	if len(places) == 0 {
		return "no process on any Dom0", false
	}
	return strings.Join(places, ", "), true
}

// close ends the Dom0s and their guests, and removes all files.
func (l *dom0Lab) close() {
	for _, d := range l.dom0s {
		d.Close()
	}
	for _, h := range l.hosts {
		complain(h.Down())
	}
	complain(os.RemoveAll(l.dir))
}

func (l *dom0Lab) scenes() []scene {
	return []scene{
		{title: "Which nodes can the device fence?", args: []string{"gethosts"}, says: "demo-node-1\ndemo-node-2\n"},
		{title: "Would it obey? It asks every Dom0, and touches no guest.", args: []string{"status"}, says: "ready"},
		{title: "demo-node-1 is silent. The cluster wants proof that it is off.", args: []string{"off", "demo-node-1"}, node: "demo-node-1", says: "off-observed"},
		{title: "Once more: a node that is off is fenced.", args: []string{"off", "demo-node-1"}, node: "demo-node-1", says: "already-off"},
		{title: "Switch it on again.", args: []string{"on", "demo-node-1"}, node: "demo-node-1", says: "on-observed", runs: true},
		{title: "Reset is off, proof, and on.", args: []string{"reset", "demo-node-1"}, node: "demo-node-1", says: "off-observed, on-observed", runs: true},
		{title: "A node that is not ours. Nothing is sent.", args: []string{"off", "demo-node-9"}, status: 1, says: "wrong-target"},
		{
			title: "The guest is just rebooting: absent for two seconds, then back. Absent is not off.",
			before: func() {
				_, err := l.hosts[0].XL("reboot", "demo-node-1")
				complain(err)
				for i := 0; i < 100 && len(l.hosts[0].Processes("demo-node-1")) > 0; i++ {
					time.Sleep(10 * time.Millisecond)
				}
			},
			args: []string{"off", "demo-node-1"}, node: "demo-node-1", says: "off-observed",
		},
		{
			title:  "Dom0 beta does not answer any more. demo-node-2 may live there: no proof, so a failure.",
			before: func() { l.dom0s[1].Fail(loopback.AtBanner) },
			args:   []string{"off", "demo-node-2"}, params: []string{"timeout=2s"}, node: "demo-node-2", status: 1, says: "unreachable", runs: true,
		},
		{
			title:  "Dom0 beta is back.",
			before: func() { l.dom0s[1].Fail(loopback.Nowhere) },
			args:   []string{"off", "demo-node-2"}, node: "demo-node-2", says: "off-observed",
		},
	}
}
