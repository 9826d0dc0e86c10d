package wire

import (
	"fmt"
	"strings"
)

// A Relay is a Request on its way from the gate to the root half, with what the
// gate knows of the client. The root half logs that and believes none of it.
type Relay struct {
	Request
	// Client is the name that authorized_keys gives to the key.
	Client string
	// Source is the client's address.
	Source string
}

// String returns the line, without its end.
func (r Relay) String() string {
	return r.Request.String() + " client " + r.Client + " from " + r.Source
}

// ParseRelay parses a line without its end.
func ParseRelay(line string) (Relay, error) {
	if len(line) > MaxRequest+512 {
		return Relay{}, fmt.Errorf("relayed request of %d bytes is too long", len(line))
	}
	fields := strings.Split(line, " ")
	if len(fields) != 8 || fields[4] != "client" || fields[6] != "from" {
		return Relay{}, fmt.Errorf("relayed request %s is not of the form \"REQUEST client NAME from ADDRESS\"", excerpt(line))
	}
	request, err := ParseRequest(strings.Join(fields[:4], " "))
	if err != nil {
		return Relay{}, err
	}
	for _, name := range []string{fields[5], fields[7]} {
		if err := CheckWord(name); err != nil {
			return Relay{}, fmt.Errorf("relayed request: %w", err)
		}
	}
	return Relay{Request: request, Client: fields[5], Source: fields[7]}, nil
}
