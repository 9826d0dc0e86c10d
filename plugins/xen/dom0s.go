package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var (
	_ stonith.Finisher  = (*dom0s)(nil)
	_ stonith.Rehearser = (*dom0s)(nil)
	_ stonith.Lister    = (*dom0s)(nil)
)

// dom0s is the Device: all the Dom0s that a guest may live on. They are asked in
// parallel, and a guest is off only if all of them say so.
type dom0s struct {
	all      []dialect
	gap      gap  // for how long a guest must be absent to be off
	mayTouch bool // a look may ask a guest that is absent to go off
	warn     func(text string)
	seen     perGuest[sighting]
}

// A sighting is what this call has seen of one guest.
type sighting struct {
	home    dialect // where it was last seen on, nil if nowhere
	absence absence // since it was last seen or last asked to change
}

// Check asks every Dom0 whether it would obey for every node, and wants each
// guest to be known on at least one of them.
func (d *dom0s) Check(ctx context.Context, nodes []stonith.Node) error {
	guests := make([]string, len(nodes))
	for i, n := range nodes {
		guests[i] = n.Plug
	}
	answers, errs := askAll(d.all, func(one dialect) ([]bool, error) { return one.check(ctx, guests) })
	d.warnOfTwins()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var unknown []error
	for j, n := range nodes {
		if !slices.ContainsFunc(answers, func(known []bool) bool { return known[j] }) {
			unknown = append(unknown, notKnown(n))
		}
	}
	return errors.Join(unknown...)
}

// warnOfTwins tells of entries that are one machine, as far as host keys tell: its one answer
// counts twice, and another Dom0 may be missing in its place.
func (d *dom0s) warnOfTwins() {
	first := map[string]dialect{}
	for _, one := range d.all {
		key := one.shown()
		if other := first[key]; key != "" && other != nil {
			d.warn(fmt.Sprintf("%s and %s show the same host key %s: if they are one machine, name it once in sshaccount, and name "+
				"every Dom0 that the nodes may live on; if they are two, give each a host key of its own", other, one, key))
			continue
		}
		first[key] = one
	}
}

// notKnown says that no Dom0 has anything of the guest.
func notKnown(n stonith.Node) error {
	return stonith.Errorf(stonith.NotFound, "no Dom0 knows guest %q of node %s: it has no domain, and no configuration by that name that root alone can change", n.Plug, n.Name).
		WithHint("is the guest's name right in hostlist (node:guest), and the path of its configuration in the policy of the Dom0s?")
}

// State is Off if every Dom0 says so. It is On if one Dom0 says so. A guest that
// no Dom0 knows is not off: it may be running by another name.
func (d *dom0s) State(ctx context.Context, n stonith.Node) (stonith.Power, error) {
	return d.observe(ctx, n, d.mayTouch)
}

// observe is State. mayTouch allows to ask a guest that is on no Dom0 to go off,
// where its name cannot be confirmed otherwise.
func (d *dom0s) observe(ctx context.Context, n stonith.Node, mayTouch bool) (stonith.Power, error) {
	power, known, err := d.look(ctx, n)
	if err != nil || power != stonith.Off || known {
		return power, err
	}
	if err := d.confirm(ctx, n, mayTouch); err != nil {
		return stonith.Unknown, err
	}
	power, _, err = d.look(ctx, n) // it may have come meanwhile
	return power, err
}

// look is State without regard to the name: known says that a Dom0 knows the guest.
// With more than one Dom0, two rounds in a row must find it absent: a live
// migration can slip through one. Rounds go on until the absence has lasted for the gap.
func (d *dom0s) look(ctx context.Context, n stonith.Node) (power stonith.Power, known bool, err error) {
	var seen absence
	wanted := d.gap.within(ctx)
	for round := 1; ; round++ {
		began := time.Now()
		states, errs := askAll(d.all, func(one dialect) (wire.GuestState, error) { return one.state(ctx, n.Plug) })
		d.warnOfTwins()
		err := errors.Join(errs...)
		switch i := slices.Index(states, wire.GuestOn); {
		case i >= 0:
			d.seenOn(n, d.all[i])
			return stonith.On, true, nil
		case err != nil && ctx.Err() != nil && seen.held > 0:
			return stonith.Unknown, false, d.tooShort(n, seen, wanted, err)
		case err != nil:
			d.startOver(n)
			return stonith.Unknown, false, err
		}
		seen = d.seenAbsent(n, began)
		if round >= min(len(d.all), 2) && seen.held >= d.gap.least && seen.lasted() >= wanted {
			return stonith.Off, slices.Contains(states, wire.GuestOff) || d.home(n) != nil, nil
		}
		if wanted > 0 && !stonith.Sleep(ctx, lookPause) {
			return stonith.Unknown, false, d.tooShort(n, seen, wanted, ctx.Err())
		}
	}
}

// tooShort says that time ended before an absence became a proof.
func (d *dom0s) tooShort(n stonith.Node, seen absence, wanted time.Duration, err error) error {
	d.startOver(n)
	return stonith.Errorf(stonith.TimedOut, "guest %q is absent, but only for %s so far, and for less than %s it may be rebooting: %w",
		n.Plug, seen.held.Round(time.Millisecond), wanted.Round(time.Millisecond), err).
		WithHint("is timeout at least 40s? A look may take a quarter of it")
}

// seenOn remembers where the guest is.
func (d *dom0s) seenOn(n stonith.Node, home dialect) {
	d.seen.update(n.Plug, func(s *sighting) { *s = sighting{home: home} })
}

// seenAbsent adds a round that began then and ends now, and returns the guest's absence in
// every look so far.
func (d *dom0s) seenAbsent(n stonith.Node, began time.Time) absence {
	return d.seen.update(n.Plug, func(s *sighting) { s.absence.look(began, time.Now()) }).absence
}

// startOver forgets the guest's absence: what comes next may be another one.
func (d *dom0s) startOver(n stonith.Node) {
	d.seen.update(n.Plug, func(s *sighting) { s.absence = absence{} })
}

// home returns where the guest was last seen on, nil if it was not.
func (d *dom0s) home(n stonith.Node) dialect { return d.seen.get(n.Plug).home }

// confirm returns nil if a Dom0 knows the guest, which is on none.
func (d *dom0s) confirm(ctx context.Context, n stonith.Node, mayTouch bool) error {
	known, errs := askAll(d.all, func(one dialect) (bool, error) { return one.knows(ctx, n.Plug, mayTouch) })
	if slices.Contains(known, true) {
		return nil
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return notKnown(n)
}

// Switch asks every Dom0 to destroy the guest, or one Dom0 to create it.
func (d *dom0s) Switch(ctx context.Context, n stonith.Node, want stonith.Power) error {
	switch want {
	case stonith.Off:
		return d.destroy(ctx, n)
	case stonith.On:
		return d.start(ctx, n)
	case stonith.Unknown:
	}
	return fmt.Errorf("no guest can be switched %s", want)
}

// Finishes is true where each Dom0 says done only of a guest that it has seen gone: one that
// is seen on after that has come since, as the backup of a remus whose primary was ended.
func (d *dom0s) Finishes() bool { return d.gap.least == 0 }

// destroy asks every Dom0.
func (d *dom0s) destroy(ctx context.Context, n stonith.Node) error {
	defer d.startOver(n)
	_, errs := askAll(d.all, func(one dialect) (struct{}, error) { return struct{}{}, one.off(ctx, n.Plug) })
	return d.trouble(n, errs)
}

// trouble joins the Dom0s' errors. One that does not know the guest is no trouble if
// it was not seen there and others were asked as well.
func (d *dom0s) trouble(n stonith.Node, errs []error) error {
	home := d.home(n)
	var trouble []error
	for i, err := range errs {
		if !isNotFound(err) || d.all[i] == home {
			trouble = append(trouble, err)
		}
	}
	if len(trouble) == 0 {
		trouble = errs
	}
	return errors.Join(trouble...)
}

func isNotFound(err error) bool { return stonith.ReasonOf(err) == stonith.NotFound }

// Rehearse looks as State does, then has every Dom0 tell what it would do if it were
// asked to destroy the guest.
func (d *dom0s) Rehearse(ctx context.Context, n stonith.Node) (told string, err error) {
	if _, err := d.observe(ctx, n, false); err != nil {
		return "", err
	}
	texts, errs := askAll(d.all, func(one dialect) (string, error) { return one.rehearse(ctx, n.Plug) })
	if err := d.trouble(n, errs); err != nil {
		return "", err
	}
	for i, dom0 := range d.all {
		if errs[i] != nil {
			texts[i] = "does not know the guest"
		}
		texts[i] = dom0.String() + ": " + texts[i]
	}
	return strings.Join(texts, "; "), nil
}

// List returns the guests that every Dom0 lets us control. One that some of them do
// not cannot be fenced, and is warned of.
func (d *dom0s) List(ctx context.Context) ([]string, error) {
	lists, errs := askAll(d.all, func(one dialect) ([]string, error) { return one.list(ctx) })
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var common []string
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(lists...))))
	for _, guest := range all {
		i := slices.IndexFunc(lists, func(list []string) bool { return !slices.Contains(list, guest) })
		if i < 0 {
			common = append(common, guest)
			continue
		}
		d.warn(fmt.Sprintf("guest %s is left out: %s does not let this key control it", guest, d.all[i]))
	}
	return common, nil
}

// start creates the guest where it was last seen on, else on the first Dom0 that
// has its configuration; and only after all Dom0s have said that it is off.
func (d *dom0s) start(ctx context.Context, n stonith.Node) error {
	state, err := d.observe(ctx, n, true)
	if err != nil {
		return fmt.Errorf("not started, since it may be running: %w", err)
	}
	if state == stonith.On {
		return nil
	}
	defer d.startOver(n)
	for _, dom0 := range d.homeFirst(n) {
		err = dom0.on(ctx, n.Plug)
		if err == nil || !isNotFound(err) {
			return err
		}
	}
	return err
}

// homeFirst returns all Dom0s, the one first that the guest was seen on.
func (d *dom0s) homeFirst(n stonith.Node) []dialect {
	home := d.home(n)
	if home == nil {
		return d.all
	}
	ordered := []dialect{home}
	for _, dom0 := range d.all {
		if dom0 != home {
			ordered = append(ordered, dom0)
		}
	}
	return ordered
}

// askAll asks all Dom0s at the same time and returns their answers and errors, in
// the order of the Dom0s.
func askAll[T any](dom0s []dialect, ask func(dialect) (T, error)) ([]T, []error) {
	answers := make([]T, len(dom0s))
	errs := make([]error, len(dom0s))
	var wg sync.WaitGroup
	for i, dom0 := range dom0s {
		wg.Go(func() { answers[i], errs[i] = ask(dom0) })
	}
	wg.Wait()
	return answers, errs
}

// Close ends all connections.
func (d *dom0s) Close() error {
	for _, dom0 := range d.all {
		dom0.close()
	}
	return nil
}
