package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A description is what the file says, unchecked. Flags are put in the same form.
type description struct {
	Nodes         []string            `toml:"nodes"`
	Remote        []string            `toml:"remote"`
	Pacemaker     string              `toml:"pacemaker"`
	First         string              `toml:"first"`
	Delay         string              `toml:"delay"`
	PriorityDelay string              `toml:"priority-delay"`
	Devices       []deviceDescription `toml:"device"`
}

// A deviceDescription is what the file says of a device.
type deviceDescription struct {
	ID         string         `toml:"id"`
	Plugin     string         `toml:"plugin"`
	Face       string         `toml:"face"`
	Shared     bool           `toml:"shared"`
	Level      *int           `toml:"level"`
	With       string         `toml:"with"`
	Hostlist   string         `toml:"hostlist"`
	Timeout    string         `toml:"timeout"`
	Parameters map[string]any `toml:"parameters"`
}

// Options are how strictly a description is read.
type Options struct {
	// AllowSecrets lets secrets stand in the description. The cluster then shows them
	// to whoever may read its configuration.
	AllowSecrets bool
}

// Parse reads a description file. Its errors name the file, line and column; all
// mistakes are reported at once, a line each.
func Parse(file string, text []byte, options Options) (*Plan, error) {
	var d description
	decoder := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return nil, tomlError(file, err)
	}
	places := findPlaces(text)
	p, err := check(d, options, func(key string) string { return places.find(file, key) })
	if err != nil {
		return nil, err
	}
	p.Comment = leadingComment(string(text))
	return p, nil
}

// tomlError says where in the file the library stumbled.
func tomlError(file string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var mistakes []error
		for i := range unknown.Errors {
			row, column := unknown.Errors[i].Position()
			mistakes = append(mistakes, fmt.Errorf("%s:%d:%d: unknown key %q", file, row, column, last(unknown.Errors[i].Key())))
		}
		return errors.Join(mistakes...)
	}
	var mistake *toml.DecodeError
	if errors.As(err, &mistake) {
		row, column := mistake.Position()
		return fmt.Errorf("%s:%d:%d: %s", file, row, column, tomlText(mistake))
	}
	return fmt.Errorf("%s: %w", file, err)
}

// tomlText returns what the library says, without its words for Go's types.
func tomlText(mistake *toml.DecodeError) string {
	text := strings.TrimPrefix(mistake.Error(), "toml: ")
	found, wrongType := strings.CutPrefix(text, "cannot decode TOML ")
	if !wrongType {
		return text
	}
	found, _, _ = strings.Cut(found, " into ")
	return fmt.Sprintf("%s is of the wrong type, %s", last(mistake.Key()), found)
}

func last(key toml.Key) string {
	if len(key) == 0 {
		return ""
	}
	return key[len(key)-1]
}

// leadingComment returns the comment lines that the text begins with.
func leadingComment(text string) []string {
	var comment []string
	for line := range strings.Lines(text) {
		its, found := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !found {
			break
		}
		comment = append(comment, strings.TrimSpace(its))
	}
	return comment
}

// places are the positions of keys, such as device.0.hostlist, and of the elements
// of arrays, such as nodes.1.
type places map[string]unstable.Position

// find says where a key is, or else what it would be in.
func (p places) find(file, key string) string {
	for {
		if at, ok := p[key]; ok {
			return fmt.Sprintf("%s:%d:%d", file, at.Line, at.Column)
		}
		end := strings.LastIndexByte(key, '.')
		if end < 0 {
			return file
		}
		key = key[:end]
	}
}

// findPlaces walks through a text that was decoded before.
func findPlaces(text []byte) places {
	p := places{}
	var parser unstable.Parser
	parser.Reset(text)
	table, devices := "", 0
	for parser.NextExpression() {
		node := parser.Expression()
		if node.Kind == unstable.KeyValue {
			p.addValue(&parser, table, node)
			continue
		}
		// The only array of tables is device, and the only tables are its.
		name := fmt.Sprintf("device.%d", devices-1)
		if node.Kind == unstable.ArrayTable {
			name = fmt.Sprintf("device.%d", devices)
			devices++
		} else {
			name += strings.TrimPrefix(keyName(node), "device")
		}
		p.add(&parser, name, node)
		table = name + "."
	}
	return p
}

// addValue adds a key with its elements.
func (p places) addValue(parser *unstable.Parser, table string, node *unstable.Node) {
	name, value := table+keyName(node), node.Value()
	p.add(parser, name, node)
	if value.Kind != unstable.Array && value.Kind != unstable.InlineTable {
		return
	}
	for i, elements := 0, value.Children(); elements.Next(); i++ {
		element := elements.Node()
		if element.Kind == unstable.KeyValue {
			p.addValue(parser, name+".", element)
		} else if element.Raw.Length > 0 {
			p[fmt.Sprintf("%s.%d", name, i)] = parser.Shape(element.Raw).Start
		}
	}
}

// add adds the place where a node's key begins.
func (p places) add(parser *unstable.Parser, name string, node *unstable.Node) {
	if key := node.Key(); key.Next() {
		p[name] = parser.Shape(key.Node().Raw).Start
	}
}

// keyName returns a key with dots between its parts.
func keyName(node *unstable.Node) string {
	var parts []string
	for key := node.Key(); key.Next(); {
		parts = append(parts, string(key.Node().Data))
	}
	return strings.Join(parts, ".")
}
