package live

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
)

// A CIB is a cluster's configuration and state, as it was read.
type CIB struct {
	text    []byte
	root    *cib.Element
	parents map[*cib.Element]*cib.Element
}

// ReadCIB reads a CIB. Its errors name the file, line and column.
func ReadCIB(file string, text []byte) (*CIB, error) {
	roots, err := cib.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	if len(roots) != 1 || roots[0].Name != "cib" || child(roots[0], "configuration") == nil {
		return nil, fmt.Errorf("%s: this is no CIB: want one element cib with a configuration", file)
	}
	c := &CIB{text: text, root: roots[0], parents: map[*cib.Element]*cib.Element{}}
	for _, e := range c.root.All() {
		for _, child := range e.Children {
			c.parents[child] = e
		}
	}
	return c, nil
}

// child returns the first child of that name, and nil if there is none.
func child(e *cib.Element, name string) *cib.Element {
	i := slices.IndexFunc(e.Children, func(c *cib.Element) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return e.Children[i]
}

// Within returns those below an element that have a name.
func Within(e *cib.Element, name string) []*cib.Element {
	return slices.DeleteFunc(e.All()[1:], func(below *cib.Element) bool { return below.Name != name })
}

// oneLine returns an element for comparison: equal elements have equal lines.
func oneLine(e *cib.Element) string {
	var text strings.Builder
	text.WriteString("<" + e.Name)
	for _, a := range slices.SortedFunc(slices.Values(e.Attributes), func(a, b cib.Attribute) int { return cmp.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(&text, " %s=%q", a.Name, a.Value)
	}
	text.WriteString(">")
	for _, child := range e.Children {
		text.WriteString(oneLine(child))
	}
	return text.String() + "</" + e.Name + ">"
}

// configuration is the part of the CIB that an administrator writes.
func (c *CIB) configuration() *cib.Element { return child(c.root, "configuration") }

// configurationText returns the configuration as it was read, with its comments.
func (c *CIB) configurationText() []byte {
	decoder := xml.NewDecoder(bytes.NewReader(c.text))
	var start int64
	for depth := 0; ; {
		at := decoder.InputOffset()
		token, err := decoder.Token()
		if err != nil {
			return nil // it was read before
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 && token.Name.Local == "configuration" {
				start = at
			}
		case xml.EndElement:
			if depth--; depth == 1 && token.Name.Local == "configuration" {
				return c.text[start:decoder.InputOffset()]
			}
		}
	}
}

// All returns the elements of the configuration that have a name.
func (c *CIB) All(name string) []*cib.Element { return Within(c.configuration(), name) }

// Parent returns what an element is in.
func (c *CIB) Parent(e *cib.Element) *cib.Element { return c.parents[e] }

// Schema returns the name of the schema that the CIB says it follows.
func (c *CIB) Schema() string { return c.root.Get("validate-with") }

// Text returns the CIB as it was read.
func (c *CIB) Text() []byte { return c.text }

// Property returns the pair of a property of the cluster, and nil if it is not set.
func (c *CIB) Property(name string) *cib.Element {
	for _, set := range c.All("cluster_property_set") {
		for _, pair := range Within(set, "nvpair") {
			if pair.Get("name") == name {
				return pair
			}
		}
	}
	return nil
}

// Level returns the level with an index of a node's fencing, and nil if there is none.
func (c *CIB) Level(node, index string) *cib.Element {
	for _, level := range c.All("fencing-level") {
		if strings.EqualFold(level.Get("target"), node) && level.Get("index") == index {
			return level
		}
	}
	return nil
}
