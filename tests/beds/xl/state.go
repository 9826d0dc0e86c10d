//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"syscall"
)

// A state is everything the host knows of its domains.
type state struct {
	Next      int       `json:"next"`
	Domains   []domain  `json:"domains"`   // Domain-0 first, by ascending id
	Processes []process `json:"processes"` // all that were started and may still run
}

// fresh is the state of a host that has just booted.
func fresh() state { return state{Next: 1, Domains: []domain{domain0()}} }

// load reads the state without the lock; a save replaces it as a whole.
func (h host) load() (state, error) {
	text, err := os.ReadFile(h.path("run", "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return fresh(), nil
	}
	if err != nil {
		return state{}, err
	}
	var s state
	return s, json.Unmarshal(text, &s)
}

// snapshot is load with the deaths that no background xl has recorded yet.
func (h host) snapshot() (state, error) {
	s, err := h.load()
	s.notice()
	return s, err
}

// update changes the state under the lock. What change did is kept even when
// it fails: a failed create uses up an id.
func (h host) update(change func(*state) error) error {
	unlock, err := h.lock()
	if err != nil {
		return err
	}
	defer unlock()
	s, err := h.load()
	if err != nil {
		return err
	}
	err = change(&s)
	s.Processes = slices.DeleteFunc(s.Processes, func(p process) bool { return !p.alive() })
	return errors.Join(err, h.save(s))
}

func (h host) save(s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file := h.path("run", "state.json")
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func (h host) lock() (unlock func(), err error) {
	file, err := os.OpenFile(h.path("run", "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.EINTR
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	return func() { _ = file.Close() }, os.NewSyscallError("flock", err)
}

// domain returns the domain of an id, or nil.
func (s *state) domain(id int) *domain {
	return s.first(func(d domain) bool { return d.ID == id })
}

// named returns the domain with the lowest id of that name, or nil.
func (s *state) named(name string) *domain {
	return s.first(func(d domain) bool { return d.Name == name && !d.nameless() })
}

func (s *state) first(match func(domain) bool) *domain {
	if i := slices.IndexFunc(s.Domains, match); i >= 0 {
		return &s.Domains[i]
	}
	return nil
}

// notice takes a domain whose process died by itself as powered off.
func (s *state) notice() {
	for i := range s.Domains {
		if d := &s.Domains[i]; d.running() && !d.Guest.alive() {
			d.Down, d.Reason = true, poweroff
		}
	}
}

// remove ends a domain's process and takes the domain off the list, unless it
// is to linger.
func (s *state) remove(id int) error {
	d := s.domain(id)
	if d == nil {
		return errNoDomain
	}
	if err := d.Guest.end(); err != nil {
		return err
	}
	if d.Linger {
		d.Dying, d.Building, d.Name, d.Memory = true, false, "", 0
		return nil
	}
	s.forget(id)
	return nil
}

// forget takes a domain off the list.
func (s *state) forget(id int) {
	s.Domains = slices.DeleteFunc(s.Domains, func(d domain) bool { return d.ID == id })
}
