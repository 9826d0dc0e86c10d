//go:build linux

package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// liveOn is all a guest does: only SIGKILL or the end of its host stops it.
func liveOn(h host) int {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	if h.recorded(os.Getpid()) {
		h.outlast()
	}
	return 0
}

// recorded waits for the lock, which the creator holds until it has recorded
// its guest. One whose creator was killed before that must not live on unseen.
func (h host) recorded(pid int) bool {
	unlock, err := h.lock()
	if err != nil {
		return false
	}
	defer unlock()
	s, err := h.load()
	return err == nil && slices.ContainsFunc(s.Processes, func(p process) bool { return p.PID == pid })
}
