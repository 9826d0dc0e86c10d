package pool

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestXMLAnswers(t *testing.T) {
	const head, tail = `<?xml version="1.0"?><methodResponse><params><param>`, `</param></params></methodResponse>`
	for _, test := range []struct {
		name    string
		value   any
		failure apiError
		bare    bool
		want    string
	}{
		{"nothing", nil, nil, false, successHead + `<value></value></member></struct></value>`},
		{"text", "OpaqueRef:NULL", nil, false, successHead + `<value>OpaqueRef:NULL</value></member></struct></value>`},
		{"escaped", "a<b & c", nil, false, successHead + `<value>a&lt;b &amp; c</value></member></struct></value>`},
		{"boolean", true, nil, false, successHead + `<value><boolean>1</boolean></value></member></struct></value>`},
		{"double", float64(1), nil, false, successHead + `<value><double>1</double></value></member></struct></value>`},
		{"time", time.Unix(0, 0), nil, false, successHead + `<value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value></member></struct></value>`},
		{"empty set", list{}, nil, false, successHead + `<value><array><data></data></array></value></member></struct></value>`},
		{"empty map", record{}, nil, false, successHead + `<value><struct></struct></value></member></struct></value>`},
		{
			"record", record{{"name_description", ""}, {"PV_bootloader", ""}, {"power_state", "Halted"}}, nil, false, successHead +
				`<value><struct><member><name>name_description</name><value></value></member><member><name>PV_bootloader</name><value></value></member>` +
				`<member><name>power_state</name><value>Halted</value></member></struct></value></member></struct></value>`,
		},
		{"failure", nil, apiError{"X", "", "b"}, false, failureHead + `<value>X</value><value></value><value>b</value></data></array></value></member></struct></value>`},
		{"bare", listOf("a"), nil, true, `<value><array><data><value>a</value></data></array></value>`},
	} {
		if got := string(xmlAnswer(test.value, test.failure, test.bare)); got != head+test.want+tail {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, head+test.want+tail)
		}
	}
}

// TestRecord compares the beginning of a record with a real one: many fields are
// empty, and have no type.
func TestRecord(t *testing.T) {
	_, c := newPool(t, Options{Members: 1, Guests: []Guest{{Name: "node1", UUID: "8459d6e9-5c74-cd62-3f89-a06c8344c145", Power: Halted}}})
	m := c.pool.Member(0)
	s := c.login(m)
	got := c.value(m, "VM.get_record", s, c.value(m, "VM.get_by_uuid", s, "8459d6e9-5c74-cd62-3f89-a06c8344c145"))
	for _, want := range []string{
		`<struct><member><name>uuid</name><value>8459d6e9-5c74-cd62-3f89-a06c8344c145</value></member><member><name>allowed_operations</name><value><array><data><value>start</value></data></array></value></member>`,
		`<member><name>current_operations</name><value><struct></struct></value></member><member><name>name_label</name><value>node1</value></member><member><name>name_description</name><value></value></member><member><name>power_state</name><value>Halted</value></member><member><name>user_version</name><value>1</value></member><member><name>is_a_template</name><value><boolean>0</boolean></value></member>`,
		`<member><name>resident_on</name><value>OpaqueRef:NULL</value></member>`,
		`<member><name>HVM_shadow_multiplier</name><value><double>1</double></value></member><member><name>platform</name>`,
		`<member><name>domid</name><value>-1</value></member><member><name>domarch</name><value></value></member>`,
		`<member><name>snapshot_time</name><value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value></member>`,
		`<member><name>blocked_operations</name><value><struct></struct></value></member>`,
		`<member><name>secureboot_certificates_state</name><value>ok</value></member></struct>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the record lacks %s", want)
		}
	}
	if n := strings.Count(got, "<value></value>"); n < 16 {
		t.Errorf("%d empty values: a real record has 16 and more", n)
	}
}

func TestRequests(t *testing.T) {
	p, c := newPool(t, Options{Members: 1})
	m := p.Member(0)
	login := request("session.login_with_password", "root", "s3cr3t")
	for _, test := range []struct {
		name, path, body string
		status           int
		kind, want       string
	}{
		{"root", "/", login, 200, "text/xml", "<name>Status</name><value>Success</value>"},
		{"RPC2", "/RPC2", login, 200, "text/xml", "<name>Status</name><value>Success</value>"},
		{"xmlrpc", "/xmlrpc", login, 200, "text/xml", "<name>Status</name><value>Success</value>"},
		{"typed strings", "/", strings.NewReplacer("<value>", "<value><string>", "</value>", "</string></value>").Replace(login), 200, "text/xml", "Success"},
		{"one parameter", "/", request("session.login_with_password", "root"), 200, "text/xml", failure("MESSAGE_PARAMETER_COUNT_MISMATCH", "session.login_with_password", "2", "1")},
		{"five parameters", "/", request("session.login_with_password", "root", "s3cr3t", "1.0", "me", "more"), 200, "text/xml", "Success"},
		{"a whole number", "/", "<methodCall><methodName>session.login_with_password</methodName><params><param><value>root</value></param><param><value><int>1</int></value></param></params></methodCall>", 200, "text/xml", "<value>INTERNAL_ERROR</value>"},
		{"no method", "/", request("VM.fly", "x"), 200, "text/xml", failure("MESSAGE_METHOD_UNKNOWN", "VM.fly")},
		{"no async getter", "/", request("Async.VM.get_all", "x"), 200, "text/xml", failure("MESSAGE_METHOD_UNKNOWN", "Async.VM.get_all")},
		{"bad session", "/", request("VM.get_all", "x"), 200, "text/xml", failure("SESSION_INVALID", "x")},
		{"bare list", "/", request("system.listMethods"), 200, "text/xml", "<methodResponse><params><param><value><array><data>"},
		{"broken", "/", "<methodCall><methodName>", 500, "text/html", "<html>"},
		{"no call", "/", "<other/>", 500, "text/html", "<html>"},
		{"too long", "/", login + strings.Repeat(" ", requestLimit), 500, "text/html", "<html>"},
		{"JSON 2.0", "/jsonrpc", `{"jsonrpc":"2.0","method":"session.login_with_password","params":["root","s3cr3t"],"id":7}`, 200, "application/json", `{"jsonrpc":"2.0","result":"OpaqueRef:`},
		{"JSON error", "/jsonrpc", `{"jsonrpc":"2.0","method":"VM.get_all","params":["x"],"id":7}`, 200, "application/json", `{"jsonrpc":"2.0","error":{"code":1,"message":"SESSION_INVALID","data":["x"]},"id":7}`},
		{"JSON 1.0", "/jsonrpc", `{"method":"session.login_with_password","params":["root","s3cr3t"],"id":"a"}`, 200, "application/json", `"error":null,"id":"a"}`},
		{"JSON 1.0 error", "/jsonrpc", `{"method":"VM.get_all","params":["x"],"id":"a"}`, 200, "application/json", `{"result":null,"error":["SESSION_INVALID","x"],"id":"a"}`},
		{"no JSON", "/jsonrpc", login, 500, "text/html", "<html>"},
	} {
		got, response, err := c.post(m, test.path, test.body)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if response.StatusCode != test.status || response.Header.Get("Content-Type") != test.kind || !strings.Contains(got, test.want) {
			t.Errorf("%s: %d %s %s", test.name, response.StatusCode, response.Header.Get("Content-Type"), got)
		}
	}
	response, err := c.http.Get(m.URL())
	if err != nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("GET: %v %v", response, err)
	}
}

func TestPlain(t *testing.T) {
	p, c := newPool(t, Options{Members: 1, Plain: true})
	if !strings.HasPrefix(p.Member(0).URL(), "http://") || c.login(p.Member(0)) == "" {
		t.Error("no login over http")
	}
}

func TestKeepAlive(t *testing.T) {
	p, c := newPool(t, Options{Members: 1})
	c.http.Transport.(*http.Transport).DisableKeepAlives = false
	s := c.login(p.Member(0))
	for range 100 {
		c.value(p.Member(0), "VM.get_all", s)
	}
}
