package pool

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A client speaks XML-RPC by hand.
type client struct {
	t    *testing.T
	pool *Pool
	http *http.Client
}

func newClient(t *testing.T, p *Pool) *client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	return &client{t, p, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func newPool(t *testing.T, o Options) (*Pool, *client) {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, newClient(t, p)
}

// request is a call with parameters that are strings, or bools.
func request(method string, params ...any) string {
	var b bytes.Buffer
	for _, p := range params {
		b.WriteString("<param>")
		writeXML(&b, p)
		b.WriteString("</param>")
	}
	return "<?xml version='1.0'?>\n<methodCall><methodName>" + method + "</methodName><params>" + b.String() + "</params></methodCall>"
}

func (c *client) post(m *Member, path, body string) (string, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL()+path, strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	r.Header.Set("Content-Type", "text/xml")
	r.Header.Set("x-xenapi-request-host-certificate-thumbprint", "sha-256:master")
	response, err := c.http.Do(r)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return string(answer), response, err
}

// call is the inner part of the answer.
func (c *client) call(m *Member, method string, params ...any) string {
	c.t.Helper()
	answer, _, err := c.post(m, "/", request(method, params...))
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	answer = strings.TrimPrefix(answer, `<?xml version="1.0"?><methodResponse><params><param>`)
	return strings.TrimSuffix(answer, "</param></params></methodResponse>")
}

const (
	successHead = "<value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name>"
	failureHead = "<value><struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name><value><array><data>"
)

// value is the answer of a call that succeeds.
func (c *client) value(m *Member, method string, params ...any) string {
	c.t.Helper()
	answer := c.call(m, method, params...)
	inner, ok := strings.CutPrefix(answer, successHead+"<value>")
	if !ok {
		c.t.Fatalf("%s: %s", method, answer)
	}
	return strings.TrimSuffix(inner, "</value></member></struct></value>")
}

func failure(args ...string) string {
	escaped := strings.NewReplacer(`"`, "&quot;", "'", "&apos;").Replace(strings.Join(args, "\n"))
	return failureHead + "<value>" + strings.ReplaceAll(escaped, "\n", "</value><value>") + "</value></data></array></value></member></struct></value>"
}

func (c *client) fails(m *Member, want []string, method string, params ...any) {
	c.t.Helper()
	if got := c.call(m, method, params...); got != failure(want...) {
		c.t.Errorf("%s\ngot  %s\nwant %s", method, got, failure(want...))
	}
}

func (c *client) login(m *Member) string {
	c.t.Helper()
	return c.value(m, "session.login_with_password", "root", "s3cr3t", "1.0", "test")
}

func TestFence(t *testing.T) {
	p, c := newPool(t, Options{})
	m := p.Member(0)
	s := c.login(m)
	ref := c.value(m, "VM.get_by_uuid", s, p.VM("node2").UUID())
	if got := c.value(m, "VM.hard_shutdown", s, ref); got != "" {
		t.Errorf("hard_shutdown: %s", got)
	}
	if p.Truth("node2") || c.value(m, "VM.get_power_state", s, ref) != Halted {
		t.Error("node2 runs")
	}
	c.fails(m, []string{"VM_BAD_POWER_STATE", ref, "paused, suspended, running", "halted"}, "VM.hard_shutdown", s, ref)
	c.value(m, "VM.start", s, ref, false, false)
	if !p.Truth("node2") || fmt.Sprint(p.VM("node2").On()) != "[1]" {
		t.Error("node2 does not run on its member")
	}
	c.value(m, "session.logout", s)
	c.fails(m, []string{"SESSION_INVALID", s}, "VM.get_all", s)
	c.fails(p.Member(1), []string{"HOST_IS_SLAVE", m.IP()}, "session.login_with_password", "root", "wrong")
	if p.OpenSessions() != 0 || len(p.Sessions()) != 1 {
		t.Errorf("sessions: %+v", p.Sessions())
	}
}
