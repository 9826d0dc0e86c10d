package render

import (
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// propertySet is the id of the set that all tools keep the cluster's properties in.
const propertySet = "cib-bootstrap-options"

// cibadmin returns the element configuration of a CIB, with what is new in it.
func cibadmin(p *plan.Plan) string {
	return document(p.Comment, configuration(p.Configuration(), true))
}

// Elements returns the element configuration of a CIB, for cibadmin --modify
// --allow-create. It is without comments, which cibadmin would keep in the cluster.
func Elements(c plan.Configuration) string {
	return document(nil, configuration(c, false))
}

// configuration returns the sections that have something in them.
func configuration(c plan.Configuration, comments bool) element {
	properties, resources, constraints, topology := of("crm_config"), of("resources"), of("constraints"), of("fencing-topology")
	if len(c.Properties) > 0 {
		properties = properties.with(nvpairs(of("cluster_property_set", "id", propertySet), propertySet, c.Properties))
	}
	for _, resource := range c.Resources {
		if comments {
			resources = resources.with(note(resource.Comment))
		}
		resources = resources.with(primitive(resource))
	}
	for _, l := range c.Locations {
		constraints = constraints.with(of("rsc_location", "id", l.ID, "rsc", l.Resource, "node", l.Node, "score", "-INFINITY"))
	}
	for _, level := range c.Levels {
		topology = topology.with(of("fencing-level", "id", level.ID, "target", level.Node,
			"index", strconv.Itoa(level.Index), "devices", strings.Join(level.Resources, ",")))
	}
	root := of("configuration")
	for _, section := range []element{properties, resources, constraints, topology} {
		if len(section.children) > 0 {
			root = root.with(section)
		}
	}
	return root
}

func primitive(r plan.Resource) element {
	operations := of("operations")
	for _, op := range r.Operations {
		operations = operations.with(of("op", "id", r.ID+"-"+op.Name+"-"+op.Interval,
			"name", op.Name, "interval", op.Interval, "timeout", op.Timeout))
	}
	attributes := r.ID + "-instance_attributes"
	return of("primitive", "id", r.ID, "class", "stonith", "type", r.Type).with(
		nvpairs(of("instance_attributes", "id", attributes), attributes, r.Parameters), operations)
}

// nvpairs adds a pair for each parameter, with ids that begin with prefix.
func nvpairs(e element, prefix string, parameters []plan.Parameter) element {
	for _, p := range parameters {
		e = e.with(of("nvpair", "id", prefix+"-"+p.Name, "name", p.Name, "value", p.Value))
	}
	return e
}
