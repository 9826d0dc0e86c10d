package stonith

import (
	"slices"
	"strings"
)

// given is what a call is configured with: name=value words, and the environment.
type given struct {
	words  map[string]string
	getenv func(name string) string
}

// readWords reads name=value words. A word that is no such pair, or has a name
// that is not one of names, is a mistake.
func readWords(words, names []string, getenv func(string) string) (given, []error) {
	g := given{words: map[string]string{}, getenv: getenv}
	var mistakes []error
	for i, word := range words {
		name, value, ok := strings.Cut(word, "=")
		switch {
		case !ok: // it is not shown: it may be a secret
			mistakes = append(mistakes, Errorf(BadConfig, "word %d of %d is not of the form name=value", i+1, len(words)))
		case !slices.Contains(names, name):
			mistakes = append(mistakes, Errorf(BadConfig, "%q is not a parameter", name))
		default:
			g.words[name] = value
		}
	}
	return g, mistakes
}

// value returns the value of a parameter with these names, and which of them it
// was given under; "" and the first name if it was given under none. A word under
// any of the names wins over the environment. Blanks around a value do not count,
// and an empty value is as good as none.
func (g given) value(names ...string) (name, text string, err error) {
	lookup := g.getenv
	if slices.ContainsFunc(names, func(name string) bool { _, ok := g.words[name]; return ok }) {
		lookup = func(name string) string { return g.words[name] }
	}
	name = names[0]
	for _, other := range names {
		switch found := strings.TrimSpace(lookup(other)); {
		case found == "" || found == text:
		case text == "":
			name, text = other, found
		default: // without the values: they may be secret
			return name, "", Errorf(BadConfig, "%s and %s are both set, and differ", name, other).
				WithHint("they are names of one parameter: set %s alone", names[0])
		}
	}
	return name, text, nil
}

// set sets each of params and returns all mistakes, each with the name that it was made under.
func (g given) set(params []Param) []error {
	var mistakes []error
	for _, p := range params {
		name, text, err := g.value(p.names()...)
		if err == nil {
			err = p.set(name, text)
		}
		if err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return mistakes
}

func (p Param) set(name, text string) error {
	if text == "" {
		if p.Required {
			return notSet(p.Name)
		}
		return nil
	}
	if err := p.Value.Set(text); err != nil {
		return Errorf(BadConfig, "%s: %w", name, err)
	}
	return nil
}

func notSet(name string) error {
	return Errorf(BadConfig, "%s: not set", name).
		WithHint("set %[1]s in the parameters of the resource, or behind the verb as %[1]s=...; --help lists all", name)
}

// checkPlugs refuses what is given under one of hosts' names of a single plug, if
// hostlist does not have it: we would switch another node than was meant.
func (g given) checkPlugs(hosts *hostList) []error {
	var mistakes []error
	for _, name := range hosts.syntax.Names {
		_, text, _ := g.value(name) // one name cannot differ from itself
		if _, ok := hosts.named(text); text != "" && len(hosts.nodes) > 0 && !ok {
			mistakes = append(mistakes, Errorf(BadConfig, "%s: %q is neither a node of hostlist nor a %s of one: %s", name, text, hosts.syntax.Word, hosts).
				WithHint("hostlist alone says which %[1]s a node is: write an entry node:%[1]s there, and take %[2]s out of the parameters or the environment", hosts.syntax.Word, name))
		}
	}
	return mistakes
}
