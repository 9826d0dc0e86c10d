package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// lock serialises the requests that change one guest. The kernel drops a lock
// when its holder ends, in whatever way.
func (h *host) lock(ctx context.Context, guest string) (unlock func(), err error) {
	file, err := h.openLock(guest)
	if err != nil {
		return nil, err
	}
	for !tryLock(file) {
		if !pause(ctx) {
			_ = file.Close() // it was never locked
			return nil, errHeld(guest)
		}
	}
	return func() { _ = file.Close() }, nil // closing unlocks
}

// tryLock reports whether it could lock the file.
func tryLock(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// pending reports whether another request for the guest is under way that holds
// the lock. Where there can be no lock, there can be no request that creates.
func (h *host) pending(guest string) bool {
	file, err := h.openLock(guest)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // closing unlocks
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

func errHeld(guest string) error {
	return failf(wire.TimedOut, "another request holds the lock of guest %s, and may create it", guest)
}

// openLock opens the file that a guest's lock is on.
func (h *host) openLock(guest string) (*os.File, error) {
	if err := policy.MakeTrustedDir(h.stateDir); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return os.OpenFile(filepath.Join(h.stateDir, guest+".lock"), os.O_RDONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// pause waits between two looks. It reports whether that passed before the end of ctx.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(lookAgain):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
