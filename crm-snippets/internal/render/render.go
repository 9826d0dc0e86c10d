// Package render writes a plan in the words of the tools that load it. It is pure, and
// equal plans give equal texts.
package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// A Format is what a text is written for.
type Format string

// The formats.
const (
	// CRM is for crm configure load update.
	CRM Format = "crm"
	// PCS is a list of commands of pcs.
	PCS Format = "pcs"
	// Cibadmin is XML of the schema of Pacemaker 2 and 3, for cibadmin.
	Cibadmin Format = "cibadmin"
	// Heartbeat is XML of Heartbeat 2, as of 2007, for its cibadmin.
	Heartbeat Format = "heartbeat"
	// ClusterConf is the configuration file of cman and fenced.
	ClusterConf Format = "cluster.conf"
)

// Formats returns all formats.
func Formats() []Format { return []Format{CRM, PCS, Cibadmin, Heartbeat, ClusterConf} }

// An Output is a rendered plan.
type Output struct {
	Text string
	// Notes say what of the plan the format has no counterpart for, and what else loading
	// it changes, a line each.
	Notes []string
}

// Render writes the plan in a format. It is an error if what the format cannot say
// would change who is fenced by what, or if loading it would show secrets.
func Render(format Format, p *plan.Plan) (Output, error) {
	if (format == Heartbeat || format == ClusterConf) && len(p.Remote) > 0 {
		return Output{}, fmt.Errorf("node %q: %s knows no remote nodes", p.Remote[0], format)
	}
	switch format {
	case CRM:
		return crm(p), nil
	case PCS:
		return pcs(p)
	case Cibadmin:
		return Output{Text: cibadmin(p)}, nil
	case Heartbeat:
		return heartbeat(p)
	case ClusterConf:
		return clusterConf(p)
	}
	return Output{}, fmt.Errorf("unknown format %q, want one of %s", format, Join(Formats()))
}

// Join returns the formats with commas between them.
func Join(formats []Format) string {
	var words []string
	for _, f := range formats {
		words = append(words, string(f))
	}
	return strings.Join(words, ", ")
}

// comments returns lines with a sign before each.
func comments(sign string, lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.TrimRight(sign+" "+line, " ") + "\n")
	}
	return text.String()
}

// locationsOf returns the rules of a resource.
func locationsOf(c plan.Configuration, resource string) []plan.Location {
	return slices.DeleteFunc(slices.Clone(c.Locations), func(l plan.Location) bool { return l.Resource != resource })
}
