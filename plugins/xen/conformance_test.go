package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

func TestConformanceOneDom0(t *testing.T)  { stonithtest.Conform(t, withDom0s(1)) }
func TestConformanceTwoDom0s(t *testing.T) { stonithtest.Conform(t, withDom0s(2)) }

func withDom0s(n int) func(*testing.T) stonithtest.Bed {
	return func(t *testing.T) stonithtest.Bed { return newBed(t, n) }
}

// bed is a stonithtest.Bed: loopback Dom0s that speak wire, with one guest on the last of them.
type bed struct {
	dom0s  []*loopback.Server
	params map[string]string

	mu       sync.Mutex
	fault    stonithtest.Fault
	requests int
	power    stonith.Power
	seen     []string // the requests that reached a Dom0
	warned   []string // what people were warned of
}

// newBed starts n Dom0s that accept a new key.
func newBed(t *testing.T, n int) *bed {
	t.Helper()
	b := &bed{}
	dir := t.TempDir()
	identityFile, public := newKey(t, dir)
	knownHosts := ""
	var accounts []string
	for i := range n {
		server, err := loopback.Start("xen", public, func(c loopback.Command) int { return b.serve(c, i == n-1) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		b.dom0s = append(b.dom0s, server)
		knownHosts += server.KnownHosts()
		accounts = append(accounts, "xen@"+server.Address())
	}
	b.params = map[string]string{
		"hostlist":      stonithtest.Node + ":guest-1 " + stonithtest.Other + ":guest-2",
		"sshaccount":    strings.Join(accounts, ","),
		"identity_file": identityFile,
		"known_hosts":   writeFile(t, filepath.Join(dir, "known_hosts"), knownHosts),
	}
	return b
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (b *bed) Plugin() stonith.Plugin    { return plugin() }
func (b *bed) Params() map[string]string { return b.params }

func (b *bed) Contacts() int {
	n := 0
	for _, d := range b.dom0s {
		n += d.Contacts()
	}
	return n
}

func (b *bed) Power() stonith.Power {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.power
}

func (b *bed) SetPower(p stonith.Power) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.power = p
}

func (b *bed) Break(f stonithtest.Fault) {
	b.mu.Lock()
	b.fault = f
	b.mu.Unlock()
	for _, d := range b.dom0s {
		if f == stonithtest.Unreachable {
			d.Close()
		}
		if f == stonithtest.Hangs {
			d.Fail(loopback.AtCommand)
		}
	}
}

// serve answers one request, on the Dom0 where the guest lives or on another.
func (b *bed) serve(c loopback.Command, lives bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	b.seen = append(b.seen, c.Line)
	r, err := wire.ParseRequest(c.Line)
	if err != nil {
		return say(c, wire.Answer{ID: "-", Status: wire.Refused, Reason: wire.BadRequest, Text: wire.Clean(err.Error())})
	}
	switch f := b.fault; {
	case f == stonithtest.Garbage, f == stonithtest.FailsOnce && b.requests == 1, f == stonithtest.Flaps && b.requests < 8 && b.requests%2 == 1:
		fmt.Fprintln(c.Stdout, "Last login: yesterday")
		return 0
	case f == stonithtest.Empty:
		return 0
	case f == stonithtest.Refuses:
		return say(c, wire.Answer{ID: r.ID, Status: wire.Refused, Reason: wire.NotPermitted, Text: "as told"})
	case f == stonithtest.NeverOn && r.Verb == wire.On:
		return say(c, wire.Answer{ID: r.ID, Status: wire.Failed, Reason: wire.DeviceError, Text: "no memory"})
	}
	text := b.carryOut(r, lives)
	if b.fault == stonithtest.LosesAnswer && r.Verb == wire.Off {
		return 0
	}
	return say(c, wire.Answer{ID: r.ID, Status: wire.OK, Text: text})
}

func say(c loopback.Command, a wire.Answer) int {
	fmt.Fprintln(c.Stdout, a)
	if a.Status == wire.OK {
		return 0
	}
	return 1
}

func (b *bed) carryOut(r wire.Request, lives bool) string {
	obeys := b.fault != stonithtest.Lies
	switch r.Verb {
	case wire.State:
		if lives && b.power == stonith.On {
			return string(wire.GuestOn)
		}
		return string(wire.GuestOff)
	case wire.Off:
		if lives && obeys {
			b.power = stonith.Off
		}
	case wire.On:
		if obeys {
			b.power = stonith.On
		}
	case wire.Check:
		return wire.PerGuest(r.Guests, func(string) string { return wire.Known })
	case wire.List:
		return wire.PerGuest([]string{"guest-1", "guest-2"}, func(string) string { return string(wire.GuestOff) })
	case wire.Rehearse:
		return "off: off would find it off"
	case wire.Reset: // the plugin does not ask for that
	}
	return wire.Done
}

// newKey makes a key pair and returns the file with its private half.
func newKey(t *testing.T, dir string) (file string, public ssh.PublicKey) {
	t.Helper()
	signer, text := generateKey(t)
	return writeFile(t, filepath.Join(dir, "key"), text), signer.PublicKey()
}
