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
	c := p.Configuration()
	resources, constraints, topology := of("resources"), of("constraints"), of("fencing-topology")
	for _, resource := range c.Resources {
		resources = resources.with(note(resource.Comment), primitive(resource))
	}
	for _, l := range c.Locations {
		constraints = constraints.with(of("rsc_location", "id", l.ID, "rsc", l.Resource, "node", l.Node, "score", "-INFINITY"))
	}
	for _, level := range c.Levels {
		topology = topology.with(of("fencing-level", "id", level.ID, "target", level.Node,
			"index", strconv.Itoa(level.Index), "devices", strings.Join(level.Resources, ",")))
	}
	configuration := of("configuration").with(
		of("crm_config").with(nvpairs(of("cluster_property_set", "id", propertySet), propertySet, c.Properties)),
		resources, constraints)
	if len(c.Levels) > 0 {
		configuration = configuration.with(topology)
	}
	return document(p.Comment, configuration)
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
