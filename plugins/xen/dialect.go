package main

import (
	"context"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A dialect is how one Dom0 is spoken to, and what its answers are worth. Errors
// name the Dom0. A guest that a Dom0 does not know is a stonith.NotFound.
type dialect interface {
	// check asks whether requests for the guests would be obeyed, and tells for
	// each whether the Dom0 knows it. It touches none.
	check(ctx context.Context, guests []string) (known []bool, err error)

	// state tells whether the guest is here: GuestOn, GuestOff, or GuestAbsent if it
	// is not here and may never have been. All else is an error.
	state(ctx context.Context, guest string) (wire.GuestState, error)

	// knows asks whether the Dom0 has a guest by that name after state said
	// GuestAbsent. It is called only while the guest is on no Dom0, and may ask it
	// to go off.
	knows(ctx context.Context, guest string) (bool, error)

	// off asks the Dom0 to destroy the guest, on to create it.
	off(ctx context.Context, guest string) error
	on(ctx context.Context, guest string) error

	// close ends the connection for good.
	close()
}
