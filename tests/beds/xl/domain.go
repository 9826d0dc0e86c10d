//go:build linux

package main

import "errors"

// A reason is Xen's code for why a domain shut down.
type reason int

const (
	poweroff reason = 0
	reboot   reason = 1
	crash    reason = 3
)

var errNoDomain = errors.New("no such domain")

// A spec is what a configuration says of a guest.
type spec struct {
	Name       string `json:"name"`
	UUID       string `json:"uuid"`
	Memory     int    `json:"memory"` // MiB
	OnPoweroff string `json:"on_poweroff"`
	OnReboot   string `json:"on_reboot"`
	OnCrash    string `json:"on_crash"`
}

// A domain is a guest under one id, or Domain-0.
type domain struct {
	spec
	ID     int     `json:"id"`
	Guest  process `json:"guest"`
	Pauses int     `json:"pauses"` // each needs its own unpause
	Down   bool    `json:"down"`   // has shut down, for Reason
	Reason reason  `json:"reason"`
	Linger bool    `json:"linger"` // will be dying once destroyed
	Dying  bool    `json:"dying"`  // nameless, without a process, but still listed
}

func domain0() domain {
	return domain{spec: spec{Name: "Domain-0", UUID: "00000000-0000-0000-0000-000000000000", Memory: 512}}
}

// running says whether there should be a guest process.
func (d domain) running() bool { return d.ID != 0 && !d.Down && !d.Dying }

// action is the configured answer to the reason d shut down for.
func (d domain) action() string {
	switch d.Reason {
	case poweroff:
		return d.OnPoweroff
	case reboot:
		return d.OnReboot
	case crash:
	}
	return d.OnCrash
}

// fall shuts the domain down for a reason. It stays listed until somebody acts.
func (d *domain) fall(r reason) error {
	d.Down, d.Reason = true, r
	return d.Guest.end()
}

// flags is the State column: running, blocked, paused, shut down, why, dying.
func (d domain) flags() string {
	if d.ID == 0 {
		return "r-----"
	}
	f := []byte("------")
	set := func(place int, letter byte, on bool) {
		if on {
			f[place] = letter
		}
	}
	set(1, 'b', !d.Down && (d.Pauses == 0 || d.Dying))
	set(2, 'p', d.Pauses > 0 || d.Dying)
	set(3, 's', d.Down)
	set(4, 'r', d.Down && d.Reason == reboot)
	set(4, 'c', d.Down && d.Reason == crash)
	set(5, 'd', d.Dying)
	return string(f)
}
