package toolstack

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigName(t *testing.T) {
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
		if diff := cmp.Diff(want, ConfigName([]byte(config))); diff != "" {
			t.Errorf("ConfigName(%q) (-want +got):\n%s", config, diff)
		}
	}
}
