package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The form of 2007 is that of Heartbeat's Xen plugin of that year, which had no
// answers but the exit status: the words that it had sudo run on the Dom0.
const (
	legacyCommand = "sudo -u root xen-stonith"
	legacyVersion = "dom0/2007" // of a relay
)

// IsLegacy reports whether a line is meant to be a request in the form of 2007.
func IsLegacy(line string) bool {
	return line == legacyCommand || strings.HasPrefix(line, legacyCommand+" ")
}

// ParseLegacy parses a request in the form of 2007, which has no id, so that it is
// given one. Its error is what the program of 2007 said.
func ParseLegacy(line, id string) (Request, error) {
	if len(line) > MaxRequest {
		return Request{}, fmt.Errorf("request of %d bytes, at most %d are allowed", len(line), MaxRequest)
	}
	words := strings.Split(strings.TrimPrefix(line, legacyCommand+" "), " ")
	r := Request{Verb: Verb(words[0]), Guests: words[1:], ID: id}
	return r, r.validateLegacy()
}

// parseLegacyRelay parses the verb, the guests and the id of a relay.
func parseLegacyRelay(fields []string) (Request, error) {
	r := Request{Verb: Verb(fields[0]), ID: fields[2]}
	if fields[1] != "-" {
		r.Guests = strings.Split(fields[1], ",")
	}
	if err := CheckWord(r.ID); err != nil {
		return Request{}, fmt.Errorf("request id: %w", err)
	}
	if r.Verb == List {
		return r, r.validate() // of the guests that the gate has filled in
	}
	return r, r.validateLegacy()
}

func (r Request) validateLegacy() error {
	switch {
	case r.Verb == List && len(r.Guests) == 0:
		return nil
	case !slices.Contains([]Verb{On, Off, Reset}, r.Verb):
		return fmt.Errorf("Invalid operation %s", bare(string(r.Verb))) //nolint:staticcheck // these were its words
	case len(r.Guests) != 1:
		return errors.New("want: " + legacyCommand + " on|off|reset NODE, or list")
	case CheckGuest(r.Guests[0]) != nil:
		return fmt.Errorf("Invalid node %s", bare(r.Guests[0])) //nolint:staticcheck // as above
	}
	return nil
}

// bare is a word as it is, if it is one.
func bare(text string) string {
	if isWord(text) {
		return text
	}
	return excerpt(text)
}
