package guestconfig

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestName(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`name = "node-1"`:                        "node-1",
		`name='node-1'`:                          "node-1",
		"name=\"node-1\"\r\n":                    "node-1",
		"\t name \t= \"node-1\" # ours":          "node-1",
		`name = "node-1";`:                       "node-1",
		"memory = 64\nname = \"node-1\"\n":       "node-1",
		"name = \"a\"\nname = \"node-1\"\n":      "",
		"name = \"node-1\"\nm = 1; name = \"a\"": "",
		"name = \"node-1\"\nname += \"0\"":       "",
		"x = 1; name = \"node-1\"":               "node-1",
		`name = "node-1" + "0"`:                  "",
		`name = "node-1" # the first`:            "node-1",
		"#name = \"a\"\nname = \"node-1\"":       "node-1",
		"name = \"node-1\"\n# name = \"a\"":      "node-1",
		"name = \"node-1\"\nnamed = \"a\"":       "node-1",
		"name = \"node-1\"\nuuid = \"name=a\"":   "node-1",
		`name = "a b"`:                           "a b",
		`name = "a'b"`:                           "a'b",
		`name = ""`:                              "",
		"":                                       "",
		"memory = 64":                            "",
		`name = node-1`:                          "",
		`name = "node-1`:                         "",
		"name = \"node\n-1\"":                    "",
		`name = `:                                "",
		`Name = "node-1"`:                        "",
		`vname = "node-1"`:                       "",
		`extra = "name='node-1'"`:                "",
		"name\n=\n\"node-1\"":                    "",
	}
	for config, want := range tests {
		if diff := cmp.Diff(want, Name([]byte(config))); diff != "" {
			t.Errorf("Name(%q) (-want +got):\n%s", config, diff)
		}
	}
}

func TestUUID(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`uuid = "6C7B8F5E-2d0a-4a51-9c1e-0f6f3f1d7a01"`: "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a01",
		"name = 'a'; uuid = 'x' # y":                    "x",
		"vif = [ 'uuid=1',\nuuid = 'x',\n]":             "",
		"uuid = 'x'\nuuid = 'x'":                        "",
	}
	for config, want := range tests {
		if got := UUID([]byte(config)); got != want {
			t.Errorf("UUID(%q) = %q, want %q", config, got, want)
		}
	}
}

// The last setting counts, as to xl. What looks like a setting in a string, a list or a comment is none.
func TestEffective(t *testing.T) {
	t.Parallel()
	tests := []struct {
		config, name, uuid string
		fails              bool
	}{
		{"", "", "", false},
		{"memory = 64", "", "", false},
		{"name = 'a'\nuuid = 'X'\n", "a", "x", false},
		{"name = 'a'\nname = \"b\"\n", "b", "", false},
		{"name = node\nname = \"b\"\n", "b", "", false},
		{"name = 'a'\n\nname='b'\nuuid='1'\nuuid='2'", "b", "2", false},
		{"name = 'a'; name = 'b' # c", "b", "", false},
		{"name = 'a'\nextra = \"x;name='b'\"", "a", "", false},
		{"name = 'a'\nextra = \"it's\"; name = 'b'", "b", "", false},
		{"name = 'a'\nextra = \"\\\"\"; name = 'b'", "b", "", false},
		{"name = 'a'\ndisk = [ 'x',\n name = 'b',\n 'y' ]", "a", "", false},
		{"name = 'a'\ndisk = [ 'x', ]; name = 'b'", "b", "", false},
		{"name = 'a'\ndisk = [ '[', ]\nname = 'b'", "b", "", false},
		{"name = 'a'\ndisk = [ # [\n]\nname = 'b'", "b", "", false},
		{"name = 'a'\nname += 'b'", "", "", true},
		{"name = 'a'\nname = b", "", "", true},
		{"name = 'a'\nname = 'b", "", "", true},
		{"name = 'a\\'b'", "", "", true},
		{"name = ['a']", "", "", true},
		{"name = 'a'\nuuid = 7", "a", "", true},
	}
	for _, test := range tests {
		name, uuid, err := Effective([]byte(test.config))
		if name != test.name || uuid != test.uuid || (err != nil) != test.fails {
			t.Errorf("Effective(%q) = %q, %q, %v, want %q, %q, error %t", test.config, name, uuid, err, test.name, test.uuid, test.fails)
		}
	}
}

func FuzzEffective(f *testing.F) {
	for _, seed := range []string{"name = 'a'; uuid = \"b\" # c\n", "x = [ 'y',\n]\nname += \"\\\"", "name=''"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		name, _, err := Effective(config)
		if only := Name(config); err == nil && only != "" && only != name {
			t.Errorf("%q: Name is %q, and Effective says %q", config, only, name)
		}
	})
}
