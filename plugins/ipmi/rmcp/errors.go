package rmcp

import (
	"errors"
	"fmt"
	"strings"
)

// What can go wrong, to be told apart by errors.Is.
var (
	// ErrNoAnswer: the BMC says nothing. The error is a [NoAnswerError].
	ErrNoAnswer = errors.New("no answer")
	// ErrPassword: the password is wrong. Some BMCs hide that it is the user.
	ErrPassword = errors.New("wrong password or user")
	// ErrSilence: ErrPassword is no more than a guess. Over lan, BMCs are silent to a
	// wrong password, and so is a network that loses every copy of the answer.
	ErrSilence = errors.New("the BMC went silent when it was sent")
	// ErrUser: the BMC says that it has no such user, or that the user is disabled.
	ErrUser = errors.New("unknown user")
	// ErrKg: the password is right, but the BMC has another K_g, or none.
	ErrKg = errors.New("wrong or missing K_g")
	// ErrPrivilege: the user may not have the privilege, or it does not suffice.
	ErrPrivilege = errors.New("privilege too low")
	// ErrSuite: the BMC takes none of the cipher suites.
	ErrSuite = errors.New("no common cipher suite")
	// ErrAuthType: the BMC takes none of the authentication types.
	ErrAuthType = errors.New("no common authentication type")
	// ErrDowngrade: the BMC, or someone in its place, answers with other algorithms
	// than it was asked for.
	ErrDowngrade = errors.New("answer with other algorithms than asked for")
	// ErrSessions: all sessions of the BMC are taken. They end by themselves.
	ErrSessions = errors.New("no free session")
	// ErrMalformed: a packet is truncated, or not what it should be.
	ErrMalformed = errors.New("malformed packet")
	// ErrTooLong: the user, the password or K_g is longer than the protocol allows.
	ErrTooLong = errors.New("too long")
	// ErrConfig: the configuration asks for something that does not exist.
	ErrConfig = errors.New("impossible configuration")
)

// errSessionGone is an answer for a session that the BMC has forgotten.
var errSessionGone = errors.New("session forgotten by the BMC")

// errOtherCopy is a proof that does not fit, and not for the password's sake: the network
// or we have sent copies of a message, and the BMC has gone on with another one than that
// whose answer we have.
var errOtherCopy = errors.New("the BMC has gone on with another copy of a message")

// errOtherLength is a code that cannot be one of the cipher suite.
var errOtherLength = errors.New("or a code of another cipher suite")

// errOfLogin is an answer to a message of the login, in the session that it led to.
var errOfLogin = errors.New("one more answer to the login")

// errEarlier is one more answer to a request that has been answered.
var errEarlier = errors.New("one more answer to an earlier request")

// A NoAnswerError is silence. It is [ErrNoAnswer], and also what explains it, if
// something does: the error of the network, of a packet that was not accepted, or
// of the context.
type NoAnswerError struct {
	Step string // what was asked
	Last error  // the last thing seen while waiting, nil if nothing was
	end  error  // of the context, nil if it has not ended
}

// Error names the step, the last thing seen, and what ended the wait if it was not ours.
func (e *NoAnswerError) Error() string {
	text := fmt.Sprintf("%v to %s", ErrNoAnswer, e.Step)
	if e.Last != nil {
		text += fmt.Sprintf(" (last seen: %v)", e.Last)
	}
	if e.end != nil {
		text += ": " + e.end.Error()
	}
	return text
}

// Unwrap returns what the error is.
func (e *NoAnswerError) Unwrap() []error {
	all := []error{ErrNoAnswer}
	for _, err := range []error{e.Last, e.end} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// A CompletionError is a command that the BMC refused (section 5.2).
type CompletionError struct {
	Command string // the name of the command in the specification
	Code    byte   // the completion code
	kind    error  // the variable of this package that it amounts to, or nil
}

// completionTexts are the generic completion codes that a BMC in trouble gives (table 5-2).
var completionTexts = map[byte]string{
	0xC0: "node busy",
	0xC1: "unknown command",
	0xC3: "timeout in the BMC",
	0xC4: "out of space",
	0xC9: "parameter out of range",
	0xCC: "invalid data field",
	0xCE: "no response available",
	0xD0: "BMC is updating its firmware",
	0xD1: "BMC is starting",
	0xD2: "destination unavailable",
	0xD4: "insufficient privilege",
	0xD5: "not possible in the present state",
	0xD6: "command disabled",
	0xFF: "unspecified error",
}

// Error names the command, the code and its meaning.
func (e *CompletionError) Error() string {
	meaning := completionTexts[e.Code]
	if e.kind != nil {
		meaning = e.kind.Error()
	}
	if meaning == "" {
		meaning = "refused"
	}
	return fmt.Sprintf("%s: %s (completion code %02Xh)", e.Command, meaning, e.Code)
}

// Unwrap returns the variable of this package that the code amounts to, or nil.
func (e *CompletionError) Unwrap() error { return e.kind }

// A StatusError is a step of the login by RMCP+ that the BMC refused (section 13.24).
type StatusError struct {
	Step   string // the name of the message that was refused
	Status byte
}

// statusKinds are the status codes (section 13.24), as far as they tell more than that
// the two sides do not understand each other.
var statusKinds = map[byte]error{
	0x01: ErrSessions,    // insufficient resources to create a session
	0x02: errSessionGone, // invalid session ID
	0x04: ErrSuite,       // invalid authentication algorithm
	0x05: ErrSuite,       // invalid integrity algorithm
	0x06: ErrSuite,       // no matching authentication payload
	0x07: ErrSuite,       // no matching integrity payload
	0x08: errSessionGone, // inactive session ID
	0x09: ErrPrivilege,   // invalid role
	0x0A: ErrPrivilege,   // unauthorized role or privilege level
	0x0B: ErrSessions,    // insufficient resources to create a session at the requested role
	0x0C: ErrUser,        // invalid name length
	0x0D: ErrUser,        // unauthorized name
	0x0F: ErrPassword,    // invalid integrity check value
	0x10: ErrSuite,       // invalid confidentiality algorithm
	0x11: ErrSuite,       // no cipher suite match
}

// statusTexts are the status codes without a kind.
var statusTexts = map[byte]string{
	0x03: "invalid payload type",
	0x0E: "unauthorized GUID",
	0x12: "illegal or unrecognized parameter",
}

// Error names the step, the status and its meaning.
func (e *StatusError) Error() string {
	meaning := statusTexts[e.Status]
	if kind := statusKinds[e.Status]; kind != nil {
		meaning = kind.Error()
	}
	if meaning == "" {
		meaning = "refused"
	}
	return fmt.Sprintf("%s: %s (status %02Xh)", e.Step, meaning, e.Status)
}

// Unwrap returns the variable of this package that the status amounts to, or nil.
func (e *StatusError) Unwrap() error { return statusKinds[e.Status] }

// attempts are errors of several attempts, in one line.
type attempts []error

func (a attempts) Error() string {
	texts := make([]string, len(a))
	for i, err := range a {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (a attempts) Unwrap() []error { return a }

// SuiteErrors are what became of the login with each cipher suite that was tried.
type SuiteErrors []SuiteError

// A SuiteError is what became of the login with one suite, at the last attempt.
type SuiteError struct {
	Suite int
	Err   error
}

// with returns the errors with what became of one more attempt.
func (all SuiteErrors) with(suite int, err error) SuiteErrors {
	for i := range all {
		if all[i].Suite == suite {
			all[i].Err = err
			return all
		}
	}
	return append(all, SuiteError{suite, err})
}

// Error names each suite.
func (all SuiteErrors) Error() string { return attempts(all.Unwrap()).Error() }

// Unwrap returns the errors.
func (all SuiteErrors) Unwrap() []error {
	errs := make([]error, len(all))
	for i, one := range all {
		errs[i] = fmt.Errorf("cipher suite %d: %w", one.Suite, one.Err)
	}
	return errs
}

// malformed returns an error that says what is wrong with a packet.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
