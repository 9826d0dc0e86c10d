package toolstack

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLong(t *testing.T) {
	t.Parallel()
	hostile := byID(hostileDomains(""))
	tests := []struct {
		file string
		want map[int]Domain
	}{
		{longAlone, byID([]Domain{{ID: 0, Name: "Domain-0"}})},
		{longDying, byID([]Domain{{ID: 0, Name: "Domain-0"}})},
		{longGuests, byID([]Domain{
			{ID: 0, Name: "Domain-0"},
			{ID: 16, Name: "alpha", UUID: "9e8b58c8-81e2-4411-b8fc-f2ab88b5627c"},
			{ID: 17, Name: "beta", UUID: "d3343abe-9deb-4e93-84ea-4371cc9bdd1e"},
		})},
		{longHostile, hostile},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			got, err := parseLong([]byte(recorded(t, test.file)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("parseLong (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLongCut(t *testing.T) {
	t.Parallel()
	for _, file := range []string{longAlone, longGuests, longHostile} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			whole := strings.TrimRight(recorded(t, file), "\n")
			for cut := range len(whole) {
				if got, err := parseLong([]byte(whole[:cut])); err == nil {
					t.Errorf("cut after %d bytes, %q: %v is accepted", cut, tail(whole[:cut]), got)
				}
			}
		})
	}
}

func TestParseLongRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing":               "",
		"garbage":               "xl: command not found\n",
		"binary":                "\x00\xff",
		"null":                  "null",
		"no domain":             "[]",
		"no list":               `{"domid": 0, "config": {"c_info": {"name": "Domain-0"}}}`,
		"empty entry":           "[{}]",
		"entry without an id":   `[{"domid": 0, "config": {"c_info": {"name": "Domain-0"}}}, {"config": {"c_info": {"name": "a"}}}]`,
		"id null":               `[{"domid": 0, "config": {"c_info": {"name": "Domain-0"}}}, {"domid": null}]`,
		"id of text":            `[{"domid": "0", "config": {"c_info": {"name": "Domain-0"}}}]`,
		"id with a fraction":    `[{"domid": 0.5, "config": {"c_info": {"name": "Domain-0"}}}]`,
		"id only within config": `[{"config": {"c_info": {"name": "Domain-0", "domid": 0}}}]`,
		"name of a number":      `[{"domid": 0, "config": {"c_info": {"name": 0}}}]`,
		"no control domain":     `[{"domid": 7, "config": {"c_info": {"name": "Domain-0"}}}]`,
		"id twice":              `[{"domid": 0, "config": {"c_info": {"name": "Domain-0"}}}, {"domid": 7}, {"domid": 7}]`,
		"text behind":           recorded(t, longAlone) + "x",
		"text before":           "libxl: error\n" + recorded(t, longAlone),
		"two lists":             recorded(t, longAlone) + recorded(t, longAlone),
	}
	for what, long := range tests {
		if got, err := parseLong([]byte(long)); err == nil {
			t.Errorf("%s: parseLong = %v, want an error", what, got)
		}
	}
	nameless := `[{"domid": 0, "config": {"c_info": {"name": "Domain-0"}}}, {"domid": 7}, {"domid": 8, "config": {"c_info": {"name": ""}}}]`
	got, err := parseLong([]byte(nameless))
	if diff := cmp.Diff(byID([]Domain{{Name: "Domain-0"}, {ID: 7}, {ID: 8}}), got); diff != "" || err != nil {
		t.Errorf("domains without a name: error %v, (-want +got):\n%s", err, diff)
	}
}

func FuzzParseLong(f *testing.F) {
	for _, file := range []string{longAlone, longGuests, longDying, longHostile} {
		f.Add([]byte(recorded(f, file)))
	}
	f.Add([]byte(`[{"domid": 0, "config": null}]`))
	f.Fuzz(func(t *testing.T, long []byte) {
		got, err := parseLong(long)
		if err != nil {
			return
		}
		requireList(t, got)
		again, err := parseLong(writeLong(t, got))
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("written again: error %v, (-first +second):\n%s", err, diff)
		}
	})
}

// writeLong is the output of `xl list -l` with these domains.
func writeLong(t *testing.T, domains map[int]Domain) []byte {
	t.Helper()
	var entries []longEntry
	for _, id := range slices.Sorted(maps.Keys(domains)) {
		e := longEntry{ID: &id}
		e.Config.Info.Name, e.Config.Info.UUID = domains[id].Name, domains[id].UUID
		entries = append(entries, e)
	}
	text, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
