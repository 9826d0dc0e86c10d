package toolstack

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"syscall"
)

// Dump stops the domain first: what it would write meanwhile, it does not write
// any more. The caller bounds the time.
func (p program) Dump(ctx context.Context, id int, file string, size int64) error {
	domain := strconv.Itoa(id)
	_, pauseErr := p.run(ctx, pauseLimit, "pause", domain) // one that crashed cannot be paused, and need not
	start := func(command *exec.Cmd) error { return startWriting(command, size) }
	if _, err := p.runStarted(ctx, createLimit, start, "dump-core", domain, file); err != nil {
		return errors.Join(pauseErr, err)
	}
	return nil
}

// startWriting starts a command that may write files of at most size bytes. A
// child inherits that limit; ours is put back.
func startWriting(command *exec.Cmd, size int64) error {
	var ours syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &ours); err != nil {
		return err
	}
	its := ours
	its.Cur = min(uint64(size), ours.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &its); err != nil {
		return err
	}
	return errors.Join(command.Start(), syscall.Setrlimit(syscall.RLIMIT_FSIZE, &ours))
}
