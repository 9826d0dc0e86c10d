package bmc

import (
	"slices"
	"testing"
	"time"
)

// order is Chassis Control with these faults.
func order(b *BMC, what byte, faults ...Fault) byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &request{faults: map[Fault]bool{}}
	for _, f := range faults {
		r.faults[f] = true
	}
	return b.control(r, what)
}

func happened(b *BMC) (all []Happening) {
	for _, event := range b.History() {
		all = append(all, event.What)
	}
	return all
}

// waitFor waits until that many things have happened.
func waitFor(t *testing.T, b *BMC, n int) {
	t.Helper()
	for deadline := time.Now().Add(long); len(b.History()) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("happened: %v", happened(b))
		}
	}
}

func TestControl(t *testing.T) {
	for _, c := range []struct {
		name   string
		off    bool
		order  byte
		faults []Fault
		code   byte
		want   []Happening
	}{
		{"down", false, powerDown, nil, success, []Happening{WentOff}},
		{"down when off", true, powerDown, nil, success, nil},
		{"up", true, powerUp, nil, success, []Happening{WentOn}},
		{"up when on", false, powerUp, nil, success, nil},
		{"cycle", false, powerCycle, nil, success, []Happening{WentOff, WentOn}},
		{"cycle when off", true, powerCycle, nil, wrongState, nil},
		{"reset", false, hardReset, nil, success, []Happening{Reset}},
		{"reset when off", true, hardReset, nil, wrongState, nil},
		{"diag", false, diagnose, nil, success, []Happening{Diag}},
		{"soft", false, 5, nil, invalidField, nil},
		{"down ignored", false, powerDown, []Fault{IgnoreOff}, success, nil},
		{"cycle ignored", false, powerCycle, []Fault{IgnoreOff}, success, nil},
		{"reset ignored", false, hardReset, []Fault{IgnoreOff}, success, nil},
		{"up ignored", true, powerUp, []Fault{IgnoreOn}, success, nil},
		{"down refused", false, powerDown, []Fault{RefuseSet}, unspecified, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, Options{Off: c.off})
			if code := order(b, c.order, c.faults...); code != c.code {
				t.Errorf("code %#x, not %#x", code, c.code)
			}
			if got := happened(b); !slices.Equal(got, c.want) {
				t.Errorf("happened: %v, not %v", got, c.want)
			}
		})
	}
}

func TestOffIsDueOnce(t *testing.T) {
	b := start(t, Options{OffTime: 50 * time.Millisecond})
	for deadline := time.Now().Add(long); b.Power(); time.Sleep(time.Millisecond) {
		order(b, powerDown) // if it began anew each time, there would be no end
		if time.Now().After(deadline) {
			t.Fatal("on")
		}
	}
}

func TestNewOrderEndsOldOne(t *testing.T) {
	b := start(t, Options{CycleTime: time.Millisecond, OffTime: time.Millisecond})
	order(b, powerCycle)
	waitFor(t, b, 2)
	b.SetTimes(0, 0, time.Hour)
	order(b, powerCycle)
	order(b, powerDown) // no on is to come
	order(b, powerUp)
	if got := happened(b); !slices.Equal(got, []Happening{WentOff, WentOn, WentOff, WentOn}) {
		t.Errorf("happened: %v", got)
	}
	b.SetTimes(time.Hour, 0, 0)
	order(b, powerDown)
	order(b, powerUp)
	b.SetPower(false)
	if b.Power() {
		t.Error("on")
	}
}
