package pool

import (
	"strings"
	"testing"
	"time"
)

// A bench is a pool with a session on its master.
type bench struct {
	*client
	m *Member
	s string
}

func newBench(t *testing.T, o Options) bench {
	p, c := newPool(t, o)
	return bench{c, p.Member(0), c.login(p.Member(0))}
}

func (b bench) vm(name string) string {
	b.t.Helper()
	return b.value(b.m, "VM.get_by_uuid", b.s, b.pool.VM(name).UUID())
}

// named is the one VM of that name, of any kind.
func (b bench) named(name string) string {
	b.t.Helper()
	got := b.value(b.m, "VM.get_by_name_label", b.s, name)
	got = strings.TrimSuffix(strings.TrimPrefix(got, "<array><data><value>"), "</value></data></array>")
	if strings.Contains(got, "<") {
		b.t.Fatalf("%s: not one VM: %s", name, got)
	}
	return got
}

func TestErrorsOfGuests(t *testing.T) {
	b := newBench(t, Options{Guests: []Guest{
		{Name: "node1"},
		{Name: "off", Power: Halted},
		{Name: "paused", Power: Paused},
		{Name: "asleep", Power: Suspended},
		{Name: "image", Template: true},
		{Name: "node1", Snapshot: true},
		{Name: "twin"},
		{Name: "twin"},
	}})
	p := b.pool
	ref := b.vm("node1")
	b.fails(b.m, []string{"HANDLE_INVALID", "VM", "OpaqueRef:x"}, "VM.hard_shutdown", b.s, "OpaqueRef:x")
	b.fails(b.m, []string{"UUID_INVALID", "VM", "x"}, "VM.get_by_uuid", b.s, "x")
	b.fails(b.m, []string{"VM_BAD_POWER_STATE", ref, "halted", "running"}, "VM.start", b.s, ref, false, false)
	b.fails(b.m, []string{"VM_BAD_POWER_STATE", b.named("image"), "paused, suspended, running", "halted"}, "VM.hard_shutdown", b.s, b.named("image"))
	b.fails(b.m, []string{"VM_IS_TEMPLATE", b.named("image"), "start"}, "VM.start", b.s, b.named("image"), false, false)
	b.fails(b.m, []string{"OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain"}, "VM.hard_shutdown", b.s, b.named("Control domain on host: xen1"))
	if n := strings.Count(b.value(b.m, "VM.get_by_name_label", b.s, "node1"), "<value>"); n != 2 {
		t.Errorf("%d VMs are called node1", n)
	}
	if n := strings.Count(b.value(b.m, "VM.get_by_name_label", b.s, "twin"), "<value>"); n != 2 {
		t.Errorf("%d VMs are called twin", n)
	}

	p.VM("node1").Block("hard_shutdown", "no")
	b.fails(b.m, []string{"OPERATION_BLOCKED", ref, "no"}, "VM.hard_shutdown", b.s, ref)
	for _, name := range []string{"paused", "asleep"} {
		b.value(b.m, "VM.hard_shutdown", b.s, b.vm(name))
		if p.Truth(name) || p.VM(name).Says() != Halted {
			t.Errorf("%s is not off", name)
		}
	}
	p.VM("twin").Busy("pool_migrate")
	b.value(b.m, "VM.hard_shutdown", b.s, b.vm("twin"))
	p.VM("off").Busy("snapshot")
	if got := b.call(b.m, "VM.start", b.s, b.vm("off"), false, false); !strings.HasPrefix(got, failureHead+"<value>OTHER_OPERATION_IN_PROGRESS</value><value>VM</value><value>"+b.vm("off")+"</value><value>snapshot</value><value>OpaqueRef:") {
		t.Errorf("busy: %s", got)
	}
}

// What assert_operation_valid says of an operation is what the operation would, and
// nothing happens.
func TestAssertOperationValid(t *testing.T) {
	b := newBench(t, Options{Role: RoleReadOnly, Guests: []Guest{
		{Name: "node1"}, {Name: "off", Power: Halted}, {Name: "blocked"}, {Name: "image", Template: true}, {Name: "busy"}, {Name: "dying"},
	}})
	b.pool.VM("blocked").Block("hard_shutdown", "no")
	b.pool.VM("busy").Busy("pool_migrate")
	b.pool.VM("dying").Busy("hard_shutdown")
	b.value(b.m, "VM.assert_operation_valid", b.s, b.vm("node1"), "hard_shutdown")
	b.value(b.m, "VM.assert_operation_valid", b.s, b.vm("busy"), "hard_shutdown")
	for ref, want := range map[string][]string{
		b.vm("off"):                             {"VM_BAD_POWER_STATE", b.vm("off"), "paused, suspended, running", "halted"},
		b.vm("blocked"):                         {"OPERATION_BLOCKED", b.vm("blocked"), "no"},
		b.named("image"):                        {"VM_BAD_POWER_STATE", b.named("image"), "paused, suspended, running", "halted"},
		b.named("Control domain on host: xen1"): {"OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain"},
		"OpaqueRef:x":                           {"HANDLE_INVALID", "VM", "OpaqueRef:x"},
	} {
		b.fails(b.m, want, "VM.assert_operation_valid", b.s, ref, "hard_shutdown")
	}
	busy := failureHead + "<value>OTHER_OPERATION_IN_PROGRESS</value><value>VM</value>"
	for name, op := range map[string]string{"dying": "hard_shutdown", "busy": "clean_shutdown"} {
		if got := b.call(b.m, "VM.assert_operation_valid", b.s, b.vm(name), op); !strings.HasPrefix(got, busy) {
			t.Errorf("%s of %s: %s", op, name, got)
		}
	}
	b.fails(b.m, []string{"INTERNAL_ERROR", `Failure("Unknown tag/contents")`}, "VM.assert_operation_valid", b.s, b.vm("node1"), "kill")
	for _, name := range []string{"node1", "busy", "dying", "blocked"} {
		if !b.pool.Truth(name) || b.pool.VM(name).Says() != Running {
			t.Errorf("%s does not run", name)
		}
	}
}

func TestRecordsWhere(t *testing.T) {
	b := newBench(t, Options{Guests: []Guest{{Name: "node1"}, {Name: "image", Template: true}, {Name: "node1", Snapshot: true}}})
	const guests = `field "is_a_template" = "false" and field "is_control_domain" = "false"`
	got := b.value(b.m, "VM.get_all_records_where", b.s, guests)
	if n := strings.Count(got, "<name>power_state</name>"); n != 1 || !strings.Contains(got, b.pool.VM("node1").UUID()) {
		t.Errorf("%d records: %s", n, got)
	}
	b.fails(b.m, []string{"INVALID_VALUE", "x", "Failed to parse the query"}, "VM.get_all_records_where", b.s, "x")
	b.fails(b.m, []string{"INTERNAL_ERROR", "missing field", "is_template", ""}, "VM.get_all_records_where", b.s, `field "is_template" = "false"`)
}

func TestStuck(t *testing.T) {
	b := newBench(t, Options{})
	b.pool.VM("node1").Stick("pool_migrate")
	ended := make(chan string, 1)
	ref := b.vm("node1")
	go func() {
		answer, _, err := b.post(b.m, "/", request("VM.hard_shutdown", b.s, ref))
		if err != nil {
			answer = err.Error()
		}
		ended <- answer
	}()
	for b.pool.Count("VM.hard_shutdown") == 0 {
		time.Sleep(time.Millisecond)
	}
	if !b.pool.Truth("node1") {
		t.Error("node1 is off")
	}
	b.pool.VM("node1").Idle()
	if answer := <-ended; !strings.Contains(answer, "Success") || b.pool.Truth("node1") {
		t.Errorf("runs %v: %s", b.pool.Truth("node1"), answer)
	}
}

func TestLies(t *testing.T) {
	for lie, says := range map[Lie]string{LieDone: Running, LieOff: Halted} {
		b := newBench(t, Options{})
		b.pool.VM("node1").Lie(lie)
		b.value(b.m, "VM.hard_shutdown", b.s, b.vm("node1"))
		if !b.pool.Truth("node1") || b.pool.VM("node1").Says() != says {
			t.Errorf("lie %d: runs %v, says %s", lie, b.pool.Truth("node1"), b.pool.VM("node1").Says())
		}
	}
	b := newBench(t, Options{})
	b.pool.VM("node1").Lie(LieFailed)
	if got := b.call(b.m, "VM.hard_shutdown", b.s, b.vm("node1")); !strings.HasPrefix(got, failureHead+"<value>INTERNAL_ERROR</value>") || !b.pool.Truth("node1") {
		t.Errorf("failed: %s", got)
	}
	b.pool.VM("node2").Write(Halted)
	if !b.pool.Truth("node2") || b.value(b.m, "VM.get_power_state", b.s, b.vm("node2")) != Halted {
		t.Error("the database was not written")
	}
}

func TestDeadHosts(t *testing.T) {
	b := newBench(t, Options{ContactTime: time.Millisecond})
	host := b.pool.Member(1)
	ref := b.vm("node2")
	if err := host.PowerOff(); err != nil {
		t.Fatal(err)
	}
	b.fails(b.m, []string{"CANNOT_CONTACT_HOST", host.ref}, "VM.hard_shutdown", b.s, ref)
	b.fails(b.m, []string{"CANNOT_CONTACT_HOST", host.ref}, "host.get_servertime", b.s, host.ref)
	host.SetLive(false)
	b.fails(b.m, []string{"HOST_OFFLINE", host.ref}, "VM.hard_shutdown", b.s, ref)
	b.fails(b.m, []string{"HOST_OFFLINE", host.ref}, "host.get_servertime", b.s, host.ref)
	b.fails(b.m, []string{"HOST_OFFLINE", "x"}, "host.get_servertime", b.s, "x")
	b.value(b.m, "host.get_servertime", b.s, b.m.ref)
	if b.pool.Truth("node2") || b.pool.VM("node2").Says() != Running {
		t.Error("the truth of a host without power, and what is said of it")
	}
	b.value(b.m, "VM.power_state_reset", b.s, ref)
	if b.pool.VM("node2").Says() != Halted {
		t.Error("the power state was not reset")
	}
	b.fails(b.m, []string{"DOMAIN_EXISTS", b.vm("node1"), "1"}, "VM.power_state_reset", b.s, b.vm("node1"))
	b.fails(b.m, []string{"HOST_IS_LIVE", b.pool.Member(2).ref}, "VM.power_state_reset", b.s, b.vm("node3"))
}

func TestContactTime(t *testing.T) {
	b := newBench(t, Options{ContactTime: time.Hour})
	b.pool.Member(1).Cut()
	if _, _, err := b.impatient().post(b.m, "/", request("VM.hard_shutdown", b.s, b.vm("node2"))); !isTimeout(err) {
		t.Errorf("an answer: %v", err)
	}
	if !b.pool.Truth("node2") {
		t.Error("node2 is off")
	}
}

func TestShutdownDelay(t *testing.T) {
	b := newBench(t, Options{})
	b.pool.VM("node1").SetShutdownDelay(time.Hour)
	if _, _, err := b.impatient().post(b.m, "/", request("VM.hard_shutdown", b.s, b.vm("node1"))); !isTimeout(err) {
		t.Errorf("an answer: %v", err)
	}
	if b.pool.Truth("node1") || b.value(b.m, "VM.get_power_state", b.s, b.vm("node1")) != Halted {
		t.Error("node1 is not off while the answer is late")
	}
}

func TestReboot(t *testing.T) {
	b := newBench(t, Options{})
	ref := b.vm("node1")
	before := b.value(b.m, "VM.get_domid", b.s, ref)
	b.value(b.m, "VM.hard_reboot", b.s, ref)
	if after := b.value(b.m, "VM.get_domid", b.s, ref); after == before || !b.pool.Truth("node1") {
		t.Errorf("domid %s, then %s", before, after)
	}
	b.value(b.m, "VM.clean_shutdown", b.s, ref)
	b.value(b.m, "VM.start", b.s, ref, true, false)
	b.value(b.m, "VM.unpause", b.s, ref)
	if b.pool.VM("node1").Says() != Running {
		t.Error("node1 is not on")
	}
}

func TestRBAC(t *testing.T) {
	for _, test := range []struct {
		role            string
		shutdown, reset bool
	}{{RoleReadOnly, false, false}, {RoleVMOperator, true, false}, {RolePoolOperator, true, true}, {RoleAdmin, true, true}} {
		b := newBench(t, Options{Role: test.role, User: "root"})
		ref := b.vm("node1")
		for name, may := range map[string]bool{"VM.hard_shutdown": test.shutdown, "VM.power_state_reset": test.reset} {
			denied := strings.HasPrefix(b.call(b.m, name, b.s, ref), failureHead+"<value>RBAC_PERMISSION_DENIED</value><value>"+strings.ToLower(name)+
				"</value><value>No permission in user session. (Roles with this permission: ")
			if denied == may {
				t.Errorf("%s: %s denied %v", test.role, name, denied)
			}
		}
		permissions := b.value(b.m, "session.get_rbac_permissions", b.s, b.s)
		if listed := strings.Contains(permissions, "vm.hard_shutdown"); listed != (test.shutdown && test.role != RoleAdmin) {
			t.Errorf("%s: permissions %s", test.role, permissions)
		}
	}
}

func TestTasks(t *testing.T) {
	b := newBench(t, Options{})
	ref := b.vm("node1")
	status := func(task string) string { return b.value(b.m, "task.get_status", b.s, task) }
	ends := func(task, want string) {
		t.Helper()
		for status(task) == "pending" {
			time.Sleep(time.Millisecond)
		}
		if status(task) != want {
			t.Errorf("%s, not %s", status(task), want)
		}
	}
	task := b.value(b.m, "Async.VM.hard_shutdown", b.s, ref)
	ends(task, "success")
	if b.pool.Truth("node1") {
		t.Error("node1 runs")
	}
	b.value(b.m, "task.destroy", b.s, task)
	b.fails(b.m, []string{"HANDLE_INVALID", "task", task}, "task.get_status", b.s, task)

	task = b.value(b.m, "Async.VM.hard_shutdown", b.s, ref)
	ends(task, "failure")
	if got := b.value(b.m, "task.get_error_info", b.s, task); !strings.HasPrefix(got, "<array><data><value>VM_BAD_POWER_STATE</value>") {
		t.Errorf("error_info %s", got)
	}
	b.pool.TasksNeverEnd()
	task = b.value(b.m, "Async.VM.start", b.s, ref, false, false)
	for !b.pool.Truth("node1") {
		time.Sleep(time.Millisecond)
	}
	b.value(b.m, "task.cancel", b.s, task)
	if status(task) != "pending" {
		t.Errorf("a task that never ends: %s", status(task))
	}
}

// TestMethods calls what is listed to give all objects, and getters of nothing.
func TestMethods(t *testing.T) {
	b := newBench(t, Options{Members: 1})
	for _, name := range methodNames() {
		if strings.HasSuffix(name, ".get_all") || strings.HasSuffix(name, ".get_all_records") {
			b.value(b.m, name, b.s)
		}
	}
	for _, name := range []string{"host.get_address", "host.get_uuid", "host.get_name_label", "host.get_other_config", "host.get_API_version_major", "VM.get_blocked_operations", "VM.get_domid", "task.get_error_info", "host_metrics.get_live", "pool.get_master"} {
		b.fails(b.m, []string{"HANDLE_INVALID", strings.Split(name, ".")[0], "x"}, name, b.s, "x")
	}
}
