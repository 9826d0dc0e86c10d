package convert

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
)

// pacemakers reads a parameter of the cluster's own. The lists of nodes have been read
// before.
func (d *draft) pacemakers(p cib.Parameter) {
	switch {
	case p.Name == "pcmk_host_list":
	case p.Name == "pcmk_host_map" && strings.HasPrefix(d.agent, "external/"):
		d.note(changed, "pcmk_host_map -> hostlist, which has what the device knows a node by: the map's own names never reached an external plugin")
	case p.Name == "pcmk_host_map":
		d.note(changed, "pcmk_host_map -> hostlist, which maps by itself")
	case p.Name == "pcmk_host_check" && p.Value == "status":
		d.note(changed, "pcmk_host_check=status -> hostlist says which nodes it fences; before, the device was asked, and a BMC said yes for every node")
	case p.Name == "pcmk_host_check" && p.Value == "none":
		d.note(changed, "pcmk_host_check=none -> hostlist says which nodes it fences; before, it was any")
	case p.Name == "pcmk_host_check":
		d.note(gone, "pcmk_host_check: hostlist says which nodes it fences")
	case p.Name == "pcmk_delay_base":
		for node, delay := range delaysOf(p.Value) {
			d.delayed(node, cib.Parameter{Name: p.Name, Value: delay, Place: p.Place})
		}
	case p.Name == "pcmk_delay_max":
		d.note(gone, "%s=%s: a random delay may be the same on both sides: give first and delay", p.Name, p.Value)
	case p.Name == "pcmk_action_limit":
		d.note(gone, "%s=%s: a resource fences one node at a time, as is usual", p.Name, p.Value)
	case strings.HasSuffix(p.Name, "_timeout"):
		d.c.limits = append(d.c.limits, limit{draft: d, name: p.Name, timeout: p.Value})
	case p.Name == "pcmk_reboot_action" || p.Name == "pcmk_off_action":
		d.note(changed, "%s=%s: the action is what it is called; the cluster's property stonith-action (fencing-action) says whether nodes are switched on again", p.Name, p.Value)
	default:
		d.note(gone, "%s=%s is not carried over", p.Name, p.Value)
	}
}

// askedFor reads for which nodes the cluster asks a device, and by what names.
func (d *draft) askedFor() {
	for _, p := range d.parameters {
		switch strings.ReplaceAll(p.Name, "-", "_") {
		case "pcmk_host_list":
			for _, node := range splitList(p.Value) {
				d.node(node)
			}
		case "pcmk_host_map":
			for _, pair := range splitMap(p.Value) {
				node, plug := pair, ""
				if i := strings.IndexAny(pair, ":="); i >= 0 {
					node, plug = pair[:i], pair[i+1:]
				}
				if node == "" {
					d.refuse("%s: %q names no node", p.Name, pair)
					return
				}
				d.node(node)
				d.plugs[strings.ToLower(node)] = plug
			}
		}
	}
}

func (d *draft) node(name string) {
	if !containsFold(d.nodes, name) {
		d.nodes = append(d.nodes, name)
	}
}

// splitMap splits pairs node:plug, or node=plug. A plug may have commas, and blanks behind a
// backslash.
func splitMap(text string) []string {
	text = strings.ReplaceAll(text, `\ `, "\x00")
	pairs := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("; \t\r\n", r) })
	for i := range pairs {
		pairs[i] = strings.ReplaceAll(pairs[i], "\x00", " ")
	}
	return pairs
}

// delaysOf reads pcmk_delay_base: a time, or one for each node.
func delaysOf(text string) map[string]string {
	if !strings.Contains(text, ":") {
		return map[string]string{"": text}
	}
	delays := map[string]string{}
	for _, pair := range splitMap(text) {
		node, delay, _ := strings.Cut(pair, ":")
		delays[strings.ToLower(node)] = delay
	}
	return delays
}

// delayed notes how long a fence of a node waits, or of each of the device's nodes.
func (d *draft) delayed(node string, p cib.Parameter) {
	delay, ok := seconds(p.Value)
	switch {
	case !ok:
		d.note(gone, "%s: it is no time", p.Name)
	case delay == 0:
	default:
		d.delays[node] = delay
	}
}

// delays makes first and delay of the delays of the source, or takes its
// priority-delay.
func (c *converter) delays(d *description) {
	if c.priorityDelay != "" {
		d.priorityDelay = c.priorityDelay
		if _, err := d.plan(); err != nil {
			d.priorityDelay = ""
			c.notes.add(todo, "cluster", "priority-fencing-delay is not carried over: %v", err)
		}
	}
	waits := map[string]time.Duration{}
	var names []string
	for _, device := range d.devices {
		for _, item := range device.items {
			delay := item.delay()
			if containsFold(d.remote, item.entry.Node) {
				if delay > 0 {
					c.notes.add(gone, item.draft.name, "its delay for %s: a remote node fences nobody, so that nobody has to wait for it", item.entry.Node)
				}
				continue
			}
			if delay > 0 && item.level > 1 {
				c.notes.add(gone, item.draft.name, "its delay for %s: only the device that is tried first waits", item.entry.Node)
				delay = 0
			}
			waits[item.entry.Node] = max(waits[item.entry.Node], delay)
			if delay > 0 && !slices.Contains(names, item.draft.name) {
				names = append(names, item.draft.name)
			}
		}
	}
	var delayed []string
	for _, node := range slices.Sorted(maps.Keys(waits)) {
		if waits[node] > 0 {
			delayed = append(delayed, node)
		}
	}
	switch subject := strings.Join(names, ", "); {
	case len(delayed) == 0:
	case d.priorityDelay != "":
		c.notes.add(gone, subject, "its delay: priority-delay says who wins, and both would add up")
	case len(waits) != 2 || len(delayed) != 1 || len(d.nodes) > 2:
		c.notes.add(gone, subject, "its delay: first and delay are for one of two nodes, and here attackers of %s waited", strings.Join(delayed, ", "))
	default:
		d.first, d.delay = delayed[0], wholeSeconds(waits[delayed[0]])
		if _, err := d.plan(); err != nil {
			d.first, d.delay = "", ""
			c.notes.add(todo, subject, "its delay of %s for %s is not carried over: %v", wholeSeconds(waits[delayed[0]]), delayed[0], err)
		}
	}
}

// delay returns how long an attacker of the node waited.
func (i item) delay() time.Duration {
	if delay, its := i.draft.delays[strings.ToLower(i.entry.Node)]; its {
		return delay
	}
	return i.draft.delays[""]
}

var versionForm = regexp.MustCompile(`^[23]\.[0-9]{1,3}\.[0-9]{1,3}`)

// settings reads the cluster's properties.
func (c *converter) settings(properties []cib.Parameter) {
	var others []string
	for _, p := range properties {
		if strings.HasPrefix(p.Name, "fencing-") && c.pacemaker == "" {
			c.pacemaker = "3.0.2" // the first with these names
		}
		switch name := strings.Replace(p.Name, "fencing-", "stonith-", 1); name {
		case "stonith-enabled":
			if !isTrue(p.Value) {
				c.notes.add(changed, "cluster", "%s=%s -> true: nodes will be fenced", p.Name, p.Value)
			}
		case "stonith-timeout":
			c.limits = append(c.limits, limit{name: p.Name, timeout: p.Value})
		case "priority-stonith-delay":
			if delay, ok := seconds(p.Value); ok && delay > 0 {
				c.priorityDelay = wholeSeconds(delay)
			}
		case "symmetric-cluster":
			if !isTrue(p.Value) {
				c.notes.add(todo, "cluster", "symmetric-cluster=%s: resources run only where a rule wants them, and the description has none that do: add them", p.Value)
			}
		case "stonith-action":
			c.notes.add(kept, "cluster", "%s=%s stays as it is", p.Name, p.Value)
		case "dc-version":
			if c.pacemaker = versionForm.FindString(p.Value); c.pacemaker == "" {
				c.notes.add(todo, "cluster", "dc-version %s: the description is for Pacemaker 2.1, say which one the cluster will have", p.Value)
			}
		default:
			others = append(others, p.Name)
		}
	}
	if len(others) > 0 {
		c.notes.add(kept, "cluster", "other properties stay as they are: %s", strings.Join(others, ", "))
	}
}
