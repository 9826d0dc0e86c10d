package image

import (
	"errors"
	"fmt"
)

// parseSXP reads xend's description of a domain, an S-expression as
// (domain (name NAME) (uuid UUID) ...) (tools/python/xen/xend/sxp.py).
func parseSXP(config []byte) (name, uuid string, err error) {
	depth := 0
	var list []string // the atoms of the list at depth 2 so far
	for rest := config; ; {
		var token string
		var isAtom bool
		token, isAtom, rest, err = nextToken(rest)
		if err != nil {
			return "", "", fmt.Errorf("configuration: %w", err)
		}
		switch {
		case isAtom && depth == 2:
			list = append(list, token)
		case isAtom:
		case token == "(":
			depth++
			list = nil
		case token == ")":
			if depth == 2 && len(list) == 2 && list[0] == "name" {
				name = list[1]
			}
			if depth == 2 && len(list) == 2 && list[0] == "uuid" {
				uuid = list[1]
			}
			depth--
			list = nil
			if depth < 0 {
				return "", "", errors.New("configuration: a parenthesis is closed that was not opened")
			}
		default: // the end
			if depth != 0 {
				return "", "", errors.New("configuration: a parenthesis is not closed")
			}
			return name, uuid, nil
		}
	}
}

// nextToken takes a parenthesis, or an atom with or without quotes, from the
// beginning of text. It returns "" and no atom at the end.
func nextToken(text []byte) (token string, isAtom bool, rest []byte, err error) {
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	if len(text) == 0 {
		return "", false, nil, nil
	}
	switch c := text[0]; c {
	case '(', ')':
		return string(text[:1]), false, text[1:], nil
	case '"', '\'':
		return quotedAtom(text)
	}
	end := 0
	for end < len(text) && !isSpace(text[end]) && text[end] != '(' && text[end] != ')' {
		end++
	}
	return string(text[:end]), true, text[end:], nil
}

// quotedAtom takes an atom in quotes.
func quotedAtom(text []byte) (token string, isAtom bool, rest []byte, err error) {
	var atom []byte
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == text[0]:
			return string(atom), true, text[i+1:], nil
		case c == '\\' && i+1 < len(text):
			i++
			atom = append(atom, text[i])
		default:
			atom = append(atom, c)
		}
	}
	return "", false, nil, errors.New("a quote is not closed")
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0 }
