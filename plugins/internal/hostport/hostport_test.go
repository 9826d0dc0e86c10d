package hostport

import "testing"

func TestParse(t *testing.T) {
	tests := []struct{ text, want string }{
		{"bmc-1", "bmc-1:623"},
		{"BMC-1.Example.org:6230", "bmc-1.example.org:6230"},
		{"192.0.2.1", "192.0.2.1:623"},
		{"192.0.2.1:1", "192.0.2.1:1"},
		{"fd00::1", "[fd00::1]:623"},
		{"FD00::1", "[fd00::1]:623"},
		{"[fd00::1]", "[fd00::1]:623"},
		{"[fd00::1]:65535", "[fd00::1]:65535"},
		{"fe80::1%Eth0", "[fe80::1%Eth0]:623"},
		{"[fe80::1%eth0]:1", "[fe80::1%eth0]:1"},
	}
	for _, tt := range tests {
		a, err := Parse(tt.text, "623")
		if err != nil || a.HostPort() != tt.want {
			t.Errorf("Parse(%q) = %s, %v, want %s", tt.text, a.HostPort(), err, tt.want)
		}
	}
	for _, text := range []string{
		"", ":1", "a:", "a:0", "a:65536", "a:x", "a:-1", "[", "[]", "[a]", "[a]:1", "[192.0.2.1]", "a b", "-a", "a/b", "https://a", "user@a", "fd00::1]:1", "[fd00::1]1", "a_", "a:1:2",
	} {
		if a, err := Parse(text, "623"); err == nil {
			t.Errorf("Parse(%q) = %s, want an error", text, a.HostPort())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"bmc-1", "bmc-1:1", "[fd00::1]:2", "fd00::1", "::ffff:192.0.2.1", "fe80::1%eth0", "[", "a:b:c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text, "623")
		if err != nil {
			return
		}
		if again, err := Parse(a.HostPort(), "1"); err != nil || again != a {
			t.Errorf("Parse(%q) = %+v, and of its text %q %+v, %v", text, a, a.HostPort(), again, err)
		}
	})
}
