package plan

import (
	"fmt"
	"reflect"
	"strings"
)

// Flags are the simple case: one device, described on a command line.
type Flags struct {
	// Nodes are the cluster's, in one text or several, separated as in a hostlist.
	Nodes     []string
	Pacemaker string
	// Delay is NODE=TIME: the node that is to win, and the time its attacker waits.
	Delay                               string
	PriorityDelay                       string
	ID, Plugin, Face, Hostlist, Timeout string
	Shared                              bool
	// Parameters are the plugin's, as name=value.
	Parameters []string
}

// FromFlags returns the plan of one device. Its errors name the flag; all mistakes are
// reported at once, a line each.
func FromFlags(flags Flags, options Options) (*Plan, error) {
	options.AllowSecrets = false // every process can read the arguments of this one
	parameters := map[string]any{}
	for _, pair := range flags.Parameters {
		name, value, isPair := strings.Cut(pair, "=")
		if !isPair || name == "" {
			return nil, fmt.Errorf("%q is no parameter, want name=value", name)
		}
		if _, twice := parameters[name]; twice {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		parameters[name] = value
	}
	first, delay, isPair := strings.Cut(flags.Delay, "=")
	if flags.Delay != "" && !isPair {
		return nil, fmt.Errorf("--delay %s: want NODE=TIME, the node that is to win and how long its attacker waits", flags.Delay)
	}
	id := flags.ID
	if id == "" {
		id = flags.Plugin
	}
	return check(description{
		Nodes:     splitList(strings.Join(flags.Nodes, " ")),
		Pacemaker: flags.Pacemaker, First: first, Delay: delay, PriorityDelay: flags.PriorityDelay,
		Devices: []deviceDescription{{
			ID: id, Plugin: flags.Plugin, Face: flags.Face, Shared: flags.Shared,
			Hostlist: flags.Hostlist, Timeout: flags.Timeout, Parameters: parameters,
		}},
	}, options, flagOf)
}

// flagOf returns the flag that says what a key of the file does.
func flagOf(key string) string {
	const parameter = "device.0.parameters."
	if name, ok := strings.CutPrefix(key, parameter); ok {
		return name
	}
	name, element, _ := strings.Cut(strings.TrimPrefix(key, "device.0"), ".")
	if name == "" {
		name = element
	}
	switch name {
	case "", "parameters":
		return "command line"
	case "first":
		return "--delay"
	}
	return "--" + name
}

// splitList splits a list at blanks, commas and semicolons, as the plugins do.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
}

// Empty reports whether no flag is given.
func (f Flags) Empty() bool { return reflect.ValueOf(f).IsZero() }
