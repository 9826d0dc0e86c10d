package stonith

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A PerNode is a Value with a text for each of some nodes.
type PerNode struct {
	// Form is what a text is called, as in node=Form.
	Form string
	// Parse returns a text in its normal form, and whether it is one at all.
	Parse func(text string) (normal string, ok bool)

	texts map[string]string // by node in lower case
}

// Set parses entries node=text, separated by blanks, commas or semicolons. It reports
// every mistake of the list.
func (p *PerNode) Set(text string) error {
	p.texts = map[string]string{}
	var mistakes []string
	for _, entry := range SplitList(text) {
		node, its, _ := strings.Cut(entry, "=")
		normal, ok := p.Parse(its)
		node = strings.ToLower(node)
		switch {
		case !ok || node == "":
			mistakes = append(mistakes, fmt.Sprintf("%q is not of the form node=%s", entry, p.Form))
		case p.texts[node] != "":
			mistakes = append(mistakes, fmt.Sprintf("node %q is listed twice", node))
		}
		p.texts[node] = normal
	}
	if len(mistakes) > 0 {
		return errors.New(strings.Join(mistakes, "; "))
	}
	return nil
}

// String returns the entries, separated by blanks.
func (p *PerNode) String() string {
	var entries []string
	for _, node := range slices.Sorted(maps.Keys(p.texts)) {
		entries = append(entries, node+"="+p.texts[node])
	}
	return strings.Join(entries, " ")
}

// Type is string.
func (p *PerNode) Type() string { return "string" }

// ByName returns the texts by the nodes' names. An entry for none of nodes is a
// mistake in the parameter param.
func (p *PerNode) ByName(param string, nodes []Node) (map[string]string, error) {
	texts := map[string]string{}
	known := map[string]bool{}
	for _, n := range nodes {
		node := strings.ToLower(n.Name)
		known[node] = true
		if text := p.texts[node]; text != "" {
			texts[n.Name] = text
		}
	}
	var mistakes []error
	for _, node := range slices.Sorted(maps.Keys(p.texts)) {
		if !known[node] {
			mistakes = append(mistakes, Errorf(BadConfig, "%s: %q is not a node of hostlist", param, node))
		}
	}
	return texts, errors.Join(mistakes...)
}
