package main

import (
	"context"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A dialect is how one Dom0 is spoken to, and what its answers are worth. Errors
// name the Dom0. A guest that a Dom0 does not know is a stonith.NotFound.
type dialect interface {
	// check asks whether requests for the guests would be obeyed, and tells for
	// each whether the Dom0 knows it. It touches none. Without guests it asks whether
	// there are some that would be obeyed for.
	check(ctx context.Context, guests []string) (known []bool, err error)

	// state tells whether the guest is here: GuestOn, GuestOff, or GuestAbsent if it
	// is not here and may never have been. All else is an error.
	state(ctx context.Context, guest string) (wire.GuestState, error)

	// knows asks whether the Dom0 has a guest by that name after state said
	// GuestAbsent. It is called only while the guest is on no Dom0, and asks it to go
	// off only if it may touch it.
	knows(ctx context.Context, guest string, mayTouch bool) (bool, error)

	// off asks the Dom0 to destroy the guest, on to create it.
	off(ctx context.Context, guest string) error
	on(ctx context.Context, guest string) error

	// rehearse goes the way of off, and tells what would be done instead of doing it.
	rehearse(ctx context.Context, guest string) (told string, err error)

	// list returns the guests that we may control here.
	list(ctx context.Context) ([]string, error)

	// String names the Dom0.
	String() string

	// shown is the fingerprint of the host key that the Dom0 showed, "" before it did.
	shown() string

	// close ends the connection for good.
	close()
}
