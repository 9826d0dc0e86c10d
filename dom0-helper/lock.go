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

// lock serialises the requests that change one guest, and calls meanwhile as long
// as another request holds the lock. The kernel drops a lock when its holder
// ends, in whatever way.
func (h *host) lock(ctx context.Context, guest string, meanwhile func()) (unlock func(), err error) {
	file, err := h.openLock(guest)
	if err != nil {
		return nil, err
	}
	for syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		meanwhile()
		if !pause(ctx, 20*time.Millisecond) {
			_ = file.Close() // it was never locked
			return nil, failf(wire.TimedOut, "another request holds the lock of guest %s", guest)
		}
	}
	return func() { _ = file.Close() }, nil // closing unlocks
}

// openLock opens the file that a guest's lock is on.
func (h *host) openLock(guest string) (*os.File, error) {
	if err := policy.MakeTrustedDir(h.locks); err != nil {
		return nil, fmt.Errorf("directory of locks: %w", err)
	}
	return os.OpenFile(filepath.Join(h.locks, guest+".lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// pause reports whether d passed before the end of ctx.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
