package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ dialect = (*gate)(nil)

// A gate is a Dom0 whose forced command is dom0-helper gate, which speaks wire.
type gate struct {
	*dom0
	nextID func() string // of the next request
	// tell tells people, once, what a Dom0 says beside a result.
	tell func(text string)
}

func (g *gate) check(ctx context.Context, guests []string) ([]bool, error) {
	if len(guests) == 0 { // there is no such request: the key's guests stand for some
		_, err := g.list(ctx)
		return nil, err
	}
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
	answer, err := g.request(ctx, wire.State, []string{guest}, string(wire.GuestOff), string(wire.GuestAbsent), string(wire.GuestOn), string(wire.GuestSaved))
	if wire.GuestState(answer) == wire.GuestSaved {
		return "", g.blame(ctx, stonith.Errorf(stonith.UnknownState, "guest %q is saved: an image of its memory lies where something restores it", guest).
			WithHint("off puts the image out of reach; after that, on starts the guest anew"))
	}
	return wire.GuestState(answer), err
}

// knows has nothing to ask: GuestAbsent says that the guest is not known here.
func (g *gate) knows(context.Context, string, bool) (bool, error) { return false, nil }

func (g *gate) off(ctx context.Context, guest string) error {
	_, err := g.request(ctx, wire.Off, []string{guest}, wire.Done)
	return err
}

func (g *gate) on(ctx context.Context, guest string) error {
	_, err := g.request(ctx, wire.On, []string{guest}, wire.Done)
	return err
}

// guestStates are the words that list and rehearse have for a guest.
var guestStates = []wire.GuestState{
	wire.GuestOn, wire.GuestStopped, wire.GuestOff, wire.GuestAbsent, wire.GuestSaved, wire.GuestRestarting, wire.GuestAmbiguous, wire.GuestDying,
}

// rehearse takes no more of the text than that it begins with a state: the rest is for people.
func (g *gate) rehearse(ctx context.Context, guest string) (string, error) {
	told, err := g.request(ctx, wire.Rehearse, []string{guest})
	if err != nil {
		return "", err
	}
	if state, _, found := strings.Cut(told, ": "); !found || !slices.Contains(guestStates, wire.GuestState(state)) {
		return "", g.blame(ctx, stonith.Errorf(stonith.UnknownState, "rehearse of %s is %q", guest, told))
	}
	return told, nil
}

// list asks for all guests that the key may control.
func (g *gate) list(ctx context.Context) ([]string, error) {
	answer, err := g.request(ctx, wire.List, nil)
	if err != nil {
		return nil, err
	}
	guests, err := parseList(answer)
	if err != nil {
		return nil, g.blame(ctx, stonith.Errorf(stonith.UnknownState, "list: %w", err))
	}
	return guests, nil
}

// parseList returns the guests in the answer to a list that names none.
func parseList(answer string) ([]string, error) {
	var guests []string
	for _, word := range strings.Fields(answer) {
		guest, _, _ := strings.Cut(word, "=")
		if err := wire.CheckGuest(guest); err != nil {
			return nil, err
		}
		if slices.Contains(guests, guest) {
			return nil, fmt.Errorf("guest %q is there twice", guest)
		}
		guests = append(guests, guest)
	}
	states, err := wire.ParsePerGuest(guests, answer)
	if err != nil {
		return nil, err
	}
	for i, state := range states {
		if !slices.Contains(guestStates, wire.GuestState(state)) {
			return nil, fmt.Errorf("guest %q is %q", guests[i], state)
		}
	}
	return guests, nil
}

// request sends one request and returns the result of an ok answer, and tells people the
// note in it. A result that is none of want, if there are such, is an error that quotes it.
func (g *gate) request(ctx context.Context, verb wire.Verb, guests []string, want ...string) (string, error) {
	r := wire.Request{Verb: verb, Guests: guests, ID: g.nextID()}
	var result string
	err := g.ask(ctx, r.String(), func(stdout, stderr string, runErr error) error {
		text, err := read(r, stdout, stderr, runErr)
		if err != nil {
			return err
		}
		result = text
		if verb != wire.Rehearse { // that is a text for people, all of it
			var note string
			if result, note = wire.CutNote(text); note != "" {
				g.tell(g.String() + ": " + note)
			}
		}
		if len(want) > 0 && !slices.Contains(want, result) {
			return stonith.Errorf(stonith.UnknownState, "%s of %s is %q", verb, guests[0], text)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return result, nil
}
