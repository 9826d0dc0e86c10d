//go:build linux

package main

import "errors"

// A reason is Xen's code for why a domain shut down.
type reason int

const (
	poweroff  reason = 0
	reboot    reason = 1
	suspended reason = 2
	crash     reason = 3
	watchdog  reason = 4
	softReset reason = 5
)

var errNoDomain = errors.New("no such domain")

// A spec is what a configuration says of a guest.
type spec struct {
	Name        string `json:"name"`
	UUID        string `json:"uuid"`
	Memory      int    `json:"memory"` // MiB
	OnPoweroff  string `json:"on_poweroff"`
	OnReboot    string `json:"on_reboot"`
	OnCrash     string `json:"on_crash"`
	OnWatchdog  string `json:"on_watchdog"`
	OnSoftReset string `json:"on_soft_reset"`
}

// A domain is a guest under one id, or Domain-0.
type domain struct {
	spec
	ID       int     `json:"id"`
	VCPUs    int     `json:"vcpus"`
	Guest    process `json:"guest"`
	Building bool    `json:"building"` // half-built: without a process, at first without a name
	Pauses   int     `json:"pauses"`   // each needs its own unpause
	Down     bool    `json:"down"`     // has shut down, for Reason
	Reason   reason  `json:"reason"`
	Linger   bool    `json:"linger"` // will be dying once destroyed
	Dying    bool    `json:"dying"`  // nameless, without a process, but still listed
}

func domain0() domain {
	return domain{spec: spec{Name: "Domain-0", UUID: "00000000-0000-0000-0000-000000000000", Memory: 512}, VCPUs: 1}
}

// running says whether there should be a guest process.
func (d domain) running() bool { return d.ID != 0 && !d.Building && !d.Down && !d.Dying }

// nameless says whether d has no name, not even an empty one.
func (d domain) nameless() bool { return d.Dying || d.Building && d.Name == "" }

// action is the configured answer to the reason d shut down for.
func (d domain) action() string {
	switch d.Reason {
	case poweroff:
		return d.OnPoweroff
	case reboot:
		return d.OnReboot
	case watchdog:
		return d.OnWatchdog
	case softReset:
		return d.OnSoftReset
	case crash, suspended:
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
	set(1, 'b', !d.Down && !d.Building && (d.Pauses == 0 || d.Dying))
	set(2, 'p', d.Pauses > 0 || d.Building || d.Dying)
	set(3, 's', d.Down)
	set(4, "-r-cwS"[d.Reason], d.Down)
	set(5, 'd', d.Dying)
	return string(f)
}
