package convert

import (
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
)

// configuration reads a CIB.
func (c *converter) configuration(its cib.Configuration) {
	c.taken = its.IDs
	c.guests = its.Guests
	c.setNodes(&c.nodes, its.Nodes)
	c.setNodes(&c.remote, slices.DeleteFunc(slices.Clone(its.Remote), func(name string) bool { return containsFold(c.guests, name) }))
	c.settings(its.Properties)
	if its.Heartbeat {
		c.notes.add(changed, "cluster", "the CIB has the form of Heartbeat 2, which no Pacemaker takes: move the cluster to Pacemaker with the rest of it first")
	}
	c.topology(its.Levels)
	for _, p := range its.Devices {
		d := c.draft(p.ID, p.Type, p.Parameters)
		d.clone, d.heartbeat = p.Clone != "", its.Heartbeat
		d.askedFor()
		c.add(d)
		d.surroundings(p)
	}
	if len(its.Levels) > 0 && slices.ContainsFunc(c.drafts, func(d *draft) bool { return !d.isOurs() }) {
		c.notes.add(changed, "cluster", "the fencing topology is written anew: level and with of the devices say it")
		c.notes.add(todo, "cluster", "take the source's fencing levels away right before you install the description: they would stand in the way of the new ones, and without any, one device of a node counts as enough")
	}
	c.left(its.Others, its.Unread)
}

// left notes what was not looked into.
func (c *converter) left(others, unread []cib.Item) {
	var words []string
	for _, item := range others {
		words = append(words, strings.TrimSpace(item.Kind+" "+item.ID))
	}
	if len(words) > 0 {
		c.notes.add(kept, "cluster", "no part of fencing, and left alone: %s", strings.Join(words, ", "))
	}
	for _, item := range unread {
		c.notes.add(gone, "cluster", "%s is not understood, and not carried over", item)
	}
}

// surroundings reads what is around a device's parameters.
func (d *draft) surroundings(p cib.Primitive) {
	if p.Group != "" {
		d.note(changed, "group %s -> a resource of its own: a group keeps its members on one node", p.Group)
	}
	d.locations(p)
	for _, m := range p.Meta {
		switch m.Name {
		case "clone-max", "clone-node-max", "globally-unique", "interleave", "ordered", "notify":
			if p.Clone == "" {
				d.note(gone, "meta attribute %s=%s is not carried over", m.Name, m.Value)
			}
		case "target-role", "is-managed":
			d.note(todo, "%s=%s is not carried over: take the device out of the description if it is to stay switched off", m.Name, m.Value)
		default:
			d.note(gone, "meta attribute %s=%s is not carried over", m.Name, m.Value)
		}
	}
	for _, o := range p.Operations {
		d.operation(o)
	}
}

func (d *draft) operation(o cib.Operation) {
	d.c.limits = append(d.c.limits, limit{draft: d, name: o.Name, interval: o.Interval, timeout: o.Timeout})
	for _, other := range o.Others {
		switch other.Name {
		case "prereq", "requires":
			d.note(gone, "%s=%s of operations: Pacemaker needs no leave to start a fencing device", other.Name, other.Value)
		default:
			d.note(gone, "%s=%s of operation %s is not carried over", other.Name, other.Value, o.Name)
		}
	}
	for _, p := range o.Parameters {
		d.note(gone, "parameter %s of operation %s is not carried over", p.Name, o.Name)
	}
}

// locations reads where the device ran.
func (d *draft) locations(p cib.Primitive) {
	var wanted []string
	for _, l := range p.Locations {
		own := slices.ContainsFunc(d.entries, func(e entry) bool { return strings.EqualFold(e.Node, l.Node) })
		switch {
		case !l.Not && infinite(l.Score, "-") && own && len(d.entries) == 1:
			d.avoids = append(d.avoids, l.ID)
		case !l.Not && infinite(l.Score, "") && p.Clone != "":
			wanted = append(wanted, l.Node)
		case l.Not:
			d.note(gone, "rule %s (score %s wherever it is not %s) is not carried over", l.ID, l.Score, l.Node)
		default:
			d.note(gone, "rule %s (score %s on %s) is not carried over", l.ID, l.Score, l.Node)
		}
	}
	switch {
	case p.Clone == "":
	case len(wanted) > 0:
		d.note(changed, "clone %s with rules that want it on %s -> a resource for each node, with a rule that keeps it from running there", p.Clone, strings.Join(wanted, ", "))
	default:
		d.note(changed, "clone %s -> a resource for each node, with a rule that keeps it from running there", p.Clone)
	}
}

// infinite reports whether a score is INFINITY, with that sign.
func infinite(score, sign string) bool {
	return slices.Contains([]string{sign + "infinity", sign + "inf", sign + "1000000"}, strings.ToLower(score))
}
