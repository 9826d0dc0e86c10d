package toolstack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIsLogOf(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"/var/log/xen/xl-node-1.log":                      true,
		"/var/log/xen/xl-node-1.log.1":                    true,
		"/var/log/xen/xl-node-1.log.10":                   true,
		"/var/log/xen/xl-node-1.log (deleted)":            true,
		"/var/log/xen/xl-node-1.log.2 (deleted)":          true,
		"/var/log/xen/xl-node-1--incoming.log":            true,
		"/var/log/xen/xl-node-1--incoming.log.1":          true,
		"/var/log/xen/xl-node-1.log-20261201":             true,
		"/var/log/xen/xl-node-1.log.1-20261201 (deleted)": true,
		"/srv/log/xl-node-1.log":                          true,
		"xl-node-1.log":                                   true,
		"":                                                false,
		"/dev/null":                                       false,
		"pipe:[4711]":                                     false,
		"/var/log/xen/xl-node-10.log":                     false,
		"/var/log/xen/xl-node-.log":                       false,
		"/var/log/xen/xl-node-1-a.log":                    false,
		"/var/log/xen/xl-node-1.log.log":                  false,
		"/var/log/xen/xl-node-1.log.":                     false,
		"/var/log/xen/xl-node-1.log.gz":                   false,
		"/var/log/xen/xl-node-1.log.1.gz":                 false,
		"/var/log/xen/xl-node-1.log1":                     false,
		"/var/log/xen/xl-node-1":                          false,
		"/var/log/xen/xl-node-1xlog":                      false,
		"/var/log/xen/XL-node-1.log":                      false,
		"/var/log/xen/xl-Node-1.log":                      false,
		"/var/log/xen/qemu-dm-node-1.log":                 false,
		"/var/log/xen/axl-node-1.log":                     false,
		"/var/log/xen/xl-node-1--migratedaway.log":        false,
		"/var/log/xen/xl-node-1--incoming--incoming.log":  false,
		"/var/log/xen/xl-node-1.log/x":                    false,
		"/var/log/xen/xl-node-1.log (deleted) (deleted)":  false,
		"/var/log/xen/xl-node-1.log(deleted)":             false,
		"/var/log/xen/xl-node-1.log\n":                    false,
		"/var/log/xen/xl-migrating-node-1.log":            false,
		"/var/log/xen/xl-node-1-20261121T0507Z.log":       false,
		"/var/log/xen/xl-node-2.log /xl-node-1.logs":      false,
		"/var/log/xen/xl-node-1.log.1 (deleted) and more": false,
	}
	for path, want := range tests {
		if got := isLogOf(path, "node-1"); got != want {
			t.Errorf("isLogOf(%q, %q) = %t, want %t", path, "node-1", got, want)
		}
	}
	if isLogOf("/var/log/xen/xl-nodeA1.log", "node.1") {
		t.Error("a dot in a guest's name stands for any letter")
	}
}

// A daemon is what a test starts, with its output in a log below dir.
type daemon struct {
	program string
	args    []string
	log     string // name of the log, in which GUEST is the guest
	then    func(t *testing.T, program, log string)
}

// start starts it, and ends it with the test.
func (d daemon) start(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	p := fakeProgram(t, d.program, nil)
	log, err := os.Create(filepath.Join(dir, d.log))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := exec.Command(p.path, d.args...)
	command.Dir = dir
	command.Stdout = log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may be gone
		_ = command.Wait()
	})
	if d.then != nil {
		d.then(t, p.path, log.Name())
	}
	return command
}

func TestRevivers(t *testing.T) {
	t.Parallel()
	hang := []string{"hang"}
	renameLog := func(t *testing.T, _, log string) { requireNil(t, os.Rename(log, log+".1")) }
	removeLog := func(t *testing.T, _, log string) { requireNil(t, os.Remove(log)) }
	removeProgram := func(t *testing.T, program, _ string) { requireNil(t, os.Remove(program)) }
	tests := []struct {
		name   string
		daemon func(guest, config string) daemon
		want   bool
	}{
		{"by its log", func(g, _ string) daemon { return daemon{"xl", hang, "xl-" + g + ".log", nil} }, true},
		{"by its old log", func(g, _ string) daemon { return daemon{"xl", hang, "xl-" + g + ".log", renameLog} }, true},
		{"by its removed log", func(g, _ string) daemon { return daemon{"xl", hang, "xl-" + g + ".log", removeLog} }, true},
		{"by the log of a guest that came", func(g, _ string) daemon {
			return daemon{"xl", hang, "xl-" + g + "--incoming.log", nil}
		}, true},
		{"after an update of xl", func(g, _ string) daemon {
			return daemon{"xl", hang, "xl-" + g + ".log", removeProgram}
		}, true},
		{"by its arguments", func(_, config string) daemon {
			return daemon{"xl", []string{"create", config}, "out", nil}
		}, true},
		{"by its arguments, relative", func(_, config string) daemon {
			return daemon{"xl", []string{"create", "-q", filepath.Base(config)}, "out", nil}
		}, true},
		{"a guest whose name begins so", func(g, _ string) daemon { return daemon{"xl", hang, "xl-" + g + "0.log", nil} }, false},
		{"a guest whose name ends so", func(g, _ string) daemon { return daemon{"xl", hang, "xl-a" + g + ".log", nil} }, false},
		{"another program with the log", func(g, _ string) daemon { return daemon{"xm", hang, "xl-" + g + ".log", nil} }, false},
		{"another program with the arguments", func(_, config string) daemon {
			return daemon{"xl2", []string{"create", config}, "out", nil}
		}, false},
		{"another command", func(_, config string) daemon { return daemon{"xl", []string{"hang", config}, "out", nil} }, false},
		{"another configuration", func(_, config string) daemon {
			return daemon{"xl", []string{"create", config + ".old"}, "out", nil}
		}, false},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			guest := fmt.Sprintf("unit-test-%d-%d-x1", os.Getpid(), i)
			config := filepath.Join(dir, guest+".cfg")
			command := test.daemon(guest, config).start(t, dir)
			var want []int
			if test.want {
				want = append(want, command.Process.Pid)
			}
			if diff := cmp.Diff(want, reviverPIDs(t, guest, config)); diff != "" {
				t.Errorf("Revivers(%q, %q) (-want +got):\n%s", guest, config, diff)
			}
		})
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	guest := fmt.Sprintf("unit-test-%d-end-1", os.Getpid())
	config := filepath.Join(dir, "guest.cfg")
	watcher := daemon{"xl", []string{"hang"}, "xl-" + guest + ".log", nil}.start(t, dir)
	creator := daemon{"xl", []string{"create", config}, "out", nil}.start(t, dir)
	other := daemon{"xl", []string{"hang"}, "xl-" + guest + "0.log", nil}.start(t, dir)
	requireNil(t, syscall.Kill(creator.Process.Pid, syscall.SIGSTOP))

	revivers := reviversOf(t, Identity{Name: guest, Config: config})
	if len(revivers) != 2 {
		t.Fatalf("revivers of %s are %v, want two", guest, revivers)
	}
	for _, r := range revivers {
		if err := r.End(t.Context()); err != nil {
			t.Errorf("End of %s: %v", r, err)
		}
	}
	if left := reviverPIDs(t, guest, config); len(left) > 0 {
		t.Errorf("processes %v are left after End", left)
	}
	requireEndBy(t, watcher, syscall.SIGKILL)
	requireEndBy(t, creator, syscall.SIGKILL)
	requireLeftAlone(t, other)
	for _, r := range revivers {
		if err := r.End(t.Context()); err != nil {
			t.Errorf("End of %s that is gone: %v", r, err)
		}
	}
}

func TestFreezeAndThaw(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	guest := fmt.Sprintf("unit-test-%d-freeze-1", os.Getpid())
	watcher := daemon{"xl", []string{"hang"}, "xl-" + guest + ".log", nil}.start(t, dir)
	revivers := reviversOf(t, Identity{Name: guest})
	if len(revivers) != 1 {
		t.Fatalf("revivers of %s are %v, want one", guest, revivers)
	}
	r := revivers[0].(reviver)
	requireFrozen := func(want bool) {
		t.Helper()
		if state, err := r.condition(); (state == "T") != want || err != nil {
			t.Errorf("state is %q, %v, want T: %t", state, err, want)
		}
	}
	requireFrozen(false)
	requireNil(t, r.Freeze(t.Context()))
	requireFrozen(true)
	requireNil(t, r.Thaw())
	requireFrozen(false)
	requireNil(t, r.Freeze(t.Context()))
	requireNil(t, r.End(t.Context()))
	requireEndBy(t, watcher, syscall.SIGKILL)
	requireNil(t, r.Freeze(t.Context()))
	requireNil(t, r.Thaw())
}

// Between the look and a signal, the process id may have been given to another.
func TestSignalToAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	guest := fmt.Sprintf("unit-test-%d-reused-1", os.Getpid())
	other := daemon{"xl", []string{"hang"}, "xl-" + guest + ".log", nil}.start(t, dir)
	revivers := reviversOf(t, Identity{Name: guest})
	if len(revivers) != 1 {
		t.Fatalf("revivers of %s are %v, want one", guest, revivers)
	}
	r := revivers[0].(reviver)
	r.started--
	requireNil(t, r.Freeze(t.Context()))
	requireNil(t, r.End(t.Context()))
	requireLeftAlone(t, other)
}

// reviversOf are those that a look at this machine finds.
func reviversOf(t *testing.T, id Identity) []Reviver {
	t.Helper()
	processes, err := xl{}.Processes()
	requireNil(t, err)
	return processes.Of(id, nil).Revivers
}

func reviverPIDs(t *testing.T, guest, config string) []int {
	t.Helper()
	var pids []int
	for _, r := range reviversOf(t, Identity{Name: guest, Config: config}) {
		pids = append(pids, r.(reviver).pid)
	}
	return pids
}

// requireLeftAlone demands that a process has got no signal yet, and ends it.
func requireLeftAlone(t *testing.T, command *exec.Cmd) {
	t.Helper()
	requireNil(t, command.Process.Signal(syscall.SIGTERM))
	requireEndBy(t, command, syscall.SIGTERM)
}

// requireEndBy waits for the end of a process, and demands that it is due to that signal.
func requireEndBy(t *testing.T, command *exec.Cmd, want syscall.Signal) {
	t.Helper()
	var exit *exec.ExitError
	err := command.Wait()
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != want {
		t.Errorf("%q: the end is %v, want %v", command.Args, err, want)
	}
}

func requireNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
