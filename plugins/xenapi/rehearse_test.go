package main

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// openDevice returns the device for nodes, without the logic of a fence around it.
func openDevice(t *testing.T, params map[string]string, nodes ...stonith.Node) *members {
	t.Helper()
	c := newConfig()
	for _, p := range c.Params() {
		if text := params[p.Name]; text != "" {
			if err := p.Value.Set(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	device, err := c.Open(stonith.Call{ID: "c0ffee00", Nodes: nodes, Warn: func(text string) { t.Log("warning:", text) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Close() })
	return device.(*members)
}

func (b *bed) open(nodes ...stonith.Node) *members { return openDevice(b.t, b.params, nodes...) }

var nodeOne = stonith.Node{Name: stonithtest.Node, Plug: stonithtest.Node}

const haltedAlready = "nothing, since the guest is Halted already and proven so: it is not asked for hard_shutdown"

// A rehearseTest is a rehearsal, and what it says.
type rehearseTest struct {
	name    string
	options pool.Options
	given   func(b *bed)
	told    string
	reason  stonith.Reason // "" if it succeeds
	says    string         // of the error
}

// Two masters both count. What a processor that is busy with other tests may hold up is
// not waited for, so these come by themselves.
func TestRehearseTwoMasters(t *testing.T) {
	for _, tt := range []rehearseTest{
		{name: "running", given: func(b *bed) {
			b.Member(1).Split()
			b.Member(0).FailAt(pool.Before("session.login_with_password"), pool.Slow) // the other one is known first: else it need not be known
		}, reason: stonith.UnknownState, says: "master 127.0.0.12"},
		{name: "halted", options: pool.Options{Guests: []pool.Guest{{Name: stonithtest.Node, Member: 2, Power: pool.Halted}}}, given: func(b *bed) {
			b.Member(1).Split()
			b.Member(1).SetStarted(time.Now().Add(-time.Hour))
		}, told: haltedAlready + "; " + haltedAlready},
	} {
		t.Run(tt.name, tt.check)
	}
}

// A rehearsal says what off would come to, and does nothing to any guest.
func TestRehearse(t *testing.T) {
	const stood = "VM.assert_operation_valid of hard_shutdown"
	const onXen3 = stood + ", and host.get_servertime of host xen3 (127.0.0.13)"
	guest := func(power string) pool.Options {
		return pool.Options{Guests: []pool.Guest{{Name: stonithtest.Node, Member: 2, Power: power}}}
	}
	for _, tt := range []rehearseTest{
		{name: "running", told: onXen3},
		{name: "may switch", options: pool.Options{Role: pool.RoleVMOperator}, told: onXen3},
		{name: "paused", options: guest(pool.Paused), told: onXen3},
		{name: "suspended", options: guest(pool.Suspended), told: stood},
		{name: "halted", options: guest(pool.Halted), told: haltedAlready},
		{name: "migrating", given: func(b *bed) { node(b).Busy("pool_migrate") }, told: onXen3},
		{
			name: "may switch, in an old release", options: pool.Options{Role: pool.RoleVMOperator}, given: func(b *bed) {
				b.Member(0).AnswerAt(pool.Before("VM.assert_operation_valid"), "RBAC_PERMISSION_DENIED", "vm.assert_operation_valid", "No permission in user session")
			}, told: "no VM.assert_operation_valid, which is for pool-admins alone in this release, and host.get_servertime of host xen3 (127.0.0.13)",
		},
		{
			name: "may only read", options: pool.Options{Role: pool.RoleReadOnly},
			reason: stonith.NotPermitted, says: `user "root" may not call vm.hard_shutdown and vm.start`,
		},
		{name: "blocked", given: func(b *bed) { node(b).Block("hard_shutdown", "do not") }, reason: stonith.NotPermitted, says: `with the reason "do not"`},
		{name: "blocked just now", given: func(b *bed) {
			b.Member(0).DoAt(pool.Before("VM.assert_operation_valid"), func() { node(b).Block("hard_shutdown", "do not") })
		}, reason: stonith.NotPermitted, says: "blocked_operations has hard_shutdown"},
		{name: "being killed", given: func(b *bed) { node(b).Busy("hard_shutdown") }, reason: stonith.DeviceError, says: "OTHER_OPERATION_IN_PROGRESS"},
		{name: "host switched off", given: func(b *bed) { _ = b.Member(2).PowerOff() }, reason: stonith.Unreachable, says: "CANNOT_CONTACT_HOST"},
		{name: "host dead to the pool", given: func(b *bed) {
			_ = b.Member(2).PowerOff()
			b.Member(2).SetLive(false)
		}, reason: stonith.Unreachable, says: "on host xen3 (127.0.0.13): host.get_servertime: it answers HOST_OFFLINE"},
		{name: "halted, and blocked", options: guest(pool.Halted), given: func(b *bed) { node(b).Block("hard_shutdown", "do not") }, reason: stonith.NotPermitted, says: "do not"},
		{name: "halted to a young master", options: guest(pool.Halted), given: func(b *bed) { b.Member(0).SetStarted(time.Now()) }, reason: stonith.UnknownState, says: "Halted, but not by this call"},
		{name: "halted to a master that lost a slave", options: guest(pool.Halted), given: func(b *bed) { b.Member(2).SlaveOf("127.0.0.99") }, reason: stonith.UnknownState, says: "and not of this master"},
		{name: "none of that name", given: func(b *bed) { b.params["hostlist"] = "x" }, options: pool.Options{Guests: []pool.Guest{{Name: "other"}}}, reason: stonith.NotFound, says: "no guest"},
		{name: "wrong password", given: func(b *bed) { b.params["passwd_file"] = writeFile(b.t, "wrong", "wrong") }, options: pool.Options{WrongPassword: time.Millisecond}, reason: stonith.NotAuthenticated, says: "SESSION_AUTHENTICATION_FAILED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

func (tt rehearseTest) check(t *testing.T) {
	b := newBed(t, tt.options)
	if tt.given != nil {
		tt.given(b)
	}
	before := b.truth()
	told, err := b.open(nodeOne).Rehearse(t.Context(), nodeOne)
	switch {
	case tt.reason == "" && (err != nil || told != tt.told):
		t.Errorf("%q, %v, want %q", told, err, tt.told)
	case tt.reason != "" && (err == nil || told != "" || stonith.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says)):
		t.Errorf("%q, %v (%s), want %s with %q", told, err, stonith.ReasonOf(err), tt.reason, tt.says)
	}
	if after := b.truth(); !slices.Equal(after, before) {
		t.Errorf("the guests are %q, and were %q", after, before)
	}
	for _, call := range b.Calls() {
		if slices.Contains([]string{"VM.hard_shutdown", "VM.start", "VM.unpause", "VM.hard_reboot", "VM.power_state_reset"}, call.Method) {
			t.Errorf("%s was called", call.Method)
		}
	}
}

// truth says of every guest where it runs, and what the pool says of it.
func (b *bed) truth() []string {
	var all []string
	for _, v := range b.VMs() {
		where := "runs nowhere"
		if v.Runs() {
			where = "runs on " + b.Member(v.On()[0]).Name()
		}
		all = append(all, v.Name()+" "+where+", "+v.Says())
	}
	return all
}

// Without nodes, Check logs in and asks what the user may do.
func TestCheckWithoutNodes(t *testing.T) {
	t.Parallel()
	for role, reason := range map[string]stonith.Reason{pool.RoleAdmin: "", pool.RoleVMOperator: "", pool.RoleReadOnly: stonith.NotPermitted} {
		b := newBed(t, pool.Options{Role: role})
		err := b.open().Check(t.Context(), nil)
		if reason == "" && err != nil || reason != "" && stonith.ReasonOf(err) != reason {
			t.Errorf("%s: %v, want reason %q", role, err, reason)
		}
		if n := b.Count("VM.get_by_name_label") + b.Count("VM.get_record"); n > 0 {
			t.Errorf("%s: guests were looked at %d times", role, n)
		}
	}
	b := newBed(t, pool.Options{WrongPassword: time.Millisecond})
	b.params["passwd_file"] = writeFile(t, "wrong", "wrong")
	if err := b.open().Check(t.Context(), nil); stonith.ReasonOf(err) != stonith.NotAuthenticated {
		t.Errorf("wrong password: %v", err)
	}
	b = newBed(t, pool.Options{})
	b.Member(1).Split()
	if err := b.open().Check(t.Context(), nil); stonith.ReasonOf(err) != stonith.Ambiguous {
		t.Errorf("two masters: %v", err)
	}
}

// The list has what can be fenced by its name alone.
func TestList(t *testing.T) {
	t.Parallel()
	const uuid = "6b2c1d9a-0000-4000-8000-000000000001"
	b := newBed(t, pool.Options{Guests: []pool.Guest{
		{Name: "node-2"},
		{Name: "node-1"},
		{Name: "Ünode"},
		{Name: "off", Power: pool.Halted},
		{Name: "paused", Power: pool.Paused},
		{Name: "node-1", Snapshot: true},
		{Name: "image", Template: true},
		{Name: "twin"},
		{Name: "twin"},
		{Name: "twin", Snapshot: true},
		{Name: ""},
		{Name: "web server"},
		{Name: "a,b"},
		{Name: "a;b"},
		{Name: "a:b"},
		{Name: "a\tb"},
		{Name: uuid},
	}})
	want := []string{"node-1", "node-2", "off", "paused", "Ünode"}
	if got, err := b.open().List(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if n := b.Count("VM.get_record"); n > 0 {
		t.Errorf("the records were asked for one by one, %d times", n)
	}
	// A second master of the pool has the same guests, and each counts once.
	b.Member(1).Split()
	b.Add(pool.Guest{Name: "new"})
	want = slices.Sorted(slices.Values(append(want, "new")))
	if got, err := b.open().List(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("with two masters: %q, %v, want %q", got, err, want)
	}
	b.Member(0).FailAt(pool.Before("VM.get_all_records_where"), pool.NoStatus)
	if got, err := b.open().List(t.Context()); err == nil || got != nil {
		t.Errorf("without an answer: %q, %v", got, err)
	}
}

// Several nodes are checked side by side, and what is wrong with a member is said once.
func TestChecksAtOnce(t *testing.T) {
	t.Parallel()
	var guests []pool.Guest
	var nodes []stonith.Node
	for i := range 8 {
		name := string(rune('a' + i))
		guests = append(guests, pool.Guest{Name: name})
		nodes = append(nodes, stonith.Node{Name: name, Plug: name})
	}
	b := newBed(t, pool.Options{Guests: guests})
	_ = b.Member(2).Die()
	device := b.open(nodes...)
	var warnings []string
	device.warn = stonith.Once(func(text string) { warnings = append(warnings, text) })
	var all sync.WaitGroup
	for _, n := range append(nodes, stonith.Node{Name: "z", Plug: "nobody"}) {
		all.Go(func() {
			if err := device.Check(t.Context(), []stonith.Node{n}); (err != nil) != (n.Plug == "nobody") {
				t.Errorf("%s: %v", n.Name, err)
			}
		})
	}
	all.Wait()
	for len(warnings) == 0 { // it is late to be seen dead
		if err := device.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "member 127.0.0.13") {
		t.Errorf("warnings %q, want one of the dead member", warnings)
	}
}

// Several nodes are looked at side by side, each by its own guest.
func TestStatesAtOnce(t *testing.T) {
	t.Parallel()
	var guests []pool.Guest
	var nodes []stonith.Node
	for i, power := range []string{pool.Running, pool.Halted, pool.Paused, pool.Running, pool.Halted, pool.Running, pool.Running, pool.Halted} {
		name := string(rune('a' + i))
		guests = append(guests, pool.Guest{Name: name, Member: i % 3, Power: power})
		nodes = append(nodes, stonith.Node{Name: name, Plug: name}, stonith.Node{Name: name, Plug: name}) // each twice
	}
	b := newBed(t, pool.Options{Guests: guests})
	device := b.open(nodes...)
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			power, err := device.State(t.Context(), n)
			want := map[string]stonith.Power{pool.Running: stonith.On, pool.Halted: stonith.Off}[guests[i/2].Power]
			if power != want || (want == stonith.Unknown) != (err != nil) {
				errs[i] = errors.Join(errors.New(n.Name+": "+power.String()+", want "+want.String()), err)
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	device.Close()
	if n := b.OpenSessions(); n > 0 {
		t.Errorf("%d sessions are left", n)
	}
}
