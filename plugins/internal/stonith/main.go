package stonith

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
)

// Main carries out the call that the process was started for, and exits. version
// is what --version prints.
func (p Plugin) Main(version string) {
	abortOnFailure()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	// A reader of our output that goes away must not end a fence half-way.
	signal.Ignore(syscall.SIGPIPE)
	tag, run := "external/"+p.Name, p.Run
	if p.IsAgent(filepath.Base(os.Args[0])) {
		tag, run = p.Agent.Name, p.RunAgent
	}
	code := run(ctx, Process{
		Args: os.Args[1:], Stdin: os.Stdin, Getenv: os.Getenv, Hostname: os.Hostname,
		Stdout: os.Stdout, Stderr: os.Stderr,
		Log: newSystemLog(tag, os.Getenv), ID: newCallID(), Version: version,
	})
	stop()
	os.Exit(code)
}

// abortOnFailure lets Go's runtime abort where it fails, as for want of threads. It
// would exit with status 2, which for the action status says that the node is off. No
// core is left: it would have secrets.
func abortOnFailure() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // a limit can always be lowered
	debug.SetTraceback("crash")
}

// newCallID returns 8 random hexadecimal digits.
func newCallID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}
