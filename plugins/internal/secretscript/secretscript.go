// Package secretscript runs a program of the administrator's that prints a secret,
// such as one that asks a vault.
package secretscript

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

const (
	// limit is the time that the program has.
	limit = 5 * time.Second
	// maxPrinted is how much of its output is kept: more is no secret. maxComplaint is
	// how much of what it complains is shown.
	maxPrinted, maxComplaint = 8 << 10, 300
)

// Run runs the program, which is the value of the parameter param, and returns the only
// line that it prints. No shell reads its path, it has no arguments and hardly any
// environment, and it is killed with all that it has started if it takes too long, and
// alone if we are. No error has what it printed.
func Run(ctx context.Context, param, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stdout, stderr := stonith.Head{Limit: maxPrinted}, stonith.Head{Limit: maxComplaint}
	command := exec.CommandContext(ctx, path)
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	command.Dir = "/"
	command.Stdout, command.Stderr = &stdout, &stderr
	command.WaitDelay = time.Second
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	// To the kernel the parent is the thread that starts the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := command.Run()
	origin := param + ": " + path
	switch {
	case ctx.Err() != nil:
		return "", stonith.Errorf(stonith.TimedOut, "%s printed no secret in time: %w", origin, ctx.Err())
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return "", stonith.Errorf(stonith.BadConfig, "%s: %w%s", origin, err, complaint(&stdout, &stderr))
	}
	secret := stonith.FirstLine(stdout.String())
	if err := stonith.CheckSecret(origin, secret); err != nil {
		return "", err
	}
	return secret, nil
}

// complaint is what a program that failed said, unless the secret may be in it: a shell
// script that shows what it does (set -x) prints there what it prints.
func complaint(stdout, stderr *stonith.Head) string {
	if stdout.String() != "" {
		return ", and what it said is not shown, since it printed something as the secret"
	}
	return fmt.Sprintf(", stderr %q", stderr.String())
}
