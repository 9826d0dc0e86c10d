package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// quick are the parameters of calls that are not to succeed.
var quick = map[string]string{"timeout": "16s"}

// A fenceTest is one call in one state of the pool. The truth is compared with
// the verdict in any case.
type fenceTest struct {
	name    string
	options pool.Options
	given   func(b *bed)
	params  map[string]string
	verb    string // off if empty
	status  int
	says    []string      // in stdout and stderr together
	runs    bool          // the node, afterwards
	early   bool          // it gives up before its time
	unasked []string      // methods that must not have been called
	later   time.Duration // after a success, when the truth is compared once more
	image   bool          // of the guest's memory, afterwards
	orDead  bool          // all is well too if the guest is dead in truth
}

func (tt fenceTest) check(t *testing.T) {
	b := newBed(t, tt.options)
	if tt.given != nil {
		tt.given(b)
	}
	params := maps.Clone(tt.params)
	if params == nil {
		params = map[string]string{}
	}
	if tt.status != 0 && params["timeout"] == "" {
		maps.Copy(params, quick)
	}
	args := []string{"off", stonithtest.Node}
	switch tt.verb {
	case "":
	case "status":
		args = []string{"status"}
	default:
		args[0] = tt.verb
	}
	boots := 0
	if v, ok := b.node(); ok {
		boots = v.Boots()
	}
	got := b.run(params, args...)
	if got.Status == 0 && tt.later > 0 {
		time.Sleep(tt.later)
		b.isDead(boots, args, got)
	}
	if v, ok := b.node(); ok && v.HasImage() != tt.image {
		t.Errorf("%v: there is an image of the guest's memory: %v, want %v", args, v.HasImage(), tt.image)
	}
	told := got.Stdout + got.Stderr
	if v, ok := b.node(); tt.orDead && ok && !v.Runs() {
		return
	}
	if got.Status != tt.status {
		t.Errorf("%v: exit status %d, want %d; %q", args, got.Status, tt.status, told)
	}
	for _, says := range tt.says {
		if !strings.Contains(told, says) {
			t.Errorf("%v says nothing of %q: %q", args, says, told)
		}
	}
	if early := tt.status != 0 && !strings.Contains(told, " within 16s, "); tt.early && !early {
		t.Errorf("%v waits for what does not come: %q", args, told)
	}
	if runs := b.Truth(stonithtest.Node); runs != tt.runs {
		t.Errorf("%v: the node runs: %v, want %v; %q", args, runs, tt.runs, told)
	}
	for _, method := range append(tt.unasked, "VM.hard_reboot", "VM.power_state_reset", "VM.clean_shutdown") {
		if b.Count(method) > 0 {
			t.Errorf("%v: %s was called", args, method)
		}
	}
	if strings.Contains(told, b.Password()) {
		t.Errorf("%v says the password: %q", args, told)
	}
}

func checkAll(t *testing.T, tests []fenceTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

func node(b *bed) pool.VM { return b.VM(stonithtest.Node) }

func TestFence(t *testing.T) {
	guests := func(more ...pool.Guest) pool.Options {
		return pool.Options{Guests: append([]pool.Guest{{Name: stonithtest.Node, Member: 2}, {Name: "guest-2"}}, more...)}
	}
	const uuid = "8459d6e9-5c74-cd62-3f89-a06c8344c145"
	withUUID := pool.Options{Guests: []pool.Guest{{Name: "web server", UUID: uuid}, {Name: stonithtest.Node, UUID: "8459d6e9-0000-cd62-3f89-a06c8344c145"}, {Name: "guest-2"}}}
	noShutdown := []string{"VM.hard_shutdown"}
	checkAll(t, []fenceTest{
		{name: "a running guest", says: []string{"off-observed"}},
		{name: "a paused guest", given: func(b *bed) { node(b).Write(pool.Paused) }, says: []string{"off-observed"}},
		{name: "a suspended guest", given: func(b *bed) { node(b).Suspend() }, says: []string{"off-observed"}},
		{name: "a halted guest", given: func(b *bed) { node(b).Halt() }, says: []string{"already-off"}, unasked: noShutdown},
		{
			name: "a snapshot and a template of the same name", says: []string{"off-observed"},
			options: guests(pool.Guest{Name: stonithtest.Node, Snapshot: true}, pool.Guest{Name: stonithtest.Node, Template: true}),
		},
		{
			name: "two guests of one name", options: guests(pool.Guest{Name: stonithtest.Node, Member: 1}), status: 1, runs: true,
			says: []string{"ambiguous", `2 guests are called "node-1"`, "hint: name the one"}, unasked: noShutdown,
		},
		{
			name: "only a snapshot", options: pool.Options{Guests: []pool.Guest{{Name: "guest-2"}, {Name: stonithtest.Node + "x"}, {Name: stonithtest.Node, Snapshot: true}}},
			given: func(b *bed) {
				b.params["hostlist"] = "node-1:snap guest-2"
				b.Add(pool.Guest{Name: "snap", Snapshot: true})
				b.Add(pool.Guest{Name: stonithtest.Node})
			},
			status: 1, runs: true, says: []string{"not-found", `no guest "snap"`, "1 snapshot by that name"}, unasked: noShutdown,
		},
		{
			name: "the control domain", given: func(b *bed) { b.params["hostlist"] = "node-1:" + controlDomain(b) }, status: 1, runs: true,
			says: []string{"not-found", "1 control domain by that name"}, unasked: noShutdown,
		},
		{
			name: "a guest that is not there", given: func(b *bed) { b.params["hostlist"] = "node-1:nobody" }, status: 1, runs: true,
			says: []string{"not-found", `no guest "nobody" of node node-1`, "hint: "}, unasked: noShutdown,
		},
		{
			name: "a UUID that is not there", given: func(b *bed) { b.params["hostlist"] = "node-1:" + uuid }, status: 1, runs: true,
			says: []string{"not-found", uuid}, unasked: noShutdown,
		},
		{
			name: "by UUID in capitals", options: withUUID, given: func(b *bed) { b.params["hostlist"] = "node-1:8459D6E9-0000-CD62-3F89-A06C8344C145" },
			says: []string{"off-observed"},
		},
		{
			name: "pinned", options: withUUID, params: map[string]string{"vm_uuid": "NODE-1=8459d6e9-0000-cd62-3f89-a06c8344c145"}, says: []string{"off-observed"},
		},
		{
			name: "pinned to another guest", options: withUUID, params: map[string]string{"vm_uuid": "node-1=" + uuid}, status: 1, runs: true,
			says: []string{"ambiguous", "vm_uuid says " + uuid}, unasked: noShutdown,
		},
		{
			name: "another pool", params: map[string]string{"pool_uuid": uuid}, status: 1, runs: true,
			says: []string{"unreachable", "the master of another pool"}, unasked: noShutdown,
		},
		{
			name: "blocked", given: func(b *bed) { node(b).Block("hard_shutdown", "payroll runs") }, status: 1, runs: true,
			says: []string{"not-permitted", "payroll runs", "param-name=blocked_operations"}, unasked: noShutdown,
		},
		{
			name: "a user who may only read", options: pool.Options{Role: pool.RoleReadOnly}, status: 1, runs: true,
			says: []string{"not-permitted", "RBAC_PERMISSION_DENIED", "vm-operator"},
		},
		{name: "a user who may", options: pool.Options{Role: pool.RoleVMOperator}, says: []string{"off-observed"}},
		{
			name: "a dead host that the pool knows to be dead", given: offline, status: 1, runs: true, early: true,
			says: []string{"unreachable", "HOST_OFFLINE", "host xen3 (127.0.0.13)", "next fencing level"},
		},
		{
			name: "a dead host that the pool knows to be dead, with HA", options: pool.Options{HA: true}, given: offline, status: 1, runs: true,
			says: []string{"unreachable", "not seen off within 16s, last seen on", "HOST_OFFLINE", "host xen3 (127.0.0.13)", "next fencing level"},
		},
		{
			name: "a dead host that the pool fences", options: pool.Options{HA: true}, params: map[string]string{"unheard_hosts": "ha"}, given: func(b *bed) {
				offline(b)
				b.Member(0).DoAt(pool.After("VM.hard_shutdown").Nth(3), node(b).Halt)
			}, says: []string{"off-observed"},
		},
		{
			name: "a dead host, says one of two masters", given: func(b *bed) { offline(b); b.Member(1).Split() }, status: 1, runs: true,
			says: []string{"unreachable", "not seen off within 16s", "HOST_OFFLINE", "master 127.0.0.11", "master 127.0.0.12"},
		},
		{
			name: "a host that died just now", options: pool.Options{ContactTime: time.Minute}, given: func(b *bed) { b.Member(2).Cut() }, status: 1, runs: true,
			params: map[string]string{"timeout": "16s"},
			says:   []string{"hard_shutdown", "host xen3 (127.0.0.13)", "next fencing level"},
		},
		{
			name: "a host that cannot be contacted", given: func(b *bed) { b.Member(2).Cut() }, status: 1, runs: true,
			says: []string{"CANNOT_CONTACT_HOST", "host xen3"},
		},
		{
			name: "a hard_shutdown of an earlier call that has not ended", given: func(b *bed) { node(b).Busy("hard_shutdown") }, status: 1, runs: true,
			says: []string{"OTHER_OPERATION_IN_PROGRESS", "host xen3 (127.0.0.13)", "next fencing level"},
		},
		{name: "an operation that hard_shutdown ends", given: func(b *bed) { node(b).Busy("pool_migrate") }, says: []string{"off-observed"}},
		{
			name: "an operation that does not end", given: func(b *bed) { node(b).Busy("snapshot") }, status: 1, runs: true,
			says: []string{"OTHER_OPERATION_IN_PROGRESS"},
		},
		{
			name: "an answer long after the deed", given: func(b *bed) { node(b).SetShutdownDelay(time.Minute) }, says: []string{"off-observed"},
		},
		{name: "an answer that comes late", options: pool.Options{ShutdownTime: time.Second}, says: []string{"off-observed"}},
		{name: "success, and it runs", given: func(b *bed) { node(b).Lie(pool.LieDone) }, status: 1, runs: true, says: []string{"still-on"}},
		{name: "failure, and it runs", given: func(b *bed) { node(b).Lie(pool.LieFailed) }, status: 1, runs: true, says: []string{"INTERNAL_ERROR"}},
		{
			name: "halted, and being started", given: func(b *bed) { node(b).Halt(); node(b).Busy("start") }, status: 1,
			says: []string{"unknown-state", `Halted, but with "start" under way`}, unasked: noShutdown,
		},
		{name: "halted, and being exported", given: func(b *bed) { node(b).Halt(); node(b).Busy("export") }, says: []string{"already-off"}},
		{
			name: "halted, but on a host", given: func(b *bed) { node(b).Write(pool.Halted) }, status: 1, runs: true,
			says: []string{"unknown-state", "Halted, but on host xen3"},
		},
		{
			name: "a state that is none", given: func(b *bed) { node(b).Write("Crashed") }, status: 1, runs: true,
			says: []string{"Crashed"},
		},

		{name: "a master that is young", given: young, status: 1, says: []string{"unknown-state", "settle_time", "running for"}, unasked: noShutdown},
		{name: "a master that is young, with HA", options: pool.Options{HA: true}, given: young, status: 1, says: []string{"unknown-state", "settle_time", "running for"}, unasked: noShutdown},
		{name: "a master that is young, settled", given: func(b *bed) {
			young(b)
			for _, m := range b.Members() {
				m.SetStarted(time.Now().Add(-time.Minute))
			}
		}, params: map[string]string{"settle_time": "20s"}, says: []string{"already-off"}},
		{
			name: "a master whose clock was set right", status: 1, given: func(b *bed) { node(b).Halt(); b.Member(0).SetStarted(time.Unix(86400, 0)) },
			says: []string{"unknown-state", "its clock"},
		},
		{name: "a master that is young, and a guest that runs", given: func(b *bed) { b.Member(0).SetStarted(time.Now()) }, says: []string{"off-observed"}},
		{
			name: "no word of the master's age", given: func(b *bed) {
				node(b).Halt()
				b.Member(0).AnswerAt(pool.Before("host.get_servertime"), "INTERNAL_ERROR", "x")
			}, status: 1, says: []string{"device-error", "INTERNAL_ERROR"},
		},

		{
			name: "halted, and running soon after", given: func(b *bed) {
				node(b).Lie(pool.LieDone)
				b.haltIn(0)
				b.Member(0).DoAt(pool.After("host.get_servertime").Nth(1), func() { node(b).Write(pool.Running) })
			}, status: 1, runs: true, says: []string{"still-on"},
		},
		{
			name: "halted, and being started soon after", given: func(b *bed) {
				node(b).Halt()
				b.Member(0).DoAt(pool.After("host.get_servertime").Nth(1), func() { node(b).Busy("start") })
			}, status: 1, says: []string{"unknown-state", `Halted, but with "start" under way`},
		},
		{
			name: "a request that failed, and a young master that says halted", given: func(b *bed) {
				b.Member(0).SetStarted(time.Now())
				b.Member(0).DoAt(pool.Before("VM.hard_shutdown").Nth(1), func() { b.haltIn(0) })
				b.Member(0).AnswerAt(pool.Before("VM.hard_shutdown").Nth(1), "INTERNAL_ERROR", "x")
			}, status: 1, runs: true, says: []string{"unknown-state", "Halted, but not by this call", "running for"},
		},

		{
			name: "found Halted, then Running, and a lie", given: func(b *bed) {
				m := b.Member(0)
				m.DoAt(pool.After("VM.get_by_name_label").Nth(1), m.LoseSessions) // so that the request finds the guest
				m.DoAt(pool.Before("VM.get_record").Nth(2), func() { b.haltIn(0) })
				m.DoAt(pool.Before("VM.get_record").Nth(3), func() { node(b).Write(pool.Running) })
				node(b).Lie(pool.LieDone)
			}, status: 1, runs: true, says: []string{"still-on"},
		},
		{name: "on", verb: "on", given: func(b *bed) { node(b).Halt() }, runs: true, says: []string{"on-observed"}},
		{name: "on of a paused guest", verb: "on", given: func(b *bed) { node(b).Write(pool.Paused) }, runs: true, says: []string{"on-observed"}},
		{
			name: "on of a suspended guest", verb: "on", given: func(b *bed) { node(b).Suspend() }, status: 1, early: true, image: true,
			says: []string{"Suspended", "reset does both"}, unasked: []string{"VM.start"},
		},
		{name: "on that a young master cannot decide", verb: "on", given: young, status: 1, says: []string{"not started, since it may be running"}, unasked: []string{"VM.start"}},
		{name: "reset", verb: "reset", runs: true, says: []string{"off-observed, on-observed"}},
		{name: "reset of a halted guest", verb: "reset", given: func(b *bed) { node(b).Halt() }, runs: true, says: []string{"already-off, on-observed"}},
		{
			name: "reset without a host for it", verb: "reset", params: quick, given: func(b *bed) { b.Member(0).AnswerAt(pool.Before("VM.start"), "NO_HOSTS_AVAILABLE", "x") },
			says: []string{"off-observed", "so the node is fenced", "NO_HOSTS_AVAILABLE"},
		},
	})
}

// offline lets the guest's host be cut off, and the pool take it for dead.
func offline(b *bed) {
	b.Member(2).Cut()
	b.Member(2).SetLive(false)
}

// young lets the guest be halted, and the master be started a minute ago.
func young(b *bed) {
	node(b).Halt()
	b.Member(0).SetStarted(time.Now().Add(-time.Minute))
}

// controlDomain returns the name of a control domain, which hostlist cannot hold, as a UUID.
func controlDomain(b *bed) string {
	return b.VM("Control domain on host: xen1").UUID()
}

// What the master's host runs, and where it is, does not matter.
func TestEveryMemberCanBeMaster(t *testing.T) {
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			fenceTest{given: func(b *bed) { b.Member(i).Promote() }, says: []string{"off-observed"}}.check(t)
		})
	}
}

// The order of calls in an undisturbed fence, and its only session's name.
func TestCalls(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{})
	b.run(nil, "reset", stonithtest.Node)
	var calls []string
	for _, c := range b.Calls() {
		if c.Member == 0 {
			calls = append(calls, c.Method)
		}
		if c.Method == "VM.start" && !slices.Equal(c.Params[len(c.Params)-2:], []string{"false", "false"}) {
			t.Errorf("VM.start(%q), want it neither paused nor by force", c.Params)
		}
	}
	want := strings.Fields("session.login_with_password session.get_this_host pool.get_all_records host.get_all_records " +
		"VM.get_by_name_label VM.get_record " + // search
		"VM.get_record VM.hard_shutdown VM.get_record " + // off
		"VM.get_record VM.get_record VM.get_record " + // on: looks
		"host.get_all_records host.get_servertime host.get_servertime host.get_servertime " + // that it may be started
		"task.get_all_records_where VM.get_record " +
		"VM.start VM.get_record session.logout")
	if !slices.Equal(calls, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(calls, "\n"), strings.Join(want, "\n"))
	}
	for _, s := range b.Sessions() {
		if s.Originator != "external/xenapi" || s.Lost {
			t.Errorf("session %+v", s)
		}
	}
}
