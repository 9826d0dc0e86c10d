package convert

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// A pattern is levels of nodes whose names fit.
type pattern struct {
	text       string
	expression *regexp.Regexp
	levels     [][]string
}

// topology reads levels: the sources that are tried for a node, in their order.
func (c *converter) topology(levels []cib.Level) {
	c.order, c.blocked = map[string][][]string{}, map[string]string{}
	slices.SortStableFunc(levels, func(a, b cib.Level) int { return cmp.Compare(number(a.Index), number(b.Index)) })
	for _, l := range levels {
		switch {
		case l.Node != "":
			node := strings.ToLower(l.Node)
			c.order[node] = append(c.order[node], l.Devices)
		case l.Pattern != "":
			c.pattern(l)
		default:
			c.block(l, "its level %s is for nodes with an attribute", l.ID)
		}
	}
}

// pattern adds a level to those of its pattern.
func (c *converter) pattern(l cib.Level) {
	i := slices.IndexFunc(c.patterns, func(p pattern) bool { return p.text == l.Pattern })
	if i < 0 {
		expression, err := regexp.CompilePOSIX(l.Pattern)
		if err != nil {
			c.block(l, "the pattern of its level %s cannot be read", l.ID)
			return
		}
		c.patterns = append(c.patterns, pattern{text: l.Pattern, expression: expression})
		i = len(c.patterns) - 1
	}
	c.patterns[i].levels = append(c.patterns[i].levels, l.Devices)
	c.notes.add(changed, "cluster", "levels of nodes by a pattern (%s) -> those of each node that fits", l.Pattern)
}

// block keeps the devices of a level from being converted: without its level, a device
// might be taken for one that suffices alone.
func (c *converter) block(l cib.Level, format, id string) {
	for _, device := range l.Devices {
		c.blocked[device] = strings.ReplaceAll(format, "%s", id) + ": write the devices and their levels by hand"
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// levels returns a node's levels: its own, or those of the first pattern that fits.
func (c *converter) levels(node string) [][]string {
	if levels := c.order[strings.ToLower(node)]; len(levels) > 0 {
		return levels
	}
	for _, p := range c.patterns {
		if p.expression.MatchString(c.spelled(node)) {
			return p.levels
		}
	}
	return nil
}

// topologyNodes returns the nodes that have a source in their levels.
func (c *converter) topologyNodes(source string) []string {
	var nodes []string
	for _, node := range append(c.all(), slices.Sorted(maps.Keys(c.order))...) {
		if containsFold(nodes, node) {
			continue
		}
		if slices.ContainsFunc(c.levels(node), func(level []string) bool { return slices.Contains(level, source) }) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// spelled returns a node's name as the cluster's list has it.
func (c *converter) spelled(node string) string {
	for _, n := range c.all() {
		if strings.EqualFold(n, node) {
			return n
		}
	}
	return node
}

// ranked sets the levels and places of a node's items, and sorts by them. What the
// source's topology does not have, or not as a whole, is left out.
func (c *converter) ranked(its []item) []item {
	node := its[0].entry.Node
	levels := c.levels(node)
	if len(levels) == 0 {
		for i := range its {
			its[i].level, its[i].place = i+1, 1
			if len(its) > 1 {
				c.notes.add(changed, its[i].draft.name, "several devices of %s without a topology: each is a level of its own, in this order", node)
			}
		}
		return its
	}
	its = slices.DeleteFunc(its, func(i item) bool {
		if i.rank(levels) {
			level := levels[i.level-1]
			return c.partial(i, level) || c.twins(i, level) || c.again(i, level)
		}
		c.notes.add(gone, i.draft.name, "the topology of %s does not have it, so it was never tried, and is left out", node)
		return true
	})
	for i := range its {
		its[i].rank(levels)
	}
	slices.SortStableFunc(its, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(a.place, b.place))
	})
	return its
}

// rank finds the item in a node's levels.
func (i *item) rank(levels [][]string) bool {
	for l, level := range levels {
		if p := slices.Index(level, i.draft.source); p >= 0 {
			i.level, i.place = l+1, p+1
			return true
		}
	}
	return false
}

// partial reports whether a device of the item's level is not converted. Then the item
// is not either: alone it might leave the node running, and say that it is off.
func (c *converter) partial(i item, level []string) bool {
	for _, source := range level {
		d := c.find(source)
		if d != nil && !d.refused {
			continue
		}
		name := source
		if d != nil {
			name = d.name
		}
		c.levelsLeft = true
		c.notes.add(refused, i.draft.name, "level %d of %s needs %s as well, which is not converted: keep it by hand, at an index that the new levels leave free", i.level, i.entry.Node, name)
		return true
	}
	return false
}

// twins reports whether two devices of the item's level are one to the node. Then the
// level is not converted: one of them has the address of the other.
func (c *converter) twins(i item, level []string) bool {
	for n, source := range level {
		for _, before := range level[:n] {
			d, other := c.find(source), c.find(before)
			if source == before || d.repeats(other) || !d.meets(other, i.entry.Node) {
				continue
			}
			c.levelsLeft = true
			c.notes.add(refused, i.draft.name, "level %d of %s has %s and %s, which are one thing to it, so that a second power supply would not be switched: "+
				"correct them, or keep the level by hand, at an index that the new levels leave free", i.level, i.entry.Node, other.name, d.name)
			return true
		}
	}
	return false
}

// meets reports whether two drafts switch the same thing for a node.
func (d *draft) meets(other *draft, node string) bool {
	return len(plan.Twins(node, []plan.Device{other.planned(), d.planned()})) > 0
}

// again reports whether the item's level has the same device before, for another action.
func (c *converter) again(i item, level []string) bool {
	for _, before := range level[:i.place-1] {
		if other := c.find(before); i.draft.repeats(other) {
			c.notes.add(changed, i.draft.name, "it is %s for another action, and left out: the cluster switches all devices of a level off before it switches one on", other.name)
			return true
		}
	}
	return false
}

// repeats reports whether a draft is another one but for its action.
func (d *draft) repeats(other *draft) bool {
	return d.action() != other.action() && d.its == other.its && d.said("") == other.said("") && slices.Equal(d.entries, other.entries)
}

// action returns the one that a device of the source always does, or "".
func (d *draft) action() string {
	for _, p := range d.parameters {
		if p.Name == "action" || p.Name == "option" {
			return p.Value
		}
	}
	return ""
}

func (c *converter) find(source string) *draft {
	for _, d := range c.drafts {
		if d.source == source {
			return d
		}
	}
	return nil
}

// keptLevels notes the levels of a source that was refused.
func (c *converter) keptLevels(d *draft) {
	for _, node := range c.topologyNodes(d.source) {
		for i, level := range c.levels(node) {
			if slices.Contains(level, d.source) {
				c.levelsLeft = true
				c.notes.add(refused, d.name, "level %d of %s has it: keep it by hand, at an index that the new levels leave free", i+1, c.spelled(node))
			}
		}
	}
}
