package stonith

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Param is one parameter of a device. The list of a plugin's Params makes
// getconfignames, the XML metadata and the help text, and is what the
// environment is read by, so that they cannot disagree.
type Param struct {
	// Name is a shell identifier: /bin/sh drops all other names from the
	// environment on the way to the plugin.
	Name     string
	Value    Value
	Required bool
	// Short is a few words, Long one or more sentences.
	Short, Long string
}

// A Value is the typed value of a parameter. Before Set its text is the default.
type Value interface {
	// Set parses text. Its error says what is wrong with the text, not which parameter it is.
	Set(text string) error
	// String returns the text form, "" if the value is not set and has no default.
	String() string
	// Type is the content type in the metadata: string, integer, boolean, time or select.
	Type() string
}

// A Text is a Value that takes any text.
type Text string

// Set never fails.
func (t *Text) Set(text string) error { *t = Text(text); return nil }

// String returns the text.
func (t *Text) String() string { return string(*t) }

// Type is string.
func (t *Text) Type() string { return "string" }

// A Duration is a Value such as 40, 40s, 2min or 1500ms; a plain number is in
// seconds, as everywhere in a cluster's configuration. It is positive.
type Duration time.Duration

// Set refuses what is not a positive duration.
func (d *Duration) Set(text string) error {
	goText := strings.TrimSuffix(text, "in")
	if text != "" && strings.Trim(text, "0123456789") == "" {
		goText = text + "s"
	}
	parsed, err := time.ParseDuration(goText)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("%q is not a time, want for example 40, 40s or 2min", text)
	}
	*d = Duration(parsed)
	return nil
}

// String returns whole seconds as in 40s, else Go's notation.
func (d *Duration) String() string {
	if t := time.Duration(*d); t%time.Second == 0 {
		return fmt.Sprintf("%ds", t/time.Second)
	}
	return time.Duration(*d).String()
}

// Type is time.
func (d *Duration) Type() string { return "time" }

// A Choice is a Value that takes one of a few words.
type Choice struct {
	Chosen string
	Words  []string
}

// Set refuses words that are not in Words.
func (c *Choice) Set(text string) error {
	if !slices.Contains(c.Words, text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(c.Words, ", "))
	}
	c.Chosen = text
	return nil
}

// String returns the chosen word.
func (c *Choice) String() string { return c.Chosen }

// Type is select.
func (c *Choice) Type() string { return "select" }

// resolve sets each of params from lookup and returns all mistakes, each with
// the name of its parameter. Blanks around a value do not count, and an empty
// value is as good as none.
func resolve(params []Param, lookup func(name string) string) []error {
	var mistakes []error
	for _, p := range params {
		if err := p.set(strings.TrimSpace(lookup(p.Name))); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return mistakes
}

func (p Param) set(text string) error {
	if text == "" {
		if p.Required {
			return Errorf(BadConfig, "%s: not set", p.Name).WithHint("set %s in the parameters of the resource, or behind the verb as %s=...; --help lists all", p.Name, p.Name)
		}
		return nil
	}
	if err := p.Value.Set(text); err != nil {
		return Errorf(BadConfig, "%s: %w", p.Name, err)
	}
	return nil
}

// words returns the lookup of name=value words over that of the environment.
// A word that is no such pair, or names no parameter, is a mistake.
func words(params []Param, args []string, getenv func(string) string) (lookup func(string) string, mistakes []error) {
	given := map[string]string{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		known := slices.ContainsFunc(params, func(p Param) bool { return p.Name == name })
		switch {
		case !ok:
			mistakes = append(mistakes, Errorf(BadConfig, "%q is not of the form name=value", arg))
		case !known:
			mistakes = append(mistakes, Errorf(BadConfig, "%q is not a parameter", name))
		default:
			given[name] = value
		}
	}
	return func(name string) string {
		if value, ok := given[name]; ok {
			return value
		}
		return getenv(name)
	}, mistakes
}
