package main

import (
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// When agents were started is told by each host's own clock, and clocks are wrong.
func TestClocks(t *testing.T) {
	ha := pool.Options{HA: true}
	trusting := map[string]string{"unheard_hosts": "ha", "timeout": "30s"}
	patient := map[string]string{"timeout": "30s"} // each look is a quarter, and the machine may be busy
	older := []string{"unknown-state", "were started before the master's", "hint: xe-toolstack-restart on each of them"}
	// The host of the guest was started before the master, whose database is old.
	old := func(b *bed) {
		b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
		b.Member(1).SetStarted(hourAgo().Add(40 * time.Minute))
		b.haltIn(0)
	}
	checkAll(t, []fenceTest{
		{name: "the host's clock is fast, so its agent seems to be younger than the master's", params: patient, given: func(b *bed) {
			old(b)
			b.Member(2).SetClock(45 * time.Minute)
		}, status: 1, runs: true, says: older},
		{name: "the master's clock is slow", params: patient, given: func(b *bed) {
			old(b)
			b.Member(0).SetClock(-45 * time.Minute)
		}, status: 1, runs: true, says: older},
		{name: "the host's clock is slow, and its agent is younger in truth", params: patient, given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(-time.Hour))
			b.Member(2).SetClock(-4 * time.Hour)
			node(b).Halt()
		}, says: []string{"already-off"}},
		{name: "the host's clock is slow, so its young agent seems settled", params: patient, given: func(b *bed) {
			b.Member(0).SetStarted(hourAgo().Add(-time.Hour))
			b.Member(2).SetStarted(time.Now().Add(-time.Minute))
			b.Member(2).SetClock(-30 * time.Minute)
			b.haltIn(0)
		}, status: 1, runs: true, says: []string{"unknown-state", "the agents of xen3 (127.0.0.13) have been running for less than 2m0s"}},
		{name: "the host's clock was set after its start, with HA", options: ha, params: trusting, given: func(b *bed) {
			b.Member(2).TellStarted("86400.")
			b.haltIn(0)
		}, status: 1, runs: true, says: []string{"unknown-state", "xen3 (127.0.0.13)", "have no age"}},
		{name: "a time that is none, with HA", options: ha, params: trusting, given: func(b *bed) {
			b.Member(2).TellStarted("NaN")
			b.haltIn(0)
		}, status: 1, runs: true, says: []string{"unknown-state", "xen3 (127.0.0.13)", "have no age"}},
		{name: "the host does not tell its time", params: patient, given: func(b *bed) {
			node(b).Halt()
			b.Member(0).AnswerAt(pool.Before("host.get_servertime").Nth(2), "HOST_OFFLINE", "x")
			b.Member(0).AnswerAt(pool.Before("host.get_servertime").Nth(3), "HOST_OFFLINE", "x")
		}, says: []string{"off-observed"}}, // it is asked again
	})
	for _, told := range []string{" ", "garbage", "NaN", "Inf", "-Inf", "1e300", "-1e300", "-5.", "99999999999."} {
		t.Run("agent_start_time "+told, func(t *testing.T) {
			t.Parallel()
			fenceTest{params: patient, given: func(b *bed) {
				b.haltIn(0)
				b.Member(0).TellStarted(told)
			}, status: 1, runs: true, says: []string{"unknown-state", "agent"}}.check(t)
		})
	}
}

// High availability counts for a database that may be old only on the administrator's
// word: it may have been switched on after the database was read.
func TestHighAvailabilityThatCameLater(t *testing.T) {
	checkAll(t, []fenceTest{{name: "all hosts are heard", options: pool.Options{HA: true}, params: map[string]string{"timeout": "30s"}, given: func(b *bed) {
		b.Member(0).SetStarted(hourAgo().Add(30 * time.Minute))
		b.haltIn(0)
	}, status: 1, runs: true, says: []string{"were started before the master's"}}})
}

// What nobody knows may restore the old memory.
func TestUnknownOperations(t *testing.T) {
	stay := map[string]string{"timeout": "16s"}
	long := map[string]string{"timeout": "45s"}
	checkAll(t, []fenceTest{
		{name: "it builds a domain of a guest that is suspended", params: stay, given: func(b *bed) {
			node(b).Suspend()
			node(b).ResumeAs("defrost", b.Member(1), time.Minute)
		}, status: 1, image: true, says: []string{"unknown-state", `"defrost" under way`}, unasked: []string{"VM.hard_shutdown"}},
		{name: "and somebody writes Halted", params: long, given: func(b *bed) {
			node(b).Suspend()
			node(b).ResumeAs("defrost", b.Member(1), 6*time.Second)
			b.Member(0).DoAt(pool.Before("VM.get_record").Nth(3), func() { b.haltIn(0) })
		}, says: []string{"off-observed"}, later: 6 * time.Second},
		{name: "a migration that goes on after its record was emptied", params: long, given: func(b *bed) {
			node(b).Suspend() // its memory is between two hosts
			node(b).ResumeAs("pool_migrate", b.Member(1), 6*time.Second)
			b.Member(0).DoAt(pool.Before("VM.get_record").Nth(3), func() { b.haltIn(0) })
		}, says: []string{"off-observed"}, later: 6 * time.Second},
	})
}

// A call fences one guest, whatever has its name after a master is lost.
func TestNameThatChangesHands(t *testing.T) {
	t.Parallel()
	fenceTest{options: pool.Options{Guests: []pool.Guest{{Name: "node-1", Member: 2}, {Name: "spare", Power: pool.Halted}, {Name: "guest-2"}}}, given: func(b *bed) {
		m := b.Member(0)
		first, spare := node(b), b.VM("spare")
		m.DoAt(pool.Before("VM.hard_shutdown").Nth(1), func() {
			first.Rename("aside")
			spare.Rename("node-1")
			m.LoseSessions()
		})
	}, params: quick, status: 1, says: []string{"ambiguous"}}.check(t)
}
