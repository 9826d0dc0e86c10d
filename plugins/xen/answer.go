package main

import (
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// read returns the text of the ok answer to r. An answer counts only if it is
// one whole line for this very request, and if the exit status agrees with it.
func read(r wire.Request, stdout, stderr string, runErr error) (string, error) {
	if runErr != nil && isBroken(runErr) {
		return "", runErr
	}
	line, whole := strings.CutSuffix(stdout, "\n")
	answer, err := wire.ParseAnswer(line)
	switch {
	case !whole || err != nil:
		return "", noAnswer(stdout, stderr, runErr)
	case answer.Previous && answer.Reason == wire.BadRequest:
		return "", stonith.Errorf(stonith.BadConfig, "its dom0-helper is older than this plugin, and sees no saved images, restores and migrations").
			WithHint("install the new dom0-helper on each Dom0 before the new plugin on the nodes")
	case answer.Previous:
		return "", stonith.Errorf(stonith.UnknownState, "its answer %q is of another version than the request", line)
	case answer.ID != r.ID && (answer.Status == wire.OK || answer.ID != "-"):
		return "", stonith.Errorf(stonith.UnknownState, "it answered request %s, not %s", answer.ID, r.ID)
	case (answer.Status == wire.OK) != (runErr == nil):
		return "", stonith.Errorf(stonith.UnknownState, "its answer %q and %s contradict each other", line, exitText(runErr))
	case answer.Status != wire.OK:
		return "", answered(answer)
	default:
		return answer.Text, nil
	}
}

// answered turns an answer that is not ok into an error.
func answered(a wire.Answer) error {
	reasons := map[string]stonith.Reason{
		wire.BadRequest:   stonith.BadConfig,
		wire.NotPermitted: stonith.NotPermitted,
		wire.NotFound:     stonith.NotFound,
		wire.Ambiguous:    stonith.Ambiguous,
		wire.BadConfig:    stonith.BadConfig,
		wire.UnknownState: stonith.UnknownState,
		wire.StillOn:      stonith.StillOn,
		wire.TimedOut:     stonith.TimedOut,
	}
	reason, ok := reasons[a.Reason]
	if !ok {
		reason = stonith.DeviceError
	}
	err := stonith.Errorf(reason, "it %s the request (%s): %s", a.Status, a.Reason, a.Text)
	switch a.Reason {
	case wire.NotPermitted:
		return err.WithHint("--allow of the key's line in authorized_keys and the policy of the Dom0 decide; dom0-helper check there explains them")
	case wire.BadRequest:
		return err.WithHint("is dom0-helper there as new as this plugin?")
	}
	return err
}

// noAnswer quotes what came instead of an answer.
func noAnswer(stdout, stderr string, runErr error) error {
	switch {
	case strings.Contains(stderr, "sudo:"):
		return stonith.Errorf(stonith.NotPermitted, "no answer, %s: %.300q", exitText(runErr), stderr).
			WithHint("is the drop-in of sudoers/ installed on the Dom0, with the path of its dom0-helper?")
	case stdout == "":
		return stonith.Errorf(stonith.UnknownState, "empty answer, %s, stderr %.300q", exitText(runErr), stderr).
			WithHint("is dom0-helper gate the forced command of this key, and is it installed there?")
	default:
		return stonith.Errorf(stonith.UnknownState, "answer %.300q is not understood, %s", stdout, exitText(runErr)).
			WithHint("is dom0-helper gate the forced command of this key, and does the account's shell print nothing?")
	}
}

// exitText says how the command on the Dom0 ended.
func exitText(err error) string {
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit) && exit.Signal() != "":
		return "ended by signal " + exit.Signal()
	default:
		return err.Error()
	}
}
