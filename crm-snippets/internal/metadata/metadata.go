// Package metadata knows what the plugins say of themselves: their parameters, by
// both faces. The texts are those that the programs print; make metadata writes them.
package metadata

// A Plugin is one of the programs: "xen", "xenapi" or "ipmi".
type Plugin string

// The plugins.
const (
	Xen    Plugin = "xen"
	Xenapi Plugin = "xenapi"
	IPMI   Plugin = "ipmi"
)

// A Face is how the cluster calls a plugin.
type Face string

// The faces.
const (
	// External is an external STONITH plugin of cluster-glue.
	External Face = "external"
	// FenceAgent is a fence agent as RHCS and Pacemaker know them.
	FenceAgent Face = "agent"
)

// An Agent is a plugin by one of its faces.
type Agent struct {
	Plugin Plugin
	Face   Face
}
