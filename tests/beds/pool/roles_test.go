package pool

import (
	"testing"
	"time"
)

func TestRoles(t *testing.T) {
	p, c := newPool(t, Options{WrongPassword: time.Millisecond})
	m, other := p.Member(0), p.Member(1)
	c.fails(m, []string{"SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"}, "session.login_with_password", "root", "wrong")
	s := c.login(m)
	if c.value(m, "session.get_this_host", s, s) != c.value(m, "pool.get_master", s, c.ref(m, s, "pool.get_all_records")) {
		t.Error("the master is another host")
	}
	c.fails(other, []string{"HOST_IS_SLAVE", m.IP()}, "VM.get_all", s)

	for _, address := range []string{"xen9.example", "2001:db8::9", "192.0.2.9"} {
		other.SlaveOf(address)
		c.fails(other, []string{"HOST_IS_SLAVE", address}, "session.login_with_password", "root", "wrong")
	}
	if _, _, err := c.impatient().post(other, "/", request("VM.get_all", s)); !isTimeout(err) {
		t.Errorf("a slave without its master answers: %v", err)
	}
	other.Boot()
	c.fails(other, []string{"HOST_STILL_BOOTING"}, "session.login_with_password", "root", "s3cr3t")
	other.Emergency("HOST_UNKNOWN_TO_MASTER", "x")
	c.fails(other, []string{"HOST_UNKNOWN_TO_MASTER", "x"}, "VM.get_all", s)
	c.value(other, "session.slave_local_login_with_password", "root", "s3cr3t")
}

// ref is the reference of the only object.
func (c *client) ref(m *Member, s, method string) string {
	c.t.Helper()
	const name = "<struct><member><name>"
	return c.value(m, method, s)[len(name) : len(name)+len(nullRef)-len("NULL")+36]
}

func TestThumbprint(t *testing.T) {
	p, c := newPool(t, Options{})
	_, response, err := c.post(p.Member(1), "/", request("session.login_with_password", "root", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("x-xenapi-response-host-certificate-thumbprint"); got != p.Member(0).thumbprint() {
		t.Errorf("thumbprint %q", got)
	}
}

func TestElect(t *testing.T) {
	p, c := newPool(t, Options{})
	p.Member(2).Elect(short)
	c.fails(p.Member(0), []string{"HOST_STILL_BOOTING"}, "session.login_with_password", "root", "s3cr3t")
	for !p.Member(2).IsMaster() {
		time.Sleep(time.Millisecond)
	}
	c.login(p.Member(2))
	c.fails(p.Member(0), []string{"HOST_IS_SLAVE", p.Member(2).IP()}, "session.login_with_password", "root", "s3cr3t")
}

func TestTwoMasters(t *testing.T) {
	p, c := newPool(t, Options{})
	p.Member(1).Split()
	uuid := p.VM("node3").UUID()
	first, second := c.login(p.Member(0)), c.login(p.Member(1))
	ref := c.value(p.Member(0), "VM.get_by_uuid", first, uuid)
	c.value(p.Member(0), "VM.hard_shutdown", first, ref)
	if p.Truth("node3") {
		t.Error("node3 runs")
	}
	if got := c.value(p.Member(1), "VM.get_power_state", second, ref); got != Running {
		t.Errorf("the second master says %s", got)
	}
}

func TestEject(t *testing.T) {
	p, c := newPool(t, Options{})
	m := p.Member(2)
	m.Eject()
	s := c.login(m)
	if got := c.value(m, "pool.get_uuid", s, c.ref(m, s, "pool.get_all_records")); got == p.UUID() {
		t.Error("the pool's UUID is the same")
	}
	c.fails(m, []string{"UUID_INVALID", "VM", p.VM("node3").UUID()}, "VM.get_by_uuid", s, p.VM("node3").UUID())
}
