package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccounts(t *testing.T) {
	tests := []struct {
		text string
		want accounts
		err  string
	}{
		{text: "xen@dom0", want: accounts{{"xen", "dom0", "22"}}},
		{text: "xen@dom0:2222", want: accounts{{"xen", "dom0", "2222"}}},
		{text: "xen@a, xen@b;y@c", want: accounts{{"xen", "a", "22"}, {"xen", "b", "22"}, {"y", "c", "22"}}},
		{text: "xen@192.0.2.1:22", want: accounts{{"xen", "192.0.2.1", "22"}}},
		{text: "xen@[2001:db8::1]:2222", want: accounts{{"xen", "2001:db8::1", "2222"}}},
		{text: "xen@[2001:db8::1]", want: accounts{{"xen", "2001:db8::1", "22"}}},
		{text: "xen@2001:db8::1", want: accounts{{"xen", "2001:db8::1", "22"}}},
		{text: " ,", err: `names no account`},
		{text: "dom0", err: `"dom0" has no user, want user@dom0 or user@dom0:port`},
		{text: "@dom0", err: `"@dom0": "" is not the name of a user`},
		{text: "-x@dom0", err: `"-x@dom0": "-x" is not the name of a user`},
		{text: "xen@", err: `"xen@": "" is neither a host name nor an address`},
		{text: "xen@-oProxyCommand=x", err: `"xen@-oProxyCommand=x": "-oProxyCommand=x" is neither a host name nor an address`},
		{text: "xen@dom0:", err: `"xen@dom0:": "" is not a port`},
		{text: "xen@dom0:0", err: `"xen@dom0:0": "0" is not a port`},
		{text: "xen@dom0:99999", err: `"xen@dom0:99999": "99999" is not a port`},
		{text: "xen@dom0:ssh", err: `"xen@dom0:ssh": "ssh" is not a port`},
		{text: "xen@[dom0]:22", err: `"xen@[dom0]:22": "dom0" is neither a host name nor an address`},
		{text: "xen@[::1", err: `"xen@[::1": address [::1: missing ']' in address`},
		{text: "xen@a@b", err: `"xen@a@b": "a@b" is neither a host name nor an address`},
		{text: "xen@a x@A", err: `dom0 A is listed twice`},
		{text: "xen@a x", err: `"x" has no user, want user@dom0 or user@dom0:port`},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			var got accounts
			err := got.Set(tt.text)
			if (err == nil) != (tt.err == "") || (err != nil && err.Error() != tt.err) {
				t.Fatalf("Set(%q) = %v, want %q", tt.text, err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(account{})); err == nil && diff != "" {
				t.Errorf("Set(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// FuzzAccounts: what is accepted is written again as the same list, and nothing in it could be taken for an option.
func FuzzAccounts(f *testing.F) {
	for _, seed := range []string{"xen@dom0", "xen@[::1]:22,a@b", "a@::1", "-a@-b", "a@b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var first, again accounts
		if first.Set(text) != nil {
			return
		}
		if err := again.Set(first.String()); err != nil {
			t.Fatalf("%q was accepted, but not its own form %q: %v", text, first.String(), err)
		}
		if diff := cmp.Diff(first, again, cmp.AllowUnexported(account{})); diff != "" {
			t.Errorf("%q changes when written again (-first +again):\n%s", text, diff)
		}
		for _, a := range first {
			if a.user[0] == '-' || a.host[0] == '-' {
				t.Errorf("%q gives %q", text, a)
			}
		}
	})
}
