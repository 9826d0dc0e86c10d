package installation

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// An account is one of this system, or one that is yet to be made.
type account struct {
	name     string
	exists   bool
	uid, gid int
	home     string
	shell    string
}

var (
	accountName = pattern.Lazy(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	// aliasName is what sudo takes for an alias, or for everyone: sudoers(5).
	aliasName = pattern.Lazy(`^[A-Z][A-Z0-9_]*$`)
)

func checkAccountName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("option --account is missing")
	case len(name) > 32 || !accountName().MatchString(name):
		return fmt.Errorf("%q is not the name of an account: want a letter or '_', then at most 31 of letters, digits, '_', '.' and '-'", name)
	case aliasName().MatchString(name):
		return fmt.Errorf("account %q: sudo takes a name in capitals for an alias: choose another", name)
	}
	return nil
}

// lookUp asks the system for an account. One that is missing gets the home that
// useradd would give it.
func (l Layout) lookUp(name string) (account, error) {
	out, err := l.run("getent", "passwd", name)
	if exited(err, 2) {
		return account{name: name, home: l.futureHome(name)}, nil
	}
	if err != nil {
		return account{}, err
	}
	return parsePasswd(name, strings.TrimSuffix(out, "\n"))
}

// parsePasswd parses a line of passwd(5).
func parsePasswd(name, line string) (account, error) {
	fields := strings.Split(line, ":")
	if len(fields) != 7 || fields[0] != name || strings.Contains(line, "\n") {
		return account{}, fmt.Errorf("account %s: %q is not its line of passwd", name, line)
	}
	uid, err := strconv.Atoi(fields[2])
	if err != nil {
		return account{}, fmt.Errorf("account %s: user id: %w", name, err)
	}
	gid, err := strconv.Atoi(fields[3])
	if err != nil {
		return account{}, fmt.Errorf("account %s: group id: %w", name, err)
	}
	a := account{name: name, exists: true, uid: uid, gid: gid, home: fields[5], shell: fields[6]}
	if !filepath.IsAbs(a.home) {
		return account{}, fmt.Errorf("account %s: home %q is not an absolute path", name, a.home)
	}
	a.home = filepath.Clean(a.home)
	return a, nil
}

// futureHome is where useradd makes homes, useradd(8).
func (l Layout) futureHome(name string) string {
	out, err := l.run("useradd", "-D")
	if err == nil {
		for _, line := range strings.Split(out, "\n") {
			if dir, ok := strings.CutPrefix(line, "HOME="); ok && filepath.IsAbs(dir) {
				return filepath.Join(dir, name)
			}
		}
	}
	return filepath.Join("/home", name)
}

// groups are the names of the account's groups. A new account has one of its own name.
func (l Layout) groups(a account) ([]string, error) {
	if !a.exists {
		return []string{a.name}, nil
	}
	out, err := l.run("id", "-Gn", a.name)
	return strings.Fields(out), err
}

// noShells are the shells that run no command.
var noShells = []string{"nologin", "false", "sync", "shutdown", "halt"}

// usable says what keeps sshd from running a forced command as the account.
func (l Layout) usable(a account, usePAM bool) error {
	if a.uid == 0 {
		return fmt.Errorf("account %s is root (uid 0): choose one that can do nothing else", a.name)
	}
	shell := a.shell
	if shell == "" {
		shell = "/bin/sh"
	}
	if slices.Contains(noShells, filepath.Base(shell)) {
		return fmt.Errorf("account %s has the shell %s, which runs no command: usermod -s /bin/sh %s", a.name, shell, a.name)
	}
	if info, err := os.Stat(shell); err != nil || info.Mode()&0o111 == 0 {
		return fmt.Errorf("account %s has the shell %s, which cannot be run: usermod -s /bin/sh %s", a.name, shell, a.name)
	}
	if usePAM {
		return nil
	}
	out, err := l.run("getent", "shadow", a.name)
	if err != nil {
		return err
	}
	if fields := strings.Split(out, ":"); len(fields) > 1 && strings.HasPrefix(fields[1], "!") {
		return fmt.Errorf("account %s is locked, and sshd has UsePAM no: it lets no locked account in: usermod -p '*' %s", a.name, a.name)
	}
	return nil
}

// useraddArgs make an account that no password opens.
func useraddArgs(name string) []string {
	return []string{"--system", "--create-home", "--shell", "/bin/sh", "--password", "*", name}
}

// processes are the ids of the first processes that run as the account.
func processes(a account) ([]string, error) {
	found, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return nil, err
	}
	uid := strconv.Itoa(a.uid)
	var pids []string
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if ids := statusField(string(text), "Uid:"); len(ids) == 4 && slices.Contains(ids[:3], uid) { // the last one is that of files
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
		if len(pids) == 10 {
			break
		}
	}
	return pids, nil
}

// statusField returns the words behind a name in a status file, proc(5).
func statusField(status, name string) []string {
	for _, line := range strings.Split(status, "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}
