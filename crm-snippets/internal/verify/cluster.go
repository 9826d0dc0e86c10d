package verify

import (
	"regexp"
	"slices"
	"strings"
	"time"

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
	// guests are those of them that the cluster starts as resources, and so fences itself.
	guests  []string
	devices []device
	// unread are resources whose parameters are elsewhere, and not looked at.
	unread []string
}

// A device is a primitive of class stonith.
type device struct {
	id, agentType string
	// agent is one of ours, if ours is true.
	agent metadata.Agent
	ours  bool
	// parameters are by the names that the CIB has. Of a name, the first one counts.
	parameters []parameter
	// differing are names of parameters that have several values.
	differing []string
	// ruled says that a rule decides about its parameters. None is looked at.
	ruled bool
	// operations are the elements op.
	operations []*live.Element
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
func read(cib *live.CIB) *cluster {
	c := &cluster{cib: cib}
	for _, e := range cib.Configuration().Named("primitive") {
		if e.Get("class") == "stonith" {
			c.devices = append(c.devices, readDevice(e, c.defaultFor("rsc_defaults", "target-role")))
		}
		if e.Get("type") == "remote" {
			c.addRemote(e.Get("id"))
		}
		template := cib.Find(e.Get("template"))
		fromTemplate := e.Get("template") != "" && template != nil && template.Get("class") == "stonith"
		if fromTemplate || e.Get("class") == "stonith" && hasReference(e) {
			c.unread = append(c.unread, e.Get("id"))
		}
	}
	for _, e := range cib.Configuration().Named("node") {
		if kind := e.Get("type"); kind == "" || kind == "member" || kind == "normal" {
			c.nodes = append(c.nodes, e.Get("uname"))
		} else if kind == "remote" {
			c.addRemote(e.Get("uname"))
		}
	}
	for _, e := range cib.Configuration().Named("nvpair") {
		if e.Get("name") == "remote-node" {
			c.guests = append(c.guests, e.Get("value"))
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

func (c *cluster) addRemote(node string) {
	if !contains(c.remotes, node) {
		c.remotes = append(c.remotes, node)
	}
}

// hasReference reports whether a resource has sets of attributes that are elsewhere.
func hasReference(e *live.Element) bool {
	return slices.ContainsFunc(e.All(), func(each *live.Element) bool { return each.Get("id-ref") != "" })
}

// defaultFor returns what resources or operations have where they say nothing, from the
// section rsc_defaults or op_defaults.
func (c *cluster) defaultFor(section, name string) string {
	for _, defaults := range c.cib.Configuration().Named(section) {
		for _, pair := range defaults.Named("nvpair") {
			if pair.Get("name") == name {
				return pair.Get("value")
			}
		}
	}
	return ""
}

// readDevice reads a primitive. The role is the one that resources are to have where they
// say nothing.
func readDevice(e *live.Element, role string) device {
	d := device{id: e.Get("id"), agentType: e.Get("type")}
	d.agent, d.ours = metadata.FindAgent(d.agentType)
	d.readParameters(e)
	for at := e; at.Name != "resources" && at.Parent != nil; at = at.Parent {
		d.ids = append(d.ids, at.Get("id"))
		for _, set := range at.Children {
			for _, pair := range set.Children {
				switch name, value := pair.Get("name"), pair.Get("value"); {
				case set.Name == "meta_attributes" && name == "target-role":
					role = value
					d.stopped = d.stopped || strings.EqualFold(value, "Stopped")
				case set.Name == "operations" && at == e:
					d.operations = append(d.operations, pair)
				}
			}
		}
	}
	d.stopped = d.stopped || strings.EqualFold(role, "Stopped")
	d.nodes, d.known = d.targets()
	return d
}

// readParameters reads the instance attributes of a primitive, and then those of the group
// or clone around it.
func (d *device) readParameters(e *live.Element) {
	for at := e; at.Name != "resources" && at.Parent != nil; at = at.Parent {
		d.ruled = d.ruled || slices.ContainsFunc(at.Children, func(set *live.Element) bool {
			return set.Name == "instance_attributes" && set.Child("rule") != nil
		})
		pairs := live.Pairs(at, "instance_attributes")
		for _, pair := range pairs {
			d.parameters = append(d.parameters, parameter{pair.Get("name"), pair.Get("value")})
		}
		d.differing = append(d.differing, differing(pairs, func(a, b *live.Element) bool {
			return live.Score(a.Parent.Get("score")) == live.Score(b.Parent.Get("score"))
		})...)
	}
	if d.ruled { // nothing is known of it
		d.ours, d.parameters, d.differing = false, nil, nil
	}
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
	nodes = split(d.value("pcmk_host_list"))
	for _, pair := range pairs(d.value("pcmk_host_map")) {
		if node, _ := cutPair(pair); node != "" && !contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	if len(nodes) > 0 {
		return nodes, true
	}
	if d.hostCheck() == "static-list" || d.value("pcmk_host_map") != "" {
		return nil, true
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

// pairs splits a list node:name or node=name as Pacemaker does. A name may have commas.
func pairs(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune("; \t\n", r) })
}

// cutPair returns the node and the name of a pair, or nothing if it is none.
func cutPair(pair string) (node, name string) {
	i := strings.IndexAny(pair, ":=")
	if i < 0 {
		return "", ""
	}
	return pair[:i], pair[i+1:]
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

// mayRun reports whether a device is allowed on a node, by what is not unclear.
func (c *cluster) mayRun(d device, node string) bool {
	may := c.isSymmetric()
	for _, location := range c.cib.Configuration().Named("rsc_location") {
		if !d.isMeant(location) {
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

// isAvoided reports whether the scores of a device on a node add up to less than nothing.
// The cluster then uses it there no more than where it is forbidden.
func (c *cluster) isAvoided(d device, node string) bool {
	sum := 0
	for _, location := range c.cib.Configuration().Named("rsc_location") {
		if d.isMeant(location) {
			for _, score := range scores(location, node) {
				sum += live.Score(score)
			}
		}
	}
	return sum < 0
}

// isMeant reports whether a location is about the device: by its id, by a pattern (or one
// that it does not fit, behind a !), or in a set.
func (d device) isMeant(location *live.Element) bool {
	pattern, inverted := strings.CutPrefix(location.Get("rsc-pattern"), "!")
	if expression, err := regexp.CompilePOSIX(pattern); err == nil && pattern != "" {
		return slices.ContainsFunc(d.ids, expression.MatchString) != inverted
	}
	ids := []string{location.Get("rsc")}
	for _, reference := range location.Named("resource_ref") {
		ids = append(ids, reference.Get("id"))
	}
	return slices.ContainsFunc(ids, func(id string) bool { return id != "" && slices.Contains(d.ids, id) })
}

// scores returns those that a location has for a node.
func scores(location *live.Element, node string) []string {
	var all []string
	if strings.EqualFold(location.Get("node"), node) {
		all = append(all, location.Get("score"))
	}
	for _, rule := range location.Children {
		if isAboutNames(rule) && holdsFor(rule, node) {
			all = append(all, rule.Get("score"))
		}
	}
	return all
}

// isAboutNames reports whether an element is a rule by which the name of a node alone
// decides.
func isAboutNames(rule *live.Element) bool {
	other := func(e *live.Element) bool {
		source, operation := e.Get("value-source"), e.Get("operation")
		return e.Name != "expression" || e.Get("attribute") != "#uname" || operation != "eq" && operation != "ne" || source != "" && source != "literal"
	}
	return rule.Name == "rule" && len(rule.Children) > 0 && rule.Get("score-attribute") == "" && !slices.ContainsFunc(rule.Children, other)
}

// holdsFor reports whether a rule about names holds for a node.
func holdsFor(rule *live.Element, node string) bool {
	anyIsEnough := rule.Get("boolean-op") == "or"
	for _, e := range rule.Children {
		if holds := strings.EqualFold(e.Get("value"), node) == (e.Get("operation") == "eq"); holds == anyIsEnough {
			return holds
		}
	}
	return !anyIsEnough
}

// unclear returns the id of a location which may forbid a device a node, or allow it
// where that is needed, by more than the node's name, and "" if there is none.
func (c *cluster) unclear(d device) string {
	for _, location := range c.cib.Configuration().Named("rsc_location") {
		unclear := func(e *live.Element) bool {
			decides := !c.isSymmetric() || live.Score(e.Get("score")) < 0 || e.Get("score-attribute") != ""
			return e.Name == "lifetime" || e.Name == "rule" && !isAboutNames(e) && decides
		}
		if d.isMeant(location) && slices.ContainsFunc(location.Children, unclear) {
			return location.Get("id")
		}
	}
	return ""
}

// isSymmetric reports whether resources are allowed on a node where nothing forbids it.
func (c *cluster) isSymmetric() bool {
	symmetric, isBool := live.Bool(c.property("symmetric-cluster"))
	return symmetric || !isBool
}

// seconds reads a time of the CIB, and returns another one if it is not set.
func seconds(text string, otherwise time.Duration) (time.Duration, bool) {
	if text == "" {
		return otherwise, true
	}
	return live.Seconds(text)
}
