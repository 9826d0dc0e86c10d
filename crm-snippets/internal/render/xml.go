package render

import (
	"encoding/xml"
	"strings"
)

// An element is one of XML, or a comment if its name is "!".
type element struct {
	name       string
	attributes []attribute
	children   []element
	comment    string
}

type attribute struct{ name, value string }

// note returns a comment. XML allows no two dashes in it.
func note(text string) element {
	for strings.Contains(text, "--") {
		text = strings.ReplaceAll(text, "--", "- -")
	}
	return element{name: "!", comment: text}
}

// of returns an element with attributes given as name, value and so on.
func of(name string, attributes ...string) element {
	e := element{name: name}
	for i := 0; i < len(attributes); i += 2 {
		e.attributes = append(e.attributes, attribute{attributes[i], attributes[i+1]})
	}
	return e
}

// with returns the element with children behind those it has.
func (e element) with(children ...element) element {
	e.children = append(e.children[:len(e.children):len(e.children)], children...)
	return e
}

// document returns the element as a text, with comments before it.
func document(comments []string, root element) string {
	var text strings.Builder
	for _, line := range comments {
		note(line).write(&text, "")
	}
	root.write(&text, "")
	return text.String()
}

func (e element) write(text *strings.Builder, indent string) {
	if e.name == "!" {
		text.WriteString(indent + "<!-- " + e.comment + " -->\n")
		return
	}
	text.WriteString(indent + "<" + e.name)
	for _, a := range e.attributes {
		text.WriteString(" " + a.name + `="` + Escape(a.value) + `"`)
	}
	if len(e.children) == 0 {
		text.WriteString("/>\n")
		return
	}
	text.WriteString(">\n")
	for _, child := range e.children {
		child.write(text, indent+"  ")
	}
	text.WriteString(indent + "</" + e.name + ">\n")
}

// Escape returns a text as it stands in an attribute of XML.
func Escape(value string) string {
	var text strings.Builder
	_ = xml.EscapeText(&text, []byte(value)) // a Builder takes all
	return text.String()
}
