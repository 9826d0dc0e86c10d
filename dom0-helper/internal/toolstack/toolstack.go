// Package toolstack drives the program that controls Xen's domains: xl, or xm
// where there is no xl. It runs the program by its absolute path, with an empty
// environment and a time limit, and believes only output that it understands.
package toolstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// Time limits of single commands. A hung xenstored makes every command hang.
const (
	lookLimit    = 8 * time.Second
	pauseLimit   = 2 * time.Second
	destroyLimit = 8 * time.Second
	createLimit  = 60 * time.Second
)

// A Domain is an entry of the toolstack's list.
type Domain struct {
	ID int
	// Name is empty for a domain that has none: it is being built or torn down,
	// and which guest it is cannot be told.
	Name string
	UUID string
	// Stopped says that it has crashed or shut down and is kept.
	Stopped bool
	// Dying says that it is being torn down.
	Dying bool
	// Paused says that it does not run until somebody lets it: so is one that is being built.
	Paused bool
}

// pausedMark is the third of a domain's six marks in the toolstacks' tables.
func pausedMark(marks string) bool { return marks[2] == 'p' }

// stoppedMark is the fourth of them.
func stoppedMark(marks string) bool { return marks[3] == 's' }

// dyingMark is the sixth of them.
func dyingMark(marks string) bool { return marks[5] == 'd' }

// Carries reports whether d is the guest of that name, also while it migrates or
// dies, or after it crashed and was kept under another name.
func (d Domain) Carries(guest string) bool { return d.Name == guest || wire.IsVariantOf(d.Name, guest) }

// A Toolstack controls the domains of this Dom0.
type Toolstack interface {
	// Domains lists all domains, the control domain among them. A list that is
	// not complete and understood is an error.
	Domains(ctx context.Context) ([]Domain, error)
	// Destroy ends the domain of that id at once. An error does not mean that it
	// is there, nor does success mean that it is gone: look.
	Destroy(ctx context.Context, id int) error
	// Create starts a guest from its configuration file.
	Create(ctx context.Context, config string) error
	// Dump stops the domain for good, and writes its memory to a file of at most
	// size bytes. What is left of a dump that failed is no use.
	Dump(ctx context.Context, id int, file string, size int64) error
	// Processes looks once for the processes that would bring guests back.
	Processes() (Processes, error)
	// Gap is how long a guest that restarts can be absent without a process: only
	// what is absent for longer is off.
	Gap() time.Duration
}

// New returns the Toolstack for the program at path, whose name must be xl or xm.
func New(path string) (Toolstack, error) {
	switch filepath.Base(path) {
	case "xl":
		return xl{program{path}}, nil
	case "xm":
		return xm{program{path}}, nil
	default:
		return nil, fmt.Errorf("toolstack %s is neither xl nor xm", path)
	}
}

// program is the path of the toolstack's command.
type program struct{ path string }

// run runs the program and returns its standard output. The error of a command
// that failed has the line of its standard error that says why. The program does not
// outlive us: with us goes the guest's lock, and without that none may create it.
func (p program) run(ctx context.Context, limit time.Duration, args ...string) ([]byte, error) {
	return p.runStarted(ctx, limit, (*exec.Cmd).Start, args...)
}

// runStarted runs the program as run does, started in a way of its own.
func (p program) runStarted(ctx context.Context, limit time.Duration, start func(*exec.Cmd) error, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	command := exec.CommandContext(ctx, p.path, args...)
	command.Env = []string{}
	command.Dir = "/"
	command.WaitDelay = time.Second
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// To the kernel the parent is the thread that starts the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := start(command)
	if err == nil {
		err = command.Wait()
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: no answer: %w", p.text(args), ctx.Err())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", p.text(args), err, cause(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// IsUnfinished reports whether err says that a command was killed, or took too long: what it
// has begun may be half done, as a guest that is built and never runs.
func IsUnfinished(err error) bool {
	var exit *exec.ExitError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &exit) && !exit.Exited()
}

// aside is what xl writes before it comes to the cause: what it is doing, what
// it does not mind, and that a script failed, before what the script says of it.
var aside = pattern.Lazy(`^Parsing config from |: warning: |:libxl_report_child_exitstatus: `)

// cause is the first line of stderr that is no aside; those behind it tell its
// consequences. If there are asides only, it is the first of them.
func cause(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if i := slices.IndexFunc(lines, func(line string) bool { return !aside().MatchString(line) }); i >= 0 {
		return lines[i]
	}
	return lines[0]
}

func (p program) text(args []string) string {
	return filepath.Base(p.path) + " " + strings.Join(args, " ")
}
