package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// Only a login that succeeds finds the master, whatever the other members say.
func TestSearch(t *testing.T) {
	fails := func(fault pool.Fault, members ...int) func(*bed) {
		return func(b *bed) {
			b.losesAnswers = fault == pool.HalfAnswer
			for _, i := range members {
				if err := b.Member(i).Fail(fault); err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
	only := func(members ...int) func(*bed) {
		return func(b *bed) {
			var listed []*pool.Member
			for _, i := range members {
				listed = append(listed, b.Member(i))
			}
			b.params["pool"] = b.addresses(listed...)
		}
	}
	both := func(first, second func(*bed)) func(*bed) { return func(b *bed) { first(b); second(b) } }
	tests := []fenceTest{
		{name: "only a slave is listed", given: only(2), says: []string{"off-observed"}},
		{name: "a slave names a dead master, and another lives", given: func(b *bed) {
			b.Member(1).Promote()
			b.Member(2).SlaveOf("127.0.0.99")
		}, says: []string{"off-observed"}},
		{
			name: "a slave has another master, and its guest is halted in an old database", given: func(b *bed) {
				b.Member(1).Promote()
				b.Member(1).SetStarted(time.Now().Add(-time.Hour))
				b.Member(2).SlaveOf("127.0.0.99")
				b.haltIn(1)
			}, status: 1, runs: true, says: []string{"unknown-state", "Halted, but not by this call", "member 127.0.0.13", "is a slave of 127.0.0.99", "hint: xe pool-recover-slaves"},
		},
		{
			name: "the same, and on", verb: "on", given: func(b *bed) {
				node(b).Halt()
				b.Member(2).SlaveOf("127.0.0.99")
			}, status: 1, says: []string{"not started, since it may be running", "is a slave of 127.0.0.99"}, unasked: []string{"VM.start"},
		},
		{
			name: "a slave that had another master when it was asked", given: func(b *bed) {
				node(b).Halt()
				b.Member(2).SlaveOf("127.0.0.99")
				b.Member(0).DoAt(pool.After("VM.get_record").Nth(2), func() { b.Member(2).SlaveOf(b.Member(0).IP()) })
			}, says: []string{"off-observed"},
		},
		{name: "a slave names an IPv6 address", given: func(b *bed) { b.Member(1).SlaveOf("fd00::1") }, says: []string{"off-observed"}},
		{name: "a slave names nonsense", given: func(b *bed) { b.Member(1).SlaveOf("<nowhere>") }, says: []string{"off-observed"}},
		{
			name: "a slave names itself", given: both(only(1), func(b *bed) { b.Member(1).SlaveOf(b.Member(1).IP()) }), status: 1, runs: true,
			says: []string{"unreachable", "it is a slave of 127.0.0.12"},
		},
		{name: "members that are booting", given: func(b *bed) { b.Member(1).Boot(); b.Member(2).Emergency("HOST_UNKNOWN_TO_MASTER", "x") }, says: []string{"off-observed"}},
		{
			name: "no master: dead", given: func(b *bed) { _ = b.Member(0).Die() }, status: 1, runs: true,
			says: []string{"unreachable", "member 127.0.0.11", "connection refused", "member 127.0.0.12", "it is a slave of 127.0.0.11"},
		},
		{name: "no master: booting", given: func(b *bed) { b.Member(0).Boot() }, status: 1, runs: true, says: []string{"HOST_STILL_BOOTING"}},
		{name: "a master that starts while we search", given: func(b *bed) { b.Member(1).Elect(time.Second) }, params: map[string]string{"timeout": "45s"}, says: []string{"off-observed"}},
		{
			name: "a member that nobody trusts, and a master that starts while we search", given: func(b *bed) {
				if err := b.Member(2).Show(pool.CertExpired); err != nil {
					b.t.Fatal(err)
				}
				b.Member(1).Elect(time.Second)
			}, params: map[string]string{"timeout": "45s"}, says: []string{"off-observed"},
		},
		{name: "the master under two names", verb: "reset", given: func(b *bed) {
			b.params["pool"] += fmt.Sprintf(" [::ffff:%s]:%d", b.Member(0).IP(), b.Port())
			b.Member(0).FailAt(pool.Before("VM.hard_shutdown"), pool.Slow)
		}, options: pool.Options{SlowTime: 500 * time.Millisecond}, runs: true, says: []string{"off-observed, on-observed"}},
		{name: "an ejected member that is listed first", given: func(b *bed) { b.Member(1).Eject(); only(1, 0)(b) }, says: []string{"off-observed"}},
		{
			name: "an ejected member that answers first", given: func(b *bed) {
				b.Member(1).Eject()
				only(1, 0)(b)
				b.Member(0).FailAt(pool.Before("session.login_with_password"), pool.Slow)
			}, options: pool.Options{SlowTime: 300 * time.Millisecond}, says: []string{"off-observed"},
		},
		{
			name: "an ejected member alone", given: func(b *bed) { b.Member(1).Eject(); only(1)(b) }, status: 1, runs: true,
			says: []string{"not-found", "no guest"},
		},

		{
			name: "wrong password", given: func(b *bed) { b.params["passwd_file"] = writeFile(b.t, "wrong", "wrong") }, status: 1, runs: true,
			says: []string{"not-authenticated", "SESSION_AUTHENTICATION_FAILED", `"root"`, "hint: is this the user and password"},
		},
		{name: "wrong user", params: map[string]string{"user": "xen"}, status: 1, runs: true, says: []string{"not-authenticated", `"xen"`}},
		{
			name: "authority unknown", given: func(b *bed) { delete(b.params, "ca_file") }, status: 1, runs: true,
			says: []string{"not-authenticated", "certificate signed by unknown authority", "with fingerprint ", "hint: is ca_file the authority that signed it"},
		},
		{
			name: "tls_insecure", given: func(b *bed) { delete(b.params, "ca_file") }, params: map[string]string{"tls_insecure": "yes"},
			says: []string{"off-observed", "xenapi: warning: off node-1: tls_insecure is set"},
		},
		{
			name: "another's pin", given: func(b *bed) { delete(b.params, "ca_file") }, params: map[string]string{"tls_pins": strings.Repeat("ab", 32)}, status: 1, runs: true,
			says: []string{"not-authenticated", "which is not in tls_pins", "hint: compare"},
		},
	}
	for _, fault := range pool.Faults() {
		if fault != pool.Slow {
			tests = append(tests, fenceTest{name: "two members " + string(fault), given: fails(fault, 1, 2), says: []string{"off-observed"}})
		}
		if fault != pool.Slow && fault != pool.BlackHole {
			tests = append(tests, fenceTest{name: "all members " + string(fault), given: fails(fault, 0, 1, 2), status: 1, runs: true, says: []string{"error: off node-1: "}})
		}
	}
	for i := range tests {
		tests[i].options.WrongPassword = 100 * time.Millisecond
	}
	checkAll(t, tests)
}

// A wrong password is said once for a master, under however many names it is listed.
func TestWrongPasswordIsSaidOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 1})
	b.params["pool"] += fmt.Sprintf(" [::ffff:%s]:%d", b.Member(0).IP(), b.Port())
	b.params["passwd_file"] = writeFile(t, "wrong", "wrong")
	got := b.run(quick, "status")
	if n := strings.Count(got.Stderr, "SESSION_AUTHENTICATION_FAILED"); got.Status != 1 || n != 1 {
		t.Errorf("status: exit status %d, and says so %d times: %q", got.Status, n, got.Stderr)
	}
}

// Two masters of one pool, of which one has an old database, are never trusted
// with one answer.
func TestTwoMasters(t *testing.T) {
	checkAll(t, []fenceTest{
		{
			name: "both know it running, and one cannot reach its host", given: func(b *bed) { b.Member(1).Split() },
			params: map[string]string{"timeout": "45s"}, status: 1, says: []string{"unknown-state", "master 127.0.0.12", "refuses the master's session"}, orDead: true,
		},
		{
			name: "the young one says halted, first, and it runs", given: func(b *bed) {
				b.Member(1).Split()
				b.haltIn(1)
				b.Member(0).FailAt(pool.Before("session.login_with_password"), pool.Slow)
			}, options: pool.Options{SlowTime: 200 * time.Millisecond}, status: 1, says: []string{"unknown-state", "master 127.0.0.12", "running for"},
		},
		{
			name: "the old one says halted, first, and it runs", given: func(b *bed) {
				b.Member(1).Split()
				b.haltIn(0)
				b.Member(1).FailAt(pool.Before("session.login_with_password"), pool.Slow)
			}, options: pool.Options{SlowTime: 700 * time.Millisecond}, status: 1, runs: true, says: []string{"master 127.0.0.12"},
		},
		{
			name: "both say halted", given: func(b *bed) {
				node(b).Halt()
				b.Member(1).Split()
				b.Member(1).SetStarted(time.Now().Add(-time.Hour))
			}, says: []string{"xenapi: off node-1: "},
		},
		{
			name: "on", verb: "on", given: func(b *bed) {
				node(b).Halt()
				b.Member(1).Split()
				b.Member(1).SetStarted(time.Now().Add(-time.Hour))
			}, status: 1, says: []string{"ambiguous", "more than one master"}, unasked: []string{"VM.start"},
		},
		{
			name: "one does not know the guest", given: func(b *bed) {
				b.Member(1).Split()
				b.params["hostlist"] = stonithtest.Node + ":new"
				b.Add(pool.Guest{Name: "new"})
			}, status: 1, runs: true, says: []string{"ambiguous", "but the pool's other master does not know it"},
		},
		{name: "status", verb: "status", given: func(b *bed) {
			b.Member(1).Split()
			b.Member(1).FailAt(pool.Before("session.login_with_password"), pool.Slow)
		}, options: pool.Options{SlowTime: 500 * time.Millisecond}, status: 1, runs: true, says: []string{"ambiguous", "two masters"}},
	})
}

// The master dies at each single call of a fence, before and after it was carried
// out, and another member takes over: the verdict is true in each case.
func TestMasterDiesAtEachCall(t *testing.T) {
	calls := []string{
		"session.login_with_password", "session.get_this_host", "pool.get_all_records", "host.get_all_records", "VM.get_by_name_label",
		"VM.get_record#1", "VM.get_record#2", "VM.get_record#3", "VM.get_record#4", "VM.get_record#5", "VM.hard_shutdown", "session.logout",
	}
	for _, call := range calls {
		for _, before := range []bool{true, false} {
			for _, silent := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/before %v/silent %v", call, before, silent), func(t *testing.T) {
					t.Parallel()
					// A logout has 1 s, which other work on the machine may eat: once, and not twice.
					if left := masterDies(t, call, before, silent); len(left) > 0 {
						if left = masterDies(t, call, before, silent); len(left) > 0 {
							t.Errorf("sessions are left: %+v", left)
						}
					}
				})
			}
		}
	}
}

// masterDies lets the master die at that call of an off, and returns the sessions if one is
// left open.
func masterDies(t *testing.T, call string, before, silent bool) []pool.Session {
	t.Helper()
	b := newBed(t, pool.Options{HA: true})
	method, nth, _ := strings.Cut(call, "#")
	when := pool.After(method)
	if before {
		when = pool.Before(method)
	}
	n := 1
	_, _ = fmt.Sscan(nth, &n)
	b.Member(0).DoAt(when.Nth(n), func() {
		if silent {
			_ = b.Member(0).Fail(pool.BlackHole)
		} else {
			_ = b.Member(0).Die()
		}
		b.Member(1).Promote()
	})
	got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{"connect_timeout": "4s", "settle_time": "10s", "unheard_hosts": "ha"}, "off", stonithtest.Node)
	if runs := b.Truth(stonithtest.Node); got.Status == 0 && runs {
		t.Errorf("FALSE SUCCESS: %q %q", got.Stdout, got.Stderr)
	} else if got.Status != 0 {
		t.Errorf("exit status %d, runs: %v; %q", got.Status, runs, got.Stderr)
	}
	// The old master forgets its sessions soon after it answered.
	for limit := time.Now().Add(10 * time.Second); b.OpenSessions() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			return b.Sessions()
		}
	}
	return nil
}

// A session that the master forgets is replaced.
func TestSessionIsLost(t *testing.T) {
	for _, method := range []string{"VM.get_record", "VM.hard_shutdown", "VM.get_by_name_label", "host.get_servertime"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, pool.Options{})
			want := "off-observed"
			if method == "host.get_servertime" {
				node(b).Halt()
				want = "already-off"
			}
			b.Member(0).DoAt(pool.Before(method).Nth(1), b.Member(0).LoseSessions)
			got := b.run(nil, "off", stonithtest.Node)
			if got.Status != 0 || !strings.Contains(got.Stdout, want) && !strings.Contains(got.Stdout, "off-observed") {
				t.Errorf("off: exit status %d, %q %q", got.Status, got.Stdout, got.Stderr)
			}
			if n := b.Count("session.login_with_password"); n < 4 {
				t.Errorf("%d logins, want a second round", n)
			}
		})
	}
}

// Two pools that have a guest of that name are never trusted together.
func TestTwoPools(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 1})
	other, err := pool.New(pool.Options{Members: 1, Network: "127.0.1", Guests: []pool.Guest{{Name: stonithtest.Node}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	b.params["pool"] += " " + other.Member(0).Address()
	delete(b.params, "ca_file")
	b.params["tls_pins"] = b.Member(0).Pin() + " " + other.Member(0).Pin()
	got := b.run(nil, "off", stonithtest.Node)
	if got.Status != 1 || !strings.Contains(got.Stderr, "ambiguous") || !strings.Contains(got.Stderr, "are both node node-1") {
		t.Errorf("off: exit status %d, %s", got.Status, got.Stderr)
	}
	if n := other.OpenSessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// A login that succeeds when the call is over is logged out.
func TestLateLogin(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 1, SlowTime: 400 * time.Millisecond})
	b.params["pool"] += fmt.Sprintf(" [::ffff:%s]:%d", b.Member(0).IP(), b.Port())
	b.Member(0).FailAt(pool.Before("session.login_with_password").Nth(2), pool.Slow)
	got := b.run(nil, "status")
	if n := len(b.Sessions()); got.Status != 0 || n != 2 {
		t.Errorf("status: exit status %d, %d sessions, want 2; %s", got.Status, n, got.Stderr)
	}
}

// Whatever becomes of a call, no session is left.
func TestNoSessionIsLeft(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 2})
	verbs := [][]string{{"status"}, {"off", stonithtest.Node}, {"reset", stonithtest.Node}, {"off", stonithtest.Other}, {"on", stonithtest.Other}, {"on", "nobody"}}
	for i := range 120 {
		b.run(nil, verbs[i%len(verbs)]...)
	}
	if lost := slices.IndexFunc(b.Sessions(), func(s pool.Session) bool { return s.Lost }); lost >= 0 {
		t.Errorf("session %d was lost", lost)
	}
}
