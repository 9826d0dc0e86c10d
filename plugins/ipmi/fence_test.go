package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	bmcbed "github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// A fenceTest is one call in one state of the BMC. The truth is compared with the
// verdict in any case.
type fenceTest struct {
	name    string
	options bmcbed.Options
	given   func(b *bed)
	params  map[string]string
	verb    string // off if empty
	status  int
	says    []string // in stdout and stderr together
	unsaid  string
	on      bool // the node, afterwards
	happens []bmcbed.Happening
	logins  int // that were begun, if not 0
	left    int // sessions that only the BMC can end: it has them with another K_g
}

// check makes the call. One that fails has a short limit, and on a machine whose other work
// has used that up, a long one.
func (tt fenceTest) check(t *testing.T) {
	t.Helper()
	wrong := tt.try(t, "5s")
	if len(wrong) > 0 && tt.status != 0 && tt.params["timeout"] == "" {
		wrong = tt.try(t, "30s")
	}
	for _, text := range wrong {
		t.Error(text)
	}
}

// try makes the call, with the limit if it is to fail, and returns what is wrong with it.
func (tt fenceTest) try(t *testing.T, limit string) (wrong []string) {
	t.Helper()
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	b := newBed(t, tt.options)
	b.left = tt.left
	if tt.given != nil {
		tt.given(b)
	}
	params := map[string]string{}
	if tt.status != 0 {
		params["timeout"] = limit
	}
	maps.Copy(params, tt.params)
	args := []string{"off", stonithtest.Node}
	switch tt.verb {
	case "":
	case "status":
		args = []string{"status"}
	default:
		args[0] = tt.verb
	}
	got := b.run(params, args...)
	told := got.Stdout + got.Stderr
	if got.Status != tt.status {
		bad("%v: exit status %d, want %d; %q", args, got.Status, tt.status, told)
	}
	for _, says := range tt.says {
		if !strings.Contains(told, says) {
			bad("%v says nothing of %q: %q", args, says, told)
		}
	}
	if tt.unsaid != "" && strings.Contains(told, tt.unsaid) {
		bad("%v says %q: %q", args, tt.unsaid, told)
	}
	if on := b.BMC.Power(); on != tt.on {
		bad("%v: the node is on: %v, want %v; %q", args, on, tt.on, told)
	}
	var happened []bmcbed.Happening
	for _, event := range b.History() {
		happened = append(happened, event.What)
	}
	if tt.happens != nil && !slices.Equal(happened, tt.happens) {
		bad("%v: happened: %v, want %v; %q", args, happened, tt.happens, told)
	}
	if n := b.Count(bmcbed.OpenSession); tt.logins != 0 && n != tt.logins {
		bad("%v: %d logins, want %d; %q", args, n, tt.logins, told)
	}
	for _, secret := range []string{"Secret-2", "wrong-password"} {
		if strings.Contains(told, secret) {
			bad("%v shows %s: %q", args, secret, told)
		}
	}
	return wrong
}

// params are those that the words name=value say.
func params(words ...string) map[string]string {
	all := map[string]string{}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		all[name] = value
	}
	return all
}

// off, on, reset and diag are what can happen to a node.
const (
	off   = bmcbed.WentOff
	on    = bmcbed.WentOn
	reset = bmcbed.Reset
	diag  = bmcbed.Diag
)

func TestFence(t *testing.T) {
	nothing := []bmcbed.Happening{}
	cycling := func(b *bed) { // by someone else
		b.SetTimes(0, 0, 700*time.Millisecond)
		b.BMC.SetPower(false)
		b.DoAt(bmcbed.At(bmcbed.ChassisStatus).Nth(2), func() { b.BMC.SetPower(true) })
	}
	tests := []fenceTest{
		{name: "off", happens: []bmcbed.Happening{off}, logins: 1, says: []string{"off-observed"}},
		{name: "off when off", options: bmcbed.Options{Off: true}, happens: nothing, logins: 1, says: []string{"already-off"}},
		{name: "off that takes its time", options: bmcbed.Options{OffTime: 2 * time.Second}, happens: []bmcbed.Happening{off}, logins: 1, says: []string{"off-observed"}},
		{name: "the off half of someone's cycle", given: cycling, happens: []bmcbed.Happening{off, on, off}, says: []string{"off-observed"}, unsaid: "already-off"},
		{name: "the off half of someone's cycle, and a lie", given: func(b *bed) { cycling(b); b.fail(bmcbed.IgnoreOff) }, status: 1, on: true, says: []string{"still-on"}},
		{name: "someone's cycle with a long off half", given: func(b *bed) {
			b.BMC.SetPower(false)
			b.DoAt(bmcbed.At(bmcbed.ChassisStatus).Nth(5), func() { b.BMC.SetPower(true) })
		}, params: params("cycle_time="), happens: []bmcbed.Happening{off, on, off}, says: []string{"off-observed"}, unsaid: "already-off"},
		{name: "someone's cycle with an off half that is longer than a look", given: func(b *bed) {
			b.BMC.SetPower(false)
			b.fail(bmcbed.IgnoreOff) // as BMCs do in the middle of a cycle
			b.DoAt(bmcbed.At(bmcbed.ChassisStatus).Nth(6), func() { b.BMC.SetPower(true) })
		}, params: params("cycle_time=", "timeout=8s"), status: 1, on: true, happens: []bmcbed.Happening{off, on}, says: []string{"still-on"}},
		{name: "unreadable, and someone's cycle", given: func(b *bed) {
			b.BMC.SetPower(false)
			b.fail(bmcbed.IgnoreOff)
			b.RefuseAt(bmcbed.At(bmcbed.ChassisStatus).Nth(1), 0xFF)
			b.DoAt(bmcbed.At(bmcbed.ChassisStatus).Nth(3), func() { b.BMC.SetPower(true) })
		}, status: 1, on: true, happens: []bmcbed.Happening{off, on}, says: []string{"still-on"}},
		{name: "off for too short a time", options: bmcbed.Options{Off: true}, params: params("cycle_time=1min"), status: 1, happens: nothing, says: []string{"unknown-state", "off half of a power cycle (cycle_time is 1m0s)"}},
		{name: "unreadable, and sent", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.ChassisStatus).Nth(1), 0xFF) }, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "unreadable to the end, and sent", given: func(b *bed) { b.fail(bmcbed.RefuseGet) }, status: 1, happens: []bmcbed.Happening{off}, says: []string{"device-error", "completion code FFh", "never seen"}},
		{name: "off that is refused while off", given: func(b *bed) {
			b.DoAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), func() { b.BMC.SetPower(false) })
			b.RefuseAt(bmcbed.At(bmcbed.ChassisControl), 0xD5)
		}, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "off that is refused, and someone's cycle", given: func(b *bed) {
			b.RefuseAt(bmcbed.At(bmcbed.ChassisControl), 0xD5)
			b.DoAt(bmcbed.At(bmcbed.ChassisStatus).Nth(2), func() { b.BMC.SetPower(false) })
			b.DoAt(bmcbed.At(bmcbed.ChassisStatus).Nth(3), func() { b.BMC.SetPower(true) })
		}, status: 1, on: true, happens: []bmcbed.Happening{off, on}, says: []string{"D5h"}},
		{name: "a BMC that restarts before off", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.Restarts) }, happens: []bmcbed.Happening{off}, logins: 2, says: []string{"off-observed"}},
		{name: "a BMC that restarts after off", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.ChassisStatus).Nth(2), bmcbed.Restarts) }, happens: []bmcbed.Happening{off}, logins: 2, says: []string{"off-observed"}},
		{name: "a BMC that restarts before the first look", verb: "status", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.ChassisStatus).Nth(1), bmcbed.Restarts) }, on: true, logins: 2, says: []string{"ready"}},
		{name: "a cycle whose answer is lost is not sent again", verb: "reset", given: func(b *bed) {
			b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.Restarts)
		}, params: params("method=cycle"), on: true, happens: []bmcbed.Happening{off, on}, says: []string{"off-observed, on-observed"}},
		{name: "a late answer is that of its question", given: func(b *bed) { b.fail(bmcbed.Replay); b.fail(bmcbed.IgnoreOff) }, status: 1, on: true, says: []string{"still-on"}},

		{name: "wrong password", params: params("passwd=wrong-password", "passwd_file="), status: 1, on: true, logins: 2, says: []string{"not-authenticated", "wrong password or user", "hint: compare user and password"}},
		{name: "wrong password, status", verb: "status", params: params("passwd=wrong-password", "passwd_file="), status: 1, on: true, logins: 1, says: []string{"not-authenticated", "hint: compare user and password"}},
		{name: "wrong password, lan", params: params("passwd=wrong-password", "passwd_file=", "interface=lan", "timeout=30s"), status: 1, on: true, says: []string{"not-authenticated"}},
		{name: "wrong password, lan, status", verb: "status", params: params("passwd=wrong-password", "passwd_file=", "interface=lan", "timeout=30s"), status: 1, on: true, says: []string{"not-authenticated", "went silent"}},
		{name: "the right password, and lost answers", params: params("interface=lan"), given: func(b *bed) {
			for n := range 8 { // two logins, of two attempts with two copies each
				b.FailAt(bmcbed.At(bmcbed.ActivateSession).Nth(n+1), bmcbed.Silent)
			}
		}, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "unknown user", params: params("userid=nobody"), status: 1, on: true, logins: 4, says: []string{"not-authenticated"}},
		{name: "a password that is refused once", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.RAKP1).Nth(1), 0x0D) }, logins: 2, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "a password that is refused later", given: func(b *bed) {
			b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.Restarts)
			for _, n := range []int{2, 3, 4} {
				b.RefuseAt(bmcbed.At(bmcbed.RAKP1).Nth(n), 0x0D)
			}
		}, logins: 5, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "no right to switch", params: params("userid=viewer", "passwd=Secret-3", "passwd_file="), status: 1, on: true, says: []string{"not-permitted", "hint: the user needs the privilege OPERATOR"}},
		{name: "no right to switch, said late", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.ChassisControl), 0xD4) }, status: 1, on: true, happens: nothing, says: []string{"not-permitted", "D4h"}},
		{name: "more rights than the user has", params: params("priv=administrator"), status: 1, on: true, says: []string{"not-permitted"}},
		{name: "K_g missing", options: bmcbed.Options{Key: []byte("key")}, status: 1, on: true, says: []string{"not-authenticated", "K_g", "hint: set kg_file"}, left: 2},
		{name: "K_g wrong", options: bmcbed.Options{Key: []byte("key")}, params: params("kg=yek"), status: 1, on: true, says: []string{"not-authenticated", "K_g"}, left: 2},
		{name: "K_g", options: bmcbed.Options{Key: []byte("key")}, params: params("kg=key"), happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "K_g in hexadecimal", options: bmcbed.Options{Key: []byte{0, 1, 0xFF}}, params: params("kg=0x0001ff"), happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "no common suite", options: bmcbed.Options{Suites: []int{1, 2}}, status: 1, on: true, says: []string{"bad-config", "no common cipher suite", "hint: set cipher"}},
		{name: "suite 3 alone", options: bmcbed.Options{Suites: []int{3}}, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "a weak suite by name", options: bmcbed.Options{Suites: []int{1}}, params: params("cipher=1"), happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "suite 0 by name", options: bmcbed.Options{Suites: []int{0}}, params: params("cipher=0"), happens: []bmcbed.Happening{off}, says: []string{"off-observed", "warning: ", "anyone on the network"}},
		{name: "another suite than asked", given: func(b *bed) { b.fail(bmcbed.OtherSuite) }, status: 1, on: true, says: []string{"not-authenticated", "other algorithms"}},
		{name: "no free session", given: func(b *bed) { b.fail(bmcbed.Full) }, status: 1, on: true, says: []string{"device-error", "no free session", "hint: its sessions end by themselves"}},
		{name: "no free session for a while", given: func(b *bed) {
			b.fail(bmcbed.Full)
			b.DoAt(bmcbed.At(bmcbed.OpenSession).Nth(2), func() { _ = b.Mend() })
		}, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "a BMC without IPMI 2.0", options: bmcbed.Options{Suites: []int{}}, params: params("interface=lan"), happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},

		{name: "diag", params: params("diag=1s"), happens: []bmcbed.Happening{diag, off}, says: []string{"off-observed"}},
		{name: "diag when off", options: bmcbed.Options{Off: true}, params: params("diag=1s"), happens: nothing, says: []string{"already-off"}},
		{name: "diag that is refused", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), 0xCC) }, params: params("diag=1s"), happens: []bmcbed.Happening{off}, says: []string{"off-observed", "warning: off node-1: no dump: ", "CCh"}},
		{name: "diag and no answer", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.Restarts) }, params: params("diag=1s"), happens: []bmcbed.Happening{off}, says: []string{"off-observed", "no dump: "}},
		{name: "diag for longer than there is time", params: params("diag=10min", "timeout=4s"), happens: []bmcbed.Happening{diag, off}, says: []string{"off-observed"}},
		{name: "diag in a reset", verb: "reset", params: params("diag=1s"), on: true, happens: []bmcbed.Happening{diag, off, on}, says: []string{"off-observed, on-observed"}},

		{name: "reset", verb: "reset", on: true, happens: []bmcbed.Happening{off, on}, logins: 1, says: []string{"off-observed, on-observed"}},
		{name: "on", verb: "on", options: bmcbed.Options{Off: true}, params: params("cycle_time=1min", "timeout=5s"), on: true, happens: []bmcbed.Happening{on}, says: []string{"on-observed"}},
		{name: "cycle", verb: "reset", options: bmcbed.Options{CycleTime: time.Second}, params: params("method=cycle"), on: true, happens: []bmcbed.Happening{off, on}, says: []string{"off-observed, on-observed"}},
		{name: "cycle that is ignored", verb: "reset", given: func(b *bed) { b.fail(bmcbed.IgnoreOff) }, params: params("method=cycle"), status: 1, on: true, happens: nothing, says: []string{"still-on"}},
		{name: "cycle that is refused", verb: "reset", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), 0xCC) }, params: params("method=cycle"), on: true, happens: []bmcbed.Happening{off, on}, says: []string{"off-observed, on-observed"}},
		{name: "cycle when off", verb: "reset", options: bmcbed.Options{Off: true}, params: params("method=cycle"), on: true, happens: []bmcbed.Happening{on}, says: []string{"already-off, on-observed"}},
		{name: "off with method=cycle", params: params("method=cycle"), happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "hard", verb: "reset", params: params("method=hard"), on: true, happens: []bmcbed.Happening{reset}, says: []string{"reset-accepted", "warning: ", "does not see that the node is off"}},
		{name: "hard when off", verb: "reset", options: bmcbed.Options{Off: true}, params: params("method=hard"), on: true, happens: []bmcbed.Happening{on}, says: []string{"already-off, on-observed"}},

		{name: "two nodes, one BMC dead", verb: "status", given: func(b *bed) {
			if err := b.other.Fail(bmcbed.Refused); err != nil {
				b.t.Fatal(err)
			}
		}, status: 1, on: true, happens: nothing, says: []string{"unreachable", stonithtest.Other, "connection refused"}, unsaid: "not-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

// A BMC at the right address may be that of another node.
func TestGUID(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	pinned := func(guid string) stonithtest.Result {
		return b.run(map[string]string{"bmc_guid": "NODE-1=" + guid}, "off", stonithtest.Node)
	}
	wrong := pinned(strings.Repeat("11", 16))
	if wrong.Status != 1 || !b.BMC.Power() || !strings.Contains(wrong.Stderr, "not-found") {
		t.Fatalf("with another GUID: exit status %d, node on: %v, %q", wrong.Status, b.BMC.Power(), wrong.Stderr)
	}
	if n := b.Count(bmcbed.OpenSession); n != 1 {
		t.Errorf("another BMC is logged in at %d times, want once", n)
	}
	_, after, _ := strings.Cut(wrong.Stderr, "it has ")
	shown, _, _ := strings.Cut(after, ",")
	shown, _, _ = strings.Cut(shown, " ")
	dashed := strings.ToUpper(shown[:8] + "-" + shown[8:12] + "-" + shown[12:16] + "-" + shown[16:20] + "-" + shown[20:])
	for _, guid := range []string{shown, dashed} {
		b.BMC.SetPower(true)
		if right := pinned(guid); right.Status != 0 || b.Power() != stonith.Off {
			t.Errorf("with its GUID %s: exit status %d, node on: %v, %q", guid, right.Status, b.BMC.Power(), right.Stderr)
		}
	}
}

// A BMC that is too busy to tell its GUID is not another one.
func TestBusyGUID(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	told := b.run(map[string]string{"bmc_guid": "node-1=" + strings.Repeat("1", 32)}, "off", stonithtest.Node).Stderr
	_, after, _ := strings.Cut(told, "it has ")
	its, _, _ := strings.Cut(after, " ")
	b.RefuseAt(bmcbed.At(bmcbed.DeviceGUID).Nth(1), 0xC0)
	b.RefuseAt(bmcbed.At(bmcbed.SystemGUID).Nth(1), 0xC1)
	got := b.run(map[string]string{"bmc_guid": "node-1=" + its}, "off", stonithtest.Node)
	if got.Status != 0 || b.BMC.Power() {
		t.Errorf("exit status %d, node on: %v, want 0 and off; %q", got.Status, b.BMC.Power(), got.Stderr)
	}
}
