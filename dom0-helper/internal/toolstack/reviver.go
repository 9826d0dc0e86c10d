package toolstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// procDir is where Linux shows its processes, proc(5).
const procDir = "/proc"

// Revivers finds, for a guest, the xl that watches it in the background and
// creates it again when it reboots or crashes, and every xl that is just
// creating it. In the two seconds between the end of the old domain and the
// creation of the new one such a process is all that there is of the guest.
func (x xl) Revivers(guest, config string) ([]Reviver, error) {
	entries, err := os.ReadDir(procDir)
	if err != nil {
		return nil, err
	}
	var found []Reviver
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		serves, err := servesGuest(pid, guest, config)
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		if serves {
			found = append(found, process{pid, guest, config})
		}
	}
	return found, nil
}

// servesGuest reports whether the process is an xl that creates or watches the
// guest. A process that is gone does not.
func servesGuest(pid int, guest, config string) (bool, error) {
	dir := filepath.Join(procDir, strconv.Itoa(pid))
	if is, err := isXL(dir); !is {
		return false, err
	}
	if log, err := os.Readlink(filepath.Join(dir, "fd/1")); err == nil && isLogOf(log, guest) {
		return true, nil
	}
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return false, gone(err)
	}
	return creates(line, dir, config) && !namesAnother(config, guest), nil
}

// namesAnother reports whether the configuration file is, by mistake, that of another guest.
func namesAnother(config, guest string) bool {
	text, err := os.ReadFile(config)
	name := guestconfig.Name(text)
	return err == nil && name != "" && name != guest
}

// isXL reports whether the executable of a process is xl, and the process root's
// or ours: no other can create anything, and could only pretend, to hold up a fence.
func isXL(dir string) (bool, error) {
	var owner syscall.Stat_t
	if err := syscall.Stat(dir, &owner); err != nil {
		return false, gone(err)
	}
	if owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return false, nil
	}
	executable, err := os.Readlink(filepath.Join(dir, "exe"))
	if errors.Is(err, fs.ErrPermission) {
		return isCalledXL(dir, err)
	}
	return filepath.Base(strings.TrimSuffix(executable, " (deleted)")) == "xl", gone(err)
}

// isCalledXL judges a process whose executable cannot be seen: a security module
// may hide it even from root. Its name must do then, and one that is called xl is
// the error unseen, since what it does cannot be told. If we are not root, that
// is root's xl, which is none of our host's.
func isCalledXL(dir string, unseen error) (bool, error) {
	name, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return false, gone(err)
	}
	if strings.TrimSpace(string(name)) != "xl" || os.Geteuid() != 0 {
		return false, nil
	}
	return false, unseen
}

// gone turns the error of looking at a process that has just ended into none.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// isLogOf reports whether path is the log that xl keeps of the guest. The log of
// a guest that migrated hither has the name that it migrated under, and a log
// that is not the newest has a number (libxl_create_logfile in tools/libs/light).
func isLogOf(path, guest string) bool {
	ending, ok := strings.CutPrefix(filepath.Base(path), "xl-"+guest)
	return ok && logEnding().MatchString(ending)
}

var logEnding = pattern.Lazy(`^(--incoming)?\.log(\.\d+)?( \(deleted\))?$`)

// creates reports whether a command line of xl makes the guest from its
// configuration file, by whichever name that is given. A relative name counts
// from the process's own directory.
func creates(commandLine []byte, dir, config string) bool {
	words := bytes.Split(commandLine, []byte{0})[1:]
	if !slices.ContainsFunc(words, isCreation) {
		return false
	}
	cwd, err := os.Readlink(filepath.Join(dir, "cwd"))
	if err != nil {
		cwd = "/"
	}
	wanted, wantedErr := os.Stat(config)
	for _, word := range words {
		path := string(word)
		if !filepath.IsAbs(path) {
			path = filepath.Join(cwd, path)
		}
		if filepath.Clean(path) == config {
			return true
		}
		if file, err := os.Stat(path); err == nil && wantedErr == nil && os.SameFile(file, wanted) {
			return true
		}
	}
	return false
}

// isCreation reports whether a word is a command of xl that creates a domain, or
// one of the abbreviations that xl takes (cmdtable_lookup in tools/xl/xl_cmdtable.c).
func isCreation(word []byte) bool {
	abbreviates := func(command string, least int) bool {
		return len(word) >= least && strings.HasPrefix(command, string(word))
	}
	return abbreviates("create", len("cr")) || abbreviates("restore", len("res"))
}

// process is a Reviver.
type process struct {
	pid           int
	guest, config string
}

func (p process) String() string { return fmt.Sprintf("xl process %d", p.pid) }

// End kills also a process that is frozen.
func (p process) End(ctx context.Context) error {
	return p.signal(ctx, syscall.SIGKILL, func() (bool, error) {
		serves, err := servesGuest(p.pid, p.guest, p.config)
		return !serves, err
	})
}

func (p process) Freeze(ctx context.Context) error {
	return p.signal(ctx, syscall.SIGSTOP, p.isFrozen)
}

func (p process) Thaw() error {
	return p.signal(context.Background(), syscall.SIGCONT, func() (bool, error) { return true, nil })
}

// signal sends a signal and waits for its effect. It pins the process before it
// looks at it once more, so that a process id that was given to another in
// between is not hit.
func (p process) signal(ctx context.Context, signal syscall.Signal, done func() (bool, error)) error {
	pinned, err := os.FindProcess(p.pid)
	if err != nil {
		return gone(err)
	}
	defer pinned.Release() //nolint:errcheck // nothing depends on it
	if serves, err := servesGuest(p.pid, p.guest, p.config); !serves || err != nil {
		return err
	}
	if err := pinned.Signal(signal); err != nil {
		return gone(err)
	}
	for {
		if is, err := done(); is || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not heed signal %d: %w", p, signal, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// frozen is a process that was stopped, traced or has ended, by the state in
// /proc/PID/stat, proc(5), which follows the name in parentheses.
var frozen = pattern.Lazy(`(?s)^.*\) [TtZXx] `)

func (p process) isFrozen() (bool, error) {
	stat, err := os.ReadFile(filepath.Join(procDir, strconv.Itoa(p.pid), "stat"))
	if err != nil {
		return gone(err) == nil, gone(err)
	}
	return frozen().Match(stat), nil
}
