package toolstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// A Role is what a Reviver does. The roles are in the order in which processes are ended.
type Role int

const (
	// Writes is of one that saves the guest, or sends it to another host. If it loses its helper
	// or its stream, it resumes the guest, so it goes first.
	Writes Role = iota
	// Builds is of one that makes a domain of the guest, or will do so when that restarts.
	Builds
	// Helps is of one that reads or writes the guest's memory for one of these.
	Helps
)

// A Reviver is a process that brings a guest back, or writes what brings it back.
type Reviver interface {
	Role() Role
	// Saves is the path of the image that it writes, or empty.
	Saves() string
	// Watches reports whether it stays in the background for the guest's life, and makes
	// a domain only when one restarts.
	Watches() bool
	// Freeze stops the process, and returns when it has stopped or ended.
	Freeze(ctx context.Context) error
	// Thaw lets a process go on that was frozen.
	Thaw() error
	// End kills the process and waits for its end.
	End(ctx context.Context) error
	// String tells the process id and command.
	String() string
}

// Processes looks at all processes once, for all guests. What is in /proc of a process
// may not be readable for as long as the kernel holds that.
func (x xl) Processes() (Processes, error) {
	limit := &reader{time.Now().Add(lookLimit)}
	list, err := within(limit, func() ([]process, error) { return scan(procDir) })
	if err != nil {
		return nil, err
	}
	return seen{list, procDir}, nil
}

// isLogOf reports whether path is the log that xl keeps of the guest. The log of
// a guest that migrated hither has the name that it migrated under, and a log
// that is not the newest has a number (libxl_create_logfile in tools/libs/light),
// or a date (dateext of logrotate.conf(5)).
func isLogOf(path, guest string) bool {
	ending, ok := strings.CutPrefix(filepath.Base(path), "xl-"+guest)
	return ok && logEnding().MatchString(ending)
}

var logEnding = pattern.Lazy(`^(--incoming)?` + logRest)

const logRest = `\.log([.-]\d+)*( \(deleted\))?$`

// reviver is a Reviver of a process that a look has found.
type reviver struct {
	process
	proc string
}

// String leaves out what an xl in the background was begun for.
func (r reviver) String() string {
	if r.watches() {
		return r.id()
	}
	return r.text()
}

func (r reviver) Saves() string {
	if r.command == save {
		return r.file
	}
	return ""
}

func (r reviver) Watches() bool { return r.watches() }

func (r reviver) Role() Role {
	switch {
	case r.program != programXL:
		return Helps
	case r.writes():
		return Writes
	}
	return Builds
}

// heedLimit is how long a process may take to heed a signal. One that the kernel
// holds, say in a write to a network that hangs, does nothing of its own meanwhile, nor
// afterwards.
const heedLimit = 2 * time.Second

// End kills also a process that is frozen.
func (r reviver) End(ctx context.Context) error {
	return r.signal(ctx, syscall.SIGKILL, "ZXx")
}

// Freeze takes a process that is traced for one that was stopped.
func (r reviver) Freeze(ctx context.Context) error {
	return r.signal(ctx, syscall.SIGSTOP, "TtZXx")
}

// Thaw waits for nothing.
func (r reviver) Thaw() error {
	return r.signal(context.Background(), syscall.SIGCONT, "")
}

// signal sends a signal and waits for one of the states that it leads to,
// proc_pid_stat(5), or for the end of the process. It pins the process before it
// looks at it once more, so that a process id that was given to another in
// between is not hit.
func (r reviver) signal(ctx context.Context, signal syscall.Signal, states string) error {
	ctx, cancel := context.WithTimeout(ctx, heedLimit)
	defer cancel()
	pinned, err := os.FindProcess(r.pid)
	if err != nil {
		return gone(err)
	}
	defer pinned.Release() //nolint:errcheck // nothing depends on it
	if state, err := r.condition(); state == "" || err != nil {
		return err
	}
	if err := pinned.Signal(signal); err != nil {
		return gone(err)
	}
	for states != "" {
		if state, err := r.condition(); state == "" || strings.Contains(states, state) || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not heed signal %d: %w", r, signal, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// condition returns the letter of the process's state, and "" if it is gone, or another has its id.
func (r reviver) condition() (string, error) {
	now, err := readStatus(filepath.Join(r.proc, strconv.Itoa(r.pid)))
	if err != nil || now.started != r.started {
		return "", gone(err)
	}
	return now.state, nil
}
