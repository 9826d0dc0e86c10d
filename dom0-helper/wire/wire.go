// Package wire is the language between a plugin and a Dom0: one line that asks and
// one line that answers. It is pure, and it accepts nothing that it would not
// write in exactly the same way. docs/protocol.md has the grammar.
package wire

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Version is the first word of every line. A new promise is a new version: who cannot keep
// it refuses the request, and is known by that.
const Version = "dom0/2"

// PreviousVersion is the first word of plugins and Dom0s for which a guest was off though an
// image of its memory lay where something restores it, or a restore was under way. They
// have the same grammar, and no notes.
const PreviousVersion = "dom0/1"

// version returns the word that a line begins with, or is to begin with.
func version(previous bool) string {
	if previous {
		return PreviousVersion
	}
	return Version
}

// IsPrevious reports whether a line wants answers of the previous version: those that are of
// no version do, since a plugin of the previous one may have sent them.
func IsPrevious(line string) bool { return !strings.HasPrefix(line, Version+" ") }

// MaxRequest and MaxAnswer are the longest lines, in bytes without the line's end.
const (
	MaxRequest = 8 << 10
	MaxAnswer  = 64 << 10
)

// A Verb is what a Request asks for.
type Verb string

// The verbs. Check and List may name several guests; the others name one.
const (
	State Verb = "state" // tells the guest's state
	Off   Verb = "off"   // destroys the guest; Done means that it was seen gone
	On    Verb = "on"    // creates the guest; Done means that it was seen
	Check Verb = "check" // tells whether the guests' requests would be obeyed; touches none
	List  Verb = "list"  // tells the states of the guests; without any, of all that the client may control
	// Rehearse goes the whole way of off and on, except that it only tells what they would do.
	Rehearse Verb = "rehearse"
	// Reset is off, then on for a guest that was not off before. Only the form of 2007 has it.
	Reset Verb = "reset"
)

// guestName is narrower than what Xen takes: nothing that a shell, a path, an
// option or a table of text could take for something else.
var guestName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// maxGuest and maxWord are the longest names. A regular expression that counts
// so far takes longer to compile than a whole call may take.
const (
	maxGuest = 63
	maxWord  = 128
)

// variant is what Xen makes of a guest's name: while it migrates (tools/xl/xl_migrate.c,
// and xend), when it is kept after a crash and replaced by a new one (on_crash =
// "rename-restart", tools/xl/xl_vmcontrol.c), and while it dies (xend).
var variant = regexp.MustCompile(`^(?:(.+)--incoming|(.+)--migratedaway|(.+)-\d{8}T\d{4}Z|migrating-(.+)|Zombie-(.+))$`)

// IsVariant reports whether Xen may have made the name of that of another guest.
func IsVariant(name string) bool { return variant.MatchString(name) }

// IsVariantOf reports whether Xen may have made the name of that of this guest.
func IsVariantOf(name, guest string) bool {
	parts := variant.FindStringSubmatch(name)
	return parts != nil && slices.Contains(parts[1:], guest)
}

// CheckGuest says what is wrong with a guest's name.
func CheckGuest(name string) error {
	switch {
	case !guestName.MatchString(name), len(name) > maxGuest:
		return fmt.Errorf("%s is not a guest name, want a letter or digit, then at most 62 of letters, digits, '.', '_' and '-'", excerpt(name))
	case IsVariant(name):
		return fmt.Errorf("guest name %q is one that Xen gives to another guest that migrates, crashed or is dying", name)
	case strings.EqualFold(name, "Domain-0"):
		return fmt.Errorf("%q is the control domain, not a guest", name)
	}
	return nil
}

// word is what an identifier of a request, a client or a source address may be.
var word = regexp.MustCompile(`^[A-Za-z0-9:][A-Za-z0-9._:%@-]*$`)

func isWord(name string) bool { return len(name) <= maxWord && word.MatchString(name) }

// CheckWord says what is wrong with an identifier.
func CheckWord(name string) error {
	if !isWord(name) {
		return fmt.Errorf("%s is not an identifier", excerpt(name))
	}
	return nil
}

// A Request is one request. The zero value is not valid.
type Request struct {
	Verb   Verb
	Guests []string
	// ID is chosen by the client and stands in the answer and in the logs of both sides.
	ID string
	// Previous says that the line is of PreviousVersion, and wants an answer of that.
	Previous bool
}

// String returns the line, without its end.
func (r Request) String() string {
	guests := strings.Join(r.Guests, ",")
	if guests == "" {
		guests = "-"
	}
	return strings.Join([]string{version(r.Previous), string(r.Verb), guests, r.ID}, " ")
}

// Guest returns the guest of a request that names one.
func (r Request) Guest() string { return r.Guests[0] }

// ParseRequest parses a line without its end.
func ParseRequest(line string) (Request, error) {
	if len(line) > MaxRequest {
		return Request{}, fmt.Errorf("request of %d bytes, at most %d are allowed", len(line), MaxRequest)
	}
	previous := IsPrevious(line)
	fields := strings.Split(line, " ")
	if len(fields) != 4 || fields[0] != version(previous) {
		return Request{}, fmt.Errorf("request %s is not of the form \"%s VERB GUEST ID\"", excerpt(line), version(previous))
	}
	r := Request{Verb: Verb(fields[1]), ID: fields[3], Previous: previous}
	if fields[2] != "-" {
		r.Guests = strings.Split(fields[2], ",")
	}
	return r, r.validate()
}

func (r Request) validate() error {
	if err := CheckWord(r.ID); err != nil {
		return fmt.Errorf("request id: %w", err)
	}
	seen := map[string]bool{}
	for _, g := range r.Guests {
		if err := CheckGuest(g); err != nil {
			return err
		}
		if seen[g] {
			return fmt.Errorf("guest %q is named twice", g)
		}
		seen[g] = true
	}
	return r.validateNumber()
}

func (r Request) validateNumber() error {
	switch n := len(r.Guests); r.Verb {
	case State, Off, On, Rehearse:
		if n != 1 {
			return fmt.Errorf("verb %s names %d guests, want one", r.Verb, n)
		}
	case Check:
		if n == 0 {
			return fmt.Errorf("verb check names no guest")
		}
	case List:
	case Reset: // in the form of 2007 only
		fallthrough
	default:
		return fmt.Errorf("verb %s is unknown", excerpt(string(r.Verb)))
	}
	return nil
}

// excerpt quotes the beginning of a text that came from outside.
func excerpt(text string) string {
	if len(text) > 80 {
		return fmt.Sprintf("%+q...", text[:80])
	}
	return fmt.Sprintf("%+q", text)
}
