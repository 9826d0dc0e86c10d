package installation

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const helperRoot = "/usr/local/sbin/dom0-helper root"

func TestShippedRule(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../../sudoers/stonith-plugins")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(file), shippedRule); diff != "" {
		t.Errorf("sudoers/stonith-plugins and what setup writes (-file +setup):\n%s", diff)
	}
	if diff := cmp.Diff(shippedRule, ruleText(helperRoot, []string{"xen"})); diff != "" {
		t.Errorf("the rule for its own account and path (-want +got):\n%s", diff)
	}
}

func TestParseRule(t *testing.T) {
	t.Parallel()
	written := ruleText("/opt/dom0-helper root --policy /opt/p", []string{"a", "b-1"})
	commented := "# mine\n\n" + strings.Replace(written, "STONITH_ACCOUNTS = a, b-1", "STONITH_ACCOUNTS = a ,b-1 ", 1) + "#include-like\n"
	for _, text := range []string{written, commented} {
		got, err := parseRule(text)
		want := rule{[]string{"a", "b-1"}, "/opt/dom0-helper root --policy /opt/p"}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(rule{})); text == written && (err != nil || diff != "") {
			t.Errorf("parseRule(%q): %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestParseRuleRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, now string }{
		{"= xen\n", "= xen, ALL\n"},
		{"= xen\n", "= xen, %wheel\n"},
		{"= xen\n", "= xen, !root\n"},
		{"= xen\n", "= xen : OTHER = a\n"},
		{"= xen\n", "= \\\n xen\n"},
		{"= xen\n", "=\n"},
		{"env_reset\n", "env_reset, setenv\n"},
		{"(root) NOPASSWD: NOSETENV:", "(ALL) NOPASSWD:"},
		{"User_Alias STONITH_ACCOUNTS = xen\n", ""},
		{"STONITH_ACCOUNTS ALL =", "xen ALL = ALL\nSTONITH_ACCOUNTS ALL ="},
		{"# There is", "#includedir /x\n# There is"},
		{"# There is", "#0 ALL = ALL\n# There is"},
		{"STONITH_ROOT_HALF\n", "STONITH_ROOT_HALF\n@include /x\n"},
		{"User_Alias STONITH_ACCOUNTS = xen\n", "User_Alias STONITH_ACCOUNTS = xen\nUser_Alias STONITH_ACCOUNTS = b\n"},
	} {
		text := strings.Replace(shippedRule, c.old, c.now, 1)
		if text == shippedRule {
			t.Fatalf("%q is not in the rule", c.old)
		}
		if r, err := parseRule(text); err == nil {
			t.Errorf("with %q in place of %q, the rule is understood as %+v", c.now, c.old, r)
		}
	}
	if _, err := parseRule(""); err == nil {
		t.Error("an empty file is a rule")
	}
}

func TestWithAccounts(t *testing.T) {
	t.Parallel()
	text := "# mine\n" + shippedRule
	want := strings.Replace(text, "= xen\n", "= a, b\n", 1)
	if diff := cmp.Diff(want, withAccounts(text, []string{"a", "b"})); diff != "" {
		t.Errorf("withAccounts (-want +got):\n%s", diff)
	}
}

const defaults = `Matching Defaults entries for xen on vm:
    env_reset, mail_badpass,
    secure_path=/usr/local/sbin\:/usr/bin

Runas and Command-specific defaults for xen:
    Defaults!/usr/local/sbin/dom0-helper root !requiretty, !use_pty, env_reset

User xen may run the following commands on vm:
`

func TestParseRights(t *testing.T) {
	t.Parallel()
	nopasswd := []string{"NOSETENV:", "NOPASSWD:"}
	for _, c := range []struct {
		out  string
		want []right
	}{
		{"User xen is not allowed to run sudo on vm.\n", nil},
		{defaults + "    (root) NOSETENV: NOPASSWD: " + helperRoot + "\n", []right{{"root", nopasswd, helperRoot, false}}},
		{defaults + "    (root) NOSETENV: NOPASSWD:\n        /usr/local/sbin/dom0-helper\n        root\n", []right{{"root", nopasswd, helperRoot, false}}},
		{
			defaults + "    (root) NOSETENV: NOPASSWD: " + helperRoot + "\n    (ALL : ALL) ALL, /bin/ls a\\, b, SETENV: /bin/x\n",
			[]right{{"root", nopasswd, helperRoot, false}, {"ALL : ALL", nil, "ALL", false}, {"ALL : ALL", nil, `/bin/ls a\, b`, false}, {"ALL : ALL", []string{"SETENV:"}, "/bin/x", false}},
		},
		{
			defaults + "    (root) NOPASSWD: /bin/a, PASSWD: /bin/b\n",
			[]right{{"root", []string{"NOPASSWD:"}, "/bin/a", false}, {"root", []string{"NOPASSWD:", "PASSWD:"}, "/bin/b", false}},
		},
	} {
		got, err := parseRights(c.out)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(right{}), emptyIsNil()); err != nil || diff != "" {
			t.Errorf("parseRights(%q): %v (-want +got):\n%s", c.out, err, diff)
		}
	}
	suse := strings.Replace(defaults, "mail_badpass,", "targetpw,", 1)
	for _, c := range []struct {
		out  string
		want bool
	}{
		{suse + "    (ALL) ALL\n", true},
		{suse + "    (ALL) NOPASSWD: ALL\n", false},
		{defaults + "    (ALL) ALL\n", false},
		{strings.Replace(suse, "targetpw", "!targetpw", 1) + "    (ALL) ALL\n", false},
		{strings.Replace(suse, "targetpw", "targetpw, !authenticate", 1) + "    (ALL) ALL\n", false},
	} {
		rights, err := parseRights(c.out)
		if err != nil || len(rights) != 1 || rights[0].asksRoot != c.want {
			t.Errorf("parseRights(%q) = %v, %v; asks for root's password: want %t", c.out, rights, err, c.want)
		}
	}
	for _, out := range []string{"", "sudo: unknown user xen\n", defaults + "    something else\n", defaults + "    (root\n"} {
		if got, err := parseRights(out); err == nil {
			t.Errorf("parseRights(%q) = %v", out, got)
		}
	}
}

func emptyIsNil() cmp.Option {
	return cmp.FilterValues(func(a, b []string) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())
}

func TestIsOurs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		right right
		want  bool
	}{
		{right{"root", []string{"NOPASSWD:", "NOSETENV:"}, helperRoot, false}, true},
		{right{"root", []string{"NOPASSWD:"}, helperRoot, false}, true},
		{right{"root", nil, helperRoot, false}, false},
		{right{"root", []string{"NOPASSWD:", "SETENV:"}, helperRoot, false}, false},
		{right{"ALL", []string{"NOPASSWD:"}, helperRoot, false}, false},
		{right{"root", []string{"NOPASSWD:"}, helperRoot + " --policy /x", false}, false},
		{right{"root", []string{"NOPASSWD:"}, "ALL", false}, false},
	} {
		if got := c.right.isOurs(helperRoot); got != c.want {
			t.Errorf("%s is ours: %t, want %t", c.right, got, c.want)
		}
	}
}

func TestAccountName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"xen": "", "_xen": "", "Xen": "", "xen-b.2": "", "X1a": "",
		"": "--account is missing", "ALL": "alias", "XEN_1": "alias", "X": "alias",
		"1xen": "is not the name", "-xen": "is not the name", "a b": "is not the name", "%wheel": "is not the name",
		"a,b": "is not the name", "a\nb": "is not the name", strings.Repeat("a", 33): "is not the name",
	} {
		requireError(t, "checkAccountName("+name+")", checkAccountName(name), want)
	}
}
