package live

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// dirs are where programs are looked for, whatever PATH says.
var dirs = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// toolLimit is what one call of a tool may take. Those in Python take a second or two.
const toolLimit = 2 * time.Minute

// Tools are the programs of the cluster software. They run without a shell, with an
// environment of their own, and are stopped when they take too long.
type Tools struct {
	// home is where tools put their own files: empty at the beginning, and removed at
	// the end.
	home string
}

// NewTools returns the tools, with a home for them. Close removes it.
func NewTools() (*Tools, error) {
	home, err := os.MkdirTemp("", "crm-snippets-")
	if err != nil {
		return nil, err
	}
	return &Tools{home: home}, nil
}

// Close removes what the tools have left.
func (t *Tools) Close() error { return os.RemoveAll(t.home) }

// Put writes a file that only we can read, and returns its path.
func (t *Tools) Put(name string, text []byte) (string, error) {
	path := filepath.Join(t.home, name)
	return path, os.WriteFile(path, text, 0o600)
}

// Find returns the path of a program, and whether there is one.
func (t *Tools) Find(program string) (string, bool) {
	for _, dir := range dirs {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

// A Call is one of a program.
type Call struct {
	Program string
	Args    []string
	// Stdin is what the program reads.
	Stdin []byte
	// CIBFile is the file that stands for the cluster; none if it is empty.
	CIBFile string
}

// Run runs a program, and returns what it prints on standard output. The error has what
// it says of a failure.
func (t *Tools) Run(ctx context.Context, c Call) ([]byte, error) {
	path, found := t.Find(c.Program)
	if !found {
		return nil, fmt.Errorf("%s: not found in %s", c.Program, strings.Join(dirs, ", "))
	}
	ctx, cancel := context.WithTimeout(ctx, toolLimit)
	defer cancel()
	command := exec.CommandContext(ctx, path, c.Args...)
	command.Env = []string{"PATH=" + strings.Join(dirs, ":"), "HOME=" + t.home, "LC_ALL=C.UTF-8"}
	if c.CIBFile != "" {
		command.Env = append(command.Env, "CIB_file="+c.CIBFile)
	}
	command.Dir = t.home
	command.Stdin = bytes.NewReader(c.Stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	// What it has started goes with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	err := command.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: stopped: %w", c.Program, context.Cause(ctx))
	}
	if err != nil {
		// What a tool prints besides may have secrets in it.
		said := cmp.Or(Said(stderr.String()), Said(stdout.String()))
		return stdout.Bytes(), fmt.Errorf("%s: %w: %s", c.Program, err, said)
	}
	return stdout.Bytes(), nil
}

// exitStatus returns that of the program whose failure an error is, and -1 if it is none.
func exitStatus(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// maxSaid is how many of a tool's lines are quoted.
const maxSaid = 5

// colors are what tools write for terminals.
var colors = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// cibLine is one of a CIB, which cibadmin shows when it refuses one.
var cibLine = regexp.MustCompile(`^[0-9]* ?<`)

// Said returns what a tool says, in one line: its errors, or its first lines if it calls
// nothing an error.
func Said(text string) string {
	var all, mistakes []string
	for line := range strings.Lines(colors.ReplaceAllString(text, "")) {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" || cibLine.MatchString(line) {
			continue
		}
		all = append(all, line)
		if lower := strings.ToLower(line); strings.HasPrefix(lower, "error") || strings.HasPrefix(lower, "call failed") {
			mistakes = append(mistakes, line)
		}
	}
	if len(mistakes) > 0 {
		all = mistakes
	}
	if len(all) > maxSaid {
		all = append(all[:maxSaid], "and more")
	}
	return strings.Join(all, "; ")
}
