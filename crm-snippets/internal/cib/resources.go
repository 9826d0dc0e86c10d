package cib

import (
	"slices"
	"strings"
)

// ReadConfiguration reads the outermost elements of a CIB, or of pieces of it.
func ReadConfiguration(roots []*Element) Configuration {
	r := reader{templates: map[string]*Element{}}
	for _, root := range roots {
		for _, e := range root.All() {
			if id := e.Get("id"); id != "" {
				r.its.IDs = append(r.its.IDs, id)
			}
			r.note(e)
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

// note keeps what is needed before the elements are read one after the other.
func (r *reader) note(e *Element) {
	switch {
	case e.Name == "template":
		r.templates[e.Get("id")] = e
	case e.Name == "primitive" && e.Get("class") == "ocf" && e.Get("type") == "remote":
		r.remote(e.Get("id"))
	case e.Name == "nvpair" && e.Get("name") == "remote-node":
		r.its.Guests = append(r.its.Guests, e.Get("value"))
	}
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

// add adds what is in a primitive or its template. A name that one of them has twice is
// there twice.
func (p *Primitive) add(e *Element) {
	var parameters, meta []Parameter
	for _, child := range e.Children {
		switch child.Name {
		case "instance_attributes":
			parameters = append(parameters, pairs(child)...)
		case "meta_attributes":
			meta = append(meta, dashes(pairs(child))...)
		case "operations":
			child.mark()
			for _, op := range child.Children {
				if op.Name == "op" {
					p.Operations = append(p.Operations, operation(op))
				}
			}
		}
	}
	p.Parameters, p.Meta = merge(p.Parameters, parameters), merge(p.Meta, meta)
}

// merge adds those that have another name.
func merge(to, more []Parameter) []Parameter {
	its := slices.Clone(to)
	for _, p := range more {
		if !slices.ContainsFunc(to, func(other Parameter) bool { return other.Name == p.Name }) {
			its = append(its, p)
		}
	}
	return its
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
