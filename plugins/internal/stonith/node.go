package stonith

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Node is one cluster member that the device can switch.
type Node struct {
	// Name is the name that the cluster uses, in the configured spelling.
	Name string
	// Plug is what the device knows the node by. Without one in hostlist it is Name,
	// or "" if the PlugSyntax is Apart.
	Plug string
}

// A PlugSyntax says what stands behind the colon of a hostlist entry node:plug.
type PlugSyntax struct {
	// Word names it in texts, for example "guest".
	Word string
	// Check says what is wrong with a plug.
	Check func(plug string) error
	// Apart says that a plug is nothing that could be called as a node is.
	Apart bool
	// Names are those under which other programs for such devices are given the
	// plug of their only node. hostlist says it here: they may only agree with it.
	Names []string
}

// hostList is the Value of the parameter hostlist.
type hostList struct {
	syntax PlugSyntax
	nodes  []Node
}

// nodeName holds what Pacemaker's reader of gethosts lets through
// (parse_host_line in its lib/fencing); it drops what is not of this form.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// Set parses entries node or node:plug, separated by blanks, commas or
// semicolons. It reports every mistake of the list.
func (h *hostList) Set(text string) error {
	var mistakes []string
	for _, entry := range SplitList(text) {
		if err := h.add(entry); err != nil {
			mistakes = append(mistakes, err.Error())
		}
	}
	if len(h.nodes) == 0 && len(mistakes) == 0 {
		return fmt.Errorf("names no node")
	}
	if len(mistakes) > 0 {
		return fmt.Errorf("%s", strings.Join(mistakes, "; "))
	}
	return nil
}

func (h *hostList) add(entry string) error {
	name, plug, mapped := strings.Cut(entry, ":")
	if !mapped && !h.syntax.Apart {
		plug = name
	}
	if err := checkNodeName(name); err != nil {
		return err
	}
	if mapped && plug == "" {
		return fmt.Errorf("node %q: no %s behind the colon", name, h.syntax.Word)
	}
	if plug != "" {
		if err := h.syntax.Check(plug); err != nil {
			return fmt.Errorf("node %q: %w", name, err)
		}
	}
	for _, other := range h.nodes {
		if strings.EqualFold(other.Name, name) {
			return fmt.Errorf("node %q is listed twice", name)
		}
		if plug != "" && other.Plug == plug {
			return fmt.Errorf("nodes %q and %q are both %s %q", other.Name, name, h.syntax.Word, plug)
		}
	}
	h.nodes = append(h.nodes, Node{Name: name, Plug: plug})
	return nil
}

func checkNodeName(name string) error {
	if !nodeName.MatchString(name) {
		return fmt.Errorf("%q is not a node name, want letters, digits, '.', '_' and '-'", name)
	}
	if lower := strings.ToLower(name); lower == "on" || lower == "off" ||
		strings.Contains(lower, "invalid") || strings.Contains(lower, "variable") {
		return fmt.Errorf("node name %q is one that Pacemaker drops from a device's list", name)
	}
	return nil
}

// String returns the entries, separated by blanks.
func (h *hostList) String() string {
	entries := make([]string, 0, len(h.nodes))
	for _, n := range h.nodes {
		if n.Plug != "" && n.Plug != n.Name {
			n.Name += ":" + n.Plug
		}
		entries = append(entries, n.Name)
	}
	return strings.Join(entries, " ")
}

// Type is string.
func (h *hostList) Type() string { return "string" }

// oneNode is the Value of a parameter that takes hostlist's place where there is one node.
type oneNode struct{ *hostList }

// Set takes one node, if hostlist has none.
func (o oneNode) Set(text string) error {
	if len(o.nodes) > 0 {
		return fmt.Errorf("hostlist is set as well, want one of both")
	}
	return o.add(text)
}

// String returns nothing: no node is the default.
func (o oneNode) String() string { return "" }

// find returns the configured node of that name. Case does not count, since
// cluster-glue lower-cases the name on its way to the plugin.
func (h *hostList) find(name string) (Node, error) {
	i := slices.IndexFunc(h.nodes, func(n Node) bool { return strings.EqualFold(n.Name, name) })
	if i < 0 {
		return Node{}, Errorf(WrongTarget, "not a node of this device, hostlist has %s", h).
			WithHint("add the node to hostlist, or ask the device that has it")
	}
	return h.nodes[i], nil
}

// named returns the configured node of that name, or else the one with that plug.
func (h *hostList) named(text string) (Node, bool) {
	if n, err := h.find(text); err == nil {
		return n, true
	}
	return h.withPlug(text)
}

// withPlug returns the configured node with that plug.
func (h *hostList) withPlug(text string) (Node, bool) {
	i := slices.IndexFunc(h.nodes, func(n Node) bool { return n.Plug != "" && n.Plug == text })
	if i < 0 {
		return Node{}, false
	}
	return h.nodes[i], true
}

// SplitList splits a list at blanks, commas and semicolons.
func SplitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
}

// runsOn reports whether node is the machine of that host name. Names are equal
// without regard to case, and a short name equals a full one with its first label.
func (n Node) runsOn(hostname string) bool {
	if strings.EqualFold(n.Name, hostname) {
		return true
	}
	short, _, full := strings.Cut(hostname, ".")
	nodeShort, _, nodeFull := strings.Cut(n.Name, ".")
	return full != nodeFull && strings.EqualFold(short, nodeShort)
}
