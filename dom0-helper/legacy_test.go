package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

func TestCarryOutLegacy(t *testing.T) {
	t.Parallel()
	one := guestNamed(t, "node-1")
	nowhere := policy.Guest{Name: "node-9", Config: "/missing"}
	started := func(f *fakeStack) { f.create = func(context.Context) error { f.add(named(7, "node-1")); return nil } }
	tests := []struct {
		name         string
		verb         wire.Verb
		guest        policy.Guest
		runs         bool
		prepare      func(f *fakeStack)
		want         string
		reason, text string
		acts         string
	}{
		{"off", wire.Off, one, true, nil, "Stopped node-1", "", "", "destroy 3"},
		{"off already", wire.Off, one, false, nil, "Stopped node-1", "", "", ""},
		{"off of an unknown guest", wire.Off, nowhere, false, nil, "", wire.NotFound, "no domain of guest node-9 was seen", ""},
		{"on", wire.On, one, false, started, "Started node-1", "", "", "create node-1.cfg"},
		{"on already", wire.On, one, true, nil, "Started node-1", "", "", ""},
		{"reset", wire.Reset, one, true, started, "Successfully rebooted node-1", "", "", "destroy 3, create node-1.cfg"},
		{"reset of one that is off", wire.Reset, one, false, nil, "node-1 not running - OK", "", "", ""},
		{"reset of an unknown guest", wire.Reset, nowhere, false, nil, "", wire.NotFound, "no domain of guest node-9 was seen", ""},
		{
			"reset without a start", wire.Reset, one, true,
			func(f *fakeStack) { f.create = func(context.Context) error { return errors.New("rc=3") } },
			"Stopped node-1, and failed to start it: rc=3 guest node-1 is off after that", "", "", "destroy 3, create node-1.cfg",
		},
		{"list", wire.List, one, true, nil, "node-1=on", "", "", ""},
		{"state", wire.State, one, true, nil, "", wire.DeviceError, `verb "state" has no meaning here`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, h := newFake(t)
			h.record.legacy = true
			if test.runs {
				f.add(named(3, "node-1"))
			}
			if test.prepare != nil {
				test.prepare(f)
			}
			got, err := h.carryOut(t.Context(), test.verb, []policy.Guest{test.guest})
			requireReason(t, err, test.reason, test.text)
			if err == nil && got != test.want {
				t.Errorf("%s = %q, want %q", test.verb, got, test.want)
			}
			if acts := strings.Join(f.acts, ", "); acts != test.acts {
				t.Errorf("%s did %q, want %q", test.verb, acts, test.acts)
			}
		})
	}
}
