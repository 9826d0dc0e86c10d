package rpc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxDepth bounds the nesting of elements, three of which make one struct or
// array within another. The deepest answer of xapi has a tenth of it.
const maxDepth = 64

// children lists which elements may stand within which; "" is the document.
var children = map[string][]string{
	"":               {"methodResponse"},
	"methodResponse": {"params", "fault"},
	"params":         {"param"},
	"param":          {"value"},
	"fault":          {"value"},
	"value":          {"string", "boolean", "int", "i4", "i8", "double", "dateTime.iso8601", "base64", "nil", "struct", "array"},
	"struct":         {"member"},
	"member":         {"name", "value"},
	"array":          {"data"},
	"data":           {"value"},
}

// Of a kind of child, the elements of single have one at most; those of only have one child in all.
var (
	single = []string{"", "params", "param", "fault", "member", "array"}
	only   = []string{"methodResponse", "value"}
)

// Normalise writes an XML-RPC answer anew, so that the decoder behind it cannot
// misread it: xapi prints strings without a type, and the decoder loses all that
// follows an empty one, and trims the others. Each gets its type here. What is
// not XML-RPC is an error: a document type, text between elements, an element in
// the wrong place, a struct with two members of one name, too much depth.
func Normalise(answer []byte) ([]byte, error) {
	n := normaliser{in: xml.NewDecoder(bytes.NewReader(answer)), open: []element{{}}}
	for {
		token, err := n.in.Token()
		if errors.Is(err, io.EOF) {
			return n.end()
		}
		if err == nil {
			err = n.token(token)
		}
		if err != nil {
			return nil, err
		}
	}
}

// An element is one whose end has not come yet.
type element struct {
	name  string
	seen  []string        // of its children
	text  strings.Builder // between them
	label string          // of a member
	names map[string]bool // of the members of a struct
}

type normaliser struct {
	in   *xml.Decoder
	out  bytes.Buffer
	open []element
}

func (n *normaliser) top() *element { return &n.open[len(n.open)-1] }

func (n *normaliser) end() ([]byte, error) {
	switch text := strings.TrimSpace(n.open[0].text.String()); {
	case len(n.open[0].seen) == 0:
		return nil, io.ErrUnexpectedEOF
	case text != "":
		return nil, fmt.Errorf("text %.40q behind the answer", text)
	}
	return n.out.Bytes(), nil
}

func (n *normaliser) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return n.start(t.Name.Local)
	case xml.CharData:
		n.top().text.Write(t)
	case xml.EndElement:
		return n.close()
	case xml.Directive:
		return errors.New("a document type is not allowed")
	}
	return nil
}

func (n *normaliser) start(name string) error {
	parent := n.top()
	switch {
	case len(n.open) > maxDepth:
		return fmt.Errorf("more than %d elements within each other", maxDepth)
	case !slices.Contains(children[parent.name], name):
		return fmt.Errorf("<%.40s> within <%s>", name, parent.name)
	case slices.Contains(single, parent.name) && slices.Contains(parent.seen, name),
		slices.Contains(only, parent.name) && len(parent.seen) > 0:
		return fmt.Errorf("a second <%.40s> within <%s>", name, parent.name)
	case parent.name == "member" && name == "value" && len(parent.seen) == 0:
		return errors.New("a member without a name")
	case strings.TrimSpace(parent.text.String()) != "":
		return fmt.Errorf("text %.40q within <%s>", parent.text.String(), parent.name)
	}
	if !slices.Contains(parent.seen, name) {
		parent.seen = append(parent.seen, name)
	}
	parent.text.Reset()
	n.open = append(n.open, element{name: name})
	n.out.WriteString("<" + name + ">")
	return nil
}

func (n *normaliser) close() error {
	e := n.top()
	parent := &n.open[len(n.open)-2]
	text := e.text.String()
	isLeaf := len(children[e.name]) == 0
	switch {
	case e.name == "value" && len(e.seen) == 0:
		n.out.WriteString("<string>")
		n.write(text)
		n.out.WriteString("</string>")
	case isLeaf:
		n.write(text)
	case strings.TrimSpace(text) != "":
		return fmt.Errorf("text %.40q within <%s>", text, e.name)
	}
	if e.name == "name" {
		parent.label = text
	}
	if e.name == "member" {
		if len(e.seen) != 2 {
			return errors.New("a member without a value")
		}
		if parent.names[e.label] {
			return fmt.Errorf("two members %.40q in one struct", e.label)
		}
		if parent.names == nil {
			parent.names = map[string]bool{}
		}
		parent.names[e.label] = true
	}
	n.out.WriteString("</" + e.name + ">")
	n.open = n.open[:len(n.open)-1]
	return nil
}

func (n *normaliser) write(text string) {
	_ = xml.EscapeText(&n.out, []byte(text)) // a bytes.Buffer takes everything
}
