package main

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

const pin = "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a01"

// pinned returns a guest that the policy gives a UUID, with a configuration that has it.
func pinned(t *testing.T) policy.Guest {
	t.Helper()
	g := guestNamed(t, "node-1")
	g.UUID = pin
	if err := os.WriteFile(g.Config, []byte("name = \"node-1\"\nuuid = '6C7B8F5E-2d0a-4a51-9c1e-0f6f3f1d7a01'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// withPin returns domain 3, which has the guest's UUID.
func withPin(name string) toolstack.Domain {
	d := named(3, name)
	d.UUID = pin
	return d
}

func TestPinnedGuest(t *testing.T) {
	t.Parallel()
	const stranger = `domain 4 "node-1" has the UUID "uuid-4", and the policy says that guest node-1 has ` + pin
	unknown := toolstack.Domain{ID: 4, Name: "node-1"}
	tests := []struct {
		name         string
		domains      []toolstack.Domain
		state        wire.GuestState
		reason, text string // of off, if it fails
		acts         []string
	}{
		{"nothing", nil, wire.GuestOff, "", "", nil},
		{"running", []toolstack.Domain{withPin("node-1")}, wire.GuestOn, "", "", []string{"destroy 3"}},
		{"under another name", []toolstack.Domain{withPin("x")}, wire.GuestOn, "", "", []string{"destroy 3"}},
		{"without a name", []toolstack.Domain{withPin("")}, wire.GuestDying, "", "", []string{"destroy 3"}},
		{"another without a name", []toolstack.Domain{named(4, "")}, wire.GuestOff, "", "", nil},
		{"one without name and UUID", []toolstack.Domain{{ID: 4}}, wire.GuestDying, wire.UnknownState, "domain 4 without a name", nil},
		{"another machine", []toolstack.Domain{named(4, "node-1")}, wire.GuestAmbiguous, wire.Ambiguous, stranger, nil},
		{"another that migrates", []toolstack.Domain{named(4, "node-1--incoming")}, wire.GuestAmbiguous, wire.Ambiguous, "domain 4", nil},
		{"of unknown UUID", []toolstack.Domain{unknown}, wire.GuestAmbiguous, wire.Ambiguous, `has the UUID ""`, nil},
		{
			"both",
			[]toolstack.Domain{withPin("node-1"), named(4, "node-1")},
			wire.GuestOn, wire.Ambiguous, stranger,
			[]string{"destroy 3"},
		},
		{"other guests", []toolstack.Domain{named(4, "node-10"), named(5, "x")}, wire.GuestOff, "", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, h := newFake(t, test.domains...)
			g := pinned(t)
			s, err := h.look(t.Context(), g)
			if s.state != test.state || err != nil {
				t.Errorf("look = %q, %v, want %q", s.state, err, test.state)
			}
			if test.reason == wire.UnknownState {
				return // that is seen at the end of the limit
			}
			requireReason(t, h.offErr(t.Context(), g), test.reason, test.text)
			f.requireActs(t, test.acts...)
		})
	}
}

// A machine that has taken the guest's name holds up all that would have to know which is which.
func TestAmbiguous(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testAmbiguous)
}

func testAmbiguous(t *testing.T) {
	f, h := newFake(t, named(4, "node-1"))
	f.addReviver("node-1", 91)
	g := pinned(t)
	for _, verb := range []wire.Verb{wire.State, wire.Off, wire.On, wire.Check, wire.Rehearse} {
		start := time.Now()
		_, err := h.carryOut(t.Context(), verb, []policy.Guest{g})
		requireReason(t, err, wire.Ambiguous, `domain 4 "node-1" has the UUID "uuid-4"`)
		if took := time.Since(start); took > offLimit/2 {
			t.Errorf("%s took %s to say so", verb, took)
		}
	}
	if text, err := h.carryOut(t.Context(), wire.List, []policy.Guest{g}); err != nil || text != "node-1=ambiguous" {
		t.Errorf("list = %q, %v", text, err)
	}
	f.requireActs(t)
}

// A configuration without the UUID would make another machine at each start.
func TestPinnedConfig(t *testing.T) {
	t.Parallel()
	for setting, text := range map[string]string{
		"": "has no line uuid", "uuid = x\n": "its uuid cannot be told",
		"uuid = \"" + pin + "\"\nuuid = \"6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a02\"\n": "and the policy says " + pin,
	} {
		f, h := newFake(t)
		g := pinned(t)
		if err := os.WriteFile(g.Config, []byte("name = \"node-1\"\n"+setting), 0o600); err != nil {
			t.Fatal(err)
		}
		requireReason(t, h.on(t.Context(), g), wire.BadConfig, text)
		if s, _ := h.look(t.Context(), g); s.state != wire.GuestAbsent {
			t.Errorf("configuration with %q: state %q, want absent", setting, s.state)
		}
		f.requireActs(t)
	}
}

// What would let a fence of the guest fail is told while it runs.
func TestCheckBesideTheGuest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for what, put := range map[string]func(t *testing.T, f *fakeStack, h *host){
		`domain 4 "node-1" has the UUID`: func(_ *testing.T, f *fakeStack, _ *host) { f.add(named(4, "node-1")) },
		`node-1 of "node-1" has the UUID`: func(t *testing.T, _ *fakeStack, h *host) {
			t.Helper()
			withImages(t, h, map[string][2]string{"node-1": {"node-1", otherUUID}})
		},
		"guest node-1 may come back by process 91": func(_ *testing.T, f *fakeStack, _ *host) { f.addReviver("node-1", 91).unknown = true },
	} {
		f, h := newFake(t, withPin("node-1"))
		g := pinned(t)
		if text, err := h.carryOut(ctx, wire.Check, []policy.Guest{g}); err != nil || text != "node-1=known" {
			t.Errorf("check before = %q, %v", text, err)
		}
		put(t, f, h)
		if state, err := h.carryOut(ctx, wire.State, []policy.Guest{g}); err != nil || state != string(wire.GuestOn) {
			t.Errorf("%s: state = %q, %v", what, state, err)
		}
		if text, err := h.carryOut(ctx, wire.Check, []policy.Guest{g}); err == nil || !contains(err, what) {
			t.Errorf("%s: check = %q, %v", what, text, err)
		}
	}
}
