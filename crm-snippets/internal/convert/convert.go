// Package convert makes a description of ours of what a cluster had before: a CIB of
// Pacemaker or of Heartbeat 2, or a cluster.conf. It is pure.
//
// Each change of behaviour, each thing that is left to be done, and each that has no
// counterpart is a note of one line; nothing of the source is lost without one. Secrets
// become files, and are in no note.
package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// A Result is what was made of a source.
type Result struct {
	// Description is the text of a description file, with the notes as comments.
	Description string
	// Plan is what the description says.
	Plan *plan.Plan
	// Notes are in the order of their kinds: what was refused, what is to be done, what
	// changes, what is gone, what was left alone.
	Notes []string
}

// Convert reads a CIB, pieces of one, or a cluster.conf. The name is for the errors and
// the description. It is an error if there is no fencing device that could be converted.
func Convert(name string, text []byte) (Result, error) {
	roots, err := cib.Parse(text)
	if err != nil {
		return Result{}, fmt.Errorf("%s:%w", name, err)
	}
	c := &converter{name: name}
	for _, root := range roots {
		if root.Name != "cluster" && !cib.IsPart(root.Name) {
			return Result{}, fmt.Errorf("%s:%d:%d: <%s> is neither a CIB, a piece of one, nor a cluster.conf", name, root.Place.Line, root.Place.Column, root.Name)
		}
	}
	if roots[0].Name == "cluster" {
		if len(roots) > 1 {
			return Result{}, fmt.Errorf("%s:%d:%d: something is behind the end of the cluster.conf", name, roots[1].Place.Line, roots[1].Place.Column)
		}
		c.cluster(cib.ReadCluster(roots[0]))
	} else {
		c.configuration(cib.ReadConfiguration(roots))
	}
	return c.result()
}

// A converter puts a description together.
type converter struct {
	name  string
	notes notes
	// nodes are the cluster's members, if the source says it. Remote are its remote nodes,
	// and guests those that it starts itself, which need no device.
	nodes, remote, guests []string
	// taken are ids that the source has; ours are others, so that both can be there.
	taken         []string
	pacemaker     string
	priorityDelay string
	// limits are time limits of the cluster's for calls of a device, and how often it
	// looks at it. They are replaced by those of the plan.
	limits []limit
	drafts []*draft
	// order has the sources that are tried for a node, level by level, and patterns those
	// for nodes whose names fit. blocked are sources whose place cannot be told, and why.
	order    map[string][][]string
	patterns []pattern
	blocked  map[string]string
	// levelsLeft says that the source has levels that are not converted.
	levelsLeft bool
}

// add reads a device of the source, which may be one that cannot be converted.
func (c *converter) add(d *draft) {
	agent, known := agents[d.agent]
	if !known {
		agent, known = ours(d.agent)
	}
	switch reason := c.blocked[d.source]; {
	case reason != "":
		d.refuse("%s", reason)
	case !known:
		d.refuse("%s has no counterpart here: it stays as it is", agentName(d.agent))
	default:
		d.read(agent)
	}
	if !d.refused {
		d.try()
	}
	c.drafts = append(c.drafts, d)
}

func agentName(name string) string {
	if name == "" {
		return "a device without an agent"
	}
	return "agent " + name
}

// result makes the description, and proves that it is one.
func (c *converter) result() (Result, error) {
	if len(c.drafts) == 0 {
		return Result{}, fmt.Errorf("%s: no fencing device is in it", c.name)
	}
	c.refuseClashes()
	for _, d := range c.drafts {
		if d.refused {
			d.tell()
		}
	}
	d := description{name: c.name, nodes: c.nodes, remote: c.remote, pacemaker: c.pacemaker}
	d.devices = c.devices()
	for _, draft := range c.drafts {
		draft.refused = !d.has(draft)
		draft.tellUnasked()
		draft.tell()
	}
	if len(d.devices) == 0 {
		return Result{}, fmt.Errorf("%s: none of its fencing devices can be converted\n%s", c.name, strings.Join(c.notes.of(refused), "\n"))
	}
	c.missingNodes(&d)
	c.secrets(d.devices)
	c.delays(&d)
	p, err := d.plan()
	if err != nil {
		return Result{}, fmt.Errorf("%s: what was made of it is no description: %w", c.name, err)
	}
	c.derived(d.devices, p)
	for _, warning := range p.Warnings() {
		c.notes.add(todo, "cluster", "%s", warning)
	}
	d.notes = c.notes.lines()
	return Result{Description: d.text(), Plan: p, Notes: d.notes}, nil
}

// setNodes takes names of the cluster's nodes, but those that no description can have.
func (c *converter) setNodes(to *[]string, names []string) {
	for _, name := range names {
		const other = "node"
		d := description{nodes: []string{other}, devices: []device{{
			id: "xen", agent: externalXen, leader: -1, entries: []entry{{Node: other}}, values: map[string]string{"sshaccount": account + "@dom0"},
		}}}
		if !strings.EqualFold(name, other) {
			d.nodes = append(d.nodes, name)
		}
		if _, err := d.plan(); err != nil {
			c.notes.add(refused, "cluster", "%v", err)
		} else if !containsFold(c.all(), name) {
			*to = append(*to, name)
		}
	}
}

// all returns the cluster's nodes with the remote ones.
func (c *converter) all() []string { return slices.Concat(c.nodes, c.remote) }

// missingNodes adds nodes that a device fences, but the source's list does not have.
func (c *converter) missingNodes(d *description) {
	for _, device := range d.devices {
		for _, entry := range device.entries {
			switch {
			case containsFold(d.nodes, entry.Node), containsFold(d.remote, entry.Node):
			case containsFold(c.guests, entry.Node):
				d.remote = append(d.remote, entry.Node)
			case len(c.nodes) > 0:
				d.nodes = append(d.nodes, entry.Node)
				c.notes.add(todo, device.id, "node %s is none of the cluster's nodes in the source: take it out if it is gone", entry.Node)
			}
		}
	}
}
