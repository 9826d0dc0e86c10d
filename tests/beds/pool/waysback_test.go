package pool

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not %s", what)
		}
	}
}

// hard_shutdown of a suspended guest deletes the image, at a host that is picked at
// random, and reaches no domain.
func TestSuspended(t *testing.T) {
	b := newBench(t, Options{})
	v := b.pool.VM("node1")
	v.Suspend()
	if v.Runs() || !v.HasImage() || v.Says() != Suspended {
		t.Error("not suspended")
	}
	for _, m := range b.pool.Members() {
		m.LoseStorage()
	}
	b.fails(b.m, []string{"NO_HOSTS_AVAILABLE"}, "VM.hard_shutdown", b.s, b.vm("node1"))
	b.pool.Member(1).noStorage = false
	b.value(b.m, "VM.hard_shutdown", b.s, b.vm("node1"))
	if v.HasImage() || v.Says() != Halted {
		t.Error("the image is left, or the record is not Halted")
	}

	kept := b.pool.VM("node2")
	kept.Suspend()
	kept.KeepImage()
	b.value(b.m, "VM.hard_shutdown", b.s, b.vm("node2"))
	if !kept.HasImage() || kept.Says() != Halted {
		t.Error("an image whose deletion fails is told, or is gone")
	}

	running := b.pool.VM("node3")
	running.WriteIn(b.m, Suspended)
	b.value(b.m, "VM.hard_shutdown", b.s, b.vm("node3"))
	if !running.Runs() || running.Says() != Halted {
		t.Error("a domain was reached that the record does not have")
	}
}

// window is how long what goes on beside the test takes: much longer than a busy machine
// needs to look into it.
const window = 5 * time.Second

// A resume goes on beside hard_shutdown, with the old memory, and the record shows
// nothing of it until it ends. A task does.
func TestResumeBesideShutdown(t *testing.T) {
	b := newBench(t, Options{})
	v := b.pool.VM("node1")
	boot := v.Boots()
	v.Suspend()
	v.Resume(b.pool.Member(1), window)
	record := b.value(b.m, "VM.get_record", b.s, b.vm("node1"))
	_, operations, _ := strings.Cut(record, "<name>current_operations</name><value><struct><member><name>")
	task, _, _ := strings.Cut(operations, "<")
	if !strings.Contains(record, "<value>resume</value>") || !strings.Contains(record, "scheduled_to_be_resident_on</name><value>"+b.pool.Member(1).ref) {
		t.Fatalf("no resume in %s", record)
	}
	b.value(b.m, "VM.hard_shutdown", b.s, b.vm("node1"))
	if record := b.value(b.m, "VM.get_record", b.s, b.vm("node1")); strings.Contains(record, "resume</value>") || v.Says() != Halted || v.Runs() {
		t.Error("the record shows the resume, or it is over")
	}
	if got := b.value(b.m, "task.get_status", b.s, task); got != "pending" {
		t.Errorf("the task is %s", got)
	}
	eventually(t, "resumed", func() bool { return v.RunsBoot(boot) })
	eventually(t, "the task ended", func() bool { return b.value(b.m, "task.get_status", b.s, task) == "success" })
}

func TestCheckpoint(t *testing.T) {
	b := newBench(t, Options{})
	v := b.pool.VM("node1")
	boot := v.Boots()
	v.Checkpoint(window)
	eventually(t, "suspended", func() bool { return v.Says() == Suspended && v.HasImage() && !v.Runs() })
	eventually(t, "resumed", func() bool { return v.Says() == Running && v.RunsBoot(boot) })
}

// A slave answers a call with the name of the master if its session is in the database
// that the slave works with.
func TestSlavesAndSessions(t *testing.T) {
	b := newBench(t, Options{})
	slave := b.pool.Member(2)
	b.fails(slave, []string{"HOST_IS_SLAVE", b.m.IP()}, "session.get_this_host", b.s, b.s)
	b.fails(slave, []string{"SESSION_INVALID", "OpaqueRef:x"}, "session.get_this_host", "OpaqueRef:x", "OpaqueRef:x")
	b.pool.Member(1).Split()
	b.fails(b.pool.Member(1), []string{"SESSION_INVALID", b.s}, "session.get_this_host", b.s, b.s)
	slave.SlaveOf(b.pool.Member(1).IP())
	b.fails(slave, []string{"SESSION_INVALID", b.s}, "session.get_this_host", b.s, b.s)
	if got := b.call(b.m, "VM.hard_shutdown", b.s, b.vm("node3")); !strings.Contains(got, "SESSION_INVALID") || strings.Contains(got, b.s) || !b.pool.Truth("node3") {
		t.Errorf("the old master's request at a host that has another one: %s", got)
	}
	slave.SlaveOf("127.0.0.99")
	if _, _, err := b.impatient().post(slave, "/", request("session.get_this_host", b.s, b.s)); !isTimeout(err) {
		t.Errorf("an answer of a slave without a master: %v", err)
	}
}

// What xenopsd has forgotten is an error until its host tells anew what it runs.
func TestForgotten(t *testing.T) {
	b := newBench(t, Options{})
	v := b.pool.VM("node2")
	v.End()
	v.Forget()
	b.fails(b.m, []string{"INTERNAL_ERROR", "Object with type VM and id " + v.UUID() + " does not exist in xenopsd"}, "VM.hard_shutdown", b.s, b.vm("node2"))
	if v.Says() != Running {
		t.Error("it is Halted")
	}
	b.pool.Member(1).Restart()
	if v.Says() != Halted {
		t.Error("it is not Halted after the restart")
	}
	other := b.pool.VM("node3")
	other.WriteIn(b.m, Halted)
	b.pool.Member(2).Restart()
	if other.Says() != Running {
		t.Error("a guest that runs is not taken back at the restart")
	}
}

// Two ways to write Halted without a look, of which one looks whether the host is alive.
func TestResets(t *testing.T) {
	b := newBench(t, Options{})
	host := b.pool.Member(1)
	b.fails(b.m, []string{"HOST_IS_LIVE", host.ref}, "host.declare_dead", b.s, host.ref)
	host.SetLive(false)
	b.value(b.m, "host.declare_dead", b.s, host.ref)
	if v := b.pool.VM("node2"); v.Says() != Halted || !v.Runs() {
		t.Error("declare_dead does not write, or does more")
	}
	b.pool.VM("node1").Write(Paused)
	b.value(b.m, "VM.power_state_reset", b.s, b.vm("node1"))
	if v := b.pool.VM("node1"); v.Says() != Halted || !v.Runs() {
		t.Error("a paused guest of the master is not reset, or ended")
	}
	gone := b.pool.Member(2)
	gone.Forget()
	if v := b.pool.VM("node3"); v.Says() != Halted || !v.Runs() || strings.Contains(b.value(b.m, "host.get_all_records", b.s), gone.ref) {
		t.Error("host-forget does not write, or does more")
	}
}

// hard_shutdown clears ha_always_run if it reaches the host.
func TestAlwaysRun(t *testing.T) {
	b := newBench(t, Options{HA: true})
	v := b.pool.VM("node2")
	v.Protect("restart")
	b.pool.Member(1).SetLive(false)
	b.fails(b.m, []string{"HOST_OFFLINE", b.pool.Member(1).ref}, "VM.hard_shutdown", b.s, b.vm("node2"))
	if !v.AlwaysRuns() {
		t.Error("cleared by a request that reached nobody")
	}
	b.pool.Member(1).SetLive(true)
	b.value(b.m, "VM.hard_shutdown", b.s, b.vm("node2"))
	if v.AlwaysRuns() || v.Runs() {
		t.Error("not cleared, or not off")
	}
}

// Some users are let in by nobody, though their password is right.
func TestUsersWithoutBusiness(t *testing.T) {
	for role, want := range map[string][]string{
		RoleStranger: {"SESSION_AUTHORIZATION_FAILED", "root", "The user is not a subject of this pool"},
		RoleNone:     {"RBAC_PERMISSION_DENIED", "session.login_with_password", "Subject root has no roles in this pool"},
	} {
		p, c := newPool(t, Options{Members: 1, Role: role})
		c.fails(p.Member(0), want, "session.login_with_password", "root", "s3cr3t")
		c.fails(p.Member(0), []string{"SESSION_AUTHENTICATION_FAILED", "nobody", "User not known to the underlying authentication module"}, "session.login_with_password", "nobody", "x")
		c.fails(p.Member(0), []string{"SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"}, "session.login_with_password", "root", "x")
	}
}

// Parameters are counted and read as xapi does.
func TestParameters(t *testing.T) {
	b := newBench(t, Options{})
	ref := b.vm("node1")
	b.fails(b.m, []string{"MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.hard_shutdown", "1", "2"}, "VM.hard_shutdown", b.s, ref, "more")
	b.fails(b.m, []string{"MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_record", "1", "0"}, "VM.get_record", b.s)
	b.fails(b.m, []string{"INTERNAL_ERROR", `Failure("Expected bool, got 'S(false)'")`}, "VM.start", b.s, ref, "false", "false")
	b.fails(b.m, []string{"INTERNAL_ERROR", `Failure("Expected string, got 'B(true)'")`}, "VM.get_record", b.s, true)
	b.value(b.m, "session.login_with_password", "root", "s3cr3t", "1.0", "me", "more")
	v := b.pool.VM("node1")
	v.WriteIn(b.m, Halted)
	b.fails(b.m, []string{"VM_BAD_POWER_STATE", ref, "Halted", "Running"}, "VM.start", b.s, ref, false, false)
	v.Run()
	v.Lie(LieFailed)
	b.fails(b.m, []string{"INTERNAL_ERROR", "VM not in expected power state after completing operation: " + ref + ", halted, running"}, "VM.hard_shutdown", b.s, ref)
}

func TestSizesAndHeaders(t *testing.T) {
	b := newBench(t, Options{Members: 1})
	for class, want := range map[string]int{"host": 80, "pool": 65} {
		if got := len(fieldsOf(class)); got != want {
			t.Errorf("%s has %d fields, want %d", class, got, want)
		}
	}
	_, response, err := b.try(b.m)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Cache-Control": "no-cache, no-store", "Access-Control-Allow-Origin": "*", "Content-Type": "text/xml"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", http.CanonicalHeaderKey(name), got, want)
		}
	}
}
