package installation

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddGuests(t *testing.T) {
	t.Parallel()
	const there = "# rules\nguest a account xen,other config /etc/a # both"
	for _, c := range []struct {
		name   string
		text   string
		guests []Guest
		want   string
	}{
		{"none", there, nil, there},
		{"first", "", []Guest{{"a", "/etc/a"}}, "guest a account xen config /etc/a\n"},
		{"there", there, []Guest{{"a", "/etc/a"}}, there},
		{"one more", there, []Guest{{"b", "/etc/b"}, {"a", "/etc/a"}}, there + "\nguest b account xen config /etc/b\n"},
	} {
		got, err := addGuests(c.text, "xen", c.guests)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

// A UUID of the configuration is pinned, and nothing is changed that is there.
func TestAddGuestsPins(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "a.cfg")
	if err := os.WriteFile(config, []byte("name = 'a'\nuuid = '4E9D33BA-3d6e-4b2c-8d6a-4d1f0a4d8a11'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "guest a account xen config " + config + " uuid 4e9d33ba-3d6e-4b2c-8d6a-4d1f0a4d8a11\n"
	got, err := addGuests("", "xen", []Guest{{"a", config}})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("addGuests: %v (-want +got):\n%s", err, diff)
	}
	there := "guest a account xen config " + config + "\n"
	for _, text := range []string{want, there} {
		if got, err := addGuests(text, "xen", []Guest{{"a", config}}); err != nil || got != text {
			t.Errorf("addGuests again: %q, %v, want no change", got, err)
		}
	}
	_, err = addGuests("guest b account xen config /b uuid 4e9d33ba-3d6e-4b2c-8d6a-4d1f0a4d8a11\n", "xen", []Guest{{"a", config}})
	requireError(t, "addGuests", err, "is the UUID of guest \"b\" already")
}

func TestAddGuestsRefuses(t *testing.T) {
	t.Parallel()
	const there = "\nguest a account other config /etc/a\nguest b account xen config /etc/b\n"
	for _, c := range []struct {
		guests []Guest
		want   string
	}{
		{[]Guest{{"a", "/etc/a"}}, "line 2 gives guest a to account other"},
		{[]Guest{{"b", "/etc/x"}}, "line 3 has the configuration /etc/b for guest b, not /etc/x"},
		{[]Guest{{"a", "/etc/a"}, {"b", "/etc/x"}}, "to account other: edit it if account xen is to have it too\nline 3 has"},
		{[]Guest{{"c", "/etc/b"}}, "with the new lines, 4:"},
		{[]Guest{{"c", "relative"}}, "with the new lines, 4:"},
		{[]Guest{{"c", "/etc/c # x"}}, "is read as \"/etc/c\""},
		{[]Guest{{"c", "/etc/c uuid 4e9d33ba-3d6e-4b2c-8d6a-4d1f0a4d8a11"}}, "is read as \"/etc/c\""},
		{[]Guest{{"c", "/etc/c"}, {"c", "/etc/d"}}, "with the new lines, 5:"},
	} {
		_, err := addGuests(there, "xen", c.guests)
		requireError(t, "addGuests", err, c.want)
	}
}

func TestWithoutAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"guest a account xen config /a\n", ""},
		{"guest a account xen config /a", ""},
		{"# xen\n\nguest a account xen config /a\nlocks /x\n", "# xen\n\nlocks /x\n"},
		{"guest  a\taccount b,xen,c  config /a uuid x # xen\n", "guest  a\taccount b,c  config /a uuid x # xen\n"},
		{"guest xen account xen-b config /xen\n", "guest xen account xen-b config /xen\n"},
		{"guest account account config config xen\n", "guest account account config config xen\n"},
		{"client c account xen guests a\nclient c account b guests xen\n", "client c account b guests xen\n"},
		{"#guest a account xen config /a\n", "#guest a account xen config /a\n"},
	} {
		if diff := cmp.Diff(c.want, withoutAccount(c.text, "xen")); diff != "" {
			t.Errorf("withoutAccount(%q) (-want +got):\n%s", c.text, diff)
		}
	}
}
