package main

import (
	"context"
	"slices"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ dialect = (*gate)(nil)

// A gate is a Dom0 whose forced command is dom0-helper gate, which speaks wire.
type gate struct {
	*dom0
	nextID func() string // of the next request
}

func (g *gate) check(ctx context.Context, guests []string) ([]bool, error) {
	answer, err := g.request(ctx, wire.Check, guests)
	if err != nil {
		return nil, err
	}
	says, err := wire.ParsePerGuest(guests, answer)
	if err != nil {
		return nil, g.blame(ctx, stonith.Errorf(stonith.UnknownState, "%w", err))
	}
	known := make([]bool, len(guests))
	for i, word := range says {
		known[i] = word == wire.Known
	}
	return known, nil
}

func (g *gate) state(ctx context.Context, guest string) (wire.GuestState, error) {
	answer, err := g.request(ctx, wire.State, []string{guest}, string(wire.GuestOff), string(wire.GuestAbsent), string(wire.GuestOn))
	return wire.GuestState(answer), err
}

// knows has nothing to ask: GuestAbsent says that the guest is not known here.
func (g *gate) knows(context.Context, string) (bool, error) { return false, nil }

func (g *gate) off(ctx context.Context, guest string) error {
	_, err := g.request(ctx, wire.Off, []string{guest}, wire.Done)
	return err
}

func (g *gate) on(ctx context.Context, guest string) error {
	_, err := g.request(ctx, wire.On, []string{guest}, wire.Done)
	return err
}

// request sends one request and returns the text of an ok answer. One that is
// none of want, if there are such, is an error that quotes it.
func (g *gate) request(ctx context.Context, verb wire.Verb, guests []string, want ...string) (string, error) {
	r := wire.Request{Verb: verb, Guests: guests, ID: g.nextID()}
	var text string
	err := g.ask(ctx, r.String(), func(stdout, stderr string, runErr error) (err error) {
		text, err = read(r, stdout, stderr, runErr)
		if err == nil && len(want) > 0 && !slices.Contains(want, text) {
			return stonith.Errorf(stonith.UnknownState, "%s of %s is %q", verb, guests[0], text)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return text, nil
}
