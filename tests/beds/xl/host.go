//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A host is the directory that stands for one Xen host.
type host string

func (h host) path(elem ...string) string {
	return filepath.Join(append([]string{string(h)}, elem...)...)
}

// prepare makes the directories of the host. An error satisfying
// os.IsPermission means that the caller may not administer it.
func (h host) prepare() error {
	for _, dir := range []string{"run", "log", "fault"} {
		if err := os.MkdirAll(h.path(dir), 0o755); err != nil {
			return err
		}
	}
	const write = 2
	return os.NewSyscallError("access", syscall.Access(h.path("run"), write))
}

// outlast returns when the host is gone, which it looks for every second.
func (h host) outlast() {
	for {
		if _, err := os.Stat(h.path("run")); errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(time.Second)
	}
}

// gap is the time between the end of a rebooting guest and its return.
func (h host) gap() time.Duration { return h.setting("fault/gap-ms", 2*time.Second) }

// buildTime is how long a domain is half-built.
func (h host) buildTime() time.Duration { return h.setting("fault/build-ms", 0) }

// setting reads a time in milliseconds from a file.
func (h host) setting(file string, otherwise time.Duration) time.Duration {
	text, err := os.ReadFile(h.path(file))
	if err != nil {
		return otherwise
	}
	ms, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return otherwise
	}
	return time.Duration(ms) * time.Millisecond
}

// openLog starts a new log for a guest; older ones move on to .1, .2, ... .10.
func (h host) openLog(name string) (*os.File, error) {
	log := h.path("log") + "/xl-" + name + ".log"
	for n := 9; n > 0; n-- {
		_ = os.Rename(log+"."+strconv.Itoa(n), log+"."+strconv.Itoa(n+1))
	}
	_ = os.Rename(log, log+".1")
	return os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}
