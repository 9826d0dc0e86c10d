package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// enabled checks that the cluster fences at all.
func enabled(c *cluster) []Row {
	var wrong []string
	for _, name := range []string{"stonith-enabled", "fencing-enabled", "startup-fencing"} {
		pair := c.cib.Property(name)
		switch {
		case pair == nil:
		case name == "startup-fencing":
			if value, isBool := live.Bool(pair.Get("value")); isBool && !value {
				wrong = append(wrong, "startup-fencing is false: a node that is not seen when the cluster starts is not fenced, and may be running")
			}
		default:
			if value, isBool := live.Bool(pair.Get("value")); !isBool || !value {
				wrong = append(wrong, fmt.Sprintf("%s is %s: no node is ever fenced", name, pair.Get("value")))
			}
		}
	}
	for _, name := range differing(c.cib.Properties(), func(_, _ *live.Element) bool { return true }) {
		wrong = append(wrong, fmt.Sprintf("%s is set to several values: only one of them counts, here %s", name, c.property(name)))
	}
	var rows []Row
	for _, set := range c.cib.Configuration().Named("cluster_property_set") {
		if set.Child("rule") != nil {
			rows = append(rows, Row{NotChecked, "enabled", fmt.Sprintf("a rule says when the properties of %s count", set.Get("id"))})
		}
	}
	return withoutOK(rows, verdict("enabled", wrong, "the cluster fences nodes"))
}

// differing returns the names that pairs have with several values, if both are such that
// either of them might be meant to count.
func differing(pairs []*live.Element, either func(a, b *live.Element) bool) []string {
	var names []string
	for i, pair := range pairs {
		name := pair.Get("name")
		differs := func(other *live.Element) bool {
			return other.Get("name") == name && other.Get("value") != pair.Get("value") && either(pair, other)
		}
		if slices.ContainsFunc(pairs[:i], differs) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// fenced checks that every node has a device.
func fenced(c *cluster) []Row {
	var rows []Row
	var wrong []string
	for _, d := range c.devices {
		if d.ruled {
			rows = append(rows, Row{NotChecked, "nodes", fmt.Sprintf("%s: a rule decides about its parameters", d.id)})
		} else if !d.known {
			rows = append(rows, Row{NotChecked, "nodes", fmt.Sprintf("%s: only the device knows which nodes it fences", d.id)})
		}
		wrong = append(wrong, d.asked()...)
		if d.stopped {
			wrong = append(wrong, fmt.Sprintf("%s is disabled by target-role=Stopped", d.id))
		}
		for _, node := range d.nodes {
			if !contains(c.nodes, node) && !contains(c.remotes, node) && !contains(c.guests, node) {
				wrong = append(wrong, fmt.Sprintf("%s fences %s, which is no node of the cluster", d.id, node))
			}
		}
		wrong = append(wrong, d.unknownNodes()...)
	}
	for _, node := range c.nodes {
		if len(c.fencing(node)) == 0 && len(rows) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s has no device", node))
		}
	}
	for _, node := range c.remotes {
		if len(c.fencing(node)) == 0 && !contains(c.guests, node) {
			rows = append(rows, Row{NotChecked, "nodes", fmt.Sprintf("%s is a remote node without a device, which only a guest that the cluster starts itself can do without", node)})
		}
	}
	for _, id := range c.unread {
		rows = append(rows, Row{NotChecked, "nodes", fmt.Sprintf("%s: what it has from elsewhere, by a template or id-ref", id)})
	}
	for _, clash := range plan.Clashes(c.planned()) {
		wrong = append(wrong, fmt.Sprintf("%s: who fences one of them switches the other off", clash))
	}
	if len(c.nodes) == 0 {
		wrong = append(wrong, "there is no node, and no device")
	}
	return withoutOK(rows, verdict("nodes", wrong, fmt.Sprintf("%s: each has a device", strings.Join(c.nodes, ", "))))
}

// unknownNodes returns what is wrong where the cluster asks the device for nodes that
// are not in its hostlist, which it refuses.
func (d device) unknownNodes() []string {
	var wrong []string
	list := keys(split(d.own("hostlist") + " " + d.own("hostname")))
	for _, node := range d.nodes {
		if len(list) > 0 && !contains(list, node) {
			wrong = append(wrong, fmt.Sprintf("%s is to fence %s, which is not in its hostlist", d.id, node))
		}
	}
	return wrong
}

// parameters checks those of our devices against what the plugins say of themselves.
func parameters(c *cluster) []Row {
	var wrong []string
	ours := 0
	for _, d := range c.devices {
		for _, name := range d.differing {
			wrong = append(wrong, fmt.Sprintf("%s: %s has several values", d.id, name))
		}
		if !d.ours {
			continue
		}
		ours++
		wrong = append(wrong, d.misfits(d.agent.Parameters())...)
	}
	return c.ofOurs("parameters", wrong, fmt.Sprintf("all of %d devices are known, and none is missing", ours))
}

// ofOurs returns the verdict of a check that knows these plugins alone, and a row that
// names the other devices.
func (c *cluster) ofOurs(check string, wrong []string, well string) []Row {
	if len(c.devices) == 0 {
		return []Row{{NotChecked, check, "there is no device"}}
	}
	var others []string
	for _, d := range c.devices {
		if d.ruled {
			others = append(others, d.id+" (a rule decides about its parameters)")
		} else if !d.ours {
			others = append(others, fmt.Sprintf("%s (%s)", d.id, d.agentType))
		}
	}
	var rows []Row
	if len(others) > 0 {
		rows = append(rows, Row{NotChecked, check, "not looked at: " + strings.Join(others, ", ")})
	}
	if len(others) == len(c.devices) && len(wrong) == 0 {
		return rows
	}
	return append(rows, verdict(check, wrong, well)...)
}

// forAgents are parameters that the cluster itself gives a fence agent.
var forAgents = []string{"action", "plug", "port"}

// misfits returns what is wrong with the parameters of a device, by what an agent knows.
func (d device) misfits(known []metadata.Parameter) []string {
	var wrong []string
	for _, p := range d.parameters {
		isPacemakers := strings.HasPrefix(p.name, "pcmk_") || slices.Contains([]string{"provides", "stonith-timeout"}, p.name)
		if !isPacemakers && !slices.ContainsFunc(known, func(k metadata.Parameter) bool { return k.Name == p.name }) {
			wrong = append(wrong, fmt.Sprintf("%s: %s has no parameter %s", d.id, d.agentType, p.name))
		}
	}
	for _, k := range known {
		missing := d.own(cmp.Or(d.ownName(k.Name), k.Name)) == "" && d.value(k.Name) == ""
		if k.Required && missing && !slices.Contains(forAgents, k.Name) {
			wrong = append(wrong, fmt.Sprintf("%s: %s needs %s", d.id, d.agentType, k.Name))
		}
	}
	return wrong
}

// locations checks that each node can be fenced by another one.
func locations(c *cluster) []Row {
	var rows []Row
	var wrong []string
	for _, d := range c.devices {
		if id := c.unclear(d); id != "" {
			rows = append(rows, Row{NotChecked, "locations", fmt.Sprintf("%s: %s goes by more than the names of nodes", d.id, id)})
		} else if len(d.nodes) == 1 && c.mayRun(d, d.nodes[0]) {
			wrong = append(wrong, fmt.Sprintf("%s may run on %s, the only node that it fences: a node does not fence itself", d.id, d.nodes[0]))
		}
	}
	for _, node := range c.nodes {
		its := c.fencing(node)
		mayBeFenced := func(d device) bool { return c.unclear(d) != "" || c.mayRunBeside(d, node) }
		if len(its) > 0 && !slices.ContainsFunc(its, mayBeFenced) {
			wrong = append(wrong, fmt.Sprintf("no other node may run a device of %s", node))
		}
	}
	return withoutOK(rows, verdict("locations", wrong, "no node has to fence itself"))
}

// mayRunBeside reports whether a device is allowed on any node but one.
func (c *cluster) mayRunBeside(d device, node string) bool {
	return slices.ContainsFunc(c.nodes, func(other string) bool {
		return !strings.EqualFold(other, node) && c.mayRun(d, other) && !c.isAvoided(d, other)
	})
}

// secrets checks that passwords and keys are not in the CIB, which many can read.
func secrets(c *cluster) []Row {
	var wrong []string
	for _, d := range c.devices {
		method := d.own("passwd_method")
		for _, p := range d.parameters {
			own := d.ownName(p.name)
			elsewhere := own == "passwd" && method != "" && method != "param"
			if own != "" && live.IsSecret(own, p.value) && !elsewhere {
				wrong = append(wrong, fmt.Sprintf("%s: %s stands in the configuration, where many can read it: give %s_file", d.id, p.name, own))
			}
		}
	}
	return c.ofOurs("secrets", wrong, "none of these plugins' stands in the configuration")
}

// delays checks that of two nodes that fence each other one is faster.
func delays(c *cluster) []Row {
	if len(c.nodes) > 2 && strings.EqualFold(c.property("no-quorum-policy"), "ignore") {
		return []Row{{Wrong, "delay", "no-quorum-policy is ignore: parts of the cluster that do not see each other fence each other"}}
	}
	if len(c.nodes) != 2 {
		return []Row{{OK, "delay", fmt.Sprintf("is for two nodes, and here are %d: the part with quorum fences the other", len(c.nodes))}}
	}
	if delay, isTime := live.Seconds(c.property("priority-fencing-delay")); isTime && delay > 0 {
		switch {
		case c.hasPriorities():
			return []Row{{OK, "delay", "priority-fencing-delay lets the node with the more important resources win"}}
		case !c.hasResources():
			return []Row{{NotChecked, "delay", "priority-fencing-delay works once resources have a priority, and there are none yet"}}
		}
	}
	if len(c.unread) > 0 {
		return []Row{{NotChecked, "delay", fmt.Sprintf("what %s has from elsewhere is not known", strings.Join(c.unread, ", "))}}
	}
	for _, d := range c.devices {
		if !d.known && !d.stopped {
			return []Row{{NotChecked, "delay", fmt.Sprintf("it is not known which nodes %s fences", d.id)}}
		}
	}
	first, second := c.delay(c.nodes[0]), c.delay(c.nodes[1])
	switch {
	case first.random || second.random:
		return []Row{{OK, "delay", "pcmk_delay_max lets one of the two nodes win by chance"}}
	case first.least > second.most:
		return []Row{{OK, "delay", fmt.Sprintf("%s wins: who fences it waits %d s longer", c.nodes[0], first.least-second.most)}}
	case first.most < second.least:
		return []Row{{OK, "delay", fmt.Sprintf("%s wins: who fences it waits %d s longer", c.nodes[1], second.least-first.most)}}
	}
	return []Row{{Wrong, "delay", "two nodes without pcmk_delay_base on one of them, or pcmk_delay_max of 2 s more, may fence each other at the same time"}}
}

// A wait is how long who fences a node waits before.
type wait struct {
	// least and most are different if devices have different delays, and any of them may
	// be the one that is asked.
	least, most int
	random      bool
}

// hasPriorities reports whether some resource is more important than others. If none is,
// nobody waits for priority-fencing-delay.
func (c *cluster) hasPriorities() bool {
	return slices.ContainsFunc(c.cib.Configuration().Named("nvpair"), func(pair *live.Element) bool {
		value := pair.Get("value")
		return pair.Get("name") == "priority" && pair.Parent.Name == "meta_attributes" && value != "" && value != "0"
	})
}

// hasResources reports whether there is anything but devices.
func (c *cluster) hasResources() bool {
	return slices.ContainsFunc(c.cib.Configuration().Named("primitive"), func(e *live.Element) bool { return e.Get("class") != "stonith" })
}

// delay returns that of a node: of the device that is tried first, or of all if there is
// no order.
func (c *cluster) delay(node string) wait {
	devices := c.fencing(node)
	if order := c.levelsOf(node); len(order) > 0 {
		first := devicesOf(order[0])[0]
		devices = slices.DeleteFunc(devices, func(d device) bool { return d.id != first })
	}
	var its wait
	for i, d := range devices {
		delay, _ := live.Seconds(baseFor(d.value("pcmk_delay_base"), node))
		if own, isTime := live.Seconds(d.value("delay")); isTime {
			delay += own
		}
		most, _ := live.Seconds(d.value("pcmk_delay_max"))
		seconds := int(delay.Seconds())
		if i == 0 {
			its.least = seconds
		}
		its.least, its.most = min(its.least, seconds), max(its.most, seconds)
		its.random = its.random || int(most.Seconds())-seconds > 1 // Pacemaker 2.1 stays below the maximum, in whole seconds
	}
	return its
}

// baseFor returns what a pcmk_delay_base says of a node. It is one time for all nodes,
// or a list of node:time.
func baseFor(text, node string) string {
	if !strings.Contains(text, ":") {
		return text
	}
	for _, item := range split(text) {
		if name, delay, _ := strings.Cut(item, ":"); strings.EqualFold(name, node) {
			return delay
		}
	}
	return ""
}
