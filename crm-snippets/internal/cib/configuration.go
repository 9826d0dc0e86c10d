package cib

import "slices"

// A Configuration is what a CIB says of fencing.
type Configuration struct {
	// Heartbeat says that it is of Heartbeat 2, by its form.
	Heartbeat bool
	// Nodes are the cluster's members, and Remote its remote nodes. Guests are those of
	// them that the cluster starts itself, as guests of its own.
	Nodes, Remote, Guests []string
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

// IsPart reports whether an element is of a CIB: its root, or a piece of it.
func IsPart(name string) bool {
	return slices.Contains([]string{
		"cib", "configuration", "resources", "constraints", "crm_config", "fencing-topology", "nodes",
		"primitive", "clone", "group", "template", "rsc_location", "cluster_property_set", "fencing-level", "status",
	}, name)
}
