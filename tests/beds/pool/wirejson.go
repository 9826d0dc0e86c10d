package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// A jsonCall is a call of JSON-RPC 1.0 (without a version) or 2.0.
type jsonCall struct {
	Version string          `json:"jsonrpc"`
	Method  string          `json:"method"`
	Params  []any           `json:"params"`
	ID      json.RawMessage `json:"id"`
}

func parseJSON(body []byte) (jsonCall, error) {
	var c jsonCall
	if err := json.Unmarshal(body, &c); err != nil {
		return c, err
	}
	if c.Method == "" {
		return c, errors.New("not a call of JSON-RPC")
	}
	if c.ID == nil {
		c.ID = json.RawMessage("null")
	}
	return c, nil
}

// MarshalJSON keeps the order of the fields.
func (r record) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(f.name) // a string always can be
		value, err := json.Marshal(jsonValue(f.value))
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// jsonValue writes times as XML-RPC does; all else is JSON's own.
func jsonValue(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UTC().Format(isoTime)
	case list:
		all := list{}
		for _, one := range v {
			all = append(all, jsonValue(one))
		}
		return all
	}
	return value
}

// answer is the body of the answer to a call.
func (c jsonCall) answer(value any, failure apiError) ([]byte, error) {
	if value == nil {
		value = ""
	}
	r := record{}
	if c.Version != "" {
		r = append(r, field{"jsonrpc", c.Version})
	}
	switch {
	case failure == nil:
		r = append(r, field{"result", value})
		if c.Version == "" {
			r = append(r, field{"error", nil})
		}
	case c.Version == "":
		r = append(r, field{"result", nil}, field{"error", listOf(failure...)})
	default:
		r = append(r, field{"error", record{{"code", json.Number("1")}, {"message", failure[0]}, {"data", listOf(failure[1:]...)}}})
	}
	return json.Marshal(append(r, field{"id", c.ID}))
}
