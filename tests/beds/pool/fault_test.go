package pool

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// short is a limit within which nothing can come: it only ends what hangs for ever.
const short = 300 * time.Millisecond

func (c *client) impatient() *client {
	copied := *c.http
	copied.Timeout = short
	return &client{c.t, c.pool, &copied}
}

func (c *client) try(m *Member) (string, *http.Response, error) {
	return c.post(m, "/", request("session.login_with_password", "root", "s3cr3t"))
}

func TestFaultsOfConnections(t *testing.T) {
	p, c := newPool(t, Options{Members: 1})
	m := p.Member(0)
	dial := func() (net.Conn, error) { return net.DialTimeout("tcp", m.Address(), short) }
	set := func(f Fault) {
		t.Helper()
		if err := m.Fail(f); err != nil {
			t.Fatal(err)
		}
	}
	healthy := func() {
		t.Helper()
		if err := m.Mend(); err != nil {
			t.Fatal(err)
		}
		c.login(m)
	}

	set(Refuse)
	if _, err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refuse: %v", err)
	}
	healthy()

	set(BlackHole)
	if _, err := dial(); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Errorf("black hole: %v", err)
	}
	healthy()

	set(NoTLS)
	conn, err := dial()
	if err != nil {
		t.Fatalf("no TLS: %v", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(short)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Errorf("no TLS: %d bytes, %v", n, err)
	}
	healthy()

	set(NoAnswer)
	if _, _, err := c.impatient().try(m); !isTimeout(err) {
		t.Errorf("no answer: %v", err)
	}
	healthy()

	set(HangUp)
	if _, _, err := c.try(m); !errors.Is(err, io.EOF) {
		t.Errorf("hang up: %v", err)
	}
	healthy()
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestConnectionsThatExist: one that was used before hangs in a black hole, also in
// the middle of a call, and ends with a dead xapi.
func TestConnectionsThatExist(t *testing.T) {
	for _, test := range []struct {
		name  string
		end   func(*Member) error
		hangs bool
	}{
		{"black hole", func(m *Member) error { return m.Fail(BlackHole) }, true},
		{"no power", (*Member).PowerOff, true},
		{"refuse", func(m *Member) error { return m.Fail(Refuse) }, false},
		{"dead", (*Member).Die, false},
	} {
		p, c := newPool(t, Options{Members: 1, ShutdownTime: time.Hour})
		m := p.Member(0)
		c.http.Transport.(*http.Transport).DisableKeepAlives = false
		s := c.login(m)
		ref := c.value(m, "VM.get_by_uuid", s, p.VM("node1").UUID())
		caller := c
		if test.hangs {
			caller = c.impatient()
		}
		ended := make(chan error, 1)
		go func() {
			_, _, err := caller.post(m, "/", request("VM.hard_shutdown", s, ref))
			ended <- err
		}()
		for p.Count("VM.hard_shutdown") == 0 {
			time.Sleep(time.Millisecond)
		}
		if err := test.end(m); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil || isTimeout(err) != test.hangs {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestFaultsOfAnswers(t *testing.T) {
	p, c := newPool(t, Options{Members: 1, SlowTime: short})
	m := p.Member(0)
	for _, test := range []struct {
		fault  Fault
		status int
		body   string
		err    error
	}{
		{HTML500, 500, errorPage, nil},
		{EmptyBody, 200, "", nil},
		{NoStatus, 200, `<?xml version="1.0"?><methodResponse><params><param><value><struct></struct></value></param></params></methodResponse>`, nil},
		{Redirect, 302, "", nil},
		{HalfAnswer, 200, `<?xml version="1.0"?><methodResponse><params>`, io.ErrUnexpectedEOF},
	} {
		if err := m.Fail(test.fault); err != nil {
			t.Fatal(err)
		}
		body, response, err := c.try(m)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v", test.fault, err)
		}
		if test.err == nil && (response.StatusCode != test.status || body != test.body) {
			t.Errorf("%s: %d %q", test.fault, response.StatusCode, body)
		}
		if test.fault == Redirect && response.Header.Get("Location") != m.URL()+"/" {
			t.Errorf("redirect to %q", response.Header.Get("Location"))
		}
	}
	if err := m.Fail(Slow); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.login(m)
	if time.Since(began) < short {
		t.Error("slow is fast")
	}
}

func TestFaultsAtCalls(t *testing.T) {
	p, c := newPool(t, Options{Members: 1})
	m := p.Member(0)
	s := c.login(m)
	ref := c.value(m, "VM.get_by_uuid", s, p.VM("node1").UUID())

	m.FailAt(Before("VM.get_power_state").Nth(2), HTML500)
	for i, want := range []int{200, 500, 200} {
		if _, response, err := c.post(m, "/", request("VM.get_power_state", s, ref)); err != nil || response.StatusCode != want {
			t.Errorf("call %d: %v %v", i+1, response, err)
		}
	}
	m.AnswerAt(Before("VM.hard_shutdown").Nth(1), "TOO_BUSY")
	c.fails(m, []string{"TOO_BUSY"}, "VM.hard_shutdown", s, ref)
	if !p.Truth("node1") {
		t.Error("a call that was refused is carried out")
	}
	m.DoAt(After("VM.hard_shutdown"), m.LoseSessions)
	c.value(m, "VM.hard_shutdown", s, ref)
	if p.Truth("node1") {
		t.Error("the guest runs")
	}
	c.fails(m, []string{"SESSION_INVALID", s}, "VM.get_power_state", s, ref)
	if sessions := p.Sessions(); sessions[0].Open || !sessions[0].Lost {
		t.Errorf("sessions: %+v", sessions)
	}
}

func TestDie(t *testing.T) {
	for _, test := range []struct {
		name string
		arm  func(*Member)
		runs bool
	}{
		{"before", func(m *Member) { m.DieBefore("VM.hard_shutdown") }, true},
		{"after", func(m *Member) { m.DieAfter("VM.hard_shutdown") }, false},
	} {
		p, c := newPool(t, Options{})
		m := p.Member(0)
		s := c.login(m)
		ref := c.value(m, "VM.get_by_uuid", s, p.VM("node1").UUID())
		test.arm(m)
		if _, _, err := c.post(m, "/", request("VM.hard_shutdown", s, ref)); err == nil {
			t.Errorf("%s: an answer", test.name)
		}
		if _, _, err := c.try(m); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", test.name, err)
		}
		if p.Truth("node1") != test.runs {
			t.Errorf("%s: runs %v", test.name, !test.runs)
		}
		p.Member(1).Promote()
		c.login(p.Member(1))
		c.fails(p.Member(2), []string{"HOST_IS_SLAVE", p.Member(1).IP()}, "session.login_with_password", "", "")
	}
}

func TestCertificates(t *testing.T) {
	p, c := newPool(t, Options{Members: 1})
	m := p.Member(0)
	good := m.Pin()
	for kind, want := range map[Certificate]string{
		CertExpired: "expired", CertWrongName: "not 127.0.0.11", CertNoAddress: "doesn't contain any IP SANs",
		CertSelfSigned: "unknown authority", CertOtherCA: "unknown authority",
	} {
		if err := m.Show(kind); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.try(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
		if m.Pin() == good {
			t.Errorf("%s: the same certificate", kind)
		}
	}
	if err := m.Show(CertGood); err != nil {
		t.Fatal(err)
	}
	c.login(m)
	if err := m.Show("none"); err == nil {
		t.Error("a certificate that there is not")
	}
}
