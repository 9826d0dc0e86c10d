package main

import (
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// status says what would keep a fence from being obeyed, each thing on a line of its own.
func TestStatus(t *testing.T) {
	untouched := []string{"VM.hard_shutdown", "VM.start", "VM.unpause"}
	tests := []fenceTest{
		{name: "ready", says: []string{"status: ready to fence node-1 node-2:guest-2"}},
		{name: "missing, duplicate, blocked", given: func(b *bed) {
			b.params["hostlist"] = "node-1 node-2:guest-2 node-3:nobody node-4:twice"
			b.Add(pool.Guest{Name: "twice"})
			b.Add(pool.Guest{Name: "twice"})
			b.VM("guest-2").Block("hard_shutdown", "do not")
		}, status: 1, says: []string{
			`error: status: not-found: master`, `no guest "nobody" of node node-3`,
			`error: status: ambiguous: master`, `2 guests are called "twice"`,
			`error: status: not-permitted: master`, `blocked_operations has hard_shutdown, with the reason "do not"`,
		}},
		{name: "two nodes, one guest", given: func(b *bed) { b.params["hostlist"] = "node-1 node-2:" + node(b).UUID() }, status: 1, says: []string{
			`error: status: ambiguous: master`, "is node node-1 and node node-2",
		}},
		{
			name: "may only read", options: pool.Options{Role: pool.RoleReadOnly}, status: 1,
			says: []string{"not-permitted", `user "root" may not call vm.hard_shutdown and vm.start`, "hint: give the user the role vm-operator"},
		},
		{name: "may", options: pool.Options{Role: pool.RoleVMOperator}},
		{name: "a release without roles", given: func(b *bed) {
			b.Member(0).AnswerAt(pool.Before("session.get_is_local_superuser"), "MESSAGE_METHOD_UNKNOWN", "session.get_is_local_superuser")
		}},
		{name: "a dead member is a warning", given: func(b *bed) {
			_ = b.Member(2).Die()
			b.Member(0).FailAt(pool.Before("VM.get_record"), pool.Slow)
		}, options: pool.Options{SlowTime: 200 * time.Millisecond}, says: []string{"ready", "warning: status: ", "member 127.0.0.13 (xen3)", "connection refused"}},
		{
			name: "a slave of another master is a warning", given: func(b *bed) { b.Member(2).SlaveOf("127.0.0.99") },
			says: []string{"ready", "warning: status: ", "member 127.0.0.13", "is a slave of 127.0.0.99", "and not of this master"},
		},
		{name: "a member of another pool is a warning", given: func(b *bed) {
			b.params["pool_uuid"] = b.UUID()
			b.Member(2).Eject()
			b.Member(0).FailAt(pool.Before("VM.get_record"), pool.Slow)
		}, options: pool.Options{SlowTime: 200 * time.Millisecond}, says: []string{"ready", "warning: status: member 127.0.0.13", "master of another pool"}},
	}
	for i := range tests {
		tests[i].verb, tests[i].runs, tests[i].unasked = "status", true, untouched
	}
	checkAll(t, tests)
}

// A login with an originator is newer than some pools.
func TestOldLogin(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Members: 1})
	b.Member(0).AnswerAt(pool.Before("session.login_with_password").Nth(1), "MESSAGE_PARAMETER_COUNT_MISMATCH", "session.login_with_password", "2", "4")
	if got := b.run(nil, "off", stonithtest.Node); got.Status != 0 {
		t.Errorf("off: exit status %d: %s", got.Status, got.Stderr)
	}
}
