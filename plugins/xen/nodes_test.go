package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

// nodeOf is the node that lives in the guest.
func nodeOf(guest string) stonith.Node {
	return stonith.Node{Name: strings.Replace(guest, "guest", "node", 1), Plug: guest}
}

// openDevice returns the Device of the bed. mayTouch says that the call is off or reset.
func openDevice(t *testing.T, b *bed, c *config, mayTouch bool) *dom0s {
	t.Helper()
	for _, p := range c.Params() {
		if text := b.params[p.Name]; text != "" {
			if err := p.Value.Set(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	device, err := c.Open(stonith.Call{ID: "c0ffee00", ProvesOff: mayTouch, MayTouch: mayTouch, Getenv: func(string) string { return "" }, Warn: b.warn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = device.Close() }) // it never fails
	return device.(*dom0s)
}

// warn notes a warning.
func (b *bed) warn(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.warned = append(b.warned, text)
}

// answerBy lets a Dom0 give these answers.
func (b *bed) answerBy(dom0 int, answer func(wire.Request) wire.Answer) {
	b.dom0s[dom0].Exec = func(c loopback.Command) int {
		r, err := wire.ParseRequest(c.Line)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.seen = append(b.seen, c.Line)
		if err != nil {
			return say(c, wire.Answer{ID: "-", Status: wire.Refused, Reason: wire.BadRequest, Text: wire.Clean(err.Error())})
		}
		a := answer(r)
		a.ID = r.ID
		return say(c, a)
	}
}

func fine(text string) wire.Answer { return wire.Answer{Status: wire.OK, Text: text} }

func failed(reason, text string) wire.Answer {
	return wire.Answer{Status: wire.Failed, Reason: reason, Text: text}
}

// What was seen of one guest makes no other one known: it may be running by another name.
func TestSeenGuestMakesNoOtherKnown(t *testing.T) {
	b := newBed(t, 2)
	states := []map[string]wire.GuestState{{"guest-1": wire.GuestAbsent}, {"guest-1": wire.GuestOn}}
	for i := range b.dom0s {
		b.answerBy(i, func(r wire.Request) wire.Answer {
			if state := states[i][r.Guest()]; state != "" {
				return fine(string(state))
			}
			return fine(string(wire.GuestAbsent))
		})
	}
	device := openDevice(t, b, newConfig(), true)
	requireState(t, device, "guest-1", stonith.On, "")
	requireState(t, device, "guest-2", stonith.Unknown, stonith.NotFound)
	states[1]["guest-1"] = wire.GuestAbsent // where it was seen, so that it is known to be off now
	requireState(t, device, "guest-1", stonith.Off, "")
	requireState(t, device, "guest-2", stonith.Unknown, stonith.NotFound)
}

func requireState(t *testing.T, device *dom0s, guest string, want stonith.Power, reason stonith.Reason) {
	t.Helper()
	if wrong := wrongState(t.Context(), device, guest, want, reason); wrong != "" {
		t.Error(wrong)
	}
}

// wrongState says how the guest's state is another one than wanted, "" if it is not.
func wrongState(ctx context.Context, device *dom0s, guest string, want stonith.Power, reason stonith.Reason) string {
	power, err := device.State(ctx, nodeOf(guest))
	if power == want && (err == nil) == (reason == "") && (err == nil || stonith.ReasonOf(err) == reason) {
		return ""
	}
	return fmt.Sprintf("state of %s = %s, %v, want %s %s", guest, power, err, want, reason)
}

// A guest starts where itself was seen, not where another one was.
func TestStartsWhereItselfWasSeen(t *testing.T) {
	b := newBed(t, 2)
	var started []string
	for i := range b.dom0s {
		b.answerBy(i, func(r wire.Request) wire.Answer {
			switch {
			case r.Verb == wire.On:
				started = append(started, fmt.Sprint(r.Guest(), " on ", i))
				return fine(wire.Done)
			case r.Guest() == "guest-1" && i == 1:
				return fine(string(wire.GuestOn))
			}
			return fine(string(wire.GuestOff))
		})
	}
	device := openDevice(t, b, newConfig(), false)
	requireState(t, device, "guest-1", stonith.On, "")
	if err := device.Switch(t.Context(), nodeOf("guest-2"), stonith.On); err != nil {
		t.Error(err)
	}
	if want := []string{"guest-2 on 0"}; !slices.Equal(started, want) {
		t.Errorf("started %q, want %q", started, want)
	}
}

// A Dom0 that does not know the guest to be destroyed is trouble only where that guest was seen.
func TestTroubleIsOfTheGuestItself(t *testing.T) {
	b := newBed(t, 2)
	for i := range b.dom0s {
		b.answerBy(i, func(r wire.Request) wire.Answer {
			switch {
			case r.Verb == wire.Off && i == 1:
				return failed(wire.NotFound, "no such guest")
			case r.Verb == wire.Off:
				return fine(wire.Done)
			case i == 1:
				return fine(string(wire.GuestOn))
			}
			return fine(string(wire.GuestAbsent))
		})
	}
	device := openDevice(t, b, newConfig(), true)
	requireState(t, device, "guest-1", stonith.On, "")
	if err := device.Switch(t.Context(), nodeOf("guest-2"), stonith.Off); err != nil {
		t.Errorf("guest-2, seen nowhere: %v", err)
	}
	if err := device.Switch(t.Context(), nodeOf("guest-1"), stonith.Off); !isNotFound(err) {
		t.Errorf("guest-1, seen where it is not known: %v, want %s", err, stonith.NotFound)
	}
}

// Many guests can be looked at at once, and each has its own state.
func TestManyNodesAtOnce(t *testing.T) {
	b := newBed(t, 2)
	for i := range b.dom0s {
		b.answerBy(i, func(r wire.Request) wire.Answer {
			switch number := r.Guest()[len(r.Guest())-1] - '0'; {
			case number%3 == 0 && i == 1:
				return fine(string(wire.GuestOn))
			case number%3 == 1 && i == 0:
				return fine(string(wire.GuestOff))
			}
			return fine(string(wire.GuestAbsent))
		})
	}
	device := openDevice(t, b, newConfig(), true)
	requireAtOnce(t, device, func(number int) (stonith.Power, stonith.Reason) {
		switch number % 3 {
		case 0:
			return stonith.On, ""
		case 1:
			return stonith.Off, ""
		}
		return stonith.Unknown, stonith.NotFound
	})
}

// requireAtOnce looks at ten guests at once, several times.
func requireAtOnce(t *testing.T, device *dom0s, want func(number int) (stonith.Power, stonith.Reason)) {
	t.Helper()
	var looks sync.WaitGroup
	for number := range 10 {
		looks.Go(func() {
			for range 3 {
				power, reason := want(number)
				if wrong := wrongState(t.Context(), device, fmt.Sprint("guest-", number), power, reason); wrong != "" {
					t.Error(wrong)
				}
			}
		})
	}
	looks.Wait()
}
