package cib

import (
	"slices"
	"strings"
)

// A Configuration is what a CIB says of fencing.
type Configuration struct {
	// Heartbeat says that it is of Heartbeat 2, by its form.
	Heartbeat bool
	// Nodes are the cluster's.
	Nodes []string
	// Properties are the cluster's, with dashes in the names.
	Properties []Parameter
	// Devices are the primitives of class stonith.
	Devices []Primitive
	// Levels are the fencing topology.
	Levels []Level
	// IDs are all that the CIB has.
	IDs []string
	// Others are the resources and constraints that have nothing to do with fencing, and
	// other sections.
	Others []Item
	// Unread is what of the fencing part was not understood.
	Unread []Item
}

// A Primitive is a resource of class stonith.
type Primitive struct {
	ID string
	// Type is the agent, such as external/ipmi or fence_ipmilan.
	Type string
	// Clone is the id of the clone around it, and Group that of the group. Empty: none.
	Clone, Group string
	Parameters   []Parameter
	// Meta are its meta attributes and those of the clone, with dashes in the names.
	Meta       []Parameter
	Operations []Operation
	Locations  []Location
	Place      Place
}

// A Parameter is a name with its value, of a resource or the cluster.
type Parameter struct {
	Name, Value string
	Place       Place
}

// An Operation is one of a resource.
type Operation struct {
	Name, Interval, Timeout string
	// Others are its other attributes, and Parameters those that the agent gets with it.
	Others, Parameters []Parameter
	Place              Place
}

// A Location is a rule about where a resource runs.
type Location struct {
	ID, Score string
	// Node is the one that the score is for, or with Not the one that it is not for.
	Node  string
	Not   bool
	Place Place
}

// A Level is a step of a node's fencing.
type Level struct {
	ID, Index string
	// Node is the one that it is for, or else Pattern an expression for the nodes' names.
	// Both are empty if it is for nodes with some attribute.
	Node, Pattern string
	// Devices are the ids of the resources, all of which are to switch the node off.
	Devices []string
	Place   Place
}

// Sections says whether an element is of a CIB: its root, or a piece of it.
func Sections(name string) bool {
	return slices.Contains([]string{
		"cib", "configuration", "resources", "constraints", "crm_config", "fencing-topology", "nodes",
		"primitive", "clone", "group", "template", "rsc_location", "cluster_property_set", "fencing-level", "status",
	}, name)
}

// ReadConfiguration reads the outermost elements of a CIB, or of pieces of it.
func ReadConfiguration(roots []*Element) Configuration {
	r := reader{templates: map[string]*Element{}}
	for _, root := range roots {
		for _, e := range root.All() {
			if id := e.Get("id"); id != "" {
				r.its.IDs = append(r.its.IDs, id)
			}
			if e.Name == "template" {
				r.templates[e.Get("id")] = e
			}
			if e.Name == "attributes" || e.Get("provider") == "heartbeat" && e.Get("class") == "stonith" {
				r.its.Heartbeat = true
			}
		}
	}
	for _, pass := range []func(*Element){r.resources, r.rest} {
		for _, root := range roots {
			r.sections(root, pass)
		}
	}
	for _, root := range roots {
		r.its.Unread = append(r.its.Unread, root.unread()...)
	}
	return r.its
}

// A reader collects a configuration.
type reader struct {
	its       Configuration
	templates map[string]*Element
}

// sections calls do for each element that is in no section, or the section itself is.
func (r *reader) sections(e *Element, do func(*Element)) {
	switch e.Name {
	case "cib":
		for _, a := range e.Attributes {
			e.take(a.Name) // of the CIB as a whole: versions, who wrote it when
		}
		fallthrough
	case "configuration", "resources", "constraints", "crm_config", "fencing-topology", "nodes":
		e.mark()
		for _, child := range e.Children {
			r.sections(child, do)
		}
	default:
		do(e)
	}
}

// resources reads primitives and what is around them. They come first: constraints
// and levels name them.
func (r *reader) resources(e *Element) {
	switch e.Name {
	case "primitive":
		if r.class(e) == "stonith" {
			r.its.Devices = append(r.its.Devices, r.primitive(e))
		}
	case "clone", "master", "master_slave", "group":
		r.container(e)
	}
}

// class returns the class of a primitive, which its template may say.
func (r *reader) class(e *Element) string {
	if template := r.templates[e.Get("template")]; template != nil {
		return template.Get("class")
	}
	return e.Get("class")
}

// container reads a clone or group with a device in it.
func (r *reader) container(e *Element) {
	var inside []Primitive
	for _, each := range e.All() {
		if each.Name == "primitive" && r.class(each) == "stonith" {
			inside = append(inside, r.primitive(each))
		}
	}
	if len(inside) == 0 {
		return
	}
	e.mark()
	var meta []Parameter
	for _, child := range e.Children {
		switch child.Name {
		case "meta_attributes", "instance_attributes": // of Heartbeat: clone_max was one of these
			meta = append(meta, dashes(pairs(child))...)
		case "group":
			child.mark()
		}
	}
	for _, device := range inside {
		if e.Name == "group" {
			device.Group = e.Get("id")
		} else {
			device.Clone = e.Get("id")
		}
		device.Meta = append(device.Meta, meta...)
		r.its.Devices = append(r.its.Devices, device)
	}
}

// primitive reads a device. What its template says comes behind what it says itself.
func (r *reader) primitive(e *Element) Primitive {
	p := Primitive{ID: e.take("id"), Place: e.Place}
	e.take("class")
	e.take("provider")
	p.Type = e.take("type")
	p.add(e)
	if template := r.templates[e.take("template")]; template != nil {
		template.take("class")
		template.take("provider")
		p.Type = template.take("type")
		p.add(template)
	}
	return p
}

// add adds what is in a primitive or its template.
func (p *Primitive) add(e *Element) {
	for _, child := range e.Children {
		switch child.Name {
		case "instance_attributes":
			p.Parameters = merge(p.Parameters, pairs(child))
		case "meta_attributes":
			p.Meta = merge(p.Meta, dashes(pairs(child)))
		case "operations":
			child.mark()
			for _, op := range child.Children {
				if op.Name == "op" {
					p.Operations = append(p.Operations, operation(op))
				}
			}
		}
	}
}

// merge adds those that have another name.
func merge(to, more []Parameter) []Parameter {
	for _, p := range more {
		if !slices.ContainsFunc(to, func(other Parameter) bool { return other.Name == p.Name }) {
			to = append(to, p)
		}
	}
	return to
}

func operation(e *Element) Operation {
	o := Operation{Name: e.take("name"), Interval: e.take("interval"), Timeout: e.take("timeout"), Place: e.Place}
	for _, a := range e.Attributes {
		switch a.Name {
		case "id", "name", "interval", "timeout":
		default:
			o.Others = append(o.Others, Parameter{a.Name, e.take(a.Name), e.Place})
		}
	}
	for _, child := range e.Children {
		if child.Name == "instance_attributes" || child.Name == "meta_attributes" {
			o.Parameters = append(o.Parameters, pairs(child)...)
		}
	}
	return o
}

// pairs reads a set of attributes: nvpairs, which Heartbeat had one level deeper.
func pairs(set *Element) []Parameter {
	set.mark()
	var all []Parameter
	for _, child := range set.Children {
		switch {
		case child.Name == "attributes":
			all = append(all, pairs(child)...)
		case child.Name == "nvpair" && child.Get("name") != "":
			all = append(all, Parameter{child.take("name"), child.take("value"), child.Place})
		}
	}
	return all
}

// dashes spells names as Pacemaker does: Heartbeat had clone_max for clone-max.
func dashes(all []Parameter) []Parameter {
	for i := range all {
		all[i].Name = strings.ReplaceAll(all[i].Name, "_", "-")
	}
	return all
}

// rest reads all that is no device.
func (r *reader) rest(e *Element) {
	switch e.Name {
	case "primitive", "clone", "master", "master_slave", "group", "template":
		if !e.read {
			r.other(e)
		}
	case "node":
		e.markAll()
		if name := e.Get("uname"); name != "" {
			r.its.Nodes = append(r.its.Nodes, name)
		}
	case "cluster_property_set":
		r.its.Properties = merge(r.its.Properties, dashes(pairs(e)))
		e.take("score")
	case "nvpair": // the first form of Heartbeat's crm_config
		r.its.Properties = merge(r.its.Properties, dashes([]Parameter{{e.take("name"), e.take("value"), e.Place}}))
	case "fencing-level":
		r.level(e)
	case "rsc_location":
		r.location(e)
	case "status":
		e.markAll() // what is, not what is wanted
	default:
		if !r.concerns(e) {
			r.other(e)
		}
	}
}

// other notes something that has nothing to do with fencing.
func (r *reader) other(e *Element) {
	e.markAll()
	if e.Get("id") != "" || len(e.Children) > 0 {
		r.its.Others = append(r.its.Others, Item{e.Name, e.Get("id"), e.Place})
	}
}

// concerns reports whether some attribute below an element names a device.
func (r *reader) concerns(e *Element) bool {
	for _, each := range e.All() {
		for _, a := range each.Attributes {
			if (a.Name != "id" || each.Name == "resource_ref") && r.device(a.Value) {
				return true
			}
		}
	}
	return false
}

// device reports whether an id is that of a device, or of the clone or group around it.
func (r *reader) device(id string) bool {
	return id != "" && slices.ContainsFunc(r.its.Devices, func(p Primitive) bool { return p.named(id) })
}

func (p Primitive) named(id string) bool { return p.ID == id || p.Clone == id || p.Group == id }

func (r *reader) level(e *Element) {
	level := Level{
		ID: e.take("id"), Index: e.take("index"), Place: e.Place,
		Node: e.take("target"), Pattern: e.take("target-pattern"),
	}
	e.take("target-attribute")
	e.take("target-value")
	for _, id := range strings.Split(e.take("devices"), ",") {
		level.Devices = append(level.Devices, strings.TrimSpace(id))
	}
	r.its.Levels = append(r.its.Levels, level)
}

// location reads a rule about a device. Others are left unread if they name one.
func (r *reader) location(e *Element) {
	if !r.concerns(e) {
		r.other(e)
		return
	}
	id := e.Get("rsc")
	if !r.device(id) {
		return
	}
	e.take("rsc")
	var rules []Location
	if e.Get("node") != "" {
		rules = append(rules, Location{ID: e.Get("id"), Score: e.take("score"), Node: e.take("node"), Place: e.Place})
	}
	for _, rule := range e.Children {
		if expression := onlyName(rule); expression != nil {
			rule.take("boolean-op")
			rule.take("boolean_op")
			expression.take("attribute")
			rules = append(rules, Location{
				ID: e.Get("id"), Score: rule.take("score"), Node: expression.take("value"),
				Not: expression.take("operation") == "ne", Place: e.Place,
			})
		}
	}
	for i := range r.its.Devices {
		if r.its.Devices[i].named(id) {
			r.its.Devices[i].Locations = append(r.its.Devices[i].Locations, rules...)
		}
	}
}

// onlyName returns the expression of a rule that is about the name of a node and
// nothing else, or nil.
func onlyName(rule *Element) *Element {
	if rule.Name != "rule" || rule.Get("score") == "" || len(rule.Children) != 1 {
		return nil
	}
	e := rule.Children[0]
	isName := e.Name == "expression" && e.Get("attribute") == "#uname"
	if operation := e.Get("operation"); !isName || operation != "eq" && operation != "ne" {
		return nil
	}
	return e
}
