package toolstack

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Recorded lists, by session and number.
const (
	tableAlone   = "01-list 3"
	tableGuests  = "01-list 14"
	tableDying   = "01-list 49"
	tableCrashed = "01-list 33"
	tableStates  = "01-list 43"
	tableHostile = "08-names 31"
	longAlone    = "01-list 2"
	longGuests   = "01-list 13"
	longDying    = "01-list 48"
	longHostile  = "08-names 32"
)

// recorded is the output of `xl list -v` or `xl list -l` that a recording shows.
// Of some states there is `xl list` only, and of the hostile names, those that
// `xl list -l` printed, just behind the table that they belong to: these are
// brought into the form of the other ones.
func recorded(t testing.TB, name string) string {
	t.Helper()
	session, number, _ := strings.Cut(name, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	all := recordings(t, session)
	text := all[n-1].Stdout
	switch {
	case strings.HasPrefix(text, plainHeader+"\n"):
		return widened(text)
	case strings.Contains(all[n-1].Cmd, "grep"):
		return asLong(t, text, widened(all[n-2].Stdout))
	default:
		return text
	}
}

// hostileDomains are those of the records of hostile names. The last but one
// has the empty name; the last is called "(null)", as if it had none.
func hostileDomains(controlUUID string) []Domain {
	domains := []Domain{{ID: 0, Name: "Domain-0", UUID: controlUUID}}
	for i, name := range []string{
		"with space", "two  spaces and r-----      1.0",
		"evil\nDomain-0                                     0   512     1     r-----      20.7",
		"dot.ted-under_score", "gr\u00fc\u00dfe", "7", "0", "", "a/b", "../x", "-f", "tab\there", "new\nline", "", "(null)",
	} {
		if i != 7 { // domain 109 was not created
			domains = append(domains, Domain{ID: 102 + i, Name: name, UUID: madeUUID(102 + i)})
		}
	}
	return domains
}

func byID(domains []Domain) map[int]Domain {
	all := map[int]Domain{}
	for _, d := range domains {
		all[d.ID] = d
	}
	return all
}

func TestXLDomains(t *testing.T) {
	t.Parallel()
	hostile := hostileDomains("")
	tests := []struct {
		name, table, long string
		want              []Domain
	}{
		{"guests", tableGuests, longGuests, []Domain{
			{ID: 0, Name: "Domain-0"},
			{ID: 16, Name: "alpha", UUID: "9e8b58c8-81e2-4411-b8fc-f2ab88b5627c"},
			{ID: 17, Name: "beta", UUID: "d3343abe-9deb-4e93-84ea-4371cc9bdd1e"},
		}},
		{"a dying one is only in the table", tableDying, longDying, []Domain{
			{ID: 0, Name: "Domain-0"}, {ID: 29, UUID: "fef5fff0-4802-4a8f-8617-d615be2c0604", Dying: true, Paused: true},
		}},
		{"guests that come after the table", tableAlone, longGuests, []Domain{
			{ID: 0, Name: "Domain-0"},
			{ID: 16, Name: "alpha", UUID: "9e8b58c8-81e2-4411-b8fc-f2ab88b5627c"},
			{ID: 17, Name: "beta", UUID: "d3343abe-9deb-4e93-84ea-4371cc9bdd1e"},
		}},
		{"guests that go after the table", tableGuests, longAlone, []Domain{
			{ID: 0, Name: "Domain-0"},
			{ID: 16, Name: "alpha", UUID: "9e8b58c8-81e2-4411-b8fc-f2ab88b5627c"},
			{ID: 17, Name: "beta", UUID: "d3343abe-9deb-4e93-84ea-4371cc9bdd1e"},
		}},
		{"hostile names", tableHostile, longHostile, hostile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := xl{fakeProgram(t, "xl", map[string]string{"list -v": recorded(t, test.table), "list -l": recorded(t, test.long)})}
			got, err := x.Domains(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got[0].UUID = "" // the control domain's does not matter
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Domains (-want +got):\n%s", diff)
			}
		})
	}
}

// What says that a domain is stopped is the table alone; names are from the long list.
func TestXLDomainsStopped(t *testing.T) {
	t.Parallel()
	const long = `[{"domid": 0, "config": {"c_info": {"name": "Domain-0"}}},
		{"domid": 20, "config": {"c_info": {"name": "renamed"}}}, {"domid": 90, "config": {"c_info": {"name": "new"}}}]`
	x := xl{fakeProgram(t, "xl", map[string]string{"list -v": recorded(t, tableStates), "list -l": long})}
	got, err := x.Domains(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopped := map[string]bool{}
	for _, d := range got {
		stopped[strconv.Itoa(d.ID)+" "+d.Name] = d.Stopped
	}
	maps.DeleteFunc(stopped, func(_ string, is bool) bool { return !is })
	want := map[string]bool{"20 renamed": true, "21 faulted-kept": true, "22 off-kept": true, "23 wd-kept": true, "24 rb-kept": true}
	if diff := cmp.Diff(want, stopped); diff != "" {
		t.Errorf("stopped domains (-want +got):\n%s", diff)
	}
}

// A row that is not understood must not hide itself, or the next, in a name of
// several lines; nor may a name with a false row in it.
func TestXLDomainsHidden(t *testing.T) {
	t.Parallel()
	const control = "Domain-0  0  512  1  r-----  1.0  00000000-0000-0000-0000-000000000000  -  -\n"
	row := func(name, id, marks string) string {
		return name + "  " + id + "  8  1  " + marks + "  0.0  00000000-0000-4000-8000-00000000000" + id + "  -  -\n"
	}
	const header = "Name  ID  Mem VCPUs  State  Time(s)  UUID  Reason-Code  Security Label\n"
	tests := []struct{ name, rows, names, want string }{
		{"dying, marks unknown", row("(null)", "5", "---s#d") + row("bar", "6", "-b----"), `,{"domid": 6, "config": {"c_info": {"name": "bar"}}}`, "is not understood"},
		{"marks unknown before dying", row("foo", "5", "---s#-") + row("(null)", "6", "-bp--d"), `,{"domid": 5, "config": {"c_info": {"name": "foo"}}}`, "is not understood"},
		{"a name with a row of an id that is there", row("(null)", "5", "-bp--d") + row("x\n"+row("foo", "5", "-b----")+"y", "6", "-b----"), "", "domain id 5 is there twice"},
		{
			"a name that begins with a row", row("node-1", "5", "-b----") + row("y", "6", "-b----"),
			fmt.Sprintf(`,{"domid": 6, "config": {"c_info": {"name": %q}}}`, row("node-1", "5", "-b----")+"y"), "domain 6 is \"y\", and \"node-1 ",
		},
		{"soft reset", row("foo", "5", "---sS-") + row("(null)", "6", "-bp--d"), "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			long := `[{"domid": 0, "config": {"c_info": {"name": "Domain-0"}}}` + test.names + "]"
			x := xl{fakeProgram(t, "xl", map[string]string{"list -v": header + control + test.rows, "list -l": long})}
			got, err := x.Domains(t.Context())
			if text := fmt.Sprint(err); (err == nil) != (test.want == "") || !strings.Contains(text, test.want) && err != nil {
				t.Errorf("Domains = %v, %v, want %q", got, err, test.want)
			}
			if err == nil && len(got) != 3 {
				t.Errorf("Domains = %v, want three", got)
			}
		})
	}
}

// Nothing is known if one of both lists is not.
func TestXLDomainsUnknown(t *testing.T) {
	t.Parallel()
	good := map[string]string{"list -v": recorded(t, tableGuests), "list -l": recorded(t, longGuests)}
	for command := range good {
		for what, text := range map[string]string{"empty": "", "garbage": "garbage\n", "half": good[command][:len(good[command])*2/3]} {
			t.Run(command+" "+what, func(t *testing.T) {
				t.Parallel()
				lists := maps.Clone(good)
				lists[command] = text
				requireUnknown(t, lists, "xl "+command+": ")
			})
		}
		t.Run(command+" fails", func(t *testing.T) {
			t.Parallel()
			lists := maps.Clone(good)
			delete(lists, command)
			requireUnknown(t, lists, "xl "+command+": exit status 1: ")
		})
	}
}

func requireUnknown(t *testing.T, lists map[string]string, want string) {
	t.Helper()
	x := xl{fakeProgram(t, "xl", lists)}
	if got, err := x.Domains(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Domains = %v, error %v, want an error %q", got, err, want)
	}
}
