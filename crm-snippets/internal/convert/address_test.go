package convert

import "testing"

func TestParseURL(t *testing.T) {
	for text, want := range map[string]address{
		"https://192.0.2.1":               {scheme: "https", host: "192.0.2.1"},
		"https://192.0.2.1/RPC2":          {scheme: "https", host: "192.0.2.1"},
		"HTTP://pool.example.com:8080/":   {scheme: "http", host: "pool.example.com", port: "8080"},
		"https://[2001:db8::1]:443":       {scheme: "https", host: "[2001:db8::1]", port: "443"},
		"https://root:s3cret@192.0.2.1":   {scheme: "https", host: "192.0.2.1", user: "root:s3cret"},
		"xen+ssh://root@dom0-a:2222/?x=1": {scheme: "xen+ssh", host: "dom0-a", port: "2222", user: "root"},
		"xen:///":                         {scheme: "xen"},
	} {
		if got, ok := parseURL(text); !ok || got != want {
			t.Errorf("parseURL(%q) = %+v, %v, want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "192.0.2.1", "https:/192.0.2.1", "https://a b", "https://2001:db8::1", "https://a:b"} {
		if got, ok := parseURL(text); ok {
			t.Errorf("parseURL(%q) = %+v, want none", text, got)
		}
	}
}

func TestBMCAddress(t *testing.T) {
	for _, c := range []struct{ host, port, want string }{
		{"192.0.2.1", "", "192.0.2.1"},
		{"192.0.2.1", "623", "192.0.2.1"},
		{"192.0.2.1", "1623", "192.0.2.1:1623"},
		{"2001:db8::1", "", "2001:db8::1"},
		{"[2001:db8::1]", "", "2001:db8::1"},
		{"[2001:db8::1]", "1623", "[2001:db8::1]:1623"},
		{"", "1623", ""},
	} {
		if got := bmcAddress(c.host, c.port); got != c.want {
			t.Errorf("bmcAddress(%q, %q) = %q, want %q", c.host, c.port, got, c.want)
		}
	}
}
