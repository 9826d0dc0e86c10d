package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
)

// cluster reads a cluster.conf. Each use of a device in a method is a draft.
func (c *converter) cluster(its cib.Cluster) {
	devices := map[string]cib.FenceDevice{}
	c.order, c.blocked = map[string][][]string{}, map[string]string{}
	for _, device := range its.Devices {
		if _, again := devices[device.Name]; again {
			c.blocked[device.Name] = "there are several fencedevices of this name, and nobody can say which one counts"
		}
		devices[device.Name] = device
	}
	var known []string
	for _, node := range its.Nodes {
		if containsFold(known, node.Name) {
			c.notes.add(refused, "cluster", "node %s is there twice: its second entry, in line %d, is not converted", node.Name, node.Place.Line)
			continue
		}
		known = append(known, node.Name)
		c.setNodes(&c.nodes, []string{node.Name})
		c.methods(node, devices)
	}
	for _, device := range its.Devices {
		if !slices.ContainsFunc(c.drafts, func(d *draft) bool { return d.name == device.Name }) {
			c.notes.add(gone, device.Name, "no node uses it")
		}
	}
	c.cmanSettings(its.Settings)
	c.left(its.Others, its.Unread)
}

// methods reads what fences a node.
func (c *converter) methods(node cib.ClusterNode, devices map[string]cib.FenceDevice) {
	known := map[string]string{} // what was said of a device, and its source
	for _, method := range node.Methods {
		var level []string
		for _, use := range method.Devices {
			source, again := known[said(use)]
			switch {
			case again && slices.Contains(level, source):
				c.notes.add(changed, use.Name, "it is named several times in a method, once for each action: the cluster switches all devices of a level off before it switches one on")
				continue
			case again:
				c.notes.add(gone, use.Name, "method %s of %s names it again: Pacemaker begins anew with the first level when all have failed", method.Name, node.Name)
				// The level is kept, though: a device in it may not suffice alone.
			default:
				source = fmt.Sprintf("%s of %s, %d", use.Name, node.Name, len(known))
				known[said(use)] = source
				c.use(node.Name, source, devices[use.Name], use)
			}
			level = append(level, source)
		}
		c.order[strings.ToLower(node.Name)] = append(c.order[strings.ToLower(node.Name)], level)
	}
}

// said returns all that a method says of a device, but the action and the delay.
func said(use cib.FenceDevice) string {
	text := use.Name
	for _, p := range use.Parameters {
		if p.Name != "action" && p.Name != "option" && p.Name != "delay" {
			text += "\x00" + p.Name + "=" + p.Value
		}
	}
	return text
}

// use reads a device of a method, which has parameters in both places.
func (c *converter) use(node, source string, device, use cib.FenceDevice) {
	parameters := slices.Clone(use.Parameters)
	for _, p := range device.Parameters {
		if !slices.ContainsFunc(parameters, func(own cib.Parameter) bool { return own.Name == p.Name }) {
			parameters = append(parameters, p)
		}
	}
	d := c.draft(source, device.Agent, parameters)
	d.nodes, d.name = []string{node}, use.Name
	if reason := c.blocked[use.Name]; reason != "" || device.Agent == "" {
		d.refuse("%s", cmp.Or(reason, "there is no fencedevice "+use.Name))
		c.drafts = append(c.drafts, d)
		return
	}
	c.add(d)
}

// cmanSettings says what becomes of settings of cman and fenced.
func (c *converter) cmanSettings(settings []cib.Parameter) {
	for _, p := range settings {
		switch p.Name {
		case "cman.two_node", "cman.expected_votes":
			c.notes.add(kept, "cluster", "%s=%s is a matter of corosync.conf (two_node of quorum) where there is no cman", p.Name, p.Value)
		case "fence_daemon.post_join_delay", "fence_daemon.post_fail_delay":
			c.notes.add(gone, "cluster", "%s=%s: Pacemaker waits for dc-deadtime when it starts, and fences at once later", p.Name, p.Value)
		default:
			c.notes.add(gone, "cluster", "%s is not carried over", p.Name)
		}
	}
	c.notes.add(changed, "cluster", "fenced tried a node's methods until one succeeded; Pacemaker does so with levels, and begins anew when all have failed")
}
