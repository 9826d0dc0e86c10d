package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// judgeLegacy parses a request in the form of 2007 and applies the allow-list of the key.
func (g *gate) judgeLegacy(line string) (wire.Request, *wire.Answer) {
	r, err := wire.ParseLegacy(line, fmt.Sprintf("2007-%d-%x", os.Getpid(), time.Now().UnixNano()))
	if err != nil {
		refusal := refuse("", wire.BadRequest, "%v", err)
		return wire.Request{}, &refusal
	}
	return g.restrict(r)
}

// carryOutLegacy does what the verb asks for and returns what the program of 2007
// said then. Its clients know no other proof than the exit status.
func (h *host) carryOutLegacy(ctx context.Context, verb wire.Verb, guests []policy.Guest) (string, error) {
	g := guests[0]
	switch verb {
	case wire.List:
		states, _, err := h.list(ctx, guests)
		return states, err
	case wire.On:
		return "Started " + g.Name, h.on(ctx, g)
	case wire.Off:
		_, err := h.provenOff(ctx, g)
		return "Stopped " + g.Name, err
	case wire.Reset:
		return h.reset(ctx, g)
	case wire.State, wire.Check, wire.Rehearse: // not then
	}
	return "", fmt.Errorf("verb %q has no meaning here", verb)
}

// provenOff is off, and reports whether the guest was so already. A guest of which
// nothing has been seen here, not even a configuration, is not off: it may be
// running by another name.
func (h *host) provenOff(ctx context.Context, g policy.Guest) (already bool, err error) {
	f, err := h.fence(ctx, g)
	if err == nil && !f.begun && f.last.state == wire.GuestAbsent {
		return false, failf(wire.NotFound, "no domain of guest %s was seen, and nothing proves its name: %w", g.Name, f.last.id.config)
	}
	return !f.begun, err
}

// reset leaves a guest off that was so already. One that does not come on again
// is fenced all the same, and that is what the client wants to know.
func (h *host) reset(ctx context.Context, g policy.Guest) (string, error) {
	already, err := h.provenOff(ctx, g)
	switch {
	case err != nil:
		return "", err
	case already:
		return g.Name + " not running - OK", nil
	}
	if err := h.on(ctx, g); err != nil {
		return wire.Clean(fmt.Sprintf("Stopped %s, and failed to start it: %v", g.Name, err)), nil
	}
	return "Successfully rebooted " + g.Name, nil
}

// sendLegacy writes the answer as the program of 2007 did, and returns the exit status.
func (a *audit) sendLegacy(answer wire.Answer) int {
	text := answer.Text
	if answer.Status != wire.OK {
		if failed, ok := legacyFailures[wire.Verb(a.Verb)]; ok {
			text = failed + " " + a.Guests + ": " + text
		}
		fmt.Fprintln(os.Stderr, text)
		return 1
	}
	if wire.Verb(a.Verb) == wire.List {
		text = strings.NewReplacer("=", " ", " ", "\n").Replace(text)
	}
	fmt.Println(text)
	return 0
}

var legacyFailures = map[wire.Verb]string{
	wire.Off: "Failed to stop", wire.On: "Failed to start", wire.Reset: "Failed to reboot", wire.List: "Failed to list",
}
