// Package rpc encodes the calls of XenAPI and decodes its answers, as XML-RPC.
// It is pure: it knows no network and no meaning of a call.
package rpc

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/kolo/xmlrpc"
)

// A Failure is an answer whose Status is Failure: an error code of XenAPI and its arguments.
type Failure struct {
	Code string
	Args []string
}

// Error returns the code and the arguments, none of them longer than a line.
func (f *Failure) Error() string {
	if len(f.Args) == 0 {
		return f.Code
	}
	args := make([]string, len(f.Args))
	for i, arg := range f.Args {
		args[i] = fmt.Sprintf("%.200q", arg)
	}
	return f.Code + "(" + strings.Join(args, ", ") + ")"
}

// Arg returns argument i, "" if there is none.
func (f *Failure) Arg(i int) string {
	if i >= len(f.Args) {
		return ""
	}
	return f.Args[i]
}

// Encode returns the body of a call. Parameters are strings and booleans; xapi
// takes its integers as strings too.
func Encode(method string, params ...any) ([]byte, error) {
	for i, p := range params {
		switch p := p.(type) {
		case bool:
		case string:
			if !Carries(p) {
				return nil, fmt.Errorf("parameter %d of %s has a character that XML cannot carry", i+1, method)
			}
		default:
			return nil, fmt.Errorf("parameter %d of %s is a %T", i+1, method, p)
		}
	}
	return xmlrpc.EncodeMethodCall(method, params...)
}

// Carries reports whether text reaches the other side as it is. The encoder
// would put another character in place of what XML has not.
func Carries(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// Decode returns the value of an answer. A failure that xapi reports is a
// *Failure. An answer that is not whole, or has no status, has no value.
func Decode[T any](answer []byte) (T, error) {
	var none T
	text, err := Normalise(answer)
	if err != nil {
		return none, fmt.Errorf("answer is not XML-RPC: %w", err)
	}
	response := xmlrpc.Response(text)
	if err := response.Err(); err != nil {
		return none, err
	}
	var envelope struct {
		Status           string
		Value            T
		ErrorDescription []string
	}
	if err := response.Unmarshal(&envelope); err != nil {
		return none, fmt.Errorf("answer is of another form: %w", err)
	}
	switch {
	case envelope.Status == "Success":
		return envelope.Value, nil
	case envelope.Status == "Failure" && len(envelope.ErrorDescription) > 0:
		return none, &Failure{Code: envelope.ErrorDescription[0], Args: envelope.ErrorDescription[1:]}
	case envelope.Status == "":
		return none, errors.New("answer has no status")
	default:
		return none, fmt.Errorf("answer has status %.40q and %d words of an error", envelope.Status, len(envelope.ErrorDescription))
	}
}
