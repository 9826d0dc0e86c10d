package plan

// A Configuration is what a cluster is to have, derived from a [Plan]. All of it is
// in a fixed order, so that equal plans have equal configurations.
type Configuration struct {
	// Properties are the cluster's, in the set cib-bootstrap-options.
	Properties []Parameter
	// Resources are the stonith primitives.
	Resources []Resource
	// Locations keep resources from nodes.
	Locations []Location
	// Levels are the fencing topology; none if no node has more than one device.
	Levels []Level
}

// A Resource is a primitive of class stonith.
type Resource struct {
	// ID is the device's id if it is shared, else with the node's name behind it.
	ID string
	// Type is such as external/xen or fence_xen.
	Type string
	// Nodes are those that it fences.
	Nodes []string
	// Parameters are the plugin's, and Pacemaker's (pcmk_*) behind them.
	Parameters []Parameter
	// Operations are monitor and start.
	Operations []Operation
	// Comment says in a line what the resource is.
	Comment string
}

// An Operation is one of a resource, with its interval and timeout in the cluster's
// words, such as 600s.
type Operation struct{ Name, Interval, Timeout string }

// A Location forbids a resource a node, with the score -INFINITY.
type Location struct{ ID, Resource, Node string }

// A Level is a step of a node's fencing: all of its resources must switch it off. If
// one does not, the next level is tried.
type Level struct {
	ID string
	// Node is the one that is fenced.
	Node string
	// Index counts a node's levels from 1, without a gap.
	Index int
	// Resources are the ids.
	Resources []string
}
