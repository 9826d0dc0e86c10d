package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// Describe returns the description file of the plan, which [Parse] reads again. A plan
// that was not made by this package is checked by that.
func (p *Plan) Describe() string {
	var text strings.Builder
	for _, line := range p.Comment {
		text.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	quoted := make([]string, len(p.Nodes))
	for i, node := range p.Nodes {
		quoted[i] = strconv.Quote(node)
	}
	fmt.Fprintf(&text, "nodes = [%s]\n", strings.Join(quoted, ", "))
	fmt.Fprintf(&text, "pacemaker = %q\n", p.Pacemaker)
	if p.First != "" {
		fmt.Fprintf(&text, "first = %q\ndelay = %q\n", p.First, spell(p.Delay))
	}
	if p.PriorityDelay > 0 {
		fmt.Fprintf(&text, "priority-delay = %q\n", spell(p.PriorityDelay))
	}
	for i := range p.Devices {
		text.WriteString("\n" + p.describe(i))
	}
	return text.String()
}

// describe returns the tables of the i-th device.
func (p *Plan) describe(i int) string {
	d := p.Devices[i]
	var text strings.Builder
	fmt.Fprintf(&text, "[[device]]\nid = %q\nplugin = %q\n", d.ID, d.Agent.Plugin)
	if d.Agent.Face != metadata.External {
		fmt.Fprintf(&text, "face = %q\n", d.Agent.Face)
	}
	if d.Shared {
		text.WriteString("shared = true\n")
	}
	if leader := p.leader(i); leader != i {
		fmt.Fprintf(&text, "with = %q\n", p.Devices[leader].ID)
	} else if d.Level > 0 {
		fmt.Fprintf(&text, "level = %d\n", d.Level)
	}
	fmt.Fprintf(&text, "hostlist = %q\n", joinEntries(d.Hostlist))
	if d.TimeoutGiven {
		fmt.Fprintf(&text, "timeout = %q\n", spell(d.Timeout))
	}
	if len(d.Parameters) > 0 {
		text.WriteString("\n[device.parameters]\n")
	}
	for _, parameter := range d.Parameters {
		fmt.Fprintf(&text, "%s = %q\n", parameter.Name, parameter.Value)
	}
	return text.String()
}

// leader returns the first device that is in one level with the i-th one, by a node
// that both fence or by way of a third. It may be the i-th one.
func (p *Plan) leader(i int) int {
	d := p.Devices[i]
	j := slices.IndexFunc(p.Devices[:i], func(other Device) bool {
		return d.Level > 0 && other.Level == d.Level &&
			slices.ContainsFunc(d.Hostlist, func(e Entry) bool { return other.fences(e.Node) })
	})
	if j < 0 {
		return i
	}
	return p.leader(j)
}

// joinEntries returns the entries as hostlist has them.
func joinEntries(entries []Entry) string {
	words := make([]string, len(entries))
	for i, entry := range entries {
		words[i] = entry.String()
	}
	return strings.Join(words, " ")
}
