//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

const simUsage = "usage: xl sim crash NAME | watchdog NAME | soft-reset NAME | linger NAME | release | pid NAME | down\n"

// sim is the stage hand: it acts on guests as no toolstack does, and is never
// hit by a fault.
func (x toolstack) sim(args []string) int {
	switch {
	case len(args) == 2 && args[0] == "crash":
		return x.simChange(args[1], func(d *domain) error { return d.fall(crash) })
	case len(args) == 2 && args[0] == "watchdog":
		return x.simChange(args[1], func(d *domain) error { return d.fall(watchdog) })
	case len(args) == 2 && args[0] == "soft-reset":
		return x.simChange(args[1], func(d *domain) error { return d.fall(softReset) })
	case len(args) == 2 && args[0] == "linger":
		return x.simChange(args[1], func(d *domain) error { d.Linger = true; return nil })
	case len(args) == 2 && args[0] == "pid":
		return x.simPid(args[1])
	case len(args) == 1 && args[0] == "release":
		return x.result(x.host.update(release))
	case len(args) == 1 && args[0] == "down":
		return x.result(x.host.update(down))
	default:
		return x.refuse(2, simUsage)
	}
}

func (x toolstack) simChange(name string, f func(*domain) error) int {
	id, ok := x.resolve(name)
	if !ok {
		return 1
	}
	return x.result(x.change(id, f))
}

// release lets go of all dying domains.
func release(s *state) error {
	s.Domains = slices.DeleteFunc(s.Domains, func(d domain) bool { return d.Dying })
	return nil
}

// down ends every process of the host, those that watch first, and forgets the
// domains. Nobody can start another one meanwhile: the caller has the lock.
func down(s *state) error {
	var errs []error
	for _, p := range slices.Backward(s.Processes) {
		errs = append(errs, p.end())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	*s = fresh()
	return nil
}

// simPid prints the guest processes of a name. It asks the system, not the
// records, so that it also finds one that no record knows.
func (x toolstack) simPid(name string) int {
	s, err := x.host.load()
	if err != nil {
		return x.fail(err, 1)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return x.fail(err, 1)
	}
	code := 1
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && executable(pid) == x.host.path("sbin", "guest") && s.nameOf(pid) == name {
			fmt.Fprintln(x.stdout, pid)
			code = 0
		}
	}
	return code
}

// nameOf returns the name of the domain a process belongs to, or, if none is
// recorded, the name it was started with.
func (s *state) nameOf(pid int) string {
	if d := s.first(func(d domain) bool { return d.Guest.PID == pid && d.Guest.alive() }); d != nil {
		return d.Name
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	words := strings.Split(string(text), "\x00")
	if len(words) < 2 {
		return ""
	}
	return words[1]
}
