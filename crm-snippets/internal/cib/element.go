// Package cib reads what a cluster has: the configuration of Pacemaker (a CIB), that
// of Heartbeat 2, which had the first CIB, and the cluster.conf of cman. It is pure.
//
// [Parse] gives the elements with their places. [ReadConfiguration] and [ReadCluster]
// give what they say of fencing, and what is left: nothing of the fencing part is lost
// without a word.
package cib

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits on what is read. The CIB of a big cluster has some hundred thousand bytes.
const (
	// MaxSize is the number of bytes that a text may have.
	MaxSize  = 16 << 20
	maxDepth = 100
)

// A Place is where something begins in a text, both counted from 1, and columns in
// bytes.
type Place struct{ Line, Column int }

// An Element is one of XML, without its text: a CIB has none that counts.
type Element struct {
	Name       string
	Attributes []Attribute
	Children   []*Element
	// Parent is nil of an outermost element.
	Parent *Element
	Place  Place
	// Start and End are where in the text it is, in bytes.
	Start, End int64

	// read says that the element and these attributes have been understood.
	read           bool
	readAttributes map[string]bool
}

// An Attribute is one of an element.
type Attribute struct{ Name, Value string }

// Get returns the value of an attribute, or "" if the element has none of that name.
func (e *Element) Get(name string) string {
	for _, a := range e.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// All returns the element and all below it, in the order of the text.
func (e *Element) All() []*Element {
	all := []*Element{e}
	for _, child := range e.Children {
		all = append(all, child.All()...)
	}
	return all
}

// Child returns the first child of that name, or nil.
func (e *Element) Child(name string) *Element {
	for _, child := range e.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// Named returns the elements of that name below the element, in the order of the text.
func (e *Element) Named(name string) []*Element {
	var its []*Element
	for _, each := range e.All()[1:] {
		if each.Name == name {
			its = append(its, each)
		}
	}
	return its
}

// Line returns the element with all below it in one line, for comparison: elements that
// say the same have equal ones.
func (e *Element) Line() string {
	var text strings.Builder
	text.WriteString("<" + e.Name)
	for _, a := range slices.SortedFunc(slices.Values(e.Attributes), func(a, b Attribute) int { return cmp.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(&text, " %s=%q", a.Name, a.Value)
	}
	text.WriteString(">")
	for _, child := range e.Children {
		text.WriteString(child.Line())
	}
	return text.String() + "</" + e.Name + ">"
}

// Find returns the element with that id, which may be the element itself, or nil.
func (e *Element) Find(id string) *Element {
	if e.Get("id") == id {
		return e
	}
	for _, child := range e.Children {
		if found := child.Find(id); found != nil {
			return found
		}
	}
	return nil
}

// Parse returns the outermost elements of a text: one, or several if it is made of
// pieces, as cibadmin takes them. Its errors have line and column, and nothing of the
// text but names of elements: there may be secrets in it.
func Parse(text []byte) ([]*Element, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("more than %d bytes are no cluster's configuration", MaxSize)
	}
	p := parser{decoder: xml.NewDecoder(bytes.NewReader(text))}
	for {
		var at Place
		at.Line, at.Column = p.decoder.InputPos()
		start := p.decoder.InputOffset()
		token, err := p.decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && len(p.roots) == 0:
			return nil, fmt.Errorf("%d:%d: no XML in it", at.Line, at.Column)
		case errors.Is(err, io.EOF):
			return p.roots, nil
		case err != nil:
			at.Line, at.Column = p.decoder.InputPos()
			return nil, fmt.Errorf("%d:%d: broken XML: %s", at.Line, at.Column, syntaxText(err))
		}
		if err := p.add(token, at, start); err != nil {
			return nil, fmt.Errorf("%d:%d: %w", at.Line, at.Column, err)
		}
	}
}

// A parser puts tokens together.
type parser struct {
	decoder *xml.Decoder
	roots   []*Element
	open    []*Element
}

func (p *parser) add(token xml.Token, at Place, start int64) error {
	switch token := token.(type) {
	case xml.StartElement:
		if len(p.open) == maxDepth {
			return fmt.Errorf("more than %d elements in one another are no cluster's configuration", maxDepth)
		}
		e := &Element{Name: token.Name.Local, Place: at, Start: start}
		for _, a := range token.Attr {
			if slices.ContainsFunc(e.Attributes, func(other Attribute) bool { return other.Name == a.Name.Local }) {
				return fmt.Errorf("broken XML: element <%s> has the attribute %s twice", e.Name, a.Name.Local)
			}
			e.Attributes = append(e.Attributes, Attribute{a.Name.Local, a.Value})
		}
		if n := len(p.open); n > 0 {
			e.Parent = p.open[n-1]
			e.Parent.Children = append(e.Parent.Children, e)
		} else {
			p.roots = append(p.roots, e)
		}
		p.open = append(p.open, e)
	case xml.EndElement:
		last := len(p.open) - 1
		p.open[last].End = p.decoder.InputOffset()
		p.open = p.open[:last]
	case xml.CharData:
		if len(p.open) == 0 && len(bytes.TrimSpace(token)) > 0 {
			return errors.New("broken XML: text that is in no element")
		}
	}
	return nil
}

// syntaxText returns what is wrong. The decoder quotes the text in some cases, and it
// may be a password with a sign in it that XML has a meaning for.
func syntaxText(err error) string {
	var syntax *xml.SyntaxError
	if !errors.As(err, &syntax) {
		return "it is not in UTF-8"
	}
	if strings.HasPrefix(syntax.Msg, "element <") {
		return syntax.Msg
	}
	for _, known := range []struct{ begins, text string }{
		{"invalid character entity", "a & that begins no entity: write &amp;"},
		{"unescaped < inside", "a < in an attribute: write &lt;"},
		{"unexpected EOF", "the text ends in the middle"},
		{"unexpected end element", "an element ends that has not begun"},
		{"illegal character code", "a character that XML cannot have"},
		{"invalid UTF-8", "it is not in UTF-8"},
		{"attribute name without =", "an attribute without ="},
		{"unquoted or missing attribute value", "an attribute's value without quotes"},
		{"expected element name", "a < that begins no element: write &lt;"},
		{"invalid sequence \"--\"", "two dashes in a comment"},
		{"unsupported version", "its version of XML is not 1.0"},
	} {
		if strings.HasPrefix(syntax.Msg, known.begins) {
			return known.text
		}
	}
	return "this is no XML"
}

// take returns an attribute, which counts as read.
func (e *Element) take(name string) string {
	e.mark()
	e.readAttributes[name] = true
	return e.Get(name)
}

// mark says that the element has been understood, but for its attributes.
func (e *Element) mark() {
	e.read = true
	if e.readAttributes == nil {
		e.readAttributes = map[string]bool{"id": true}
	}
}

// markAll says that the element counts as read, with all below it.
func (e *Element) markAll() {
	for _, each := range e.All() {
		for _, a := range each.Attributes {
			each.take(a.Name)
		}
		each.mark()
	}
}

// name returns the element's id, or its name, which a cluster.conf has instead.
func (e *Element) name() string { return cmp.Or(e.Get("id"), e.Get("name")) }

// unread returns what has not been read of the element and what is below it.
func (e *Element) unread() []Item {
	if !e.read {
		return []Item{{Kind: e.Name, ID: e.name(), Place: e.Place}}
	}
	var items []Item
	for _, a := range e.Attributes {
		if !e.readAttributes[a.Name] {
			items = append(items, Item{Kind: "attribute " + a.Name + " of " + e.Name, ID: e.name(), Place: e.Place})
		}
	}
	for _, child := range e.Children {
		items = append(items, child.unread()...)
	}
	return items
}

// An Item is a piece of a text that is named, and not looked into.
type Item struct {
	// Kind is what it is, such as "primitive" or "attribute on-fail of op".
	Kind string
	// ID is its id or name, or that of the element it belongs to. It may be empty.
	ID    string
	Place Place
}

// String returns kind, id and line.
func (i Item) String() string {
	if i.ID == "" {
		return fmt.Sprintf("%s in line %d", i.Kind, i.Place.Line)
	}
	return fmt.Sprintf("%s %s in line %d", i.Kind, i.ID, i.Place.Line)
}
