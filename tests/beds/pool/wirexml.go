package pool

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// isoTime is how XenAPI writes a time.
const isoTime = "20060102T15:04:05Z"

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

// writeXML writes a value as rpclib does: texts have no type, and an empty one is
// an empty element.
func writeXML(b *bytes.Buffer, value any) {
	b.WriteString("<value>")
	switch v := value.(type) {
	case nil:
		b.WriteString("<nil/>")
	case string:
		b.WriteString(xmlEscaper.Replace(v))
	case bool:
		digit := "0"
		if v {
			digit = "1"
		}
		b.WriteString("<boolean>" + digit + "</boolean>")
	case float64:
		b.WriteString("<double>" + strconv.FormatFloat(v, 'g', 16, 64) + "</double>")
	case time.Time:
		b.WriteString("<dateTime.iso8601>" + v.UTC().Format(isoTime) + "</dateTime.iso8601>")
	case list:
		b.WriteString("<array><data>")
		for _, one := range v {
			writeXML(b, one)
		}
		b.WriteString("</data></array>")
	case record:
		b.WriteString("<struct>")
		for _, f := range v {
			b.WriteString("<member><name>" + xmlEscaper.Replace(f.name) + "</name>")
			writeXML(b, f.value)
			b.WriteString("</member>")
		}
		b.WriteString("</struct>")
	default:
		panic(fmt.Sprintf("pool: no value of the wire: %T", value))
	}
	b.WriteString("</value>")
}

// xmlAnswer is the body of an answer. A bare one has no Status.
func xmlAnswer(value any, failure apiError, bare bool) []byte {
	result := record{{"Status", "Success"}, {"Value", value}}
	if value == nil {
		result[1].value = ""
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0"?><methodResponse><params><param>`)
	switch {
	case failure != nil:
		writeXML(&b, record{{"Status", "Failure"}, {"ErrorDescription", listOf(failure...)}})
	case bare:
		writeXML(&b, value)
	default:
		writeXML(&b, result)
	}
	b.WriteString("</param></params></methodResponse>")
	return b.Bytes()
}

// A node is one element of XML.
type node struct {
	XMLName  xml.Name
	Text     string `xml:",chardata"`
	Children []node `xml:",any"`
}

func (n node) child(name string) (node, bool) {
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			return c, true
		}
	}
	return node{}, false
}

var errRequest = errors.New("not a call of XML-RPC")

// parseXML reads a call. Parameters are strings, int64, bool, float64, list or record.
func parseXML(body []byte) (method string, params []any, err error) {
	var root node
	if err := xml.Unmarshal(body, &root); err != nil {
		return "", nil, err
	}
	name, ok := root.child("methodName")
	if !ok || root.XMLName.Local != "methodCall" {
		return "", nil, errRequest
	}
	list, _ := root.child("params")
	for _, param := range list.Children {
		value, ok := param.child("value")
		if !ok {
			return "", nil, errRequest
		}
		v, err := parseValue(value)
		if err != nil {
			return "", nil, err
		}
		params = append(params, v)
	}
	return strings.TrimSpace(name.Text), params, nil
}

func parseValue(value node) (any, error) {
	if len(value.Children) == 0 {
		return value.Text, nil
	}
	typed := value.Children[0]
	switch typed.XMLName.Local {
	case "string", "dateTime.iso8601", "base64":
		return typed.Text, nil
	case "int", "i4", "i8":
		return strconv.ParseInt(strings.TrimSpace(typed.Text), 10, 64)
	case "boolean":
		return strconv.ParseBool(strings.TrimSpace(typed.Text))
	case "double":
		return strconv.ParseFloat(strings.TrimSpace(typed.Text), 64)
	case "nil":
		return nil, nil
	case "array":
		return parseArray(typed)
	case "struct":
		return parseStruct(typed)
	}
	return nil, errRequest
}

func parseArray(array node) (list, error) {
	data, ok := array.child("data")
	if !ok {
		return nil, errRequest
	}
	all := list{}
	for _, value := range data.Children {
		v, err := parseValue(value)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func parseStruct(members node) (record, error) {
	r := record{}
	for _, member := range members.Children {
		name, named := member.child("name")
		value, valued := member.child("value")
		if !named || !valued {
			return nil, errRequest
		}
		v, err := parseValue(value)
		if err != nil {
			return nil, err
		}
		r = append(r, field{name.Text, v})
	}
	return r, nil
}
