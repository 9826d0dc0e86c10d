package live

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// A state is what is there of a part.
type state int

const (
	missing state = iota
	asDescribed
	different
)

// A part is an element that a plan wants.
type part struct {
	// line is all of it.
	line string
	// name is its kind, and what it is found by.
	name  string
	state state
	// differs says how, in a part that is different.
	differs string
	// there is what was found, if anything was.
	there *Element
}

// A setting is a property of the cluster that has to be set.
type setting struct{ name, value, was string }

// A comparison is what a CIB has of a configuration.
type comparison struct {
	parts    []part
	settings []setting
}

// compare looks for a configuration in a CIB.
func compare(c *CIB, wanted plan.Configuration) comparison {
	var all comparison
	for _, p := range wanted.Properties {
		all.settings = append(all.settings, needs(c, p)...)
	}
	for _, r := range wanted.Resources {
		all.parts = append(all.parts, compareResource(c, r))
	}
	for _, l := range wanted.Locations {
		all.parts = append(all.parts, compareLocation(c, l))
	}
	for _, l := range wanted.Levels {
		all.parts = append(all.parts, compareLevel(c, l))
	}
	return all
}

// otherNames are names that properties have besides, by version of Pacemaker.
var otherNames = map[string]string{
	"stonith-enabled": "fencing-enabled", "fencing-enabled": "stonith-enabled",
	"stonith-timeout": "fencing-timeout", "fencing-timeout": "stonith-timeout",
}

// needs returns what has to be set so that the cluster has a property. One that is set
// by its other name keeps that; by both names, both count.
func needs(c *CIB, wanted plan.Parameter) []setting {
	var all []setting
	isSet := false
	for _, name := range []string{wanted.Name, otherNames[wanted.Name]} {
		if there := c.Property(name); name != "" && there != nil {
			isSet = true
			if was := there.Get("value"); !asGood(wanted, was) {
				all = append(all, setting{name: name, value: wanted.Value, was: was})
			}
		}
	}
	if !isSet {
		return []setting{{name: wanted.Name, value: wanted.Value}}
	}
	return all
}

// asGood reports whether the value that a property has is as good as the one that is
// wanted. A longer time-out is.
func asGood(wanted plan.Parameter, was string) bool {
	if strings.HasSuffix(wanted.Name, "-timeout") {
		least, _ := Seconds(wanted.Value)
		has, isTime := Seconds(was)
		return isTime && has >= least
	}
	if want, isBool := Bool(wanted.Value); isBool {
		has, isBool := Bool(was)
		return isBool && has == want
	}
	return was == wanted.Value
}

func compareResource(c *CIB, r plan.Resource) part {
	p := part{name: "primitive " + r.ID, line: "primitive " + r.ID + " stonith:" + r.Type}
	for _, parameter := range r.Parameters {
		p.line += fmt.Sprintf(" %s=%s", parameter.Name, quoted(shown(parameter.Name, parameter.Value)))
	}
	for _, op := range r.Operations {
		p.line += fmt.Sprintf(" op %s interval=%s timeout=%s", op.Name, op.Interval, op.Timeout)
	}
	return p.judge(c.Find(r.ID), "primitive", primitiveFacts, resourceFacts(r))
}

func compareLocation(c *CIB, l plan.Location) part {
	p := part{name: "location " + l.ID, line: fmt.Sprintf("location %s: %s never on %s", l.ID, l.Resource, l.Node)}
	return p.judge(c.Find(l.ID), "rsc_location", locationFacts, facts{"rsc": l.Resource, "node": l.Node, "score": "-INFINITY"})
}

func compareLevel(c *CIB, l plan.Level) part {
	name := fmt.Sprintf("level %d of %s", l.Index, l.Node)
	p := part{name: name, line: name + ": " + strings.Join(l.Resources, " and ")}
	there := cmp.Or(c.Level(l.Node, strconv.Itoa(l.Index)), c.Find(l.ID))
	wanted := facts{"target": l.Node, "index": strconv.Itoa(l.Index), "devices": strings.Join(l.Resources, ",")}
	return p.judge(there, "fencing-level", ruleFacts, wanted)
}

// locationFacts are those of a location, whose score tools write in several ways.
func locationFacts(e *Element) facts {
	f := ruleFacts(e)
	if IsNever(f["score"]) {
		f["score"] = "-INFINITY"
	}
	return f
}

// IsNever reports whether a score forbids a resource a node.
func IsNever(score string) bool { return Score(score) == -infinity }

// judge compares the element that was found with what is wanted.
func (p part) judge(there *Element, kind string, read func(*Element) facts, wanted facts) part {
	if there == nil {
		return p
	}
	p.there = there
	if there.Name != kind {
		p.state, p.differs = different, fmt.Sprintf("the id is that of a %s", there.Name)
		return p
	}
	p.state = asDescribed
	if how := differences(read(there), wanted); len(how) > 0 {
		p.state, p.differs = different, strings.Join(how, "; ")
	}
	return p
}

// with returns the parts in a state.
func (c comparison) with(s state) []part {
	return slices.DeleteFunc(slices.Clone(c.parts), func(p part) bool { return p.state != s })
}

// lines are the parts and settings in order, with a sign before each: what is set
// comes first.
func (c comparison) lines() []string {
	var all []string
	for _, s := range c.settings {
		if s.was == "" {
			all = append(all, fmt.Sprintf("+ property %s=%s", s.name, s.value))
			continue
		}
		all = append(all, fmt.Sprintf("~ property %s=%s, was %s", s.name, s.value, s.was))
	}
	for _, p := range c.with(missing) {
		all = append(all, "+ "+p.line)
	}
	return all
}

// report says what is there of each part.
func (c comparison) report() string {
	var text strings.Builder
	for _, p := range c.parts {
		switch p.state {
		case missing:
			fmt.Fprintf(&text, "\n  %s: missing", p.name)
		case asDescribed:
			fmt.Fprintf(&text, "\n  %s: there, as described", p.name)
		case different:
			fmt.Fprintf(&text, "\n  %s: different: %s", p.name, p.differs)
		}
	}
	return text.String()
}

// quoted returns a value with quotes, if it has blanks.
func quoted(value string) string {
	if value == "" || strings.ContainsAny(value, " \t\"") {
		return strconv.Quote(value)
	}
	return value
}
