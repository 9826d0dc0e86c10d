package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// A draft is a device of the source on its way.
type draft struct {
	c *converter
	// source is its id there, name what notes call it, agent its type.
	source, name, agent string
	heartbeat           bool
	parameters          []cib.Parameter

	// nodes are those that the cluster asks the device for, and plugs what it calls
	// them there. Without nodes it asks for those of the device's own list.
	nodes []string
	plugs map[string]string
	// clone says that it ran on all nodes at once.
	clone bool
	// avoids are the ids of rules that keep it from its own node, as ours do.
	avoids []string

	its     metadata.Agent
	values  map[string]string
	secrets map[string]secret
	// own are what the source's parameters say that are no parameters of ours, by the
	// names that the agent's table has for them.
	own     map[string]cib.Parameter
	entries []plan.Entry
	// unasked are nodes of the device's own list that the cluster did not ask this draft for.
	unasked []string
	timeout time.Duration
	// delays are how long the attacker of a node waits.
	delays map[string]time.Duration
	// refused says that nothing is made of it.
	refused bool
	// notes are kept until it is known whether the draft is refused.
	notes []note
}

// A secret is one that the source has in the open.
type secret struct {
	name, value string
	line        int
}

// isPacemakers says that the secret is in a file of Pacemaker's.
func (s secret) isPacemakers() bool { return strings.HasPrefix(s.value, "lrm://") }

func (c *converter) draft(source, agent string, parameters []cib.Parameter) *draft {
	return &draft{
		c: c, source: source, name: source, agent: agent, parameters: parameters,
		plugs: map[string]string{}, values: map[string]string{}, secrets: map[string]secret{},
		own: map[string]cib.Parameter{}, delays: map[string]time.Duration{},
	}
}

func (d *draft) note(k kind, format string, args ...any) {
	d.notes = append(d.notes, note{k, []string{d.name}, fmt.Sprintf(format, args...)})
}

// tell adds the draft's notes to all. Of one that is refused, nothing else counts.
func (d *draft) tell() {
	for _, n := range d.notes {
		if !d.refused || n.kind == refused {
			d.c.notes.add(n.kind, d.name, "%s", n.text)
		}
	}
	d.notes = nil
}

// refuse says why the device is not converted.
func (d *draft) refuse(format string, args ...any) {
	d.refused = true
	d.note(refused, format, args...)
}

// read makes parameters of ours of those of the source.
func (d *draft) read(agent agent) {
	d.its = agent.its
	if name := d.twice(); name != "" {
		d.refuse("parameter %s is there twice, and nobody can say which one counts", name)
		return
	}
	for _, p := range d.parameters {
		name := strings.ReplaceAll(p.Name, "-", "_") // agents take both
		rule, known := agent.parameters[name]
		switch {
		case strings.HasPrefix(name, "pcmk_"):
			d.pacemakers(p)
		case known:
			rule(d, p)
		default:
			if rule, known = common[name]; known {
				rule(d, p)
				continue
			}
			d.note(gone, "parameter %s is not known, and not carried over", p.Name)
		}
	}
	agent.finish(d)
	if !d.refused && len(d.entries) == 0 {
		d.refuse("it does not say which nodes it fences")
	}
	if d.refused {
		return
	}
	d.restrict()
	for _, change := range agent.changes {
		d.note(changed, "%s", change)
	}
}

// twice returns the name of a parameter that has two values, or "".
func (d *draft) twice() string {
	values := map[string]string{}
	for _, p := range d.parameters {
		name := strings.ReplaceAll(p.Name, "-", "_")
		if value, again := values[name]; again && value != p.Value {
			return p.Name
		}
		values[name] = p.Value
	}
	return ""
}

// restrict leaves the entries of those nodes that the cluster asked the device for.
func (d *draft) restrict() {
	if len(d.nodes) == 0 {
		return
	}
	d.entries = slices.DeleteFunc(d.entries, func(e plan.Entry) bool {
		if containsFold(d.nodes, e.Node) {
			return false
		}
		d.unasked = append(d.unasked, e.Node)
		return true
	})
	for _, node := range d.nodes {
		if !slices.ContainsFunc(d.entries, func(e plan.Entry) bool { return strings.EqualFold(e.Node, node) }) {
			d.note(gone, "node %s: the device's own list does not have it, so it was never fenced", node)
		}
	}
	if len(d.entries) == 0 {
		d.refuse("none of the nodes it was asked for is in its own list")
	}
}

// tellUnasked notes the nodes that no draft of the same device is asked for.
func (d *draft) tellUnasked() {
	for _, node := range d.unasked {
		asked := func(other *draft) bool { return other.name == d.name && containsFold(other.nodes, node) }
		if !slices.ContainsFunc(d.c.drafts, asked) {
			d.note(gone, "node %s: the cluster never asked the device for it", node)
		}
	}
}

// try refuses a draft that would be no device.
func (d *draft) try() {
	its := d.device()
	its.id = "device"
	for name := range d.secrets {
		its.values[name] = "/file"
	}
	its.divide()
	if _, err := (description{devices: []device{its}}).plan(); err != nil {
		d.refuse("%v", err)
	}
}

// refuseClashes refuses drafts that know a node by what another draft knows another node
// by: nobody can say whose it is.
func (c *converter) refuseClashes() {
	var all []plan.Device
	told := map[int]bool{}
	for _, d := range c.drafts {
		all = append(all, d.planned())
	}
	for _, clash := range plan.Clashes(all) {
		if clash.Device == clash.Other || told[clash.Device] && told[clash.Other] {
			continue // said already
		}
		const reason = "nodes %s and %s are both %s: one of them would be fenced by switching the other off"
		for _, i := range []int{clash.Device, clash.Other} {
			c.drafts[i].refuse(reason, clash.Nodes[0], clash.Nodes[1], clash.Target)
			told[i] = true
		}
	}
}

// planned returns what the draft says of whom it switches.
func (d *draft) planned() plan.Device {
	its := plan.Device{Agent: d.its, Hostlist: d.entries}
	for _, name := range slices.Sorted(maps.Keys(d.values)) {
		its.Parameters = append(its.Parameters, plan.Parameter{Name: name, Value: d.values[name]})
	}
	return its
}

// device returns what the draft says of a device, but its id, level and secrets.
func (d *draft) device() device {
	its := device{agent: d.its, leader: -1, values: maps.Clone(d.values), entries: d.entries}
	if d.timeout > 0 {
		its.timeout = wholeSeconds(d.timeout)
	}
	return its
}

// shared reports whether the draft is one resource for several nodes.
func (d *draft) shared() bool { return len(d.entries) > 1 && !d.clone }

func containsFold(words []string, word string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
}

// splitList splits a list at blanks, commas and semicolons.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
}

// isTrue reports whether a text is what agents take for true.
func isTrue(text string) bool {
	return slices.Contains([]string{"1", "true", "yes", "on", "y"}, strings.ToLower(text))
}
