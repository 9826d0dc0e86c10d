package stonith

import (
	"fmt"
	"slices"
	"strings"
)

// metadata is the answer of the action metadata, valid by the schema of fence-agents
// (metadata.rng in its lib): the order of the elements is its. Of the names for a node
// only plug is told, since Pacemaker 2.1 would prefer port.
func (c *call) metadata() string {
	var x strings.Builder
	fmt.Fprintf(&x, "<?xml version=\"1.0\" ?>\n<resource-agent name=\"%s\" shortdesc=\"%s\">\n", c.Agent.Name, escape("Fence agent: "+c.Title))
	fmt.Fprintf(&x, "<longdesc>%s</longdesc>\n<vendor-url>%s</vendor-url>\n<parameters>\n", escape(c.Description), escape(c.URL))
	for _, p := range c.agentParams() {
		attributes := `required="0"`
		if p.Required {
			attributes = `required="1"`
		}
		x.WriteString(c.agentParamXML(p, attributes))
		for _, name := range append(p.Aliases, c.foreignNames(p, true)...) {
			old := Param{Name: name, Value: new(Text), Short: "Now " + p.Name}
			x.WriteString(c.agentParamXML(old, `required="0" deprecated="1"`))
		}
	}
	x.WriteString("</parameters>\n<actions>\n")
	for _, a := range c.actions() {
		automatic := ""
		if a == actionOn {
			automatic = " automatic=\"0\""
		}
		fmt.Fprintf(&x, "<action name=\"%s\"%s/>\n", a, automatic)
	}
	x.WriteString("</actions>\n</resource-agent>\n")
	return x.String()
}

// agentParamXML renders one parameter.
func (c *call) agentParamXML(p Param, attributes string) string {
	return fmt.Sprintf("<parameter name=\"%s\" unique=\"0\" %s>\n<getopt mixed=\"%s\"/>\n%s<shortdesc lang=\"en\">%s</shortdesc>\n</parameter>\n",
		p.Name, attributes, escape(c.getopt(p)), agentContentXML(p.Value), escape(p.Short))
}

// agentParams are the parameters that the metadata and the man page have: those of
// all agents, and ours.
func (c *call) agentParams() []Param {
	act, plug, delay := Text(actionReboot), new(Text), new(Duration)
	params := []Param{
		{Name: "action", Value: &act, Required: true, Short: "Fencing action", Long: "What is to be done: " + joinWords(c.actions()) + "; or check, for people."},
		{Name: "plug", Value: plug, Short: "Node, or what the device knows it by", Long: fmt.Sprintf("A node of hostlist, or its %s. Without hostlist it is the only node.", c.Plug.Word)},
		{Name: "delay", Value: delay, Short: "Time before off and reboot", Long: "Waited before the device is contacted, and before timeout begins: where two nodes would fence each other, the one without delay wins. The cluster's time-out must have room for it."},
	}
	for _, p := range c.params() {
		p.Required = false // it may be given by another name
		if p.Agent != "" {
			p.Aliases = slices.DeleteFunc(p.names(), func(name string) bool { return name == p.Agent })
			p.Name = p.Agent
		}
		p.Aliases = append(p.Aliases, c.foreignNames(p, false)...)
		params = append(params, p)
	}
	return params
}

// foreignNames are the parameters of other agents that become p: with the values that p
// takes, or with values that are turned into such.
func (c *call) foreignNames(p Param, turned bool) []string {
	var names []string
	for _, f := range c.foreign() {
		if slices.Contains(p.names(), f.Becomes) && !slices.Contains(p.names(), f.Name) && turned == (f.Turn != nil) {
			names = append(names, f.Name)
		}
	}
	return names
}

// getopt is how a parameter is given as an option.
func (c *call) getopt(p Param) string {
	name := strings.ReplaceAll(p.Name, "_", "-")
	for _, o := range c.options() {
		if o.name == name && o.letter != "" {
			return fmt.Sprintf("-%s, --%s=[value]", o.letter, name)
		}
	}
	return fmt.Sprintf("--%s=[value]", name)
}

// agentContentXML is contentXML in the words of fence-agents' schema, which has second for time.
func agentContentXML(v Value) string {
	return strings.Replace(contentXML(v), `type="time"`, `type="second"`, 1)
}

// agentHelp is what --help prints.
func (p Plugin) agentHelp() string {
	c := p.newCall(Process{}, report{})
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n\n%s\n\nWithout options, lines name=value are read from standard input.\n\n", p.Agent.Name, p.Title, p.Description)
	for _, param := range c.agentParams() {
		fmt.Fprintf(&text, "  %-34s %s%s\n", c.getopt(param), param.Short, param.note())
	}
	text.WriteString("\nExit status: 0 success (of status: the node is on), 2 of status: the node is off, 1 anything else.")
	return text.String()
}

// manDate is when the man pages were last changed.
const manDate = "2026-11-21"

// manpage is the answer of the action manpage, in the language of man(7).
func (c *call) manpage() string {
	var m strings.Builder
	name := strings.ToUpper(c.Agent.Name)
	fmt.Fprintf(&m, ".TH %s 8 %s \"stonith\\-plugins\" \"Fence agents\"\n", name, manDate)
	fmt.Fprintf(&m, ".SH NAME\n%s \\- %s\n", roff(c.Agent.Name), roff("fence agent: "+c.Title))
	fmt.Fprintf(&m, ".SH SYNOPSIS\n.B %s\n[\\fIoption\\fR ...]\n", roff(c.Agent.Name))
	fmt.Fprintf(&m, ".SH DESCRIPTION\n%s\n.PP\nWithout options, lines \\fIname\\fR=\\fIvalue\\fR are read from standard input.\n", roff(c.Description))
	m.WriteString(".SH PARAMETERS\n")
	for _, p := range c.agentParams() {
		fmt.Fprintf(&m, ".TP\n.B %s\n%s\n", roff(c.getopt(p)), roff(p.long()))
		if text := p.Value.String(); text != "" {
			fmt.Fprintf(&m, "Default: %s.\n", roff(text))
		}
	}
	m.WriteString(".SH EXIT STATUS\n0: success; of status: the node is on. 2: of status: the node is off. 1: anything else. ")
	m.WriteString("A success of off and reboot is a node that was seen off.")
	if slices.Contains(c.parameterNames(), "method") {
		m.WriteString(" With method=hard, that of reboot is a request that was accepted.")
	}
	m.WriteString("\n")
	return m.String()
}

// roff makes text safe for roff.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
