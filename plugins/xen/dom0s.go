package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ stonith.Device = (*dom0s)(nil)

// dom0s is the Device: all the Dom0s that a guest may live on. They are asked in
// parallel, and a guest is off only if all of them say so.
type dom0s struct {
	all []dialect
	gap time.Duration // for how long a guest must be absent to be off

	mu      sync.Mutex
	home    dialect // where the guest of this call was last seen on
	absence absence // of the guest, since it was last seen or last asked to change
}

// Check asks every Dom0 whether it would obey for every node, and wants each
// guest to be known on at least one of them.
func (d *dom0s) Check(ctx context.Context, nodes []stonith.Node) error {
	guests := make([]string, len(nodes))
	for i, n := range nodes {
		guests[i] = n.Plug
	}
	answers, errs := askAll(d.all, func(one dialect) ([]bool, error) { return one.check(ctx, guests) })
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

// notKnown says that no Dom0 has anything of the guest.
func notKnown(n stonith.Node) error {
	return stonith.Errorf(stonith.NotFound, "no Dom0 knows guest %q of node %s: it has no domain, and no configuration by that name that root alone can change", n.Plug, n.Name).
		WithHint("is the guest's name right in hostlist (node:guest), and the path of its configuration in the policy of the Dom0s?")
}

// State is Off if every Dom0 says so. It is On if one Dom0 says so. A guest that
// no Dom0 knows is not off: it may be running by another name.
func (d *dom0s) State(ctx context.Context, n stonith.Node) (stonith.Power, error) {
	power, known, err := d.look(ctx, n)
	if err != nil || power != stonith.Off || known {
		return power, err
	}
	if err := d.confirm(ctx, n); err != nil {
		return stonith.Unknown, err
	}
	power, _, err = d.look(ctx, n) // it may have come meanwhile
	return power, err
}

// look is State without regard to the name: known says that a Dom0 knows the guest.
// With more than one Dom0, two rounds in a row must find it absent: a live
// migration can slip through one. Rounds go on until the absence has lasted for the gap.
func (d *dom0s) look(ctx context.Context, n stonith.Node) (power stonith.Power, known bool, err error) {
	var held time.Duration
	for round := 1; ; round++ {
		began := time.Now()
		states, errs := askAll(d.all, func(one dialect) (wire.GuestState, error) { return one.state(ctx, n.Plug) })
		err := errors.Join(errs...)
		switch i := slices.Index(states, wire.GuestOn); {
		case i >= 0:
			d.seenOn(d.all[i])
			return stonith.On, true, nil
		case err != nil && ctx.Err() != nil && held > 0:
			return stonith.Unknown, false, d.tooShort(n, held, err)
		case err != nil:
			d.startOver()
			return stonith.Unknown, false, err
		}
		held = d.seenAbsent(began)
		if round >= min(len(d.all), 2) && held >= d.gap {
			return stonith.Off, slices.Contains(states, wire.GuestOff) || d.lastHome() != nil, nil
		}
		if d.gap > 0 && !stonith.Sleep(ctx, lookPause) {
			return stonith.Unknown, false, d.tooShort(n, held, ctx.Err())
		}
	}
}

// tooShort says that time ended before an absence that was held so far became a proof.
func (d *dom0s) tooShort(n stonith.Node, held time.Duration, err error) error {
	d.startOver()
	return stonith.Errorf(stonith.TimedOut, "guest %q is absent, but only for %s so far, and for less than %s it may be rebooting: %w",
		n.Plug, held.Round(time.Millisecond), d.gap, err).
		WithHint("is timeout at least 40s? A look may take a quarter of it")
}

// seenOn remembers where the guest is.
func (d *dom0s) seenOn(home dialect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.home, d.absence = home, absence{}
}

// seenAbsent adds a round that began then and ends now, and returns for how long
// the guest has been absent in every look.
func (d *dom0s) seenAbsent(began time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.absence.look(began, time.Now())
	return d.absence.held
}

// startOver forgets the absence: what comes next may be another one.
func (d *dom0s) startOver() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.absence = absence{}
}

// lastHome returns where the guest was last seen on, nil if it was not.
func (d *dom0s) lastHome() dialect {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.home
}

// confirm returns nil if a Dom0 knows the guest, which is on none.
func (d *dom0s) confirm(ctx context.Context, n stonith.Node) error {
	known, errs := askAll(d.all, func(one dialect) (bool, error) { return one.knows(ctx, n.Plug) })
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

// destroy asks every Dom0. One that does not know the guest is no trouble if it
// was not seen there and others were asked as well.
func (d *dom0s) destroy(ctx context.Context, n stonith.Node) error {
	defer d.startOver()
	_, errs := askAll(d.all, func(one dialect) (struct{}, error) { return struct{}{}, one.off(ctx, n.Plug) })
	home := d.lastHome()
	var trouble []error
	for i, err := range errs {
		if stonith.ReasonOf(err) != stonith.NotFound || d.all[i] == home {
			trouble = append(trouble, err)
		}
	}
	if len(trouble) == 0 {
		trouble = errs
	}
	return errors.Join(trouble...)
}

// start creates the guest where it was last seen on, else on the first Dom0 that
// has its configuration; and only after all Dom0s have said that it is off.
func (d *dom0s) start(ctx context.Context, n stonith.Node) error {
	state, err := d.State(ctx, n)
	if err != nil {
		return fmt.Errorf("not started, since it may be running: %w", err)
	}
	if state == stonith.On {
		return nil
	}
	defer d.startOver()
	for _, dom0 := range d.homeFirst() {
		err = dom0.on(ctx, n.Plug)
		if err == nil || stonith.ReasonOf(err) != stonith.NotFound {
			return err
		}
	}
	return err
}

// homeFirst returns all Dom0s, the one first that the guest was seen on.
func (d *dom0s) homeFirst() []dialect {
	home := d.lastHome()
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
