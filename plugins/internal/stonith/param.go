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
	Name string
	// Aliases are other names under which the value is taken as well: those that
	// other programs for such devices gave it. They are not told to clusters.
	Aliases []string
	// Agent is the alias that fence agents know it by best, which their metadata have
	// in place of Name; "" if that is Name.
	Agent    string
	Value    Value
	Required bool
	// Short is a few words, Long one or more sentences.
	Short, Long string
}

// names are all names under which the value is taken.
func (p Param) names() []string { return append([]string{p.Name}, p.Aliases...) }

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

// String returns whole seconds as in 40s, else Go's notation, and "" for none.
func (d *Duration) String() string {
	if *d == 0 {
		return ""
	}
	if t := time.Duration(*d); t%time.Second == 0 {
		return fmt.Sprintf("%ds", t/time.Second)
	}
	return time.Duration(*d).String()
}

// Type is time.
func (d *Duration) Type() string { return "time" }

// ParseBool reads true or false in the words that Pacemaker takes.
func ParseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1", "y":
		return true, nil
	case "false", "no", "off", "0", "n":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

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
