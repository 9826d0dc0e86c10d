package bmc

import (
	"slices"
	"time"
)

// An Event is something that truly happened to the node.
type Event struct {
	What Happening
	At   time.Time
}

// A Happening is what can happen to the node.
type Happening string

// What can happen.
const (
	WentOff Happening = "off"
	WentOn  Happening = "on"
	Reset   Happening = "reset" // begins anew, without having been off
	Diag    Happening = "diag"  // got a diagnostic interrupt
)

// A node is what the BMC has the power of.
type node struct {
	on      bool
	history []Event
	asleep  bool // it is on, with its memory, and its chassis reads off
	acpi    byte // that the BMC tells, if acpiSet
	acpiSet bool
	plan    int  // what is to come belongs to the newest plan, or does not happen
	ending  bool // off is to come, and nothing after it
}

// States of Get ACPI Power State.
const (
	acpiOn     = 0x00
	acpiSleeps = 0x03
	acpiOff    = 0x05
)

func (n *node) acpiState() byte {
	switch {
	case n.acpiSet:
		return n.acpi
	case n.asleep:
		return acpiSleeps
	case n.on:
		return acpiOn
	}
	return acpiOff
}

// Sleep lets the node suspend to its memory: it can go on, and its chassis reads off.
func (b *BMC) Sleep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node.asleep = b.node.on
}

// SetACPI makes the BMC tell this state by ACPI from now on, whatever is true.
func (b *BMC) SetACPI(state byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node.acpi, b.node.acpiSet = state, true
}

// Power tells whether the node truly has power, or could go on with its memory.
func (b *BMC) Power() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.node.on
}

// SetPower turns the node on or off, as its button does. What was to come does not.
func (b *BMC) SetPower(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.newPlan()
	b.turn(on)
}

// History is what truly happened to the node.
func (b *BMC) History() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.node.history)
}

// SetTimes says how long off and on take, and how long a cycle is without power.
func (b *BMC) SetTimes(off, on, cycle time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.options.OffTime, b.options.OnTime, b.options.CycleTime = off, on, cycle
}

func (b *BMC) turn(on bool) {
	b.node.asleep = false
	if b.node.on == on {
		return
	}
	b.node.on = on
	if on {
		b.happen(WentOn)
	} else {
		b.happen(WentOff)
	}
}

func (b *BMC) happen(what Happening) {
	b.node.history = append(b.node.history, Event{what, time.Now()})
}

func (b *BMC) newPlan() {
	b.node.plan++
	b.node.ending = false
}

// later does something after that time, unless there is a new plan by then.
func (b *BMC) later(after time.Duration, do func()) {
	if after == 0 {
		do()
		return
	}
	plan := b.node.plan
	b.work.Go(func() {
		select {
		case <-b.closed:
			return
		case <-time.After(after):
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.node.plan == plan {
			do()
		}
	})
}

// The values of Chassis Control.
const (
	powerDown  = 0
	powerUp    = 1
	powerCycle = 2
	hardReset  = 3
	diagnose   = 4
)

// control carries out Chassis Control, and returns a completion code.
func (b *BMC) control(r *request, what byte) byte {
	ignored := r.faults[IgnoreOff] && what != powerUp && what != diagnose
	switch {
	case r.faults[RefuseSet]:
		return unspecified
	case what > diagnose:
		return invalidField
	case what >= powerCycle && !b.node.on:
		return wrongState
	case ignored || (r.faults[IgnoreOn] && what == powerUp):
		return success
	}
	switch what {
	case powerDown:
		b.powerDown(r)
	case powerUp:
		b.newPlan()
		b.later(b.options.OnTime, func() { b.turn(true) })
	case powerCycle:
		b.newPlan()
		b.later(b.offTime(r), func() {
			b.turn(false)
			b.later(b.options.CycleTime, func() { b.turn(true) })
		})
	case hardReset:
		b.happen(Reset)
	case diagnose:
		b.happen(Diag)
	}
	return success
}

// powerDown does not begin anew when it is asked for again.
func (b *BMC) powerDown(r *request) {
	if b.node.ending {
		return
	}
	b.newPlan()
	b.node.ending = true
	suspends := r.faults[Suspends]
	b.later(b.offTime(r), func() {
		if b.node.ending = false; suspends {
			b.node.asleep = b.node.on
			return
		}
		b.turn(false)
	})
}

func (b *BMC) offTime(r *request) time.Duration {
	if r.faults[SlowOff] {
		return SlowOffTime * time.Second
	}
	return b.options.OffTime
}

// says is the state that is answered.
func (b *BMC) says(r *request) (on bool) {
	switch {
	case r.faults[SaysOff]:
		return false
	case r.faults[SaysOn]:
		return true
	}
	return b.node.on && !b.node.asleep
}
