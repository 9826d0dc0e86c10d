package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	bmcbed "github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/lossy"
)

// through puts a proxy between the plugin and the BMC of the first node.
func (b *bed) through(o lossy.Options) *lossy.Proxy {
	b.t.Helper()
	proxy, err := lossy.Start("127.0.0.1", addressOf(b.BMC), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(proxy.Close)
	b.params["hostlist"] = fmt.Sprintf("%s:127.0.0.1:%d %s:%s", stonithtest.Node, proxy.Port(), stonithtest.Other, addressOf(b.other))
	return proxy
}

// Someone on the way who knows no password makes a node look off only where the
// administrator has chosen packets without integrity, alone and by name, and each call
// warns of it.
func TestSpoofer(t *testing.T) {
	for _, tt := range []struct {
		params string
		foiled bool
	}{
		{"cipher=17", true},
		{"cipher=16", true},
		{"cipher=3", true},
		{"cipher=2", true},
		{"", true},
		{"interface=lan", true},
		{"cipher=0", false},
		{"cipher=1", false},
		{"cipher=15", false},
		{"interface=lan auth=password", false},
		{"interface=lan auth=none", false},
	} {
		t.Run(tt.params, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, bmcbed.Options{Auth: []bmcbed.Auth{bmcbed.AuthMD5, bmcbed.AuthStraight, bmcbed.AuthNone}})
			given := params(append(strings.Fields(tt.params), "timeout=5s")...)
			for _, verb := range []string{"status", "check"} {
				got := b.run(given, verb)
				if warned := strings.Contains(got.Stderr, "anyone on the network"); got.Status != 0 || warned == tt.foiled {
					t.Errorf("%s: exit status %d, %q", verb, got.Status, got.Stderr)
				}
			}
			spoofer := &lossy.Spoofer{Bold: tt.foiled}
			b.through(lossy.Options{Forge: spoofer})
			b.left = b.SessionsIn(bmcbed.Open)
			got := stonithtest.Run(t.Context(), b, "elsewhere", given, "off", stonithtest.Node)
			warned := strings.Contains(got.Stderr, "anyone on the network")
			switch {
			case tt.foiled && (got.Status == 0 && b.BMC.Power() || warned):
				t.Errorf("FALSE SUCCESS: exit status %d, node on: %v; %q", got.Status, b.BMC.Power(), got.Stderr)
			case !tt.foiled && (got.Status != 0 || !b.BMC.Power() || !warned || spoofer.Forged < 2):
				t.Errorf("exit status %d, node on: %v, %d forged; this shows nothing of the spoofer: %q", got.Status, b.BMC.Power(), spoofer.Forged, got.Stderr)
			}
		})
	}
}

// A suite without integrity stands alone, or the call fails before any contact.
func TestUnsignedInList(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	for _, cipher := range []string{"17 1", "17 3 15", "3 0", "1 17", "0 17", "15 1", "17,3;0"} {
		for _, args := range [][]string{{"off", stonithtest.Node}, {"reset", stonithtest.Node}, {"on", stonithtest.Node}, {"status"}, {"check"}} {
			got := b.run(params("cipher="+cipher), args...)
			if told := got.Stdout + got.Stderr; got.Status == 0 || !strings.Contains(told, "bad-config") || !strings.Contains(told, "has no integrity") || b.Contacts() != 0 {
				t.Errorf("cipher=%q %v: exit status %d, %d contacts, %q", cipher, args, got.Status, b.Contacts(), told)
			}
		}
	}
	if got := b.run(params("cipher=6"), "off", stonithtest.Node); got.Status == 0 || !strings.Contains(got.Stderr, "bad-config") || b.Contacts() != 0 {
		t.Errorf("cipher=6: %+v", got)
	}
}

// What the BMC tells by ACPI of a chassis without power, and what it does not.
func TestSleepingNode(t *testing.T) {
	sleeps := func(b *bed) { b.Sleep() }
	tells := func(state byte) func(b *bed) { return func(b *bed) { b.BMC.SetPower(false); b.SetACPI(state) } }
	nothing := []bmcbed.Happening{}
	went := []bmcbed.Happening{off}
	tests := []fenceTest{
		{name: "asleep", given: sleeps, happens: went, says: []string{"off-observed"}, unsaid: "already-off"},
		{name: "asleep, over lan", given: sleeps, params: params("interface=lan"), happens: went, says: []string{"off-observed"}, unsaid: "already-off"},
		{name: "asleep, and off is ignored", given: func(b *bed) { sleeps(b); b.fail(bmcbed.IgnoreOff) }, status: 1, on: true, happens: nothing, says: []string{"still-on", "S3 (03h)", "hint: ", "AllowSuspend=no"}},
		{name: "off lets the node sleep", given: func(b *bed) { b.fail(bmcbed.Suspends) }, status: 1, on: true, happens: nothing, says: []string{"still-on", "S3 (03h)"}},
		{name: "asleep, reset", verb: "reset", given: sleeps, on: true, happens: []bmcbed.Happening{off, on}, says: []string{"off-observed, on-observed"}},
		{name: "asleep, on", verb: "on", given: sleeps, on: true, happens: nothing, says: []string{"on-observed"}},
		{name: "asleep, status", verb: "status", given: sleeps, on: true, happens: nothing, says: []string{"ready"}},
		{name: "hibernates, off", given: tells(0x04), happens: []bmcbed.Happening{off}, says: []string{"already-off", "warning: ", "hibernates"}},
		{name: "hibernates, on", verb: "on", given: tells(0x04), status: 1, happens: went, says: []string{"device-error", "hibernates", "hint: ", "AllowHibernation=no"}},
		{name: "hibernates, reset", verb: "reset", given: tells(0x04), happens: went, says: []string{"already-off", "error: ", "hibernates", "hint: "}, unsaid: "on-observed"},
		{name: "off with the button makes it hibernate, reset", verb: "reset", given: func(b *bed) {
			b.DoAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), func() { go b.SetACPI(0x04) })
		}, happens: went, says: []string{"off-observed", "error: ", "hibernates"}, unsaid: "on-observed"},
		{name: "no such command", given: func(b *bed) { b.BMC.SetPower(false); b.RefuseAt(bmcbed.At(bmcbed.ACPIState), 0xC1) }, happens: went, says: []string{"already-off"}},
		{name: "no right to ask", given: func(b *bed) { b.BMC.SetPower(false); b.RefuseAt(bmcbed.At(bmcbed.ACPIState), 0xD4) }, happens: went, says: []string{"already-off"}},
		{name: "busy, then asleep", given: func(b *bed) { sleeps(b); b.RefuseAt(bmcbed.At(bmcbed.ACPIState).Nth(1), 0xC0) }, happens: went, says: []string{"off-observed"}, unsaid: "already-off"},
		{name: "always busy", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.ACPIState), 0xC0) }, happens: went, says: []string{"off-observed"}},
		{name: "a lost answer, then asleep", given: func(b *bed) {
			sleeps(b)
			for n := range 4 {
				b.FailAt(bmcbed.At(bmcbed.ACPIState).Nth(n+1), bmcbed.LoseAnswer)
			}
		}, happens: went, says: []string{"off-observed"}, unsaid: "already-off"},
		{name: "silent to the question", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.ACPIState), bmcbed.Silent) }, params: params("timeout=20s"), happens: went, logins: 1, says: []string{"off-observed"}},
		{name: "silent to the question, off at first", given: func(b *bed) { b.BMC.SetPower(false); b.FailAt(bmcbed.At(bmcbed.ACPIState), bmcbed.Silent) }, params: params("timeout=20s"), happens: went, logins: 1},
		{name: "asleep, and later questions are refused", given: func(b *bed) {
			sleeps(b)
			b.fail(bmcbed.IgnoreOff)
			b.RefuseAt(bmcbed.At(bmcbed.ACPIState).After(1), 0xD5)
		}, status: 1, on: true, happens: nothing},
		{name: "asleep, and later questions are met by silence", given: func(b *bed) {
			sleeps(b)
			b.fail(bmcbed.IgnoreOff)
			b.FailAt(bmcbed.At(bmcbed.ACPIState).After(1), bmcbed.Silent)
		}, params: params("timeout=20s"), status: 1, on: true, happens: nothing},
		{name: "hibernates, and later questions are refused, reset", verb: "reset", given: func(b *bed) {
			tells(0x04)(b)
			b.RefuseAt(bmcbed.At(bmcbed.ACPIState).After(2), 0xD5)
		}, params: params("cycle_time=1ms"), happens: went, unsaid: "on-observed"},
		{name: "an answer without data", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.ACPIState), bmcbed.Empty) }, happens: went, logins: 1, says: []string{"off-observed"}},
	}
	for _, state := range []byte{0x01, 0x02, 0x03, 0x08, 0x09, 0x83} {
		tests = append(tests, fenceTest{name: fmt.Sprintf("%02Xh", state), given: tells(state), status: 1, happens: went, says: []string{"still-on", "sleeps"}})
	}
	for _, state := range []byte{0x00, 0x04, 0x05, 0x06, 0x07, 0x0A, 0x20, 0x21, 0x2A, 0x7F} {
		tests = append(tests, fenceTest{name: fmt.Sprintf("%02Xh", state), given: tells(state), happens: went, says: []string{"already-off"}})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

// A chassis that is off is not sent Power Down, and no watchdog is stopped or started.
func TestCommandsOfOff(t *testing.T) {
	t.Parallel()
	usual := []bmcbed.Step{
		bmcbed.AuthCapabilities, bmcbed.OpenSession, bmcbed.RAKP1, bmcbed.RAKP3, bmcbed.SessionChallenge, bmcbed.ActivateSession, bmcbed.SetPrivilege,
		bmcbed.ChassisStatus, bmcbed.ACPIState, bmcbed.DeviceID, bmcbed.ChassisControl, bmcbed.CloseSession,
	}
	for _, face := range []string{"lanplus", "lan"} {
		for _, verb := range []string{"off", "reset"} {
			for _, wasOff := range []bool{false, true} {
				b := newBed(t, bmcbed.Options{Off: wasOff})
				if got := b.run(params("interface="+face), verb, stonithtest.Node); got.Status != 0 {
					t.Errorf("%s: %+v", verb, got)
				}
				orders := 0
				for _, c := range b.Commands() {
					if !slices.Contains(usual, c.Step) {
						t.Errorf("%s, %s: sends %s", face, verb, c.Step)
					}
					if c.Step == bmcbed.ChassisControl && c.Data[0] == 0 {
						orders++
					}
				}
				if orders > 0 == wasOff {
					t.Errorf("%s, %s, the node is off: %v: %d times Power Down", face, verb, wasOff, orders)
				}
			}
		}
	}
}

// A BMC that initialises itself does not know yet what its node does.
func TestStartingBMC(t *testing.T) {
	nothing := []bmcbed.Happening{}
	tests := []fenceTest{
		{name: "says off of a node that is on", given: func(b *bed) { b.fail(bmcbed.Starts); b.fail(bmcbed.SaysOff); b.fail(bmcbed.IgnoreOff) }, status: 1, on: true, happens: nothing, says: []string{"unknown-state", "just started"}},
		{name: "and has done so at the third question", given: func(b *bed) {
			b.FailAt(bmcbed.At(bmcbed.DeviceID).Nth(1), bmcbed.Starts)
			b.FailAt(bmcbed.At(bmcbed.DeviceID).Nth(2), bmcbed.Starts)
			b.FailAt(bmcbed.At(bmcbed.ChassisStatus).Nth(1), bmcbed.SaysOff)
			b.FailAt(bmcbed.At(bmcbed.ChassisStatus).Nth(2), bmcbed.SaysOff)
		}, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "of a node that was seen on", given: func(b *bed) { b.fail(bmcbed.Starts) }, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
		{name: "no such command", options: bmcbed.Options{Off: true}, given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.DeviceID), 0xC1) }, happens: nothing, says: []string{"already-off"}},
		{name: "silent to the question", options: bmcbed.Options{Off: true}, given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.DeviceID), bmcbed.Silent) }, params: params("timeout=20s"), happens: nothing, logins: 1},
		{name: "on", verb: "on", options: bmcbed.Options{Off: true}, given: func(b *bed) { b.fail(bmcbed.Starts) }, on: true, happens: []bmcbed.Happening{on}},
		{name: "status", verb: "status", options: bmcbed.Options{Off: true}, given: func(b *bed) { b.fail(bmcbed.Starts) }, happens: nothing, says: []string{"ready"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

// A BMC that could not switch the power says so beside the state of the chassis.
func TestPowerControlFault(t *testing.T) {
	for _, by := range []string{"", "interface=lan"} {
		for _, tt := range []fenceTest{
			{name: "since the node was on", given: func(b *bed) {
				b.fail(bmcbed.IgnoreOff)
				b.FailAt(bmcbed.At(bmcbed.ChassisStatus).After(1), bmcbed.SaysOff)
				b.FailAt(bmcbed.At(bmcbed.ChassisStatus).After(1), bmcbed.Control)
			}, status: 1, on: true, happens: []bmcbed.Happening{}, says: []string{"unknown-state", "power control fault", "hint: look at the node"}},
			{name: "from before", given: func(b *bed) { b.fail(bmcbed.Control) }, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
			{name: "off at first sight", options: bmcbed.Options{Off: true}, given: func(b *bed) { b.fail(bmcbed.Control) }, happens: []bmcbed.Happening{}, says: []string{"already-off"}},
		} {
			t.Run(tt.name+" "+by, func(t *testing.T) {
				t.Parallel()
				tt.params = params(by)
				tt.check(t)
			})
		}
	}
}

// On a network that delivers datagrams several times, off succeeds, whatever the BMC makes
// of copies, and the password is not blamed.
func TestCopies(t *testing.T) {
	for _, network := range []lossy.Options{
		{RequestCopies: 1, ReplyCopies: 1},
		{RequestCopies: 1},
		{RequestCopies: 2},
		{ReplyCopies: 1},
		{ReplyCopies: 2},
		{RequestCopies: 1, ReplyCopies: 1, CopyDelay: 3 * time.Millisecond},
		{RequestCopies: 1, ReplyCopies: 1, CopyDelay: 40 * time.Millisecond},
		{RequestCopies: 2, CopyDelay: 300 * time.Millisecond},
		{RequestCopies: 1, ReplyCopies: 1, CopyDelay: 2 * time.Second},
	} {
		for _, quirks := range [][]bmcbed.Fault{nil, {bmcbed.Repeats}, {bmcbed.OneLogin}, {bmcbed.OneAnswer}, {bmcbed.OneLogin, bmcbed.OneAnswer}} {
			for _, face := range []string{"lanplus", "lan"} {
				t.Run(fmt.Sprintf("%s %d up %d down %s %v", face, network.RequestCopies+1, network.ReplyCopies+1, network.CopyDelay, quirks), func(t *testing.T) {
					t.Parallel()
					b := newBed(t, bmcbed.Options{})
					for _, quirk := range quirks {
						b.fail(quirk)
					}
					b.through(network)
					began := time.Now()
					got := stonithtest.Run(t.Context(), b, "elsewhere", params("interface="+face), "off", stonithtest.Node)
					if got.Status != 0 || b.BMC.Power() {
						t.Errorf("exit status %d after %s, node on: %v; %q", got.Status, time.Since(began), b.BMC.Power(), got.Stderr)
					}
					if got := stonithtest.Run(t.Context(), b, "elsewhere", params("interface="+face), "status"); got.Status != 0 {
						t.Errorf("status: exit status %d; %q", got.Status, got.Stderr)
					}
				})
			}
		}
	}
}

// A wrong password stays wrong on such a network, and is not sent often.
func TestCopiesOfWrongPassword(t *testing.T) {
	for _, face := range []string{"lanplus", "lan"} {
		t.Run(face, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, bmcbed.Options{})
			b.through(lossy.Options{RequestCopies: 1, ReplyCopies: 1})
			got := stonithtest.Run(t.Context(), b, "elsewhere", params("interface="+face, "passwd=wrong-password", "passwd_file="), "off", stonithtest.Node)
			if got.Status != 1 || !strings.Contains(got.Stderr, "not-authenticated") || !b.BMC.Power() {
				t.Errorf("exit status %d, node on: %v; %q", got.Status, b.BMC.Power(), got.Stderr)
			}
			if n := len(b.Sessions()); n > 24 { // two of each
				t.Errorf("%d sessions were begun", n)
			}
		})
	}
}

// A suite that a BMC refuses in words of its own, or by silence, is no obstacle for the next.
func TestNextSuite(t *testing.T) {
	type quirk struct {
		name string
		at   func(b *bed, suite int)
	}
	var quirks []quirk
	for code := byte(1); code <= 0x20; code++ {
		for _, step := range []bmcbed.Step{bmcbed.OpenSession, bmcbed.RAKP1, bmcbed.RAKP3} {
			quirks = append(quirks, quirk{fmt.Sprintf("%02Xh to %s", code, step), func(b *bed, suite int) {
				b.RefuseAt(bmcbed.At(step).Suite(suite), code)
			}})
		}
	}
	fault := func(step bmcbed.Step, f bmcbed.Fault) quirk {
		return quirk{fmt.Sprintf("%s at %s", f, step), func(b *bed, suite int) { b.FailAt(bmcbed.At(step).Suite(suite), f) }}
	}
	quirks = append(quirks, fault(bmcbed.OpenSession, bmcbed.Silent), fault(bmcbed.RAKP1, bmcbed.Silent), fault(bmcbed.RAKP3, bmcbed.Silent),
		fault(bmcbed.RAKP1, bmcbed.OtherHash), fault(bmcbed.OpenSession, bmcbed.Truncated), fault(bmcbed.RAKP1, bmcbed.Truncated),
		fault(bmcbed.RAKP3, bmcbed.Corrupt), fault(bmcbed.OpenSession, bmcbed.Garbage), fault(bmcbed.OpenSession, bmcbed.OtherSuite), fault(bmcbed.SetPrivilege, bmcbed.Dies))
	for _, q := range quirks {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, bmcbed.Options{Suites: []int{3, 17}})
			q.at(b, 17)
			for _, args := range [][]string{{"status"}, {"off", stonithtest.Node}} {
				got := stonithtest.Run(t.Context(), b, "elsewhere", params("timeout=20s"), args...)
				if got.Status != 0 || args[0] == "off" && b.BMC.Power() {
					t.Errorf("%v: exit status %d, node on: %v; %q", args, got.Status, b.BMC.Power(), got.Stderr)
				}
			}
		})
		if strings.Contains(q.name, "RAKP 3") && !strings.Contains(q.name, "0Fh") || strings.HasPrefix(q.name, string(bmcbed.OtherHash)) {
			continue // the latter is right for suite 3
		}
		t.Run(q.name+", both suites", func(t *testing.T) {
			t.Parallel()
			b := newBed(t, bmcbed.Options{Suites: []int{3, 17}})
			q.at(b, 17)
			q.at(b, 3)
			got := stonithtest.Run(t.Context(), b, "elsewhere", params("timeout=5s"), "status")
			if got.Status == 0 || !strings.Contains(got.Stderr, "cipher suite") || !strings.Contains(got.Stderr, "hint: ") || !strings.Contains(got.Stderr, "node "+stonithtest.Node) {
				t.Errorf("exit status %d; %q", got.Status, got.Stderr)
			}
		})
	}
}

// A session that is silent at one of its first requests is lost as any other, and the
// next one does it.
func TestDeadSession(t *testing.T) {
	for _, face := range []string{"lanplus", "lan"} {
		for _, step := range []bmcbed.Step{bmcbed.SetPrivilege, bmcbed.DeviceGUID, bmcbed.ChassisStatus, bmcbed.ACPIState, bmcbed.DeviceID, bmcbed.ChassisControl} {
			for _, verb := range []string{"status", "off", "reset"} {
				if verb == "status" && !slices.Contains([]bmcbed.Step{bmcbed.SetPrivilege, bmcbed.DeviceGUID, bmcbed.ChassisStatus}, step) {
					continue
				}
				t.Run(fmt.Sprint(face, " ", step, " ", verb), func(t *testing.T) {
					t.Parallel()
					b := newBed(t, bmcbed.Options{Off: step == bmcbed.DeviceID})
					b.FailAt(bmcbed.At(step).Nth(1), bmcbed.Dies)
					args := []string{verb}
					if verb != "status" {
						args = append(args, stonithtest.Node)
					}
					began := time.Now()
					got := stonithtest.Run(t.Context(), b, "elsewhere", params("interface="+face, "timeout=15s", fmt.Sprintf("bmc_guid=node-1=%x", b.GUID())), args...)
					if got.Status != 0 || verb == "off" && b.BMC.Power() {
						t.Errorf("exit status %d after %s, node on: %v; %q", got.Status, time.Since(began), b.BMC.Power(), got.Stderr)
					}
				})
			}
		}
	}
}

// If that goes on, the error names node and BMC, and answers that are not understood are
// told as such.
func TestDeadSessionIsNamed(t *testing.T) {
	for _, face := range []string{"lanplus", "lan"} {
		for fault, reason := range map[bmcbed.Fault]string{bmcbed.Silent: "unreachable", bmcbed.Corrupt: "unknown-state", bmcbed.Truncated: "unknown-state", bmcbed.Garbage: "unknown-state"} {
			for _, step := range []bmcbed.Step{bmcbed.SetPrivilege, bmcbed.DeviceGUID, bmcbed.ChassisStatus} {
				t.Run(fmt.Sprint(face, " ", fault, " ", step), func(t *testing.T) {
					t.Parallel()
					b := newBed(t, bmcbed.Options{})
					b.FailAt(bmcbed.At(step), fault)
					got := stonithtest.Run(t.Context(), b, "elsewhere", params("interface="+face, "timeout=6s", fmt.Sprintf("bmc_guid=node-1=%x", b.GUID())), "status")
					for _, says := range []string{reason, "node " + stonithtest.Node, addressOf(b.BMC), string(step)} {
						if got.Status == 0 || !strings.Contains(got.Stderr, says) {
							t.Errorf("exit status %d, nothing of %q: %q", got.Status, says, got.Stderr)
						}
					}
				})
			}
		}
	}
}
