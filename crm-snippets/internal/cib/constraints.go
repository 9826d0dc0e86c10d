package cib

import (
	"slices"
	"strings"
)

// rest reads all that is no device.
func (r *reader) rest(e *Element) {
	switch e.Name {
	case "primitive", "clone", "master", "master_slave", "group", "template":
		if !e.read {
			r.other(e)
		}
	case "node":
		r.node(e)
	case "cluster_property_set":
		r.properties(dashes(pairs(e)))
		e.take("score")
	case "nvpair": // the first form of Heartbeat's crm_config
		r.properties(dashes([]Parameter{{e.take("name"), e.take("value"), e.Place}}))
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

// node reads one of the cluster's. Those of Heartbeat that only answer pings are none.
func (r *reader) node(e *Element) {
	name := e.Get("uname")
	switch kind := e.Get("type"); {
	case name == "":
		e.markAll()
	case kind == "", kind == "member", kind == "normal":
		e.markAll()
		r.its.Nodes = append(r.its.Nodes, name)
	case kind == "remote":
		e.markAll()
		r.remote(name)
	default:
		r.other(e)
	}
}

// remote adds a remote node, which may be there both as a node and as the resource that
// makes it one.
func (r *reader) remote(name string) {
	if !slices.Contains(r.its.Remote, name) {
		r.its.Remote = append(r.its.Remote, name)
	}
}

// properties adds some of the cluster's. Of one that is there already, the second value
// is left unread.
func (r *reader) properties(more []Parameter) {
	for _, p := range more {
		if slices.ContainsFunc(r.its.Properties, func(other Parameter) bool { return other.Name == p.Name }) {
			r.its.Unread = append(r.its.Unread, Item{"second value of property", p.Name, p.Place})
			continue
		}
		r.its.Properties = append(r.its.Properties, p)
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
