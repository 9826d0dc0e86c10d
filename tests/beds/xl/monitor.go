//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A monitor is the background xl of one guest: the process that created it,
// kept to act when it shuts down.
type monitor struct {
	host host
	log  io.Writer
}

// watch follows a guest from id to id until there is no next one.
func (m monitor) watch(id int) int {
	for id != 0 {
		id = m.follow(id)
	}
	return 0
}

// follow waits for the end of one domain, acts, and returns the id of its
// successor or 0.
func (m monitor) follow(id int) (next int) {
	var name string
	err := m.host.update(func(s *state) error {
		if d := s.domain(id); d != nil {
			name = d.Name
		}
		return nil
	})
	if err != nil {
		return m.giveUp(err)
	}
	m.say("Waiting for domain %s (domid %d) to die [pid %d]", name, id, os.Getpid())
	d, ok := m.await(id)
	if !ok {
		m.say("Domain %d has been destroyed.", id)
		return 0
	}
	m.say("Domain %d has shut down, reason code %d 0x%x", id, d.Reason, d.Reason)
	if d.Reason == suspended { // up to 4.19 nobody watches a guest any more that was suspended and goes on
		m.say("Domain has suspended.\nDone. Exiting now")
		return 0
	}
	m.say("Action for shutdown reason code %d is %s", d.Reason, d.action())
	return m.act(d)
}

// await returns the domain when it has shut down, or false when it was
// destroyed or its host is gone.
func (m monitor) await(id int) (domain, bool) {
	for ; ; time.Sleep(50 * time.Millisecond) {
		s, err := m.host.load()
		d := s.domain(id)
		if err != nil || d == nil || d.Dying {
			return domain{}, false
		}
		if d.Down {
			return *d, true
		}
		if !d.Guest.alive() {
			_ = m.host.update(func(s *state) error { s.notice(); return nil })
		}
	}
}

// act carries out the policy of a domain that has shut down.
func (m monitor) act(d domain) (next int) {
	action := d.action()
	var err error
	switch action {
	case "preserve", "soft_reset": // which is more than is simulated
	case "rename-restart":
		err = m.setAside(d)
	default:
		m.say("Domain %d needs to be cleaned up: destroying the domain", d.ID)
		err = m.host.update(func(s *state) error { return s.remove(d.ID) })
	}
	if err != nil {
		return m.giveUp(err)
	}
	if !strings.HasSuffix(action, "restart") {
		m.say("Done. Exiting now")
		return 0
	}
	m.say("Done. Rebooting now")
	time.Sleep(m.host.gap())
	return m.rebuild(d.spec)
}

// setAside keeps a domain under another name and UUID.
func (m monitor) setAside(d domain) error {
	suffix := time.Now().UTC().Format("-20060102T1504Z")
	m.say("Preserving domain %d %s with suffix%s", d.ID, d.Name, suffix)
	return m.host.update(func(s *state) error {
		kept := s.domain(d.ID)
		if kept == nil {
			return errNoDomain
		}
		kept.UUID = newUUID()
		return s.rename(kept, d.Name+suffix)
	})
}

// rebuild creates the guest again: the same name and UUID, a new id.
func (m monitor) rebuild(c spec) (next int) {
	err := m.host.build(c, func(_ *state, d *domain) error {
		next = d.ID
		return nil
	})
	if err != nil {
		return m.giveUp(err)
	}
	return next
}

func (m monitor) giveUp(err error) (next int) {
	m.say("%s", strings.TrimSuffix(err.Error(), "\n"))
	return 0
}

func (m monitor) say(format string, args ...any) {
	fmt.Fprintf(m.log, format+"\n", args...)
}
