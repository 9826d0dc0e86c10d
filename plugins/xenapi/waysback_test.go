package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// The ways in which a guest that looks off goes on all the same. docs/xenapi.md has the
// rules that close them.

// hourAgo is when agents were started whose word counts.
func hourAgo() time.Time { return time.Now().Add(-time.Hour) }

// settled lets the agents of all members be old, after a change of masters.
func settled(b *bed) {
	for _, m := range b.Members() {
		m.SetStarted(hourAgo())
	}
}

// Nothing but what is heard from every member tells that a guest is off which its master
// calls Halted or Suspended: it runs on another one, which that master has lost.
func TestMasterThatDoesNotKnow(t *testing.T) {
	two := pool.Options{Members: 2}
	split := func(b *bed) { b.Member(1).Split(); b.haltIn(0) }
	tests := []fenceTest{
		{name: "young, Suspended in its old database, and the host has a dead master", given: func(b *bed) {
			b.Member(1).Promote()
			_ = b.Member(0).Die()
			b.Member(2).SlaveOf("127.0.0.99")
			node(b).WriteIn(b.Member(1), pool.Suspended)
		}}, // the image is deleted by a host picked at random, or by none
		{name: "young, Suspended in its old database, and the host is out of reach", given: func(b *bed) {
			b.Member(1).Promote()
			_ = b.Member(0).Die()
			_ = b.Member(2).Die()
			node(b).WriteIn(b.Member(1), pool.Suspended)
		}}, // it says what is in its way first: no host deletes the image, or it is young
		{name: "settled, Suspended in its old database, and the host is out of reach", given: func(b *bed) {
			_ = b.Member(2).Die()
			node(b).WriteIn(b.Member(0), pool.Suspended)
		}, says: []string{"not heard", "member 127.0.0.13 (xen3)"}},
		{name: "the old master alone is in the parameter pool, and the others have another one", given: func(b *bed) {
			b.Member(1).Split()
			b.Member(1).SetStarted(hourAgo())
			b.Member(2).SlaveOf(b.Member(1).IP())
			b.haltIn(0)
			b.params["pool"] = b.addresses(b.Member(0))
		}, says: []string{"not heard", "127.0.0.12 (xen2): ", "127.0.0.13 (xen3): ", "another master's database", "pool-recover-slaves"}},
		{name: "the new master and its slave are out of reach", given: func(b *bed) {
			b.Member(1).Split()
			_ = b.Member(1).Die()
			_ = b.Member(2).Die()
			b.haltIn(0)
		}, says: []string{"not heard", "127.0.0.12 (xen2): ", "127.0.0.13 (xen3): ", "connection refused", "next fencing level", "unheard_hosts=ha"}},
		{name: "settled with a restored database, and the host is out of reach", given: func(b *bed) {
			b.Member(1).Promote()
			settled(b)
			_ = b.Member(0).Die()
			_ = b.Member(2).Die()
			b.haltIn(1)
		}, says: []string{"not heard", "127.0.0.13 (xen3): "}},
		{name: "the same, and the database has the host for dead", given: func(b *bed) {
			b.Member(1).Promote()
			settled(b)
			_ = b.Member(0).Die()
			_ = b.Member(2).Die()
			b.Member(2).SetLive(false)
			b.haltIn(1)
		}, says: []string{"not heard", "127.0.0.13 (xen3): "}},
		{name: "the host is silent", given: func(b *bed) {
			if err := b.Member(2).Fail(pool.BlackHole); err != nil {
				b.t.Fatal(err)
			}
			b.haltIn(0)
		}, says: []string{"not heard", "127.0.0.13 (xen3): "}},
		{name: "the new master answers the login after 2 s", options: pool.Options{Members: 2, SlowTime: 2 * time.Second}, given: func(b *bed) {
			split(b)
			b.Member(1).FailAt(pool.Before("session.login_with_password"), pool.Slow)
		}},
		{name: "the SYN to the new master is lost once", options: two, given: func(b *bed) {
			split(b)
			m := b.Member(1)
			_ = m.Fail(pool.BlackHole)
			time.AfterFunc(500*time.Millisecond, func() { _ = m.Mend() })
		}},
		{name: "the certificate of the new master is not trusted", options: two, given: func(b *bed) {
			split(b)
			_ = b.Member(1).Show(pool.CertExpired)
		}, says: []string{"not heard", "127.0.0.12 (xen2): ", "certificate"}},
		{name: "the new master wants another password", options: two, given: func(b *bed) {
			split(b)
			b.Member(1).AnswerAt(pool.Before("session.login_with_password"), "SESSION_AUTHENTICATION_FAILED", "root", "x")
		}, says: []string{"another master's database"}},
		{name: "the new master is still starting", options: two, given: func(b *bed) {
			split(b)
			b.Member(1).Boot()
		}, says: []string{"HOST_STILL_BOOTING"}},
		{name: "the host is a slave by its configuration, and has lost its master", given: func(b *bed) {
			b.Member(2).Cut()
			b.haltIn(0)
		}, says: []string{"not heard", "127.0.0.13 (xen3): "}},
		{name: "a member of the parameter pool that is in no record", given: func(b *bed) {
			b.Member(2).Forget()
			_ = b.Member(2).Fail(pool.BlackHole)
		}, says: []string{"not heard", "member 127.0.0.13:"}},
		{name: "a member that was forgotten while it had lost its master", given: func(b *bed) {
			b.Member(2).Cut()
			b.Member(2).Forget()
		}, says: []string{"not heard", "member 127.0.0.13:"}},
		{name: "a host that is away in emergency mode", given: func(b *bed) {
			b.Member(2).Emergency("HOST_MASTER_CANNOT_TALK_BACK", "x")
			b.haltIn(0)
		}, says: []string{"not heard", "HOST_MASTER_CANNOT_TALK_BACK"}},
	}
	for i := range tests {
		tests[i].status, tests[i].runs = 1, true
		tests[i].orDead = true // another master that is found meanwhile ends it
		tests[i].params = map[string]string{"timeout": "16s"}
		tests[i].says = append(tests[i].says, "error: off node-1: ")
	}
	checkAll(t, tests)
}

// reset and on start no second instance of a guest that runs.
func TestNoSecondInstance(t *testing.T) {
	for name, given := range map[string]func(b *bed){
		"the old master alone is in the parameter pool": func(b *bed) {
			b.Member(1).Split()
			b.Member(1).SetStarted(hourAgo())
			b.Member(2).SlaveOf(b.Member(1).IP())
			b.haltIn(0)
			b.params["pool"] = b.addresses(b.Member(0))
		},
		"the host of the guest is out of reach": func(b *bed) {
			_ = b.Member(1).Die()
			_ = b.Member(2).Die()
			b.haltIn(0)
			b.Member(2).SetLive(false)
		},
		"a young master calls it Suspended": func(b *bed) {
			b.Member(1).Promote()
			_ = b.Member(0).Die()
			_ = b.Member(2).Die()
			b.Member(2).SetLive(false)
			node(b).WriteIn(b.Member(1), pool.Suspended)
		},
		"its host was started before the master": func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
			b.haltIn(0)
		},
	} {
		for _, verb := range []string{"reset", "on"} {
			t.Run(name+"/"+verb, func(t *testing.T) {
				t.Parallel()
				b := newBed(t, pool.Options{})
				given(b)
				got := b.run(map[string]string{"timeout": "16s"}, verb, stonithtest.Node)
				if got.Status == 0 || len(node(b).On()) != 1 || b.Count("VM.start") > 0 {
					t.Errorf("exit status %d, %d calls of VM.start, the guest runs on members %v; %s", got.Status, b.Count("VM.start"), node(b).On(), got.Stderr)
				}
			})
		}
	}
}

// A host has told its master what it runs if its own agent was started since, and long
// enough ago.
func TestHostsThatHaveNotTold(t *testing.T) {
	off := func(b *bed) { node(b).Halt() }
	remedy := []string{"unknown-state", "xen2 (127.0.0.12), xen3 (127.0.0.13) were started before the master's", "hint: xe-toolstack-restart on each of them"}
	checkAll(t, []fenceTest{
		{name: "a master that crashed and came back with a database of some minutes ago", given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
			b.haltIn(0)
		}, status: 1, runs: true, says: remedy},
		{name: "the same, and the guest is off in truth", given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
			off(b)
		}, status: 1, says: remedy},
		{name: "the same, and their toolstacks were restarted", given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
			b.haltIn(0)
			b.Member(1).Restart()
			b.Member(2).Restart()
			b.Member(1).SetStarted(hourAgo().Add(40 * time.Minute))
			b.Member(2).SetStarted(hourAgo().Add(40 * time.Minute))
		}, says: []string{"off-observed"}},
		{name: "a host that has just come back", given: func(b *bed) {
			b.Member(2).SetStarted(time.Now().Add(-time.Minute))
			b.haltIn(0)
		}, status: 1, runs: true, says: []string{"unknown-state", "the agents of xen3 (127.0.0.13) have been running for less than 2m0s", "settle_time"}},
		{name: "all were started at once, by clocks that differ", given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Second))
			off(b)
		}, says: []string{"already-off"}},
		{name: "high availability writes each change down, on the administrator's word", options: pool.Options{HA: true}, params: map[string]string{"unheard_hosts": "ha"}, given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
			off(b)
		}, says: []string{"already-off"}},
		{name: "high availability that is off by the end of the look", options: pool.Options{HA: true}, params: map[string]string{"unheard_hosts": "ha", "timeout": "16s"}, given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
			b.haltIn(0)
			b.Member(0).DoAt(pool.Before("pool.get_ha_enabled"), func() { b.SetHA(false) })
		}, status: 1, runs: true, says: remedy},
		{name: "a guest that runs, of a database that may be old", given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
		}, says: []string{"off-observed", "warning: off node-1: ", "may have been moved since", "xe-toolstack-restart"}},
		{name: "and the second half of a reset of it", verb: "reset", params: quick, given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
		}, says: []string{"off-observed", "not started, since it may be running", "xe-toolstack-restart"}, unasked: []string{"VM.start"}},
	})
}

// What hosts count as that are not heard.
func TestUnheardHosts(t *testing.T) {
	ha := pool.Options{HA: true}
	word := func(word string) map[string]string { return map[string]string{"unheard_hosts": word, "timeout": "16s"} }
	dead := func(b *bed) { node(b).Halt(); _ = b.Member(2).PowerOff() }
	checkAll(t, []fenceTest{
		{name: "refuse", given: dead, status: 1, says: []string{"unknown-state", "not heard", "127.0.0.13 (xen3)"}},
		{name: "refuse, with HA", options: ha, given: dead, status: 1, says: []string{"unknown-state", "not heard", "127.0.0.13 (xen3)"}},
		{name: "refuse, and the host comes while it is waited for", params: map[string]string{"timeout": "45s"}, given: func(b *bed) {
			node(b).Halt()
			m := b.Member(2)
			_ = m.Fail(pool.BlackHole)
			time.AfterFunc(1500*time.Millisecond, func() { _ = m.Mend() })
		}, says: []string{"already-off"}},
		{name: "ha", options: ha, params: map[string]string{"unheard_hosts": "ha", "timeout": "45s"}, given: dead, says: []string{"already-off"}},
		{name: "ha without HA", params: word("ha"), given: dead, status: 1, says: []string{"unknown-state", "not heard", "hint: unheard_hosts=ha counts only while high availability is on"}},
		{name: "ha, switched off while we look", options: ha, params: word("ha"), given: func(b *bed) {
			dead(b)
			b.Member(0).DoAt(pool.Before("pool.get_ha_enabled"), func() { b.SetHA(false) })
		}, status: 1, says: []string{"unknown-state", "not heard"}},
		{name: "ha, and the master is young", options: ha, params: word("ha"), given: func(b *bed) {
			dead(b)
			b.Member(0).SetStarted(time.Now())
		}, status: 1, says: []string{"unknown-state", "settle_time"}},
		{name: "ha, and a member has it switched off", options: ha, params: word("ha"), given: func(b *bed) {
			b.Member(1).Emergency("HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED")
			_ = b.Member(2).Die()
			b.haltIn(0)
		}, status: 1, runs: true, says: []string{"unknown-state", "not heard", "no member is in emergency mode"}},
		{name: "ha, and the host has lost the statefile", options: ha, params: word("ha"), given: func(b *bed) {
			b.Member(2).Emergency("HA_HOST_CANNOT_ACCESS_STATEFILE")
			b.haltIn(0)
		}, status: 1, runs: true, says: []string{"unknown-state", "HA_HOST_CANNOT_ACCESS_STATEFILE"}},
		{name: "ha, and the host answers to another master", options: ha, params: word("ha"), given: func(b *bed) {
			b.Member(1).Split()
			b.Member(2).SlaveOf(b.Member(1).IP())
			b.haltIn(0)
			b.params["pool"] = b.addresses(b.Member(0))
		}, status: 1, runs: true, says: []string{"unknown-state", "another master's database"}},
		{name: "trust", params: map[string]string{"unheard_hosts": "trust", "timeout": "45s"}, given: dead, says: []string{"already-off", "warning: off node-1: unheard_hosts=trust is set"}},
		{name: "trust, and the host answers to another master", params: map[string]string{"unheard_hosts": "trust", "timeout": "32s"}, given: func(b *bed) {
			b.Member(1).Split()
			b.Member(2).SlaveOf(b.Member(1).IP())
			b.haltIn(0)
			b.params["pool"] = b.addresses(b.Member(0))
		}, status: 1, runs: true, says: []string{"unknown-state", "another master's database"}},
		{
			name: "another word", params: map[string]string{"unheard_hosts": "maybe"}, status: 1, runs: true, says: []string{"bad-config", `unheard_hosts`, `"maybe" is none of refuse, ha, trust`},
			unasked: []string{"session.login_with_password"},
		},
		{name: "status warns of trust", verb: "status", params: map[string]string{"unheard_hosts": "trust"}, runs: true, says: []string{"ready", "warning: status: unheard_hosts=trust is set"}},
		{
			name: "status warns of a silent host", verb: "status", given: func(b *bed) { _ = b.Member(1).PowerOff() }, runs: true,
			says: []string{"ready", "warning: status: a guest that is Halted or Suspended would not be proven off", "member 127.0.0.12 (xen2)"},
		},
		{
			name: "status warns of hosts that have not told", verb: "status", given: func(b *bed) { b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute)) }, runs: true,
			says: []string{"ready", "warning: status: ", "were started before the master's", "xe-toolstack-restart"},
		},
		{name: "a settle_time of nothing", params: map[string]string{"settle_time": "1ms"}, says: []string{"off-observed", "warning: off node-1: settle_time=1ms is less than 10s"}},
	})
}

// Names of the parameter pool are heard for the hosts that they lead to.
func TestHeardByAnotherName(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{})
	var named []string
	for i, m := range b.Members() {
		if i > 0 {
			// What the host's record has is not trusted; the name is.
			named = append(named, strings.Replace(m.Address(), m.IP(), "[::ffff:"+m.IP()+"]", 1))
		}
	}
	b.params["pool"] = b.Member(0).Address() + " " + strings.Join(named, " ")
	node(b).Halt()
	if got := b.run(map[string]string{"timeout": "45s"}, "off", stonithtest.Node); got.Status != 0 {
		t.Errorf("off: exit status %d: %s", got.Status, got.Stderr)
	}
}

// A host is heard by its own voice: not by the master's, nor by that of a host which has
// the same address in the database.
func TestHeardByItself(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{})
	device := b.open(nodeOne)
	guests, err := device.guests(t.Context(), nodeOne, known)
	if err != nil {
		t.Fatal(err)
	}
	s := guests[0].session
	heard := func(change func(ref string, h *hostRecord)) (n int) {
		hosts := map[string]hostRecord{}
		for ref, h := range s.hosts {
			change(ref, &h)
			hosts[ref] = h
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // a member that has lost its master never answers
		defer cancel()
		for _, v := range s.listen(ctx, hosts) {
			if v.host != "" && v.err == nil {
				n++
			}
		}
		return n
	}
	if n := heard(func(string, *hostRecord) {}); n != 2 {
		t.Errorf("%d hosts are heard, want 2", n)
	}
	if n := heard(func(_ string, h *hostRecord) {
		if h.Name == "xen2" {
			h.Address = b.Member(2).IP() // that of xen3
		}
	}); n != 0 {
		t.Errorf("%d hosts are heard, of two with one address", n)
	}
	if n := heard(func(ref string, h *hostRecord) {
		switch {
		case h.Name == "xen2":
			h.Address = b.Member(0).IP() // that of the master
		case ref == s.master:
			h.Address = "127.0.0.99"
		}
	}); n != 1 {
		t.Errorf("%d hosts are heard, of which one has the master's address, want 1", n)
	}
	b.Member(1).Cut()
	if n := heard(func(_ string, h *hostRecord) {
		switch h.Name {
		case "xen2":
			h.Address = b.Member(2).IP() // from here: a network in between has changed it
		case "xen3":
			h.Address = "127.0.0.99"
		}
	}); n != 0 {
		t.Errorf("%d hosts are heard, of which one cannot be, and another one answers at its address", n)
	}
}

// hard_shutdown proves nothing of a guest that no host had, or that another one builds.
func TestRequestsThatProveNothing(t *testing.T) {
	stay := map[string]string{"timeout": "16s"}
	long := map[string]string{"timeout": "45s"}
	noShutdown := []string{"VM.hard_shutdown"}
	checkAll(t, []fenceTest{
		{name: "suspended", given: func(b *bed) { node(b).Suspend() }, says: []string{"off-observed"}},
		{name: "suspended, and no host sees the storage", given: func(b *bed) {
			node(b).Suspend()
			for _, m := range b.Members() {
				m.LoseStorage()
			}
		}, status: 1, image: true, says: []string{"unreachable", "NO_HOSTS_AVAILABLE", "hint: a live host that sees the storage"}},
		{name: "suspended, and the image stays", given: func(b *bed) {
			node(b).Suspend()
			node(b).KeepImage()
		}, image: true, says: []string{"off-observed"}}, // nothing refers to it any more
		{name: "a revert to a checkpoint left it suspended", given: func(b *bed) {
			node(b).Suspend()
			b.Add(pool.Guest{Name: stonithtest.Node, Snapshot: true})
		}, says: []string{"off-observed"}},
		{name: "being resumed", params: long, given: func(b *bed) {
			node(b).Suspend()
			node(b).Resume(b.Member(1), 2*time.Second)
		}, says: []string{"off-observed"}, later: time.Second},
		{name: "being resumed for too long", params: stay, given: func(b *bed) {
			node(b).Suspend()
			node(b).Resume(b.Member(1), time.Minute)
		}, status: 1, image: true, says: []string{"unknown-state", `Suspended, with "resume" under way`, "xe task-list"}, unasked: noShutdown},
		{name: "being resumed, and somebody writes Halted", params: long, given: func(b *bed) {
			node(b).Suspend()
			node(b).Resume(b.Member(1), 4*time.Second)
			b.Member(0).DoAt(pool.Before("VM.get_record").Nth(3), func() { b.haltIn(0) })
		}, says: []string{"off-observed"}, later: 3 * time.Second},
		{name: "being resumed, and Halted by somebody before we look", params: long, given: func(b *bed) {
			node(b).Suspend()
			node(b).Resume(b.Member(1), 3*time.Second)
			b.haltIn(0)
		}, says: []string{"off-observed"}, later: 3 * time.Second},
		{name: "being resumed by a host that the master loses, and that goes on", params: stay, given: func(b *bed) {
			node(b).Suspend()
			lose := node(b).ResumeFails(b.Member(1), 8*time.Second)
			b.Member(0).DoAt(pool.Before("VM.get_record").Nth(3), lose)
		}, status: 1, says: []string{"unknown-state", `"resume" was under way, and may have left a domain`}, runs: true},
		{name: "Halted, while another guest is in a checkpoint for long", params: long, given: func(b *bed) {
			node(b).Halt()
			b.VM("guest-2").Checkpoint(2 * time.Minute)
		}, says: []string{"already-off"}},
		{name: "being resumed, and Halted by somebody before we look, while another guest is in a checkpoint", params: stay, given: func(b *bed) {
			b.VM("guest-2").Checkpoint(2 * time.Minute)
			node(b).Suspend()
			node(b).Resume(b.Member(1), time.Minute)
			b.haltIn(0)
		}, status: 1, image: true, says: []string{"unknown-state", `a task "Async.VM.resume" is pending, which may restore the guest`}},
		{name: "in a checkpoint", params: long, given: func(b *bed) { node(b).Checkpoint(3 * time.Second) }, says: []string{"off-observed"}, later: 2 * time.Second},
		{
			name: "in a checkpoint for too long", params: stay, given: func(b *bed) { node(b).Checkpoint(2 * time.Minute) }, status: 1, runs: true,
			says: []string{"unknown-state", `Running, with "checkpoint" under way`}, unasked: noShutdown,
		},
		{name: "a checkpoint that begins while the request hangs", params: long, options: pool.Options{ShutdownTime: 2 * time.Second}, given: func(b *bed) {
			b.Member(0).DoAt(pool.Before("VM.hard_shutdown").Nth(1), func() { node(b).Checkpoint(4 * time.Second) })
		}, says: []string{"off-observed"}, later: 3 * time.Second},
		{name: "being migrated, which hard_shutdown ends, and no host to be heard", params: stay, given: func(b *bed) {
			node(b).Busy("pool_migrate")
			_ = b.Member(1).PowerOff()
		}, status: 1, says: []string{"unknown-state", "not heard"}},
		{
			name: "being migrated to another pool", params: stay, given: func(b *bed) { node(b).Busy("migrate_send") }, status: 1, runs: true,
			says: []string{"unknown-state", `"migrate_send" under way`}, unasked: noShutdown,
		},
		{name: "being migrated to another pool, and the source calls it Halted", params: stay, given: func(b *bed) {
			node(b).Busy("migrate_send")
			b.Member(0).DoAt(pool.Before("VM.get_record").Nth(3), func() {
				node(b).Idle()
				b.haltIn(0)
			})
		}, status: 1, runs: true, says: []string{"unknown-state", `"migrate_send" was under way, and may have left a domain`}, unasked: noShutdown},
		{name: "an operation that nobody knows, and no host to be heard", params: stay, options: pool.Options{BusyTime: 100 * time.Millisecond}, given: func(b *bed) {
			node(b).Busy("teleport")
			_ = b.Member(1).PowerOff()
			b.Member(0).DoAt(pool.Before("VM.hard_shutdown").Nth(1), node(b).Idle)
		}, status: 1, says: []string{"unknown-state", `"teleport" was under way, and may have left a domain`}},
		{name: "the same, with all hosts heard, in a session that is lost", params: stay, given: func(b *bed) {
			node(b).Busy("teleport")
			b.Member(0).DoAt(pool.Before("VM.hard_shutdown").Nth(1), node(b).Idle)
			b.Member(0).DoAt(pool.After("VM.hard_shutdown").Nth(1), b.Member(0).LoseSessions)
		}, status: 1, says: []string{"unknown-state", `"teleport" was under way, and may have left a domain`}},
		{name: "an operation that nobody knows begins while the request hangs, and no host to be heard", params: stay, options: pool.Options{ShutdownTime: 7 * time.Second}, given: func(b *bed) {
			_ = b.Member(1).PowerOff()
			b.Member(0).DoAt(pool.Before("VM.hard_shutdown").Nth(1), func() {
				time.AfterFunc(500*time.Millisecond, func() { node(b).Busy("teleport") })
				time.AfterFunc(5*time.Second, node(b).Idle)
			})
		}, status: 1, says: []string{"unknown-state", "not heard"}},
		{name: "Halted by somebody's reset while the request hangs", params: stay, options: pool.Options{ContactTime: 100 * time.Second}, given: func(b *bed) {
			b.Member(2).Cut()
			time.AfterFunc(1500*time.Millisecond, func() { b.haltIn(0) })
		}, status: 1, runs: true, says: []string{"127.0.0.13 (xen3)"}},
		{name: "the same, with a young master", params: stay, options: pool.Options{ContactTime: 100 * time.Second}, given: func(b *bed) {
			b.Member(2).Cut()
			b.Member(0).SetStarted(time.Now())
			time.AfterFunc(1500*time.Millisecond, func() { b.haltIn(0) })
		}, status: 1, runs: true, says: []string{"running for"}},
		{name: "Halted by somebody's reset before the request", params: stay, given: func(b *bed) {
			b.Member(2).Cut()
			b.Member(2).SetLive(false)
			b.haltIn(0)
		}, status: 1, runs: true, says: []string{"not heard", "127.0.0.13 (xen3)"}},
		{name: "killed, started by somebody, and reset", params: stay, given: func(b *bed) {
			b.Member(0).DoAt(pool.After("VM.hard_shutdown").Nth(1), func() {
				node(b).Run()
				b.Member(2).Cut()
			})
			b.Member(0).DoAt(pool.After("VM.get_record").Nth(4), func() { b.haltIn(0) })
		}, status: 1, runs: true},
		{name: "an answer long after the deed, and no host to be heard", params: stay, given: func(b *bed) {
			node(b).SetShutdownDelay(time.Minute)
			_ = b.Member(1).PowerOff()
		}, status: 1, says: []string{"not heard"}},
		{name: "an answer some time after the deed, and no host to be heard", params: long, given: func(b *bed) {
			node(b).SetShutdownDelay(2 * time.Second)
			_ = b.Member(1).PowerOff()
		}, says: []string{"off-observed"}},
	})
}

// Fresh boots are no way back, and are not taken for one.
func TestFreshBoots(t *testing.T) {
	ha := pool.Options{HA: true}
	again := func(b *bed) { node(b).Reboot() }
	checkAll(t, []fenceTest{
		{name: "high availability starts a best-effort guest after the proof", options: ha, runs: true, given: func(b *bed) {
			node(b).Protect("best-effort")
			b.Member(0).DoAt(pool.Before("session.logout").Nth(1), func() { again(b) })
		}, says: []string{"off-observed"}},
		{name: "high availability starts it before we look, and it is ended again", options: ha, params: map[string]string{"timeout": "45s"}, given: func(b *bed) {
			b.Member(0).DoAt(pool.After("VM.hard_shutdown").Nth(1), func() { again(b) })
		}, says: []string{"off-observed"}},
		{name: "a host that boots starts it (auto_poweron) while it is looked at", params: map[string]string{"timeout": "45s"}, given: func(b *bed) {
			node(b).Halt()
			b.Member(0).DoAt(pool.After("host.get_servertime").Nth(1), func() { again(b) })
		}, says: []string{"off-observed"}},
		{name: "a guest that HA protects is not started again", options: ha, given: func(b *bed) { node(b).Protect("restart") }, says: []string{"off-observed"}},
	})
}

// A guest that was moved to another pool is not what is left of it in the old one.
func TestMovedToAnotherPool(t *testing.T) {
	for _, name := range []string{stonithtest.Node, "renamed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, pool.Options{})
			other, err := pool.New(pool.Options{Members: 1, Network: "127.0.1", Guests: []pool.Guest{{Name: name, UUID: node(b).UUID()}}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(other.Close)
			node(b).Halt() // the record that is left in the source
			b.params["pool"] += " " + other.Member(0).Address()
			delete(b.params, "ca_file")
			b.params["tls_insecure"] = "true"
			got := b.run(map[string]string{"timeout": "16s"}, "off", stonithtest.Node)
			if got.Status != 1 || !strings.Contains(got.Stderr, "ambiguous") || !strings.Contains(got.Stderr, "not to be moved between pools") {
				t.Errorf("off: exit status %d, %s", got.Status, got.Stderr)
			}
		})
	}
}

// What xapi says has its hint.
func TestHints(t *testing.T) {
	checkAll(t, []fenceTest{
		{
			name: "xenopsd has forgotten the guest", given: func(b *bed) { node(b).Forget() }, status: 1, runs: true,
			says: []string{"device-error", "does not exist in xenopsd", "on host xen3 (127.0.0.13)", "hint: that host's toolstack has lost the guest: xe-toolstack-restart"},
		},
		{name: "the host has another master, and the old one is asked", given: func(b *bed) {
			b.Member(1).Split()
			b.Member(2).SlaveOf(b.Member(1).IP())
			b.params["pool"] = b.addresses(b.Member(0))
		}, status: 1, runs: true, says: []string{"unknown-state", "on host xen3 (127.0.0.13): it refuses the master's session", "SESSION_INVALID", "another master's database"}},
		{
			name: "the master is dead, and the slaves name it", given: func(b *bed) { _ = b.Member(0).Die() }, status: 1, runs: true,
			says: []string{"unreachable", "it is a slave of 127.0.0.11", "hint: ", "pool-emergency-transition-to-master"},
		},
		{name: "a member lets us in that is not its pool's master", given: func(b *bed) {
			m := b.Member(0)
			b.Member(1).Promote()
			_ = b.Member(1).Die()
			m.DoAt(pool.Before("pool.get_all_records"), func() {})
			m.AnswerAt(pool.Before("session.login_with_password"), "HOST_IS_SLAVE", b.Member(1).IP())
		}, status: 1, runs: true, says: []string{"unreachable", "it is a slave of 127.0.0.12"}},
		{
			name: "no subject of the pool", options: pool.Options{Role: pool.RoleStranger, Directory: 100 * time.Millisecond}, status: 1, runs: true, early: true,
			says: []string{"not-permitted", "SESSION_AUTHORIZATION_FAILED", "hint: the password is right"},
		},
		{
			name: "a user without a role", options: pool.Options{Role: pool.RoleNone, Directory: 100 * time.Millisecond}, status: 1, runs: true, early: true,
			says: []string{"not-permitted", "RBAC_PERMISSION_DENIED", "has no roles in this pool", "vm-operator"},
		},
	})
}

// The directory is asked once by a user that it does not let in.
func TestLoginIsNotRepeated(t *testing.T) {
	for _, role := range []string{pool.RoleStranger, pool.RoleNone} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, pool.Options{Role: role, Directory: 2 * time.Second, Members: 1})
			b.run(map[string]string{"timeout": "45s"}, "off", stonithtest.Node)
			if n := b.Count("session.login_with_password"); n != 1 {
				t.Errorf("%d logins, want one", n)
			}
		})
	}
}

// A guest whose start is under way is asked for hard_shutdown as soon as it runs: a look
// is no request.
func TestStartUnderWay(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{})
	node(b).Halt()
	node(b).StartSlowly(b.Member(1), 2*time.Second)
	began := time.Now()
	got := b.run(map[string]string{"timeout": "45s"}, "off", stonithtest.Node)
	if got.Status != 0 || !strings.Contains(got.Stdout, "off-observed") {
		t.Errorf("off: exit status %d, %s", got.Status, got.Stderr)
	}
	for _, c := range b.Calls() {
		if late := c.At.Sub(began) - 2*time.Second; c.Method == "VM.hard_shutdown" && late > 5*time.Second {
			t.Errorf("VM.hard_shutdown comes %s after the guest runs", late)
		}
	}
	if n := b.Count("VM.hard_shutdown"); n != 1 {
		t.Errorf("%d calls of VM.hard_shutdown, want one", n)
	}
}

// A message does not claim a request that was not made.
func TestNothingWasAsked(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{})
	node(b).Halt()
	node(b).StartSlowly(b.Member(1), time.Minute)
	got := b.run(map[string]string{"timeout": "4s"}, "off", stonithtest.Node)
	if got.Status != 1 || b.Count("VM.hard_shutdown") != 0 || strings.Contains(got.Stderr, "the device takes the request") {
		t.Errorf("off: exit status %d, %d calls of VM.hard_shutdown; %s", got.Status, b.Count("VM.hard_shutdown"), got.Stderr)
	}
}

// A request that fails at once is not repeated at once.
func TestRequestsThatFailAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{})
	b.Member(0).AnswerAt(pool.Before("VM.hard_shutdown"), "INTERNAL_ERROR", "x")
	got := b.run(map[string]string{"timeout": "16s"}, "off", stonithtest.Node)
	if n := b.Count("VM.hard_shutdown"); got.Status != 1 || n < 2 || n > 8 {
		t.Errorf("off: exit status %d, %d calls of VM.hard_shutdown, want 2 to 8; %s", got.Status, n, got.Stderr)
	}
}

// status and check say the same of a guest that is neither on nor off: it can be fenced.
func TestNeitherOnNorOff(t *testing.T) {
	for _, power := range []string{pool.Paused, pool.Suspended} {
		t.Run(power, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, pool.Options{Guests: []pool.Guest{{Name: stonithtest.Node, Member: 2, Power: power}, {Name: "guest-2"}}})
			status, check := b.run(nil, "status"), b.run(nil, "check")
			if status.Status != 0 || check.Status != 0 || !strings.Contains(check.Stdout, "unknown  ready") {
				t.Errorf("status: exit status %d, %s; check: exit status %d, %s %s", status.Status, status.Stderr, check.Status, check.Stdout, check.Stderr)
			}
		})
	}
}

// The strong proof does not wait for members that it does not need.
func TestStrongDoesNotWait(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 16, Guests: []pool.Guest{{Name: stonithtest.Node}, {Name: "guest-2"}}})
	var errs []error
	for _, m := range b.Members()[1:] {
		errs = append(errs, m.Fail(pool.NoTLS))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	b.run(nil, "off", stonithtest.Node)
	for _, c := range b.Calls() {
		if c.Method == "session.get_this_host" && c.Member != 0 {
			t.Errorf("member %d was asked whom it hears", c.Member+1)
		}
	}
}

// The second half of a reset waits for members that are silent as long as for a login:
// the proof is there, and the cluster waits for the verdict.
func TestResetDoesNotWaitForSilence(t *testing.T) {
	for _, fault := range []pool.Fault{pool.BlackHole, pool.NoTLS, pool.NoAnswer} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, pool.Options{})
			if err := b.Member(1).Fail(fault); err != nil {
				t.Fatal(err)
			}
			got := b.run(map[string]string{"connect_timeout": "2s", "timeout": "60s"}, "reset", stonithtest.Node)
			if got.Status != 0 || !strings.Contains(got.Stderr, "not started, since it may be running") || strings.Contains(got.Stderr, "not seen on within") {
				t.Errorf("reset: exit status %d after %s: %s %s", got.Status, got.Took, got.Stdout, got.Stderr)
			}
		})
	}
}
