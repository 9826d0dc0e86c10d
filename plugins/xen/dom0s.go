package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ stonith.Device = (*dom0s)(nil)

// dom0s is the Device: all the Dom0s that a guest may live on. They are asked in
// parallel, and a guest is off only if all of them say so.
type dom0s struct {
	id  string
	all []*dom0

	home  atomic.Pointer[dom0] // where the guest of this call was last seen on
	count atomic.Int64         // of requests, for their ids
}

// Check asks every Dom0 whether it would obey for every node, and wants each
// guest to be known on at least one of them.
func (d *dom0s) Check(ctx context.Context, nodes []stonith.Node) error {
	guests := make([]string, len(nodes))
	for i, n := range nodes {
		guests[i] = n.Plug
	}
	answers, err := d.askAll(ctx, wire.Check, guests)
	if err != nil {
		return err
	}
	known := make([]bool, len(guests))
	for i, answer := range answers {
		says, err := wire.ParsePerGuest(guests, answer)
		if err != nil {
			return stonith.Errorf(stonith.UnknownState, "dom0 %s: %w", d.all[i].account, err)
		}
		for j, word := range says {
			known[j] = known[j] || word == wire.Known
		}
	}
	var unknown []error
	for j, n := range nodes {
		if !known[j] {
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

// State is Off if every Dom0 says so, with more than one Dom0 in two rounds in a
// row: a live migration can slip through one. It is On if one Dom0 says so. A
// guest that no Dom0 knows is not off: it may be running by another name.
func (d *dom0s) State(ctx context.Context, n stonith.Node) (stonith.Power, error) {
	rounds := min(len(d.all), 2)
	for range rounds {
		answers, err := d.askAll(ctx, wire.State, []string{n.Plug}, string(wire.GuestOff), string(wire.GuestAbsent), string(wire.GuestOn))
		if i := slices.Index(answers, string(wire.GuestOn)); i >= 0 {
			d.home.Store(d.all[i])
			return stonith.On, nil
		}
		if err != nil {
			return stonith.Unknown, err
		}
		if !slices.Contains(answers, string(wire.GuestOff)) && d.home.Load() == nil {
			return stonith.Unknown, notKnown(n)
		}
	}
	return stonith.Off, nil
}

// Switch asks every Dom0 to destroy the guest, or one Dom0 to create it.
func (d *dom0s) Switch(ctx context.Context, n stonith.Node, want stonith.Power) error {
	switch want {
	case stonith.Off:
		_, err := d.askAll(ctx, wire.Off, []string{n.Plug}, wire.Done)
		return err
	case stonith.On:
		return d.start(ctx, n)
	case stonith.Unknown:
	}
	return fmt.Errorf("no guest can be switched %s", want)
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
	for _, dom0 := range d.homeFirst() {
		_, err = d.askOne(ctx, dom0, wire.On, []string{n.Plug}, wire.Done)
		if err == nil || stonith.ReasonOf(err) != stonith.NotFound {
			return err
		}
	}
	return err
}

// homeFirst returns all Dom0s, the one first that the guest was seen on.
func (d *dom0s) homeFirst() []*dom0 {
	home := d.home.Load()
	if home == nil {
		return d.all
	}
	ordered := []*dom0{home}
	for _, dom0 := range d.all {
		if dom0 != home {
			ordered = append(ordered, dom0)
		}
	}
	return ordered
}

// askAll asks all Dom0s at the same time, for an answer that is one of want. It returns their answers, in the order
// of the Dom0s and "" for one without, and the errors of those joined.
func (d *dom0s) askAll(ctx context.Context, verb wire.Verb, guests []string, want ...string) ([]string, error) {
	answers := make([]string, len(d.all))
	errs := make([]error, len(d.all))
	var wg sync.WaitGroup
	for i, dom0 := range d.all {
		wg.Go(func() { answers[i], errs[i] = d.askOne(ctx, dom0, verb, guests, want...) })
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}

// askOne asks one Dom0. An answer that is none of want, if there are such, is an error that quotes it.
func (d *dom0s) askOne(ctx context.Context, dom0 *dom0, verb wire.Verb, guests []string, want ...string) (string, error) {
	text, err := dom0.ask(ctx, wire.Request{Verb: verb, Guests: guests, ID: d.nextID()})
	if err != nil {
		return "", err
	}
	if len(want) == 0 || slices.Contains(want, text) {
		return text, nil
	}
	return "", stonith.Errorf(stonith.UnknownState, "dom0 %s: %s of %s is %q", dom0.account, verb, guests[0], text)
}

// nextID returns the id of the next request: that of the call and a number.
func (d *dom0s) nextID() string {
	return fmt.Sprintf("%s-%d", d.id, d.count.Add(1))
}

// Close ends all connections.
func (d *dom0s) Close() error {
	for _, dom0 := range d.all {
		dom0.close()
	}
	return nil
}
