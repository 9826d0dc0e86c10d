package convert

import (
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// hostlist makes entries of words node or node:plug.
func (d *draft) hostlist(words []string) {
	for _, word := range words {
		node, plug, _ := strings.Cut(word, ":")
		d.entry(node, plug)
	}
}

// entry adds a node, and by what the device knows it if that is another name.
func (d *draft) entry(node, plug string) {
	if plug == node {
		plug = ""
	}
	if strings.ContainsAny(plug, " \t\r\n,;") {
		d.refuse("node %s: what the device knows it by has a blank, comma or semicolon, which a hostlist cannot have: take the UUID", node)
		return
	}
	d.entries = append(d.entries, plan.Entry{Node: node, Plug: plug})
}

// guests makes entries of the nodes that the cluster asks for. The plug is that of the
// device itself, and stands for one node; it counts more than what the cluster says.
func (d *draft) guests(plug string) {
	nodes := d.nodes
	if len(nodes) == 0 {
		nodes = d.listed(plug)
	}
	if plug != "" && len(nodes) > 1 {
		d.refuse("one guest is set for %d nodes (%s): each of them would have been fenced by switching that guest off", len(nodes), strings.Join(nodes, " "))
		return
	}
	for _, node := range nodes {
		guest := d.plugs[strings.ToLower(node)]
		if plug != "" {
			guest = plug
		}
		d.entry(node, guest)
	}
}

// listed returns the nodes of a device that the cluster asked for its list.
func (d *draft) listed(plug string) []string {
	if nodes := d.c.topologyNodes(d.source); len(nodes) > 0 {
		d.note(todo, "its nodes are those that the fencing topology has for it: %s", strings.Join(nodes, " "))
		return nodes
	}
	if plug != "" {
		if containsFold(d.c.all(), plug) || len(d.c.nodes) == 0 {
			d.note(todo, "no pcmk_host_list says which node it fences, so it is taken for %s", plug)
			return []string{plug}
		}
		return nil
	}
	if len(d.c.nodes) == 0 {
		return nil
	}
	d.note(todo, "its nodes were those of its own list that are nodes of the cluster: hostlist has all of the cluster's, take out those that it does not have")
	return d.c.all()
}
