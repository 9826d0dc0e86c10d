// Package xenhost lays out a directory that stands for a Dom0: the simulated xl
// with its guests, their configuration files, and the policy of dom0-helper.
package xenhost

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// A Host is such a directory.
type Host struct {
	// Dir has the parts sbin, etc, run, log and fault of the simulated xl.
	Dir string
	// Policy is the path of the policy file.
	Policy string
}

// New makes a Host in a new directory. xl is the built simulation.
func New(dir, xl string) (*Host, error) {
	h := &Host{Dir: dir, Policy: filepath.Join(dir, "etc", "dom0.policy")}
	for _, part := range []string{"sbin", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			return nil, err
		}
	}
	program, err := os.ReadFile(xl)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"xl", "guest", "libxl-save-helper"} {
		if err := WriteProgram(filepath.Join(dir, "sbin", name), program); err != nil {
			return nil, err
		}
	}
	rules := fmt.Sprintf("# The rules of this host\ntoolstack %s\nstate %s\n", h.xl(), filepath.Join(dir, "state"))
	if err := os.WriteFile(h.Policy, []byte(rules), 0o600); err != nil {
		return nil, err
	}
	_, err = h.XL("list") // makes the other directories
	return h, err
}

// WriteProgram writes a program's file while no other goroutine starts a process. That
// one would have the file open for a moment, and it could not be run.
func WriteProgram(path string, program []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, program, 0o755)
}

func (h *Host) xl() string { return filepath.Join(h.Dir, "sbin", "xl") }

// Allow adds guests to the policy, for an account, and writes their configuration
// files. lines are added to each of these.
func (h *Host) Allow(account string, guests []string, lines ...string) error {
	policy, err := os.OpenFile(h.Policy, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, guest := range guests {
		text := fmt.Sprintf("name = %q\nmemory = 128\n%s\n", guest, strings.Join(lines, "\n"))
		if err := os.WriteFile(h.Config(guest), []byte(text), 0o644); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(policy, "guest %s account %s config %s\n", guest, account, h.Config(guest)); err != nil {
			return err
		}
	}
	return policy.Close()
}

// Config is the path of a guest's configuration file.
func (h *Host) Config(guest string) string { return filepath.Join(h.Dir, "etc", guest+".cfg") }

// Start creates a guest. With watched, xl stays in the background, as it does if it is not told otherwise.
func (h *Host) Start(guest string, watched bool) error {
	args := []string{"create", h.Config(guest)}
	if !watched {
		args = append(args, "-e")
	}
	_, err := h.XL(args...)
	return err
}

// XL runs the simulated xl and returns its output.
func (h *Host) XL(args ...string) (string, error) {
	command := exec.Command(h.xl(), args...)
	command.Env = []string{}
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("xl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Processes are the process ids of a guest: what is true, whatever a toolstack says.
func (h *Host) Processes(guest string) []string {
	out, err := h.XL("sim", "pid", guest)
	if err != nil {
		return nil
	}
	return strings.Fields(out)
}

// Fault lets a command of xl fail, in the words of the simulation's faults.go. No text ends that.
func (h *Host) Fault(command, text string) error {
	path := filepath.Join(h.Dir, "fault", command)
	if text == "" {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	return os.WriteFile(path, []byte(text+"\n"), 0o644)
}

// Down ends all guests and what watches them.
func (h *Host) Down() error {
	_, err := h.XL("sim", "down")
	return err
}
