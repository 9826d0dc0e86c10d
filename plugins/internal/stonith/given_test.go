package stonith

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func texts(errs []error) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func TestEveryMistakeIsReported(t *testing.T) {
	limit, mode := Duration(time.Second), Choice{Chosen: "a", Words: []string{"a", "b"}}
	var text Text
	params := []Param{
		{Name: "hostlist", Value: &text, Required: true},
		{Name: "limit", Value: &limit},
		{Name: "mode", Aliases: []string{"manner"}, Value: &mode},
	}
	given, mistakes := readWords([]string{"limit=soon", "colour=red", "hostlist"}, []string{"hostlist", "limit", "mode"}, func(name string) string {
		return map[string]string{"manner": " c ", "limit": "5"}[name]
	})
	got := texts(append(mistakes, given.set(params)...))
	want := []string{
		`"colour" is not a parameter`,
		`word 3 of 3 is not of the form name=value`,
		`hostlist: not set`,
		`limit: "soon" is not a time, want for example 40, 40s or 2min`,
		`manner: "c" is none of a, b`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

// A value may come under each of the parameter's names, but two values are a mistake.
func TestAliases(t *testing.T) {
	tests := []struct {
		name        string
		words       string
		environment map[string]string
		want        string
		err         string
	}{
		{name: "none", want: "default"},
		{name: "its own name", environment: map[string]string{"user": "a"}, want: "a"},
		{name: "an alias", environment: map[string]string{"login": " a "}, want: "a"},
		{name: "an alias that is empty", environment: map[string]string{"user": "a", "login": " "}, want: "a"},
		{name: "two names, one value", environment: map[string]string{"user": "a", "login": " a"}, want: "a"},
		{name: "two names, two values", environment: map[string]string{"user": "s3cret", "login": "S3cret"}, err: "user and login are both set, and differ"},
		{name: "two aliases, two values", environment: map[string]string{"username": "s3cret", "login": "S3cret"}, err: "username and login are both set, and differ"},
		{name: "two words", words: "username=s3cret login=S3cret", err: "username and login are both set, and differ"},
		{name: "a word wins", words: "user=a=b", environment: map[string]string{"user": "c"}, want: "a=b"},
		{name: "a word wins over an alias", words: "user=a", environment: map[string]string{"login": "b"}, want: "a"},
		{name: "an alias as a word wins", words: "login=a", environment: map[string]string{"user": "b"}, want: "a"},
		{name: "an empty word wins", words: "login=", environment: map[string]string{"user": "b"}, want: "default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := Text("default")
			params := []Param{{Name: "user", Aliases: []string{"username", "login"}, Value: &text}}
			given, mistakes := readWords(strings.Fields(tt.words), params[0].names(), func(name string) string { return tt.environment[name] })
			mistakes = append(mistakes, given.set(params)...)
			if got := strings.Join(texts(mistakes), "; "); got != tt.err || strings.Contains(got, "s3cret") {
				t.Fatalf("mistakes %q, want %q", got, tt.err)
			}
			for _, err := range mistakes {
				if hints := hintsOf(err); ReasonOf(err) != BadConfig || len(hints) != 1 || !strings.Contains(hints[0], "set user alone") {
					t.Errorf("%v: reason %s, hints %q", err, ReasonOf(err), hints)
				}
			}
			if tt.err == "" && string(text) != tt.want {
				t.Errorf("user = %q, want %q", text, tt.want)
			}
		})
	}
}

// What other programs take for the guest of their only node must be one of hostlist.
func TestPlugsOfOtherPrograms(t *testing.T) {
	for port, ok := range map[string]bool{"": true, " ": true, "a": true, "A": true, "x": true, "b": true, "X": false, "22": false, "a:x": false} {
		hosts := &hostList{syntax: PlugSyntax{Word: "guest", Check: anyPlug, Names: []string{"plug", "port"}}}
		if err := hosts.Set("a:x b"); err != nil {
			t.Fatal(err)
		}
		given := given{getenv: func(name string) string { return map[string]string{"port": port}[name] }}
		mistakes := given.checkPlugs(hosts)
		if ok && len(mistakes) > 0 || !ok && (len(mistakes) != 1 || ReasonOf(mistakes[0]) != BadConfig || !strings.HasPrefix(mistakes[0].Error(), "port: ")) {
			t.Errorf("port %q: %v, want ok %v", port, mistakes, ok)
		}
	}
}

// A device with one node may have it under a name of its own, and needs one of both names.
func TestOneNode(t *testing.T) {
	for environment, want := range map[string]string{
		"hostname=node-1":                 "node-1",
		"hostlist=node-1:a node-2:b":      "node-1:a node-2:b",
		"":                                "hostlist: not set",
		"hostname= ":                      "hostlist: not set",
		"hostname=node-1,hostlist=node-1": "hostname: hostlist is set as well, want one of both",
		"hostname=node-1 node-2":          `hostname: "node-1 node-2" is not a node name, want letters, digits, '.', '_' and '-'`,
		"hostlist=node-1 node-2:":         `hostlist: node "node-2": no BMC behind the colon`,
	} {
		values := map[string]string{}
		for _, pair := range strings.Split(environment, ",") {
			name, value, _ := strings.Cut(pair, "=")
			values[name] = value
		}
		syntax := PlugSyntax{Word: "BMC", Apart: true, Check: anyPlug}
		c := call{Plugin: Plugin{Plug: syntax, OneNode: "hostname"}, hosts: &hostList{syntax: syntax}}
		mistakes := c.setHosts(given{getenv: func(name string) string { return values[name] }})
		got := c.hosts.String()
		if len(mistakes) > 0 {
			got = strings.Join(texts(mistakes), "; ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", environment, got, want)
		}
		for _, n := range c.hosts.nodes {
			if n.Plug == n.Name {
				t.Errorf("%q: node %s has itself for a plug", environment, n.Name)
			}
		}
	}
}
