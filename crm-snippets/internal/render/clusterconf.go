package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// clusterConf returns a cluster.conf: a fencedevice for each device, which is always
// a fence agent there, and methods for each node, which fenced tries one after the other.
func clusterConf(p *plan.Plan) (Output, error) {
	var out Output
	if p.PriorityDelay > 0 {
		out.Notes = append(out.Notes, "cluster.conf knows no priority of resources: give first and delay instead of priority-delay")
	}
	root := of("cluster", "name", "cluster", "config_version", "1")
	if len(p.Nodes) == 2 {
		root = root.with(of("cman", "two_node", "1", "expected_votes", "1"))
	}
	nodes, devices := of("clusternodes"), of("fencedevices")
	for i, node := range p.Nodes {
		nodes = nodes.with(of("clusternode", "name", node, "nodeid", strconv.Itoa(i+1), "votes", "1").with(
			of("fence").with(methods(p, node)...)))
	}
	for _, d := range p.Devices {
		var names []string
		for _, entry := range d.Hostlist {
			names = append(names, entry.Node)
		}
		devices = devices.with(note(fmt.Sprintf("%s fences %s", d.ID, strings.Join(names, ", "))), fenceDevice(d))
		if d.Agent.Face == metadata.External {
			out.Notes = append(out.Notes, fmt.Sprintf("device %q: fenced knows no external plugins, so it is %s", d.ID, agentOf(d).Type()))
		}
	}
	out.Text = document(p.Comment, root.with(nodes, devices))
	return out, nil
}

func agentOf(d plan.Device) metadata.Agent {
	return metadata.Agent{Plugin: d.Agent.Plugin, Face: metadata.FenceAgent}
}

func fenceDevice(d plan.Device) element {
	e := of("fencedevice", "name", d.ID, "agent", agentOf(d).Type())
	for _, p := range d.Own(d.Hostlist) {
		e.attributes = append(e.attributes, attribute{agentOf(d).Name(p.Name), p.Value})
	}
	return e
}

// methods returns a node's, one for each level.
func methods(p *plan.Plan, node string) []element {
	var all []element
	for i, devices := range p.Order(node) {
		method := of("method", "name", strconv.Itoa(i+1))
		actions := []string{"reboot"}
		if len(devices) > 1 {
			// A node with two power supplies is off while both are.
			actions = []string{"off", "on"}
		}
		for _, action := range actions {
			for _, d := range devices {
				use := of("device", "name", d.ID, "port", node, "action", action)
				if p.Waits(d, node) && action != "on" {
					use.attributes = append(use.attributes, attribute{"delay", strconv.Itoa(int(p.Delay / time.Second))})
				}
				method = method.with(use)
			}
		}
		all = append(all, method)
	}
	return all
}
