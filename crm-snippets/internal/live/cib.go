package live

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// A CIB is a cluster's configuration and state, as it was read.
type CIB struct {
	text []byte
	root *Element
}

// An Element is one of a CIB. Comments and the text between elements are left out: the
// cluster does not look at them.
type Element struct {
	Name     string
	Parent   *Element
	Children []*Element

	attributes []xml.Attr
	// start and end are where in the text it is.
	start, end int64
}

// ReadCIB reads a CIB. Its errors name the file, line and column.
func ReadCIB(file string, text []byte) (*CIB, error) {
	root, err := readElements(file, text)
	if err != nil {
		return nil, err
	}
	if root.Name != "cib" || root.Child("configuration") == nil {
		return nil, fmt.Errorf("%s: this is no CIB: want an element cib with a configuration", file)
	}
	return &CIB{text: text, root: root}, nil
}

// readElements returns the outermost element of an XML text.
func readElements(file string, text []byte) (*Element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	mistake := func(what string) error {
		line, column := decoder.InputPos()
		return fmt.Errorf("%s:%d:%d: %s", file, line, column, what)
	}
	outside := &Element{}
	at := outside
	for {
		start := decoder.InputOffset()
		token, err := decoder.Token()
		var syntax *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF) && len(outside.Children) == 1:
			root := outside.Children[0]
			root.Parent = nil
			return root, nil
		case errors.Is(err, io.EOF):
			return nil, mistake(fmt.Sprintf("this is no XML: want one outermost element, and there are %d", len(outside.Children)))
		case errors.As(err, &syntax):
			return nil, mistake(syntax.Msg)
		case err != nil:
			return nil, mistake(err.Error())
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &Element{Name: token.Name.Local, Parent: at, attributes: token.Attr, start: start}
			at.Children = append(at.Children, e)
			at = e
		case xml.EndElement:
			at.end = decoder.InputOffset()
			at = at.Parent
		}
	}
}

// Attribute returns the value of an attribute, and "" if there is none.
func (e *Element) Attribute(name string) string {
	for _, a := range e.attributes {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// Child returns the first child of that name, and nil if there is none.
func (e *Element) Child(name string) *Element {
	for _, child := range e.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// All returns the element's descendants of that name, or all if the name is empty.
func (e *Element) All(name string) iter.Seq[*Element] {
	return func(yield func(*Element) bool) { e.walk(name, yield) }
}

func (e *Element) walk(name string, yield func(*Element) bool) bool {
	for _, child := range e.Children {
		if (name == "" || child.Name == name) && !yield(child) {
			return false
		}
		if !child.walk(name, yield) {
			return false
		}
	}
	return true
}

// String returns the element in one line, for comparison: equal elements have equal ones.
func (e *Element) String() string {
	var text strings.Builder
	text.WriteString("<" + e.Name)
	for _, a := range sortedAttributes(e) {
		fmt.Fprintf(&text, " %s=%q", a.Name.Local, a.Value)
	}
	text.WriteString(">")
	for _, child := range e.Children {
		text.WriteString(child.String())
	}
	return text.String() + "</" + e.Name + ">"
}

// Configuration is the part of the CIB that an administrator writes.
func (c *CIB) Configuration() *Element { return c.root.Child("configuration") }

// configurationText returns the configuration as it was read.
func (c *CIB) configurationText() []byte {
	e := c.Configuration()
	return c.text[e.start:e.end]
}

// Schema returns the name of the schema that the CIB says it follows.
func (c *CIB) Schema() string { return c.root.Attribute("validate-with") }

// Text returns the CIB as it was read.
func (c *CIB) Text() []byte { return c.text }

// Find returns the element of the configuration with an id, and nil if there is none.
func (c *CIB) Find(id string) *Element {
	for e := range c.Configuration().All("") {
		if e.Attribute("id") == id {
			return e
		}
	}
	return nil
}

// Property returns the pair of a property of the cluster, and nil if it is not set.
func (c *CIB) Property(name string) *Element {
	for set := range c.Configuration().All("cluster_property_set") {
		for pair := range set.All("nvpair") {
			if pair.Attribute("name") == name {
				return pair
			}
		}
	}
	return nil
}

// Level returns the level with an index of a node's fencing, and nil if there is none.
func (c *CIB) Level(node, index string) *Element {
	for level := range c.Configuration().All("fencing-level") {
		if strings.EqualFold(level.Attribute("target"), node) && level.Attribute("index") == index {
			return level
		}
	}
	return nil
}
