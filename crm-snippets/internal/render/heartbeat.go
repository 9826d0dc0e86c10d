package render

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// What the Xen module of 2007 had for its operations; a longer time limit of the plugin
// makes the time-out longer.
const (
	heartbeatInterval = "20s"
	heartbeatTimeout  = 40 * time.Second
)

// heartbeat returns the element configuration of a CIB of Heartbeat 2: for each device
// a clone that runs on every node, with a rule for each of them.
func heartbeat(p *plan.Plan) (Output, error) {
	out := Output{}
	resources, constraints := of("resources"), of("constraints")
	for _, device := range p.Devices {
		if device.Agent.Face != metadata.External {
			return Output{}, fmt.Errorf("device %q: Heartbeat knows no fence agents, want face external", device.ID)
		}
		if device.Level != 0 {
			return Output{}, fmt.Errorf("device %q: Heartbeat has no levels: it would take any device of a node", device.ID)
		}
		if !device.Shared {
			out.Notes = append(out.Notes, fmt.Sprintf("device %q: one clone runs on every node, also on those that it fences", device.ID))
		}
		resources = resources.with(
			note(fmt.Sprintf("%s runs on every node, and fences any of its nodes", device.ID)),
			heartbeatClone(device, len(p.Nodes)))
		constraints = constraints.with(heartbeatRules(device.ID+"Set", device.ID, p.Nodes)...)
	}
	if p.First != "" || p.PriorityDelay > 0 {
		out.Notes = append(out.Notes, "Heartbeat has no delay: both of two nodes may fence each other")
	}
	out.Notes = append(out.Notes, "stonith-enabled is not part of this: crm_attribute -t crm_config -n stonith-enabled -v true")
	out.Text = document(p.Comment, of("configuration").with(resources, constraints))
	return out, nil
}

// heartbeatClone returns a clone of the device, one instance on each of n nodes.
func heartbeatClone(d plan.Device, n int) element {
	set := d.ID + "Set"
	timeout := fmt.Sprintf("%ds", max(heartbeatTimeout, d.Limit())/time.Second)
	return of("clone", "id", set).with(
		of("instance_attributes").with(nvpairs(of("attributes"), set,
			[]plan.Parameter{{Name: "clone_max", Value: strconv.Itoa(n)}, {Name: "clone_node_max", Value: "1"}})),
		of("primitive", "id", d.ID, "class", "stonith", "type", d.Agent.Type(), "provider", "heartbeat").with(
			of("operations").with(
				of("op", "id", d.ID+"-monitor", "name", "monitor", "interval", heartbeatInterval, "timeout", timeout, "prereq", "nothing"),
				of("op", "id", d.ID+"-start", "name", "start", "timeout", timeout, "prereq", "nothing")),
			of("instance_attributes").with(nvpairs(of("attributes"), d.ID, d.Own(d.Hostlist)))))
}

// heartbeatRules returns a rule for each node, which wants the clone there.
func heartbeatRules(set, id string, nodes []string) []element {
	var rules []element
	for i, node := range nodes {
		rules = append(rules, of("rsc_location", "id", id+"-cons:"+strconv.Itoa(i), "rsc", set).with(
			of("rule", "id", id+"-rule-"+node, "score", "INFINITY").with(
				of("expression", "id", id+"-expression-"+node, "attribute", "#uname", "operation", "eq", "value", node))))
	}
	return rules
}
