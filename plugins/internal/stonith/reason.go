package stonith

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A Reason is the code of a verdict. Codes are the same in messages, logs and
// the audit of the devices' side.
type Reason string

// The reasons of a refusal or failure.
const (
	WrongTarget      Reason = "wrong-target"      // not a configured node
	SelfFence        Reason = "self-fence"        // on or reset of the node that runs us
	BadConfig        Reason = "bad-config"        // parameters or local files
	Unreachable      Reason = "unreachable"       // no connection to the device
	NotAuthenticated Reason = "not-authenticated" // one of both sides could not prove who it is
	NotPermitted     Reason = "not-permitted"     // the device refuses us this request
	NotFound         Reason = "not-found"         // the device does not know the node
	Ambiguous        Reason = "ambiguous"         // the device knows several such nodes
	UnknownState     Reason = "unknown-state"     // the device's answer is not understood
	StillOn          Reason = "still-on"          // asked, and seen on since
	TimedOut         Reason = "timed-out"         // no verdict within the time limit
	DeviceError      Reason = "device-error"      // the device reports a fault of its own
)

// The reasons of a success.
const (
	AlreadyOff  Reason = "already-off"  // seen off before anything was asked
	OffObserved Reason = "off-observed" // asked, and seen off since
	OnObserved  Reason = "on-observed"  // seen on
	LeftOff     Reason = "left-off"     // seen off, and left so by configuration
	// ResetAccepted is no proof: the device took the request for a hard reset, which
	// its administrator has chosen over one that can be seen.
	ResetAccepted Reason = "reset-accepted"
)

// permanent reports whether waiting and asking again cannot help.
func (r Reason) permanent() bool {
	return slices.Contains([]Reason{WrongTarget, SelfFence, BadConfig, NotAuthenticated, NotPermitted, NotFound, Ambiguous}, r)
}

// An Error is a failure with its Reason and, where the remedy is known, a hint.
type Error struct {
	Reason Reason
	Hint   string
	// Final says that waiting and asking again cannot help, though the reason alone does not say so.
	Final bool
	Err   error
}

// Errorf returns an Error whose text is formatted as by fmt.Errorf.
func Errorf(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// WithHint returns e with a hint added: one line that says what to do.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// AsFinal returns e as one that no repetition can cure.
func (e *Error) AsFinal() *Error {
	e.Final = true
	return e
}

// Error returns the text without the reason, which the report adds once.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the Reason that decides over err: a permanent one before all
// others, and TimedOut after all others, since it tells least. An error that
// carries none is TimedOut if a context's end caused it, else DeviceError.
func ReasonOf(err error) Reason {
	first := Reason("")
	for _, e := range reasoned(err) {
		if e.Reason.permanent() {
			return e.Reason
		}
		if first == "" || first == TimedOut {
			first = e.Reason
		}
	}
	switch {
	case first != "":
		return first
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return TimedOut
	default:
		return DeviceError
	}
}

// isFinal reports whether err has a branch that no repetition can cure.
func isFinal(err error) bool {
	return slices.ContainsFunc(reasoned(err), func(e *Error) bool { return e.Final || e.Reason.permanent() })
}

// reasoned returns the outermost Errors of every branch of err.
func reasoned(err error) []*Error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // the tree is walked by hand, so that joined errors all count
		return []*Error{e}
	}
	switch u := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		return reasoned(u.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, branch := range u.Unwrap() {
			all = append(all, reasoned(branch)...)
		}
		return all
	}
	return nil
}

// hintsOf returns the hints found in err, each once.
func hintsOf(err error) []string {
	var hints []string
	for _, e := range reasoned(err) {
		for _, hint := range append([]string{e.Hint}, hintsOf(e.Err)...) {
			if hint != "" && !slices.Contains(hints, hint) {
				hints = append(hints, hint)
			}
		}
	}
	return hints
}
