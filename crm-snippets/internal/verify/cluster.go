package verify

import (
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// A cluster is what a CIB says of fencing.
type cluster struct {
	cib *live.CIB
	// nodes are the cluster's; those that devices fence, if the CIB has none.
	nodes []string
	// remotes are nodes without a vote, which resources make.
	remotes []string
	devices []device
}

// A device is a primitive of class stonith.
type device struct {
	id, agentType string
	// agent is one of ours, if ours is true.
	agent metadata.Agent
	ours  bool
	// parameters are by the names that the CIB has.
	parameters []parameter
	// operations are the elements op.
	operations []*cib.Element
	// nodes are those that it fences, if known is true. Else only the device knows.
	nodes []string
	known bool
	// stopped says that it is disabled.
	stopped bool
	// ids are those that a location may name: its own, and that of a clone or group.
	ids []string
}

// A parameter is an instance attribute.
type parameter struct{ name, value string }

// read finds the nodes and devices of a CIB.
func read(from *live.CIB) *cluster {
	c := &cluster{cib: from}
	for _, e := range from.All("primitive") {
		switch {
		case e.Get("class") == "stonith":
			c.devices = append(c.devices, readDevice(from, e))
		case e.Get("type") == "remote":
			c.remotes = append(c.remotes, e.Get("id"))
		}
	}
	for _, e := range from.All("nvpair") {
		if e.Get("name") == "remote-node" {
			c.remotes = append(c.remotes, e.Get("value"))
		}
	}
	for _, e := range from.All("node") {
		if kind := e.Get("type"); kind == "" || kind == "member" || kind == "normal" {
			c.nodes = append(c.nodes, e.Get("uname"))
		}
	}
	if len(c.nodes) > 0 {
		return c
	}
	for _, d := range c.devices {
		for _, node := range d.nodes {
			if !contains(c.nodes, node) {
				c.nodes = append(c.nodes, node)
			}
		}
	}
	return c
}

func readDevice(from *live.CIB, e *cib.Element) device {
	d := device{id: e.Get("id"), agentType: e.Get("type")}
	d.agent, d.ours = metadata.FindAgent(d.agentType)
	for at := e; at.Name != "resources" && from.Parent(at) != nil; at = from.Parent(at) {
		d.ids = append(d.ids, at.Get("id"))
		for _, set := range at.Children {
			for _, pair := range set.Children {
				switch name, value := pair.Get("name"), pair.Get("value"); {
				case set.Name == "meta_attributes" && name == "target-role" && strings.EqualFold(value, "Stopped"):
					d.stopped = true
				case set.Name == "instance_attributes" && at == e:
					d.parameters = append(d.parameters, parameter{name, value})
				case set.Name == "operations" && at == e:
					d.operations = append(d.operations, pair)
				}
			}
		}
	}
	d.nodes, d.known = d.targets()
	return d
}

// value returns a parameter by the name that the CIB has for it.
func (d device) value(name string) string {
	for _, p := range d.parameters {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// own returns a parameter of one of our plugins, by its own name for it, whatever name
// the CIB has.
func (d device) own(own string) string {
	for _, p := range d.parameters {
		if d.ownName(p.name) == own {
			return p.value
		}
	}
	return ""
}

// ownName returns the plugin's own name for a parameter, and "" if it has none.
func (d device) ownName(name string) string {
	if !d.ours {
		return ""
	}
	preferred, known := d.agent.Preferred(name)
	if !known {
		return ""
	}
	if own, known := d.agent.Plugin.Own(preferred.Name); known {
		return own.Name
	}
	return preferred.Name
}

// targets returns the nodes that the device fences, as far as the CIB says them.
func (d device) targets() (nodes []string, known bool) {
	if list := d.value("pcmk_host_list"); list != "" {
		return split(list), true
	}
	if pairs := d.value("pcmk_host_map"); pairs != "" {
		return keys(strings.FieldsFunc(pairs, func(r rune) bool { return strings.ContainsRune("; \t\n", r) })), true
	}
	if list := d.own("hostlist"); list != "" {
		return keys(split(list)), true
	}
	if node := d.own("hostname"); node != "" {
		return []string{node}, true
	}
	return nil, false
}

// split splits a list as Pacemaker and the plugins do.
func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
}

// keys returns what stands before the colon of each item.
func keys(items []string) []string {
	var all []string
	for _, item := range items {
		key, _, _ := strings.Cut(item, ":")
		all = append(all, key)
	}
	return all
}

func contains(nodes []string, node string) bool {
	return slices.ContainsFunc(nodes, func(n string) bool { return strings.EqualFold(n, node) })
}

// fencing returns the devices that are for a node.
func (c *cluster) fencing(node string) []device {
	return slices.DeleteFunc(slices.Clone(c.devices), func(d device) bool { return d.stopped || !contains(d.nodes, node) })
}

// device returns that of an id.
func (c *cluster) device(id string) (device, bool) {
	i := slices.IndexFunc(c.devices, func(d device) bool { return d.id == id })
	if i < 0 {
		return device{}, false
	}
	return c.devices[i], true
}

// property returns that of the first of some names that is set.
func (c *cluster) property(names ...string) string {
	for _, name := range names {
		if pair := c.cib.Property(name); pair != nil {
			return pair.Get("value")
		}
	}
	return ""
}

// mayRun reports whether a device is allowed on a node.
func (c *cluster) mayRun(d device, node string) bool {
	symmetric, isBool := live.Bool(c.property("symmetric-cluster"))
	may := symmetric || !isBool
	for _, location := range c.cib.All("rsc_location") {
		if !slices.Contains(d.ids, location.Get("rsc")) {
			continue
		}
		for _, score := range scores(location, node) {
			if live.IsNever(score) {
				return false
			}
			may = may || !strings.HasPrefix(score, "-")
		}
	}
	return may
}

// scores returns those that a location has for a node.
func scores(location *cib.Element, node string) []string {
	var all []string
	if strings.EqualFold(location.Get("node"), node) {
		all = append(all, location.Get("score"))
	}
	for _, rule := range live.Within(location, "rule") {
		for _, e := range live.Within(rule, "expression") {
			if e.Get("attribute") == "#uname" && e.Get("operation") == "eq" && strings.EqualFold(e.Get("value"), node) {
				all = append(all, rule.Get("score"))
			}
		}
	}
	return all
}

// seconds reads a time of the CIB, and returns another one if it is not set.
func seconds(text string, otherwise time.Duration) (time.Duration, bool) {
	if text == "" {
		return otherwise, true
	}
	return live.Seconds(text)
}
