// Package installation sets up, checks and removes what lets a cluster control
// its guests on this Dom0: an account, its sudo rule, lines of the policy, and
// the lines of ssh keys. It asks sshd, sudo and visudo what holds, and changes
// nothing of theirs but its own drop-in and its own lines.
package installation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// DefaultSudoers is the drop-in that sudo reads on all known systems.
const DefaultSudoers = "/etc/sudoers.d/stonith-plugins"

// A Layout says where the parts of an installation are.
type Layout struct {
	// Helper is the path of dom0-helper, which the sudo rule and the keys name.
	Helper string
	// Policy is the policy file, and DefaultPolicy the one that Helper reads if it is told none.
	Policy, DefaultPolicy string
	// Sudoers is the drop-in with our rule.
	Sudoers string
	// AuthorizedKeys is the file for keys, empty for the one that sshd looks at.
	AuthorizedKeys string
	// SSHDConfig is sshd's configuration, empty for its own default.
	SSHDConfig string
	// Programs are the paths of programs, by name. What is missing is searched.
	Programs map[string]string
}

// ProgramNames are the programs that a Layout may name.
func ProgramNames() []string {
	return []string{"sshd", "visudo", "sudo", "ssh-keygen", "useradd", "userdel", "getent", "id"}
}

// searched are the directories of the system's own programs.
func searched() []string { return []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} }

// plainPath is a path that means itself in sudoers, in a shell and in quotes.
var plainPath = pattern.Lazy(`^/[A-Za-z0-9/._+-]+$`)

// checkPlain refuses paths that would need quoting in sudoers or authorized_keys.
func checkPlain(path string) error {
	if !plainPath().MatchString(path) || filepath.Clean(path) != path {
		return fmt.Errorf("%q: want an absolute path in its shortest form, of letters, digits and / . _ + - only", path)
	}
	return nil
}

// rootHalf is the one command line of the sudo rule.
func (l Layout) rootHalf() string { return l.Helper + " root" + l.policyOption() }

func (l Layout) policyOption() string {
	if l.Policy == l.DefaultPolicy {
		return ""
	}
	return " --policy " + l.Policy
}

// find returns the path of a program.
func (l Layout) find(name string) (string, error) {
	if path := l.Programs[name]; path != "" {
		return path, nil
	}
	for _, dir := range searched() {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("no program %s in %s: install it, or say where it is by --%s", name, strings.Join(searched(), ", "), name)
}

// programLimit is what a program of the system may take; a name service may be slow.
const programLimit = 2 * time.Minute

// run runs a program of the system and returns its standard output. The error of
// one that failed has what it wrote.
func (l Layout) run(name string, args ...string) (string, error) {
	path, err := l.find(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), programLimit)
	defer cancel()
	command := exec.CommandContext(ctx, path, args...)
	// Without COLUMNS, sudo breaks lines at 80.
	command.Env = []string{"PATH=" + strings.Join(searched(), ":"), "LC_ALL=C", "COLUMNS=100000"}
	command.Dir = "/"
	command.WaitDelay = time.Second
	// What ends us must not end useradd half way.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err = command.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		said := oneLine(stderr.String() + "\n" + stdout.String())
		return stdout.String(), &runError{fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), err, said), err}
	}
	return stdout.String(), nil
}

// A runError is that of a program, with all it said.
type runError struct {
	error
	cause error
}

// Unwrap returns what os/exec said.
func (e *runError) Unwrap() error { return e.cause }

// exited reports whether err is that of a program which ended with that status.
func exited(err error, status int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == status
}

// oneLine joins what a program wrote, for an error message.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	return strings.Join(lines, "; ")
}
