package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// A Configuration is what a cluster is to have, derived from a [Plan]. All of it is
// in a fixed order, so that equal plans have equal configurations.
type Configuration struct {
	// Properties are the cluster's, in the set cib-bootstrap-options.
	Properties []Parameter
	// Resources are the stonith primitives.
	Resources []Resource
	// Locations keep resources from nodes.
	Locations []Location
	// Levels are the fencing topology; none if no device has a level.
	Levels []Level
}

// A Resource is a primitive of class stonith.
type Resource struct {
	// ID is the device's id if it is shared, else with the node's name behind it.
	ID string
	// Type is such as external/xen or fence_xen.
	Type string
	// Nodes are those that it fences.
	Nodes []string
	// Parameters are the plugin's, and Pacemaker's (pcmk_*) behind them.
	Parameters []Parameter
	// Operations are monitor and start.
	Operations []Operation
	// Comment says in a line what the resource is.
	Comment string
}

// An Operation is one of a resource, with its interval and timeout in the cluster's
// words, such as 600s.
type Operation struct{ Name, Interval, Timeout string }

// A Location forbids a resource a node, with the score -INFINITY.
type Location struct{ ID, Resource, Node string }

// A Level is a step of a node's fencing: all of its resources must switch it off. If
// one does not, the next level is tried.
type Level struct {
	ID string
	// Node is the one that is fenced.
	Node string
	// Index counts a node's levels from 1, without a gap.
	Index int
	// Resources are the ids.
	Resources []string
}

// monitorInterval is how often the cluster asks a device whether it would obey. A BMC
// that is gone is known within it, before it is needed.
const monitorInterval = "600s"

// maxMargin is what the cluster waits at most for a call that should have ended.
const maxMargin = 15 * time.Second

// margin is how much later than the plugin's own time limit the cluster's is, which
// kills the call without a word. It is so small that a call that ends at its own limit
// has used more than 70 % of the cluster's: Pacemaker would begin a second one
// otherwise, and kill that.
func (d Device) margin() time.Duration {
	return min(maxMargin, (d.Timeout * 2 / 5).Truncate(time.Second))
}

// Limit is the cluster's time limit for a call of the device. A delay of the cluster
// is not within it.
func (d Device) Limit() time.Duration { return d.Timeout + d.margin() }

// resourceIDs returns the ids of the device's resources, in the order of its hostlist.
func (d Device) resourceIDs() []string {
	if d.Shared {
		return []string{d.ID}
	}
	var ids []string
	for _, entry := range d.Hostlist {
		ids = append(ids, d.ID+"-"+entry.Node)
	}
	return ids
}

// resourceFor returns the id of the resource that fences a node.
func (d Device) resourceFor(node string) string {
	if d.Shared {
		return d.ID
	}
	return d.ID + "-" + node
}

// Configuration returns what the cluster is to have.
func (p *Plan) Configuration() Configuration {
	c := Configuration{Properties: p.properties(), Levels: p.levels()}
	for _, device := range p.Devices {
		if device.Shared {
			c.Resources = append(c.Resources, p.resource(device, device.Hostlist))
			continue
		}
		for _, entry := range device.Hostlist {
			resource := p.resource(device, []Entry{entry})
			c.Resources = append(c.Resources, resource)
			c.Locations = append(c.Locations, Location{ID: resource.ID + "-avoids-" + entry.Node, Resource: resource.ID, Node: entry.Node})
		}
	}
	return c
}

// properties returns those of the cluster.
func (p *Plan) properties() []Parameter {
	var longest time.Duration
	for _, device := range p.Devices {
		longest = max(longest, device.Limit())
	}
	word := "stonith"
	if p.Pacemaker.FencingNames() {
		word = "fencing"
	}
	properties := []Parameter{{word + "-enabled", "true"}, {word + "-timeout", spell(longest)}}
	if p.PriorityDelay > 0 {
		properties = append(properties, Parameter{"priority-fencing-delay", spell(p.PriorityDelay)})
	}
	return properties
}

// resource returns the one of the device that fences the nodes of some entries.
func (p *Plan) resource(device Device, entries []Entry) Resource {
	limit := spell(device.Limit())
	resource := Resource{
		ID: device.resourceFor(entries[0].Node), Type: device.Agent.Type(),
		Operations: []Operation{{"monitor", monitorInterval, limit}, {"start", "0s", limit}},
	}
	for _, entry := range entries {
		resource.Nodes = append(resource.Nodes, entry.Node)
	}
	resource.Parameters = device.Own(entries)
	for j, parameter := range resource.Parameters {
		resource.Parameters[j].Name = device.Agent.Name(parameter.Name)
	}
	resource.Parameters = append(resource.Parameters, p.pacemakers(device, resource.Nodes)...)
	resource.Comment = p.comment(device, resource.Nodes)
	return resource
}

// Own returns all parameters of the plugin, by its own names, for a resource with some
// of the device's nodes.
func (d Device) Own(entries []Entry) []Parameter {
	own := []Parameter{{"hostlist", joinEntries(entries)}}
	for _, parameter := range d.Parameters {
		if metadata.PerNode(parameter.Name) {
			parameter.Value = only(parameter.Value, entries)
		}
		if parameter.Value != "" {
			own = append(own, parameter)
		}
	}
	if d.TimeoutGiven {
		own = append(own, Parameter{"timeout", spell(d.Timeout)})
	}
	return own
}

// only returns those of the items node=value that are for the nodes of some entries.
func only(text string, entries []Entry) string {
	return strings.Join(slices.DeleteFunc(splitList(text), func(item string) bool {
		node, _, _ := strings.Cut(item, "=")
		return !slices.ContainsFunc(entries, func(e Entry) bool { return strings.EqualFold(e.Node, node) })
	}), " ")
}

// pacemakers returns Pacemaker's own parameters of a resource of the device.
func (p *Plan) pacemakers(device Device, nodes []string) []Parameter {
	limit := spell(device.Limit())
	parameters := []Parameter{
		{"pcmk_host_list", strings.Join(nodes, " ")},
		{"pcmk_off_timeout", limit},
		{"pcmk_on_timeout", limit},
		{"pcmk_reboot_timeout", limit},
	}
	if slices.Contains(nodes, p.First) && p.Waits(device, p.First) {
		delay := spell(p.Delay)
		if device.Shared {
			delay = p.First + ":" + delay
		}
		parameters = append(parameters, Parameter{"pcmk_delay_base", delay})
	}
	return parameters
}

// comment says what a resource of the device is.
func (p *Plan) comment(device Device, nodes []string) string {
	text := fmt.Sprintf("%s fences %s; ", device.ID, strings.Join(nodes, ", "))
	if slices.Contains(nodes, p.First) && p.Waits(device, p.First) {
		text += fmt.Sprintf("%s wins, since its attacker waits %s; ", p.First, spell(p.Delay))
	}
	if device.Shared {
		return text + "no node is asked to fence itself while another one can"
	}
	return text + "it never runs there"
}

// Notes say, a line each, what no device can see to and the nodes themselves must have.
func (p *Plan) Notes() []string {
	var notes []string
	for _, device := range p.Devices {
		var nodes []string
		for _, entry := range device.Hostlist {
			nodes = append(nodes, entry.Node)
		}
		notes = append(notes, fmt.Sprintf("device %q cannot see that a node hibernates, and on or the end of reset would bring its old memory back. "+
			"Before you rely on it, forbid that on %s: nohibernate on the kernel's command line; AllowHibernation=no and AllowSuspend=no in [Sleep] of "+
			"/etc/systemd/sleep.conf.d/no-sleep.conf", device.ID, strings.Join(nodes, ", ")))
	}
	return notes
}

// levels returns the fencing topology.
func (p *Plan) levels() []Level {
	var levels []Level
	for _, node := range p.all() {
		for i, devices := range p.Order(node) {
			if devices[0].Level == 0 {
				continue // the only one of its node
			}
			level := Level{ID: fmt.Sprintf("fl-%s-%d", node, i+1), Node: node, Index: i + 1}
			for _, device := range devices {
				level.Resources = append(level.Resources, device.resourceFor(node))
			}
			levels = append(levels, level)
		}
	}
	return levels
}

// Warnings says what is allowed and most likely wrong, a line each.
func (p *Plan) Warnings() []string {
	var warnings []string
	if len(p.Nodes) == 2 && p.First == "" && p.PriorityDelay == 0 {
		warnings = append(warnings, "two nodes without first and delay, or priority-delay: when they lose sight of each other, both may be fenced")
	}
	for _, node := range p.all() {
		if len(p.devicesOf(node)) == 0 {
			warnings = append(warnings, fmt.Sprintf("no device fences node %q: when it fails, the cluster waits for ever", node))
		}
	}
	return append(warnings, p.alone()...)
}
