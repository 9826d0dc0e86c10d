package installation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "x", false},
		{"xen", "xen", true},
		{"xen", "xenb", false},
		{"x?n", "xen", true},
		{"x?n", "xn", false},
		{"*", "", true},
		{"*", "xen", true},
		{"x*n*", "xen", true},
		{"*b", "xen", false},
		{"Xen", "xen", false},
	} {
		if got := matches(c.pattern, c.text); got != c.want {
			t.Errorf("matches(%q, %q) = %t", c.pattern, c.text, got)
		}
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ settings, want string }{
		{"pubkeyauthentication yes", ""},
		{"pubkeyauthentication no", "PubkeyAuthentication no"},
		{"forcecommand none", ""},
		{"forcecommand /bin/x y", "ForceCommand /bin/x y"},
		{"chrootdirectory /srv", "ChrootDirectory /srv"},
		{"maxsessions 10", ""},
		{"maxsessions 0", "MaxSessions 0"},
		{"authenticationmethods any", ""},
		{"authenticationmethods publickey,password publickey", ""},
		{"authenticationmethods publickey,password", "AuthenticationMethods publickey,password"},
		{"denyusers a\ndenyusers x*", "DenyUsers a x*"},
		{"denyusers a\ndenyusers xen-b", ""},
		{"denyusers xen@10.0.0.1", ""},
		{"denyusers xen@*", "DenyUsers"},
		{"allowusers a", "AllowUsers a"},
		{"allowusers a\nallowusers xen", ""},
		{"allowusers xen@10.0.0.1", ""},
		{"allowusers a@*", "AllowUsers"},
		{"denygroups wheel\ndenygroups clu*", "DenyGroups"},
		{"allowgroups wheel", "AllowGroups wheel"},
		{"allowgroups wheel\nallowgroups cluster", ""},
	} {
		requireError(t, c.settings, settingsOf(c.settings).refusal("xen", []string{"xen", "cluster"}), c.want)
	}
}

func settingsOf(text string) sshdSettings {
	settings := sshdSettings{}
	for _, line := range strings.Split(text, "\n") {
		keyword, value, _ := strings.Cut(line, " ")
		settings[keyword] = append(settings[keyword], value)
	}
	return settings
}

func TestKeyPaths(t *testing.T) {
	t.Parallel()
	a := account{name: "xen", exists: true, uid: 7, home: "/home/xen"}
	for _, c := range []struct {
		value string
		want  []string
		err   string
	}{
		{".ssh/authorized_keys .ssh/authorized_keys2", []string{"/home/xen/.ssh/authorized_keys", "/home/xen/.ssh/authorized_keys2"}, ""},
		{"/etc/ssh/%u/%U/100%% %h/keys", []string{"/etc/ssh/xen/7/100%", "/home/xen/keys"}, ""},
		{"none", nil, "it looks at no file"},
		{"/etc/%x", nil, "token %x is unknown"},
		{"/etc/%", nil, "token % is unknown"},
	} {
		got, err := settingsOf("authorizedkeysfile " + c.value).keyPaths(a)
		requireError(t, c.value, err, c.err)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("keyPaths of %s (-want +got):\n%s", c.value, diff)
		}
	}
	a.exists = false
	_, err := settingsOf("authorizedkeysfile /etc/%U").keyPaths(a)
	requireError(t, "%U of an account that is missing", err, "make the account first")
}

func TestStartupsAdvice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		calls int
		want  string
	}{
		{"10:30:100", 1, "set MaxStartups 100:30:200"},
		{"10", 1, "set MaxStartups 100:30:200"},
		{"64:30:100", 64, ""},
		{"64:30:100", 65, "set MaxStartups 100:30:200"},
		{"100:30:200", 300, "set MaxStartups 300:30:600"},
		{"300:30:600", 300, ""},
		{"", 1, ""},
	} {
		got := settingsOf("maxstartups " + c.value).startupsAdvice(c.calls)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("MaxStartups %s with %d calls: %q, want %q", c.value, c.calls, got, c.want)
		}
	}
}
