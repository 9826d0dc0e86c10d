package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// enabled checks that the cluster fences at all.
func enabled(c *cluster) []Row {
	var wrong []string
	for _, name := range []string{"stonith-enabled", "fencing-enabled"} {
		if pair := c.cib.Property(name); pair != nil {
			if value, isBool := live.Bool(pair.Get("value")); !isBool || !value {
				wrong = append(wrong, fmt.Sprintf("%s is %s: no node is ever fenced", name, pair.Get("value")))
			}
		}
	}
	return verdict("enabled", wrong, "the cluster fences nodes")
}

// fenced checks that every node has a device.
func fenced(c *cluster) []Row {
	var rows []Row
	var wrong []string
	for _, d := range c.devices {
		if !d.known {
			rows = append(rows, Row{NotChecked, "nodes", fmt.Sprintf("%s: only the device knows which nodes it fences", d.id)})
		}
		if d.stopped {
			wrong = append(wrong, fmt.Sprintf("%s is disabled by target-role=Stopped", d.id))
		}
		for _, node := range d.nodes {
			if !contains(c.nodes, node) && !contains(c.remotes, node) {
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
	if len(c.nodes) == 0 {
		wrong = append(wrong, "there is no node, and no device")
	}
	if len(rows) > 0 && len(wrong) == 0 {
		return rows
	}
	return append(rows, verdict("nodes", wrong, fmt.Sprintf("%s: each has a device", strings.Join(c.nodes, ", ")))...)
}

// unknownNodes returns what is wrong where the cluster asks the device for nodes that
// are not in its hostlist, which it refuses.
func (d device) unknownNodes() []string {
	var wrong []string
	list := d.own("hostlist")
	for _, node := range d.nodes {
		if list != "" && !contains(keys(split(list)), node) {
			wrong = append(wrong, fmt.Sprintf("%s is to fence %s, which is not in its hostlist", d.id, node))
		}
	}
	return wrong
}

// levels checks the fencing topology.
func levels(c *cluster) []Row {
	var wrong []string
	used, count := map[string][]string{}, 0
	for _, level := range c.cib.All("fencing-level") {
		count++
		node := level.Get("target")
		for _, id := range strings.Split(level.Get("devices"), ",") {
			d, known := c.device(id)
			used[strings.ToLower(node)] = append(used[strings.ToLower(node)], id)
			switch {
			case !known:
				wrong = append(wrong, fmt.Sprintf("level %s of %s: there is no device %s", level.Get("index"), node, id))
			case node != "" && d.known && !contains(d.nodes, node):
				wrong = append(wrong, fmt.Sprintf("level %s of %s: %s does not fence it", level.Get("index"), node, id))
			}
		}
	}
	if count == 0 {
		return nil
	}
	for _, node := range c.nodes {
		its := used[strings.ToLower(node)]
		for _, d := range c.fencing(node) {
			if len(its) > 0 && !slices.Contains(its, d.id) {
				wrong = append(wrong, fmt.Sprintf("%s is in no level of %s, so it is never tried", d.id, node))
			}
		}
	}
	return verdict("levels", wrong, fmt.Sprintf("%d, with devices that fence their nodes", count))
}

// parameters checks those of our devices against what the plugins say of themselves.
func parameters(c *cluster) []Row {
	var wrong []string
	ours := 0
	for _, d := range c.devices {
		if !d.ours {
			continue
		}
		ours++
		wrong = append(wrong, d.misfits(d.agent.Parameters())...)
	}
	if ours == 0 {
		return []Row{{NotChecked, "parameters", "no device is one of these plugins"}}
	}
	return verdict("parameters", wrong, fmt.Sprintf("all of %d devices are known, and none is missing", ours))
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
	var wrong []string
	for _, d := range c.devices {
		if len(d.nodes) == 1 && c.mayRun(d, d.nodes[0]) {
			wrong = append(wrong, fmt.Sprintf("%s may run on %s, the only node that it fences: a node does not fence itself", d.id, d.nodes[0]))
		}
	}
	for _, node := range c.nodes {
		its := c.fencing(node)
		if len(its) > 0 && !slices.ContainsFunc(its, func(d device) bool { return c.mayRunBeside(d, node) }) {
			wrong = append(wrong, fmt.Sprintf("no other node may run a device of %s", node))
		}
	}
	return verdict("locations", wrong, "no node has to fence itself")
}

// mayRunBeside reports whether a device is allowed on any node but one.
func (c *cluster) mayRunBeside(d device, node string) bool {
	return slices.ContainsFunc(c.nodes, func(other string) bool {
		return !strings.EqualFold(other, node) && c.mayRun(d, other)
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
	return verdict("secrets", wrong, "none of these plugins' stands in the configuration")
}

// delays checks that of two nodes that fence each other one is faster.
func delays(c *cluster) []Row {
	if len(c.nodes) != 2 {
		return []Row{{OK, "delay", fmt.Sprintf("is for two nodes, and here are %d: the part with quorum fences the other", len(c.nodes))}}
	}
	if delay, isTime := live.Seconds(c.property("priority-fencing-delay")); isTime && delay > 0 {
		return []Row{{OK, "delay", "priority-fencing-delay lets the node with the more important resources win"}}
	}
	first, second := c.delay(c.nodes[0]), c.delay(c.nodes[1])
	switch {
	case first.random || second.random:
		return []Row{{OK, "delay", "pcmk_delay_max lets one of the two nodes win by chance"}}
	case first.seconds > second.seconds:
		return []Row{{OK, "delay", fmt.Sprintf("%s wins: who fences it waits %d s longer", c.nodes[0], first.seconds-second.seconds)}}
	case first.seconds < second.seconds:
		return []Row{{OK, "delay", fmt.Sprintf("%s wins: who fences it waits %d s longer", c.nodes[1], second.seconds-first.seconds)}}
	}
	return []Row{{Wrong, "delay", "two nodes without pcmk_delay_base on one of them may fence each other at the same time"}}
}

// A wait is how long who fences a node waits before.
type wait struct {
	seconds int
	random  bool
}

// delay returns that of a node: of the device that is tried first, or the longest one
// if there is no order.
func (c *cluster) delay(node string) wait {
	its := c.fencing(node)
	if level := c.cib.Level(node, c.firstLevel(node)); level != nil {
		first := strings.Split(level.Get("devices"), ",")
		its = slices.DeleteFunc(its, func(d device) bool { return !slices.Contains(first, d.id) })
	}
	var longest wait
	for _, d := range its {
		delay, _ := live.Seconds(baseFor(d.value("pcmk_delay_base"), node))
		if own, isTime := live.Seconds(d.value("delay")); isTime {
			delay += own
		}
		most, _ := live.Seconds(d.value("pcmk_delay_max"))
		longest.seconds = max(longest.seconds, int(delay.Seconds()))
		longest.random = longest.random || most > delay
	}
	return longest
}

// firstLevel returns the lowest index of a node's levels.
func (c *cluster) firstLevel(node string) string {
	lowest := 0
	for _, level := range c.cib.All("fencing-level") {
		index, err := strconv.Atoi(level.Get("index"))
		if err == nil && strings.EqualFold(level.Get("target"), node) && (lowest == 0 || index < lowest) {
			lowest = index
		}
	}
	return strconv.Itoa(lowest)
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
