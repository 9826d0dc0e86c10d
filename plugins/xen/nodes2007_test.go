package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

// device2007 returns a Device whose Dom0s are these. beforeLook is called, if it is not
// nil, before each list of the first one, with its number.
func device2007(t *testing.T, gap time.Duration, mayTouch bool, beforeLook func(number int), hosts ...*host2007) *dom0s {
	t.Helper()
	b := new2007Bed(t, len(hosts), gap)
	looks := 0
	for i, d := range b.dom0s {
		d.Exec = func(c loopback.Command) int {
			b.mu.Lock()
			defer b.mu.Unlock()
			if beforeLook != nil && i == 0 && strings.HasSuffix(c.Line, " list") {
				looks++
				beforeLook(looks)
			}
			return hosts[i].script(c)
		}
	}
	c := newConfig()
	c.restartGap, c.restartShare = gap, 0
	return openDevice(t, b.bed, c, mayTouch)
}

// The absence of one guest is no proof of another one's: that may be rebooting.
func TestAbsenceOfAnotherGuest2007(t *testing.T) {
	host := known()
	last, comes := 0, 0
	gap := longestStep + longestStep/2 // more than two looks can prove, however slow
	device := device2007(t, gap, true, func(number int) {
		if last = number; number == comes {
			host.running = []string{"guest-2"}
		}
	}, host)
	requireState(t, device, "guest-1", stonith.Off, "")
	comes = last + 4 // one look tells whether the name is known, and is before the gap has passed
	requireState(t, device, "guest-2", stonith.On, "")
}

// That the script has answered for one guest makes no other one known.
func TestNamedGuestMakesNoOtherKnown2007(t *testing.T) {
	host := &host2007{nodes: []string{"guest-1"}}
	device := device2007(t, time.Millisecond, true, nil, host)
	requireState(t, device, "guest-1", stonith.Off, "")
	requireState(t, device, "guest-2", stonith.Unknown, stonith.NotFound)
}

// A guest that is there cannot fail to be stopped for the reason that another one is not there.
func TestFailureToStopIsOfTheGuestItself2007(t *testing.T) {
	host := known("guest-2")
	device := device2007(t, time.Millisecond, true, nil, host)
	requireState(t, device, "guest-2", stonith.On, "")
	requireState(t, device, "guest-1", stonith.Off, "")
	host.running = nil // it ends by itself, and the script fails to stop it
	if err := device.Switch(t.Context(), nodeOf("guest-2"), stonith.Off); err == nil || stonith.ReasonOf(err) != stonith.DeviceError {
		t.Errorf("off of guest-2, which was there: %v, want %s", err, stonith.DeviceError)
	}
}

// A look of a call that proves no off touches no guest, and so cannot confirm the name
// of one that is on no Dom0. Starting it does.
func TestLookTouchesNoGuest2007(t *testing.T) {
	hosts := []*host2007{known(), known("guest-2")}
	device := device2007(t, time.Millisecond, false, nil, hosts...)
	requireState(t, device, "guest-2", stonith.On, "")
	requireState(t, device, "guest-1", stonith.Unknown, stonith.UnknownState)
	for i, h := range hosts {
		if asked := slices.Compact(h.asked); !slices.Equal(asked, []string{"list"}) {
			t.Errorf("Dom0 %d was asked %q, want lists alone", i, asked)
		}
	}
	if err := device.Switch(t.Context(), nodeOf("guest-1"), stonith.On); err != nil || !slices.Contains(hosts[0].running, "guest-1") {
		t.Errorf("on: %v, running on the first %q", err, hosts[0].running)
	}
}

// Many guests can be looked at at once, and each has its own state.
func TestManyNodesAtOnce2007(t *testing.T) {
	first := &host2007{nodes: []string{"guest-1", "guest-4", "guest-7"}, running: []string{"guest-0", "guest-3"}}
	second := &host2007{nodes: []string{"guest-1", "guest-4"}, running: []string{"guest-6", "guest-9"}}
	device := device2007(t, time.Millisecond, true, nil, first, second)
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
