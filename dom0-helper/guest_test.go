package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// stopped returns a domain that crashed and was kept.
func stopped(id int, name string) toolstack.Domain {
	d := named(id, name)
	d.Stopped = true
	return d
}

func TestJudge(t *testing.T) {
	t.Parallel()
	reviver := []toolstack.Reviver{&fakeReviver{pid: 9}}
	control := named(0, "Domain-0")
	tests := []struct {
		name     string
		domains  []toolstack.Domain
		revivers []toolstack.Reviver
		want     wire.GuestState
	}{
		{"nothing", nil, nil, wire.GuestOff},
		{"others", []toolstack.Domain{control, named(3, "node-10"), named(4, "node-2"), named(5, "Node-1"), named(6, "node-1-a")}, nil, wire.GuestOff},
		{"running", []toolstack.Domain{control, named(3, "node-1")}, nil, wire.GuestOn},
		{"two running", []toolstack.Domain{control, named(3, "node-1"), named(4, "node-1")}, nil, wire.GuestOn},
		{"running and watched", []toolstack.Domain{control, named(3, "node-1")}, reviver, wire.GuestOn},
		{"coming", []toolstack.Domain{control, named(3, "node-1--incoming")}, nil, wire.GuestOn},
		{"going", []toolstack.Domain{control, named(3, "node-1--migratedaway")}, nil, wire.GuestOn},
		{"stopped", []toolstack.Domain{control, stopped(3, "node-1")}, nil, wire.GuestStopped},
		{"stopped and watched", []toolstack.Domain{control, stopped(3, "node-1")}, reviver, wire.GuestStopped},
		{"kept after a crash", []toolstack.Domain{control, stopped(3, "node-1-20261121T0507Z")}, nil, wire.GuestStopped},
		{"kept and running anew", []toolstack.Domain{stopped(3, "node-1-20261121T0507Z"), named(4, "node-1")}, nil, wire.GuestOn},
		{"stopped and a nameless one", []toolstack.Domain{stopped(3, "node-1"), named(4, "")}, nil, wire.GuestStopped},
		{"running and a nameless one", []toolstack.Domain{named(3, ""), named(4, "node-1")}, nil, wire.GuestOn},
		{"nameless", []toolstack.Domain{control, named(3, "")}, nil, wire.GuestDying},
		{"nameless and stopped", []toolstack.Domain{control, stopped(3, "")}, nil, wire.GuestDying},
		{"nameless and watched", []toolstack.Domain{control, named(3, "")}, reviver, wire.GuestDying},
		{"only watched", []toolstack.Domain{control}, reviver, wire.GuestRestarting},
		{"control domain of that name", []toolstack.Domain{named(0, "node-1")}, nil, wire.GuestOff},
		{"nameless control domain", []toolstack.Domain{named(0, "")}, nil, wire.GuestOff},
	}
	here := (&host{}).identity(guestNamed(t, "node-1"))
	elsewhere := (&host{}).identity(policy.Guest{Name: "node-1", Config: filepath.Join(t.TempDir(), "missing")})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, judge(here, found{domains: test.domains, processes: toolstack.Found{Revivers: test.revivers}}).state); diff != "" {
				t.Errorf("judge (-want +got):\n%s", diff)
			}
			want := test.want
			if want == wire.GuestOff {
				want = wire.GuestAbsent
			}
			if diff := cmp.Diff(want, judge(elsewhere, found{domains: test.domains, processes: toolstack.Found{Revivers: test.revivers}}).state); diff != "" {
				t.Errorf("judge of a guest without a configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text   string
		mode         os.FileMode
		reason, want string
	}{
		{"good", `name = "node-1"`, 0o644, "", ""},
		{"another name", `name = "node-10"`, 0o600, wire.BadConfig, `has the name "node-10"`},
		{"no name", `memory = 64`, 0o600, wire.BadConfig, `has the name ""`},
		{"writable by others", `name = "node-1"`, 0o666, wire.BadConfig, "lets others than its owner write"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := policy.Guest{Name: "node-1", Config: filepath.Join(t.TempDir(), "a.cfg")}
			requireReason(t, checkConfig(g), wire.NotFound, g.Config+": no such file")
			if err := os.WriteFile(g.Config, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(g.Config, test.mode); err != nil {
				t.Fatal(err)
			}
			requireReason(t, checkConfig(g), test.reason, test.want)
		})
	}
	directory := policy.Guest{Name: "node-1", Config: t.TempDir()}
	requireReason(t, checkConfig(directory), wire.BadConfig, "not a regular file")
}

// What a request only asks for, it does not touch.
func TestCarryOutLooks(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"), named(4, "node-10"), stopped(5, "node-2"))
	f.addReviver("node-3", 9)
	guests := []policy.Guest{
		guestNamed(t, "node-2"), guestNamed(t, "node-1"), guestNamed(t, "node-3"), guestNamed(t, "node-4"),
		{Name: "node-10", Config: "/missing"},
		{Name: "node-5", Config: "/missing"},
	}
	tests := []struct {
		verb   wire.Verb
		guests []policy.Guest
		want   string
	}{
		{wire.State, guests[:1], "stopped"},
		{wire.State, guests[1:2], "on"},
		{wire.State, guests[2:3], "restarting"},
		{wire.State, guests[3:4], "off"},
		{wire.State, guests[5:], "absent"},
		{wire.List, guests, "node-2=stopped node-1=on node-3=restarting node-4=off node-10=on node-5=absent"},
		{wire.List, guests[:1], "node-2=stopped"},
		{wire.Check, guests, "node-2=known node-1=known node-3=known node-4=known node-10=known node-5=unknown"},
	}
	for _, test := range tests {
		got, err := h.carryOut(t.Context(), test.verb, test.guests)
		requireReason(t, err, "", "")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("carryOut(%s) (-want +got):\n%s", test.verb, diff)
		}
	}
	f.requireActs(t)
}

func TestCarryOutChanges(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"))
	f.create = func(context.Context) error { f.add(named(4, "node-1")); return nil }
	guests := []policy.Guest{guestNamed(t, "node-1")}
	for _, verb := range []wire.Verb{wire.Off, wire.On} {
		got, err := h.carryOut(t.Context(), verb, guests)
		requireReason(t, err, "", "")
		if diff := cmp.Diff(wire.Done, got); diff != "" {
			t.Errorf("carryOut(%s) (-want +got):\n%s", verb, diff)
		}
	}
	if got, err := h.carryOut(t.Context(), "reset", guests); err == nil {
		t.Errorf("carryOut(reset) = %q, want an error", got)
	}
	f.requireActs(t, "destroy 3", "create node-1.cfg")
}

func TestCarryOutUnknown(t *testing.T) {
	t.Parallel()
	for _, verb := range []wire.Verb{wire.State, wire.List, wire.Check} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			f, h := newFake(t)
			g := guestNamed(t, "node-1")
			f.look = failing(1, errors.New("xl is ill"))
			_, err := h.carryOut(t.Context(), verb, []policy.Guest{g})
			requireReason(t, err, wire.DeviceError, "xl is ill")
			f.find = failing(1, errors.New("no processes"))
			_, err = h.carryOut(t.Context(), verb, []policy.Guest{g})
			requireReason(t, err, wire.DeviceError, "no processes")
			f.requireActs(t)
		})
	}
}

func TestCheckFails(t *testing.T) {
	t.Parallel()
	_, h := newFake(t)
	good, bad := guestNamed(t, "node-1"), guestNamed(t, "node-2")
	bad.Name = "node-3"
	_, _, err := h.check(t.Context(), []policy.Guest{good, bad})
	requireReason(t, err, wire.BadConfig, `has the name "node-2"`)
	h.stateDir = good.Config
	_, _, err = h.check(t.Context(), []policy.Guest{good})
	requireReason(t, err, wire.DeviceError, "state directory: "+good.Config)
}

func TestLookLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.look = func() error { time.Sleep(lookLimit + time.Millisecond); return nil }
		start := time.Now()
		_, err := h.carryOut(t.Context(), wire.State, []policy.Guest{guestNamed(t, "node-1")})
		requireReason(t, err, wire.TimedOut, "deadline exceeded")
		requireTook(t, start, lookLimit)
	})
}

// Where restarts are not seen, a guest must stay absent for longer than one takes.
func TestLookOutlastsTheGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t)
		f.gap = 4 * time.Second
		g := guestNamed(t, "node-1")
		start := time.Now()
		if s, err := h.look(t.Context(), g); err != nil || !s.gone() {
			t.Errorf("look = %q, %v, want gone", s.state, err)
		}
		if took := time.Since(start); took < f.gap {
			t.Errorf("look took %s, want at least %s", took, f.gap)
		}
		go func() {
			time.Sleep(time.Second)
			f.add(named(7, "node-1"))
		}()
		if s, err := h.look(t.Context(), g); err != nil || s.state != wire.GuestOn {
			t.Errorf("look at a guest that comes back = %q, %v, want on", s.state, err)
		}
	})
}
