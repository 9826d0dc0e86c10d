// Package guestconfig reads a guest's name and UUID from its configuration, in
// the form that xl reads, xl.cfg(5). It is pure.
package guestconfig

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// MaxSize is the most that a configuration may have, in bytes.
const MaxSize = 1 << 20

// Name returns the name that a configuration gives its guest. It returns "" if
// there is none, more than one, or one that has to be computed.
func Name(config []byte) string { return only(settings(config, "name")) }

// UUID returns the UUID that a configuration gives its guest, in lower case, and
// "" as Name does.
func UUID(config []byte) string { return strings.ToLower(only(settings(config, "uuid"))) }

func only(found []setting) string {
	if len(found) != 1 || !found[0].plain {
		return ""
	}
	return found[0].value
}

// Effective returns the name and UUID that xl gives the guest: of several
// settings the last counts (xlu_cfg_get_string in tools/libs/util/libxlu_cfg.c).
// What is not set is empty. A setting that cannot be told is an error.
func Effective(config []byte) (name, uuid string, err error) {
	name, nameErr := last(config, "name")
	uuid, uuidErr := last(config, "uuid")
	return name, strings.ToLower(uuid), errors.Join(nameErr, uuidErr)
}

func last(config []byte, key string) (string, error) {
	found := settings(config, key)
	if len(found) == 0 {
		return "", nil
	}
	s := found[len(found)-1]
	if !s.plain {
		return "", fmt.Errorf("its %s cannot be told: %.60q", key, s.text)
	}
	return s.value, nil
}

// A setting gives a key a value.
type setting struct {
	value string
	plain bool   // the value is as it is written
	text  string // what follows the key, for people
}

// settings returns those of a key, in order. A statement ends with its line or a
// semicolon; only a list, in brackets, may go on in the next line. No string
// does (tools/libs/util/libxlu_cfg_l.l).
func settings(config []byte, key string) []setting {
	var found []setting
	depth := 0
	for line := range bytes.Lines(config) {
		for rest := line; len(rest) > 0; {
			var statement []byte
			inList := depth > 0
			statement, rest, depth = cut(rest, depth)
			if s, ok := parse(string(statement), key); ok && !inList {
				found = append(found, s)
			}
		}
	}
	return found
}

// cut takes the first statement of a line: what is before a semicolon, a comment
// or the line's end, none of which counts in a string. A semicolon in a list is none, either.
func cut(line []byte, depth int) (statement, rest []byte, newDepth int) {
	var quote byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth = max(0, depth-1)
		case c == '#':
			return line[:i], nil, depth
		case c == ';' && depth == 0:
			return line[:i], line[i+1:], depth
		}
	}
	return line, nil, depth
}

// parse reads a statement that sets the key.
func parse(statement, key string) (setting, bool) {
	rest, ok := strings.CutPrefix(strings.Trim(statement, " \t\r\n"), key)
	if !ok {
		return setting{}, false
	}
	rest = strings.TrimLeft(rest, " \t")
	if text, ok := strings.CutPrefix(rest, "+="); ok {
		return setting{text: text}, true
	}
	text, ok := strings.CutPrefix(rest, "=")
	if !ok {
		return setting{}, false
	}
	text = strings.TrimLeft(text, " \t")
	if len(text) < 2 || text[0] != text[len(text)-1] || text[0] != '"' && text[0] != '\'' {
		return setting{text: text}, true
	}
	value := text[1 : len(text)-1]
	return setting{value: value, plain: !strings.ContainsAny(value, `\`+text[:1]), text: text}, true
}
