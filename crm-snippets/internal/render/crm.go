package render

import (
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// crm returns what crm configure load update reads.
func crm(p *plan.Plan) Output {
	var out Output
	c := p.Configuration()
	var text strings.Builder
	text.WriteString(comments("#", p.Comment))
	statement(&text, append([]string{"property"}, crmPairs(c.Properties)...)...)
	for _, resource := range c.Resources {
		text.WriteString("\n# " + resource.Comment + "\n")
		crmResource(&text, resource)
		for _, l := range locationsOf(c, resource.ID) {
			crmLocation(&text, l)
		}
	}
	if topology := crmTopology(c.Levels); len(topology) > 0 {
		text.WriteString("\n" + comments("#", []string{"loaded, it replaces the levels of all nodes, also of those that are not here"}))
		statement(&text, append([]string{"fencing_topology"}, topology...)...)
		out.Notes = append(out.Notes, "crm has one fencing topology: to load this takes away the levels of all nodes that are not described here, which crm-snippets install leaves alone")
	}
	out.Text = text.String()
	return out
}

// Statements returns the statements of a configuration, for crm configure load update.
// They are without comments, which crm would keep in the cluster, and without levels:
// crm has one fencing topology, and would replace that of other nodes.
func Statements(c plan.Configuration) string {
	var text strings.Builder
	if len(c.Properties) > 0 {
		statement(&text, append([]string{"property"}, crmPairs(c.Properties)...)...)
	}
	for _, resource := range c.Resources {
		crmResource(&text, resource)
	}
	for _, l := range c.Locations {
		crmLocation(&text, l)
	}
	return text.String()
}

func crmResource(text *strings.Builder, r plan.Resource) {
	parts := []string{
		"primitive " + r.ID + " stonith:" + r.Type,
		"params " + strings.Join(crmPairs(r.Parameters), " "),
	}
	for _, op := range r.Operations {
		parts = append(parts, "op "+op.Name+" interval="+op.Interval+" timeout="+op.Timeout)
	}
	statement(text, parts...)
}

func crmLocation(text *strings.Builder, l plan.Location) {
	statement(text, "location "+l.ID+" "+l.Resource+" -inf: "+l.Node)
}

// statement writes one, with a part on each line.
func statement(text *strings.Builder, parts ...string) {
	text.WriteString(strings.Join(parts, " \\\n\t") + "\n")
}

// crmTopology returns for each node its levels, with blanks between them, and commas
// between the resources of a level.
func crmTopology(levels []plan.Level) []string {
	var nodes []string
	for _, level := range levels {
		if level.Index == 1 {
			nodes = append(nodes, level.Node+":")
		}
		nodes[len(nodes)-1] += " " + strings.Join(level.Resources, ",")
	}
	return nodes
}

// crmPairs returns name=value of each, quoted where crm would read it otherwise.
func crmPairs(parameters []plan.Parameter) []string {
	var pairs []string
	for _, p := range parameters {
		pairs = append(pairs, p.Name+"="+crmQuote(p.Value))
	}
	return pairs
}

func crmQuote(value string) string {
	if plainWord(value) {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// plainWord reports whether a value needs no quotes, in crm as in a shell.
func plainWord(value string) bool {
	return value != "" && strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@,+=") == ""
}
