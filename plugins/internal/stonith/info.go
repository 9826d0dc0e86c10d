package stonith

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// info returns the answer of a verb that needs no configuration.
func (c *call) info() string {
	switch c.request.verb {
	case verbGetConfigNames:
		return c.names()
	case verbGetInfoDevID:
		return c.Title + "\n"
	case verbGetInfoDevName:
		return "external/" + c.Name + "\n"
	case verbGetInfoDevDescr:
		return c.Description + "\n"
	case verbGetInfoDevURL:
		return c.URL + "\n"
	case verbGetInfoXML:
		return parametersXML(c.params())
	case verbGetHosts, verbOn, verbOff, verbReset, verbStatus, verbCheck:
	}
	return ""
}

func (c *call) names() string {
	var names strings.Builder
	for _, p := range c.params() {
		fmt.Fprintln(&names, p.Name)
	}
	return names.String()
}

// parametersXML renders params in the form that is valid in both ocf-1.0.rng and
// ocf-1.1.rng of pcs. unique is always 0: pcs would refuse a second device with
// an equal value.
func parametersXML(params []Param) string {
	var x strings.Builder
	x.WriteString("<parameters>\n")
	for _, p := range params {
		required := 0
		if p.Required {
			required = 1
		}
		fmt.Fprintf(&x, "<parameter name=\"%s\" unique=\"0\" required=\"%d\">\n", p.Name, required)
		x.WriteString(contentXML(p.Value))
		fmt.Fprintf(&x, "<shortdesc lang=\"en\">%s</shortdesc>\n", escape(p.Short))
		fmt.Fprintf(&x, "<longdesc lang=\"en\">%s</longdesc>\n", escape(p.long()))
		x.WriteString("</parameter>\n")
	}
	x.WriteString("</parameters>\n")
	return x.String()
}

func contentXML(v Value) string {
	attributes := fmt.Sprintf("type=\"%s\"", v.Type())
	if text := v.String(); text != "" {
		attributes += fmt.Sprintf(" default=\"%s\"", escape(text))
	}
	choice, ok := v.(*Choice)
	if !ok {
		return "<content " + attributes + "/>\n"
	}
	var x strings.Builder
	fmt.Fprintf(&x, "<content %s>\n", attributes)
	for _, word := range choice.Words {
		fmt.Fprintf(&x, "<option value=\"%s\"/>\n", escape(word))
	}
	x.WriteString("</content>\n")
	return x.String()
}

func escape(text string) string {
	var x strings.Builder
	_ = xml.EscapeText(&x, []byte(text)) // a strings.Builder takes everything
	return x.String()
}

// long returns the long description, with the other names.
func (p Param) long() string {
	if len(p.Aliases) == 0 {
		return p.Long
	}
	return fmt.Sprintf("%s Also taken as %s.", p.Long, strings.Join(p.Aliases, " or "))
}

// entry says what an entry of hostlist with a plug is.
func (s PlugSyntax) entry() string {
	if s.Apart {
		return fmt.Sprintf("node:%[1]s with its %[1]s", s.Word)
	}
	return fmt.Sprintf("node:%s where the device knows it by another name", s.Word)
}

// note says what hostlist makes of the other names.
func (s PlugSyntax) note() string {
	if len(s.Names) == 0 {
		return ""
	}
	return fmt.Sprintf(" A %s that is set as %s, as other agents have it, must be in the list.", s.Word, strings.Join(s.Names, ", "))
}

// helpText is what --help says above the verbs.
func (p Plugin) helpText() string {
	c := p.newCall(Process{}, report{})
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n%s\n\nParameters:\n", p.Title, p.Description)
	for _, param := range c.params() {
		fmt.Fprintf(&text, "  %-16s %s%s\n", param.Name, param.Short, param.note())
	}
	text.WriteString("\nExit status: 0 success, 1 anything else. A success of off and reset is a node that was seen off.")
	return text.String()
}

// note says whether a parameter is required, or what it is without being set, and its other names.
func (p Param) note() string {
	note := ""
	switch text := p.Value.String(); {
	case p.Required:
		note = " (required)"
	case text != "":
		note = " (" + text + ")"
	}
	if len(p.Aliases) > 0 {
		note += "; also taken as " + strings.Join(p.Aliases, " or ")
	}
	return note
}
