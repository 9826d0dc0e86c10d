// Package plan holds what is wanted of a cluster's fencing: the devices that an
// administrator describes, and what follows from them for the cluster.
//
// A [Plan] is what was described, by a file ([Parse]) or by flags ([FromFlags]).
// Both have checked it. Its [Configuration] is what the cluster is to have: the
// resources, rules, levels and properties, with all that is derived. It is the same
// for every tool, and what is installed is compared with it.
package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// A Plan is a checked description of a cluster's fencing.
type Plan struct {
	// Comment is what the description says of itself: the comment lines it begins with,
	// without their signs. It may be empty.
	Comment []string
	// Nodes are the members of the cluster, in the order of the description, and Remote
	// its remote nodes: these are fenced, and fence nobody.
	Nodes, Remote []string
	// Pacemaker is the version of the cluster's Pacemaker.
	Pacemaker Version
	// First is the node of two that is to win when both fence each other, and Delay the
	// time that its attacker waits. First is empty and Delay is 0 if there is none.
	First string
	Delay time.Duration
	// PriorityDelay is the time that whoever attacks the node with the more important
	// resources waits. It is 0 if there is none, and where there is a Delay.
	PriorityDelay time.Duration
	// Devices are the fencing devices, in the order of the description.
	Devices []Device
}

// A Device is one thing that switches nodes: a BMC each, some Dom0s, a pool.
type Device struct {
	// ID is the resource's id, or what the ids of its resources begin with.
	ID string
	// Agent is the plugin and the face by which the cluster uses it.
	Agent metadata.Agent
	// Shared says that one resource is for all nodes, instead of one for each.
	Shared bool
	// Level is the device's place in the order in which those of a node are tried,
	// from 1 on; the same of two devices of a node: both must switch it off. It is 0
	// where no node of the device has another one.
	Level int
	// Hostlist says which nodes the device fences, and by what it knows them.
	Hostlist []Entry
	// Timeout is the time limit of a call of the plugin.
	Timeout time.Duration
	// TimeoutGiven says that Timeout was described, and is not the plugin's own.
	TimeoutGiven bool
	// Parameters are the plugin's other ones, in the order of its metadata, by its own
	// names. A fence agent has other ones for some, see [metadata.Agent.Name].
	Parameters []Parameter
}

// An Entry is a node of a hostlist.
type Entry struct {
	// Node is its name in the cluster.
	Node string
	// Plug is what the device knows it by, as a guest or the address of a BMC. It is
	// empty if the entry has none.
	Plug string
}

// String returns the entry as hostlist has it.
func (e Entry) String() string {
	if e.Plug == "" {
		return e.Node
	}
	return e.Node + ":" + e.Plug
}

// joinEntries returns the entries as hostlist has them.
func joinEntries(entries []Entry) string {
	words := make([]string, len(entries))
	for i, entry := range entries {
		words[i] = entry.String()
	}
	return strings.Join(words, " ")
}

// A Parameter is a name with its value, such as an instance attribute.
type Parameter struct{ Name, Value string }

// A Version is a version of Pacemaker, such as 2.1 or 3.0.2.
type Version struct {
	Major, Minor int
	// Patch is -1 if the version does not say it: the newest is meant.
	Patch int
}

// String returns the version as it was given.
func (v Version) String() string {
	if v.Patch < 0 {
		return fmt.Sprintf("%d.%d", v.Major, v.Minor)
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// FencingNames reports whether cluster properties are called fencing-enabled and
// fencing-timeout. Pacemaker has these names since 3.0.2; before, and for a while
// after, they are stonith-enabled and stonith-timeout.
func (v Version) FencingNames() bool {
	switch {
	case v.Major != 3:
		return v.Major > 3
	case v.Minor > 0:
		return true
	default:
		return v.Patch < 0 || v.Patch >= 2
	}
}
