package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ stonith.Rehearser = (*members)(nil)

// Rehearse finds the guest as off does, at every master that there is, and asks what
// changes nothing in the place of VM.hard_shutdown.
func (m *members) Rehearse(ctx context.Context, n stonith.Node) (told string, err error) {
	guests, err := m.guests(ctx, n, all)
	if err != nil {
		return "", err
	}
	began := time.Now()
	var texts []string
	var errs []error
	var unproven []*guest
	for _, g := range guests {
		text, power, err := g.rehearse(ctx)
		if power == halted || power == suspended {
			unproven = append(unproven, g)
		}
		texts = append(texts, text)
		errs = append(errs, m.check(err))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	if err := m.wouldCount(ctx, unproven, began); err != nil {
		return "", m.check(err)
	}
	return strings.Join(texts, "; "), nil
}

// wouldCount returns an error if the masters' word that these guests are Halted would
// not count, now or after the image of those that are Suspended is deleted.
func (m *members) wouldCount(ctx context.Context, guests []*guest, since time.Time) error {
	if len(guests) == 0 {
		return nil
	}
	power, _, err := m.stateOf(ctx, guests)
	switch {
	case power == stonith.Off:
		return m.good(ctx, guests, since)
	case errors.Is(err, stonith.ErrNeitherState):
		return m.areHeard(ctx, guests)
	case err == nil:
		return stonith.Errorf(stonith.UnknownState, "%s: it has just been started", guests[0])
	}
	return err
}

// rehearse asks the master whether it would take hard_shutdown, and the guest's host
// for its time, since that goes by the same way as the request. Who may only read may ask both,
// so what the user may do is looked at besides. off asks nothing of a guest that is Halted.
func (g *guest) rehearse(ctx context.Context) (told, power string, err error) {
	if err := g.session.permits(ctx); err != nil {
		return "", "", err
	}
	r, err := g.obeys(ctx)
	if err != nil {
		return "", "", err
	}
	if r.Power == halted {
		return "nothing, since the guest is Halted already and proven so: it is not asked for hard_shutdown", halted, nil
	}
	if operation := r.isBuilding(); operation != "" {
		return "", r.Power, g.waitsFor(r, operation)
	}
	told, err = g.assertValid(ctx)
	if err == nil && isHost(r.ResidentOn) { // one that is Suspended is on none, and any will do
		told += fmt.Sprintf(", and host.get_servertime of %s", g.session.hostName(r.ResidentOn))
		_, err = ask[time.Time](ctx, g.session, "host.get_servertime", r.ResidentOn)
	}
	if err != nil {
		return "", r.Power, g.refused(r, err)
	}
	return told, r.Power, nil
}

// assertValid asks the master whether it would take hard_shutdown. Until 2018 only
// pool-admins might ask: who may do it, and not ask for it, does without.
func (g *guest) assertValid(ctx context.Context) (told string, err error) {
	_, err = read[string](ctx, g.session, "VM.assert_operation_valid", g.ref, "hard_shutdown")
	if code(err) == "RBAC_PERMISSION_DENIED" {
		return "no VM.assert_operation_valid, which is for pool-admins alone in this release", nil
	}
	return "VM.assert_operation_valid of hard_shutdown", err
}
