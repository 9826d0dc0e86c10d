package wire

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A Status says what became of a request.
type Status string

// The statuses.
const (
	OK      Status = "ok"      // carried out; the text is the result
	Refused Status = "refused" // not allowed or not understood; nothing was touched
	Failed  Status = "failed"  // tried, without the wanted end
)

// A GuestState is what a Dom0 says of a guest.
type GuestState string

// The states. A guest is off if all Dom0s say GuestOff or GuestAbsent, unless all say GuestAbsent.
const (
	// GuestOn: a domain of the guest runs, or is paused.
	GuestOn GuestState = "on"
	// GuestStopped: domains of the guest exist, but all have crashed or shut down and were kept.
	GuestStopped GuestState = "stopped"
	// GuestOff: no domain of the guest exists, and no process that would create one;
	// and this Dom0 has the guest's configuration, so it is known by the right name.
	GuestOff GuestState = "off"
	// GuestAbsent: as GuestOff, but nothing here says that there is a guest of this
	// name. If every Dom0 says so, the name is wrong, and the guest may be running by another.
	GuestAbsent GuestState = "absent"
	// GuestSaved: no domain of the guest exists, and no process that would create one, but an
	// image of its memory lies where something restores it by itself.
	GuestSaved GuestState = "saved"
	// GuestRestarting: no domain of the guest exists now, and a process is there that will create one.
	GuestRestarting GuestState = "restarting"
	// GuestAmbiguous: a domain has the guest's name, and another UUID than the policy gives.
	GuestAmbiguous GuestState = "ambiguous"
	// GuestDying: a domain without a name is still being torn down, and may have been the guest.
	GuestDying GuestState = "dying"
)

// Done is the result of off and on. That of state is a GuestState, that of
// rehearse a text for people. Those of list and check are GUEST=STATE and GUEST=KNOWN words, one for each guest in its order.
const Done = "done"

// WithNote returns a result of any verb but rehearse with what people are to be told beside
// it, if there is something: "done; image moved".
func WithNote(result, note string) string {
	if note == "" {
		return result
	}
	return result + noteMark + Clean(note)
}

// CutNote returns the result and the note in it, "" if there is none.
func CutNote(text string) (result, note string) {
	result, note, _ = strings.Cut(text, noteMark)
	return result, note
}

// noteMark is before a note. No result has it: those of all verbs but rehearse are words and
// guests' names.
const noteMark = "; "

// The words that check has for a guest. Requests for both would be obeyed.
const (
	Known   = "known"   // a domain or a configuration of the guest is here
	Unknown = "unknown" // nothing of the guest is here
)

// PerGuest returns the result of list or check: what says something of each guest.
func PerGuest(guests []string, says func(guest string) string) string {
	words := make([]string, len(guests))
	for i, g := range guests {
		words[i] = g + "=" + says(g)
	}
	return strings.Join(words, " ")
}

// ParsePerGuest returns what text, the result of list or check, says of each guest.
func ParsePerGuest(guests []string, text string) ([]string, error) {
	words := strings.Split(text, " ")
	if len(words) != len(guests) {
		return nil, fmt.Errorf("result %s has %d guests, want %d", excerpt(text), len(words), len(guests))
	}
	says := make([]string, len(guests))
	for i, g := range guests {
		said, ok := strings.CutPrefix(words[i], g+"=")
		if !ok {
			return nil, fmt.Errorf("result %s says nothing of guest %q", excerpt(text), g)
		}
		says[i] = said
	}
	return says, nil
}

// The reasons of an Answer that is not OK. They are among the reasons that
// docs/protocol.md lists for the plugins.
const (
	BadRequest   = "bad-request"
	NotPermitted = "not-permitted"
	NotFound     = "not-found"
	Ambiguous    = "ambiguous"
	BadConfig    = "bad-config"
	UnknownState = "unknown-state"
	StillOn      = "still-on"
	TimedOut     = "timed-out"
	DeviceError  = "device-error"
)

// An Answer is the one line that a Dom0 answers with.
type Answer struct {
	// ID is that of the request, or "-" if the request could not be understood.
	ID     string
	Status Status
	// Reason is empty if and only if Status is OK.
	Reason string
	// Text is the result, or what a person wants to know of the reason: printable
	// ASCII, not empty, without blanks at its ends or two in a row.
	Text string
	// Previous says that the line is of PreviousVersion.
	Previous bool
}

// String returns the line, without its end.
func (a Answer) String() string {
	words := []string{version(a.Previous), a.ID, string(a.Status)}
	if a.Status != OK {
		words = append(words, a.Reason)
	}
	return strings.Join(append(words, a.Text), " ")
}

var (
	reasonWord = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	answerText = regexp.MustCompile(`^[!-~]+( [!-~]+)*$`)
)

// ParseAnswer parses a line without its end.
func ParseAnswer(line string) (Answer, error) {
	if len(line) > MaxAnswer {
		return Answer{}, fmt.Errorf("answer of %d bytes, at most %d are allowed", len(line), MaxAnswer)
	}
	previous := IsPrevious(line)
	fields := strings.SplitN(line, " ", 4)
	if len(fields) != 4 || fields[0] != version(previous) {
		return Answer{}, fmt.Errorf("answer %s is not of the form \"%s ID STATUS TEXT\"", excerpt(line), Version)
	}
	a := Answer{ID: fields[1], Status: Status(fields[2]), Text: fields[3], Previous: previous}
	switch a.Status {
	case OK:
	case Refused, Failed:
		a.Reason, a.Text, _ = strings.Cut(fields[3], " ")
		if !reasonWord.MatchString(a.Reason) {
			return Answer{}, fmt.Errorf("answer %s has no reason", excerpt(line))
		}
	default:
		return Answer{}, fmt.Errorf("answer %s has no status that is known", excerpt(line))
	}
	if a.ID != "-" && !isWord(a.ID) || !answerText.MatchString(a.Text) {
		return Answer{}, fmt.Errorf("answer %s is not well-formed", excerpt(line))
	}
	return a, nil
}

// maxText is how much Clean keeps of a text, in bytes.
const maxText = 1000

// Clean makes a Text of any text: what does not print in ASCII is escaped, and what is
// longer than a person wants to read is cut.
func Clean(text string) string {
	for _, blank := range []string{"\n", "\r", "\t"} {
		text = strings.ReplaceAll(text, blank, " ")
	}
	line := strings.Join(strings.Fields(printable.ASCII(text)), " ")
	if len(line) > maxText {
		line = strings.TrimSpace(line[:maxText])
	}
	if line == "" {
		return "-"
	}
	return line
}
