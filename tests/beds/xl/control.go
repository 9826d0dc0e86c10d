//go:build linux

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// errDeaf is a guest that cannot answer: paused, or shut down already.
var errDeaf = errors.New("guest didn't acknowledge control request")

// change applies f to a domain under the lock; none of that id is errNoDomain.
func (x toolstack) change(id int, f func(*domain) error) error {
	return x.host.update(func(s *state) error {
		d := s.domain(id)
		if d == nil {
			return errNoDomain
		}
		return f(d)
	})
}

func (x toolstack) shutdown(c call) int {
	return x.request(c, poweroff, "shutdown", "Shutting down")
}

func (x toolstack) reboot(c call) int {
	return x.request(c, reboot, "reboot", "Rebooting")
}

// request has a guest shut itself down, which ours do at once.
func (x toolstack) request(c call, r reason, verb, doing string) int {
	if len(c.args) == 0 {
		return x.refuse(1, "You must specify -a or a domain id.\n\n")
	}
	id, ok := x.resolve(c.args[0])
	if !ok {
		return 1
	}
	fmt.Fprintf(x.stderr, "%s domain %d\n", doing, id)
	err := x.change(id, func(d *domain) error {
		if !d.running() || d.Pauses > 0 {
			return errDeaf
		}
		return d.fall(r)
	})
	switch {
	case errors.Is(err, errNoDomain):
		return x.refuse(1, "libxl: error: libxl_dom.c:37:libxl__domain_type: unable to get domain type for domid=%d\n"+
			"%s failed (rc=-3)\n", id, verb)
	case errors.Is(err, errDeaf):
		time.Sleep(time.Minute)
		return x.refuse(1, "libxl: error: libxl_domain.c:854:pvcontrol_cb: guest didn't acknowledge control request: -9\n"+
			"%s failed (rc=-9)\n", verb)
	case err != nil:
		return x.fail(err, 1)
	}
	if c.has('w') {
		fmt.Fprintf(x.stderr, "Waiting for 1 domains\nDomain %d has been shut down, reason code %d\n", id, r)
	}
	return 0
}

// pause exits 0 whenever the name resolves, as xl does.
func (x toolstack) pause(c call) int {
	id, ok := x.resolve(c.args[0])
	if !ok {
		return 1
	}
	if id == 0 {
		return x.refuse(0, "libxl: error: libxl_domain.c:587:libxl_domain_pause: Pausing domain: Invalid argument\n")
	}
	err := x.change(id, func(d *domain) error { d.Pauses++; return nil })
	if errors.Is(err, errNoDomain) {
		return x.refuse(0, "libxl: error: libxl_domain.c:587:libxl_domain_pause: Domain %d:Pausing domain: No such process\n", id)
	}
	return x.result(err)
}

// unpause undoes one pause and exits like pause.
func (x toolstack) unpause(c call) int {
	id, ok := x.resolve(c.args[0])
	if !ok {
		return 1
	}
	if id == 0 {
		return x.refuse(0, "libxl: error: libxl_domain.c:688:domain_unpause_done: Unpausing domain: Invalid argument\n")
	}
	err := x.change(id, func(d *domain) error {
		if d.Pauses == 0 {
			return refusal{fmt.Sprintf("libxl: error: libxl_domain.c:688:domain_unpause_done: Domain %d:"+
				"Unpausing domain: Invalid argument\n", id), 0}
		}
		d.Pauses--
		return nil
	})
	if errors.Is(err, errNoDomain) {
		return x.refuse(0, "libxl: error: libxl_dom.c:37:libxl__domain_type: unable to get domain type for domid=%d\n", id)
	}
	return x.result(err)
}

// destroy kills a guest and returns when its process is gone. Its policies do
// not run.
func (x toolstack) destroy(c call) int {
	id, ok := x.resolve(c.args[0])
	if !ok {
		return 1
	}
	if id == 0 {
		return x.refuse(1, "Not destroying domain 0; use -f to force.\n"+
			"This can only be done when using a disaggregated hardware domain and toolstack.\n\n")
	}
	err := x.host.update(func(s *state) error { return s.remove(id) })
	if !errors.Is(err, errNoDomain) {
		return x.result(err)
	}
	if strings.Trim(c.args[0], "0123456789") == "" {
		return x.refuse(1, "%sdestroy failed (rc=-21)\n", notDestroyed(id))
	}
	return x.refuse(1, "libxl: error: libxl_domain.c:1616:domain_destroy_domid_cb: Domain %[1]d:xc_domain_destroy failed: No such process\n"+
		"libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain %[1]d:Unable to destroy guest\n"+
		"libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain %[1]d:Destruction of domain failed\n"+
		"destroy failed (rc=-3)\n", id)
}

// result is the exit code of a command that is silent when it succeeds.
func (x toolstack) result(err error) int {
	if err != nil {
		return x.fail(err, 1)
	}
	return 0
}
