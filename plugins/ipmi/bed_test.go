package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	bmcbed "github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// bed is a stonithtest.Bed: BMCs on the loopback, the first one that of Node.
type bed struct {
	*bmcbed.BMC
	other  *bmcbed.BMC
	t      *testing.T
	params map[string]string
	left   int // sessions that may be left
}

// newBed starts BMCs for both nodes.
func newBed(t *testing.T, o bmcbed.Options) *bed {
	t.Helper()
	b := &bed{BMC: startBMC(t, o), other: startBMC(t, o), t: t}
	b.params = map[string]string{
		"hostlist":    stonithtest.Node + ":" + addressOf(b.BMC) + " " + stonithtest.Other + ":" + addressOf(b.other),
		"userid":      "oper",
		"passwd_file": writeFile(t, "passwd", 0o600, "Secret-2\n"),
		"cycle_time":  "500ms", // looks of short calls are short
	}
	return b
}

func startBMC(t *testing.T, o bmcbed.Options) *bmcbed.BMC {
	t.Helper()
	b, err := bmcbed.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func addressOf(b *bmcbed.BMC) string { return net.JoinHostPort(b.Host(), strconv.Itoa(b.Port())) }

func writeFile(t *testing.T, name string, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := program.Write(path, text, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs one call of the plugin. It fails the test if the call says that the
// node is off, and it is on; or if a session is left.
func (b *bed) run(params map[string]string, args ...string) stonithtest.Result {
	b.t.Helper()
	got := stonithtest.Run(b.t.Context(), b, "elsewhere", params, args...)
	if got.Status == 0 && slices.Equal(args, []string{"off", stonithtest.Node}) && b.BMC.Power() {
		b.t.Errorf("FALSE SUCCESS: %v exits 0, and the node is on; stdout %q, stderr %q", args, got.Stdout, got.Stderr)
	}
	if n := b.sessionsLeft(); n != b.left && (got.Status == 0 || n > b.begun()) {
		b.t.Errorf("%v: %d sessions are left, want %d", args, n, b.left)
	}
	return got
}

// begun is how many open sessions nothing was asked in: the time limit of the call ended in
// the middle of a login, and nobody knows whether the BMC has opened the session.
func (b *bed) begun() (n int) {
	login := []bmcbed.Step{bmcbed.OpenSession, bmcbed.RAKP1, bmcbed.RAKP3, bmcbed.SessionChallenge, bmcbed.ActivateSession}
	asked := map[int]bool{}
	for _, c := range b.Commands() {
		asked[c.Session] = asked[c.Session] || !slices.Contains(login, c.Step)
	}
	for i, s := range b.Sessions() {
		if s.State == bmcbed.Open && !asked[i] {
			n++
		}
	}
	return n
}

// sessionsLeft is how many sessions the call has left open. The BMC may not have read the
// end of the last one when the call ends, which waits 0.3 s for its answer; by itself it
// ends them much later.
func (b *bed) sessionsLeft() int {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if n := b.SessionsIn(bmcbed.Open); n == b.left || time.Now().After(end) {
			return n
		}
	}
}

func (b *bed) Plugin() stonith.Plugin    { return plugin() }
func (b *bed) Params() map[string]string { return b.params }
func (b *bed) Contacts() int             { return len(b.Commands()) + len(b.other.Commands()) }

func (b *bed) Power() stonith.Power {
	if b.BMC.Power() {
		return stonith.On
	}
	return stonith.Off
}

func (b *bed) SetPower(p stonith.Power) { b.BMC.SetPower(p == stonith.On) }

func (b *bed) Break(f stonithtest.Fault) {
	refuse := func(code byte, nth ...int) {
		for _, n := range nth {
			b.RefuseAt(bmcbed.At(bmcbed.ChassisStatus).Nth(n), code)
		}
	}
	switch f {
	case stonithtest.Sound:
	case stonithtest.Unreachable:
		b.fail(bmcbed.Refused)
	case stonithtest.Hangs:
		b.fail(bmcbed.Silent)
	case stonithtest.Garbage:
		b.fail(bmcbed.Garbage)
	case stonithtest.Empty:
		b.fail(bmcbed.Empty)
	case stonithtest.Refuses:
		b.RefuseAt(bmcbed.At(bmcbed.SetPrivilege), 0x81)
	case stonithtest.Lies:
		b.fail(bmcbed.IgnoreOff)
		b.fail(bmcbed.IgnoreOn)
	case stonithtest.LosesAnswer:
		b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.LoseAnswer)
	case stonithtest.FailsOnce:
		refuse(0xC0, 1)
	case stonithtest.Flaps:
		refuse(0xC0, 1, 3, 5, 7)
	case stonithtest.NeverOn:
		b.fail(bmcbed.IgnoreOn)
	}
}

func (b *bed) fail(f bmcbed.Fault) {
	if err := b.Fail(f); err != nil {
		b.t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	for name, params := range map[string]map[string]string{"lanplus": nil, "lan": {"interface": "lan"}} {
		t.Run(name, func(t *testing.T) {
			stonithtest.Conform(t, func(t *testing.T) stonithtest.Bed {
				b := newBed(t, bmcbed.Options{})
				for name, value := range params {
					b.params[name] = value
				}
				return b
			})
		})
	}
}
