package wire

import (
	"fmt"
	"strings"
)

// A Relay is a Request on its way from the gate to the root half, with what the
// gate knows of the client. The root half logs that and believes none of it.
type Relay struct {
	Request
	// Legacy says that the client speaks the form of 2007, and wants its answers.
	Legacy bool
	// Client is the name that authorized_keys gives to the key.
	Client string
	// Source is the client's address.
	Source string
}

// String returns the line, without its end.
func (r Relay) String() string {
	request := r.Request.String()
	if r.Legacy {
		request = legacyVersion + strings.TrimPrefix(request, version(r.Previous))
	}
	return request + " client " + r.Client + " from " + r.Source
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
	r := Relay{Client: fields[5], Source: fields[7], Legacy: fields[0] == legacyVersion}
	var err error
	if r.Legacy {
		r.Request, err = parseLegacyRelay(fields[1:4])
	} else {
		r.Request, err = ParseRequest(strings.Join(fields[:4], " "))
	}
	if err != nil {
		return Relay{}, err
	}
	for _, name := range []string{r.Client, r.Source} {
		if err := CheckWord(name); err != nil {
			return Relay{}, fmt.Errorf("relayed request: %w", err)
		}
	}
	return r, nil
}
