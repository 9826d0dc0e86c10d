// Package metadata knows what the plugins say of themselves: their parameters, by
// both faces. The texts are those that the programs print; make metadata writes them.
package metadata

import (
	"embed"
	"encoding/xml"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Plugin is one of the programs.
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
	// External is an external STONITH plugin, as cluster-glue knows them.
	External Face = "external"
	// FenceAgent is a fence agent, as RHCS and Pacemaker know them.
	FenceAgent Face = "agent"
)

// An Agent is a plugin by one of its faces.
type Agent struct {
	Plugin Plugin
	Face   Face
}

// types are the agents' types in a cluster's configuration.
var types = map[Agent]string{
	{Xen, External}:      "external/xen",
	{Xenapi, External}:   "external/xenapi",
	{IPMI, External}:     "external/ipmi2",
	{Xen, FenceAgent}:    "fence_xen",
	{Xenapi, FenceAgent}: "fence_xapi",
	{IPMI, FenceAgent}:   "fence_ipmi",
}

// Agents returns all agents, by type.
func Agents() []Agent {
	return slices.SortedFunc(maps.Keys(types), func(a, b Agent) int { return strings.Compare(a.Type(), b.Type()) })
}

// FindAgent returns the agent of a type, such as external/xen or fence_xen.
func FindAgent(agentType string) (Agent, bool) {
	for agent, its := range types {
		if its == agentType {
			return agent, true
		}
	}
	return Agent{}, false
}

// Type returns the agent's type in a cluster's configuration, and "" if there is no
// such agent.
func (a Agent) Type() string { return types[a] }

// A Parameter is what an agent says of one of its parameters.
type Parameter struct {
	Name string `xml:"name,attr"`
	// Required says that the agent refuses to work without it.
	Required bool `xml:"required,attr"`
	// Deprecated says that the name is an old or another agent's one, of the parameter
	// before it.
	Deprecated bool    `xml:"deprecated,attr"`
	Content    Content `xml:"content"`
	// Title says in a line what the parameter is.
	Title string `xml:"shortdesc"`
}

// Content is what values a parameter has.
type Content struct {
	// Type is string, integer, boolean, select, and time (external) or second (agent).
	Type string `xml:"type,attr"`
	// Default is in force where the parameter is not set, if it is not empty.
	Default string   `xml:"default,attr"`
	Options []Option `xml:"option"`
}

// An Option is a value that a parameter of type select may have.
type Option struct {
	Value string `xml:"value,attr"`
}

//go:embed *.xml
var files embed.FS

// parameters are those of all agents, read once.
var parameters = sync.OnceValue(func() map[Agent][]Parameter {
	all := map[Agent][]Parameter{}
	for agent := range types {
		all[agent] = agent.read()
	}
	return all
})

// Parameters returns the agent's parameters, in the order of its metadata, or none if
// there is no such agent. They are not to be changed.
func (a Agent) Parameters() []Parameter { return parameters()[a] }

// read reads the agent's parameters from its file.
func (a Agent) read() []Parameter {
	text, err := files.ReadFile(a.File())
	if err != nil {
		panic(err)
	}
	// An external plugin prints the element parameters alone, an agent one around it.
	var of struct {
		Plugin []Parameter `xml:"parameter"`
		Agent  []Parameter `xml:"parameters>parameter"`
	}
	if err := xml.Unmarshal(text, &of); err != nil {
		panic(fmt.Errorf("%s: %w", a.File(), err))
	}
	return append(of.Plugin, of.Agent...)
}

// File returns the name of the embedded file with the agent's metadata.
func (a Agent) File() string { return path.Base(a.Type()) + ".xml" }

// Find returns the parameter of that name.
func (a Agent) Find(name string) (Parameter, bool) {
	all := a.Parameters()
	i := slices.IndexFunc(all, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return all[i], true
}

// Preferred returns the parameter that a name means, which may be an old one for it.
func (a Agent) Preferred(name string) (Parameter, bool) {
	var preferred Parameter
	for _, p := range a.Parameters() {
		if !p.Deprecated {
			preferred = p
		}
		if p.Name == name {
			return preferred, true
		}
	}
	return Parameter{}, false
}

// Name returns what the agent calls a parameter of the plugin. A fence agent has the
// names of other agents where there is one, as username for userid; the plugin's own
// one then stands behind it, as deprecated.
func (a Agent) Name(own string) string {
	if preferred, known := a.Preferred(own); known {
		return preferred.Name
	}
	return own
}

// Own returns the plugin's parameter of that name, which may be its own one or the
// one that its fence agent has for it.
func (p Plugin) Own(name string) (Parameter, bool) {
	agent := Agent{p, FenceAgent}
	for _, own := range (Agent{p, External}).Parameters() {
		if own.Name == name || agent.Name(own.Name) == name {
			return own, true
		}
	}
	return Parameter{}, false
}

// Timeout returns the time limit of a call, where none is set.
func (p Plugin) Timeout() time.Duration { return p.limit("timeout") }

// StatusTimeout returns the time limit of a call that only looks, where none is set.
func (p Plugin) StatusTimeout() time.Duration { return p.limit("status_timeout") }

func (p Plugin) limit(name string) time.Duration {
	parameter, _ := p.Own(name)
	limit, err := time.ParseDuration(parameter.Content.Default)
	if err != nil {
		panic(fmt.Errorf("%s of %s: %w", name, p, err))
	}
	return limit
}

// Secret reports whether the plugin's own parameter is a secret by itself.
func Secret(own string) bool {
	return own == "passwd" || own == "kg"
}

// PerNode reports whether the plugin's own parameter has entries node=value, none of
// which may be for a node that is not in the hostlist.
func PerNode(own string) bool {
	return own == "vm_uuid" || own == "bmc_guid"
}

// Credentials returns the plugin's own parameters of which it needs one to log in, the
// one to be preferred first, or none if it can do without.
func (p Plugin) Credentials() []string {
	switch p {
	case Xenapi:
		return []string{"passwd_file", "passwd_script", "passwd"}
	case IPMI:
		return []string{"passwd_file", "nodes_file", "passwd"}
	case Xen: // a key of ssh, which has its usual place
	}
	return nil
}
