package main

import (
	"context"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ dialect = (*script)(nil)

// A script is a Dom0 with the xen-stonith script of the Xen module of 2007. What
// the script says of off and on proves nothing: its list is believed, once it is
// understood to the last row. docs/protocol.md has its forms.
type script struct {
	*dom0
	// tell tells people, once, what this dialect cannot see.
	tell func(text string)
	has  perGuest[trace]
}

// A trace is what a Dom0 with the script has shown of one guest.
type trace struct {
	named bool // the script has answered for it
	here  bool // it was here when the list was last read
}

// check wants a list that is understood. Which guests the script knows cannot be
// asked without touching them, so all are taken for known.
func (s *script) check(ctx context.Context, guests []string) ([]bool, error) {
	_, err := s.domains(ctx)
	return slices.Repeat([]bool{true}, len(guests)), err
}

// state is GuestOn while a domain of the guest runs. Domains that have shut down,
// crashed or are dying are neither on nor off, and one without a name may be the guest.
func (s *script) state(ctx context.Context, guest string) (wire.GuestState, error) {
	rows, err := s.domains(ctx)
	if err != nil {
		return "", err
	}
	isGuest := func(r domainRow) bool { return r.isGuest(guest) }
	has := s.has.update(guest, func(t *trace) { t.here = slices.ContainsFunc(rows, isGuest) })
	if slices.ContainsFunc(rows, func(r domainRow) bool { return isGuest(r) && r.runs() }) {
		return wire.GuestOn, nil
	}
	if i := slices.IndexFunc(rows, isGuest); i >= 0 {
		return "", s.blame(ctx, stonith.Errorf(stonith.UnknownState, "guest %q is there as domain %s %q, with the marks %q", guest, rows[i].id, rows[i].name, rows[i].marks))
	}
	if i := slices.IndexFunc(rows, func(r domainRow) bool { return r.name == "" }); i >= 0 {
		return "", s.blame(ctx, stonith.Errorf(stonith.UnknownState, "domain %s has no name, with the marks %q, and may be guest %q", rows[i].id, rows[i].marks, guest))
	}
	if has.named {
		return wire.GuestOff, nil
	}
	return wire.GuestAbsent, nil
}

// knows asks the script to switch the guest off, which says whether its name is in
// the list of nodes that the script has. There is no other way to ask.
func (s *script) knows(ctx context.Context, guest string, mayTouch bool) (bool, error) {
	if !mayTouch {
		return false, s.blame(ctx, stonith.Errorf(stonith.UnknownState, "guest %q is in no list, and whether xen-stonith knows that name is told by its answer to off alone", guest).
			WithHint("off, reset and on ask for it; with dom0-helper on the Dom0s there is no need to"))
	}
	err := s.off(ctx, guest)
	if s.has.get(guest).named {
		return true, nil
	}
	return false, err
}

// rehearse has nothing to ask: the script has no such thing.
func (s *script) rehearse(_ context.Context, guest string) (string, error) {
	if s.has.get(guest).here {
		return "the guest runs here; not rehearsed is whether xen-stonith would stop it", nil
	}
	return "the guest is not here; not rehearsed is what xen-stonith would say to off", nil
}

// list is refused: the script's has the guests that run, whether or not the script
// knows them, and leaves out those that are off.
func (s *script) list(ctx context.Context) ([]string, error) {
	return nil, s.blame(ctx, stonith.Errorf(stonith.BadConfig, "with dom0_protocol=2007 it cannot be asked which guests it would switch").
		WithHint("set hostlist to the nodes"))
}

// off takes the script's failure for an error only if the guest was here: it also
// fails where there is nothing to stop.
func (s *script) off(ctx context.Context, guest string) error {
	done := []string{"Stopped " + guest}
	if !s.has.get(guest).here {
		done = append(done, failedToStop+guest)
	}
	return s.run(ctx, "off", guest, done)
}

func (s *script) on(ctx context.Context, guest string) error {
	return s.run(ctx, "on", guest, []string{"Started " + guest})
}

const failedToStop = "Failed to stop "

// scriptCommand is what the sudo rule of 2007 allows.
const scriptCommand = "sudo -u root xen-stonith "

// domains returns the list of all domains. An answer that is cut off, however late, is an error.
func (s *script) domains(ctx context.Context) (rows []domainRow, err error) {
	s.tell("with dom0_protocol=2007, off proves nothing about saved images, restores and migrations, and a guest that takes long to " +
		"restart may pass for off: install dom0-helper on the Dom0s")
	err = s.ask(ctx, scriptCommand+"list", func(stdout, stderr string, runErr error) (err error) {
		if runErr != nil {
			return s.complaint(stdout, stderr, runErr)
		}
		if len(stdout) > wire.MaxAnswer {
			return stonith.Errorf(stonith.UnknownState, "its list of domains has more than %d bytes", wire.MaxAnswer)
		}
		if rows, err = parseDomains(stdout); err != nil {
			return stonith.Errorf(stonith.UnknownState, "%w, stderr %.300q", err, stderr).
				WithHint("does xen-stonith list print the list of xm or xl there, and the account's shell nothing? Where dom0-helper is, dom0_protocol is 1")
		}
		return nil
	})
	return rows, err
}

// run has the script do something to the guest. Its exit status says nothing, so
// its words decide: one of done is what it prints when all was tried. They and its
// failure to stop the guest tell that it knows the guest.
func (s *script) run(ctx context.Context, verb, guest string, done []string) error {
	return s.ask(ctx, scriptCommand+verb+" "+guest, func(stdout, stderr string, runErr error) error {
		if isBroken(runErr) {
			return runErr
		}
		lines := strings.Split(stdout+"\n"+stderr, "\n")
		isDone := slices.ContainsFunc(done, func(words string) bool { return slices.Contains(lines, words) })
		if isDone || slices.Contains(lines, failedToStop+guest) {
			s.has.update(guest, func(t *trace) { t.named = true })
		}
		if isDone {
			return nil
		}
		return s.complaint(stdout, stderr, runErr)
	})
}

// complaint turns what came instead of a good answer into an error that quotes it.
func (s *script) complaint(stdout, stderr string, runErr error) error {
	if isBroken(runErr) {
		return runErr
	}
	said := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(stderr, w) })
	}
	answered := func(reason stonith.Reason) *stonith.Error {
		return stonith.Errorf(reason, "xen-stonith answers %.300q, %s, stderr %.300q", stdout, exitText(runErr), stderr)
	}
	switch {
	case said("Invalid node "):
		return answered(stonith.NotFound).WithHint("is the guest's name right in hostlist (node:guest), and in the list of nodes in xen-stonith on the Dom0s?")
	case said("Invalid operation "):
		return answered(stonith.BadConfig).WithHint("is xen-stonith there the script of the Xen module of 2007?")
	case said("sudo: xen-stonith: command not found", "sudo: command not found", "sudo: not found", "a password is required",
		"a terminal is required", "you must have a tty", "no tty present", "is not allowed to", "not in the sudoers file"):
		return answered(stonith.NotPermitted).WithHint("is xen-stonith in the secure_path of sudo there, and does sudo let %s run it as root without a password and a terminal?", s.account.user)
	case said("nable to open config file", "Failed to read config file"):
		return answered(stonith.NotFound).WithHint("is the guest's configuration in /etc/xen on that Dom0?")
	case runErr == nil, stdout == "" && stderr == "":
		return answered(stonith.UnknownState).WithHint("is xen-stonith there the script of the Xen module of 2007?")
	default:
		return answered(stonith.DeviceError)
	}
}
