package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The tests run on a machine of their own: namespaces for mounts, processes,
// network, host name and IPC, with copies of the directories that they change.
// When the last process ends, everything is gone: accounts, files, ports, processes.
//
// TestMain is entered three times: by `go test`; as the first process of the
// machine, which sets it up and collects orphans; and as the tests' process on it.
// A Dom0 is one more such machine on this one.
const roleVariable = "STONITH_TEST_ROLE"

const (
	roleInit  = "init"
	roleTests = "tests"
	roleDom0  = "dom0"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case roleInit:
		must("setting up the machine", setUpMachine())
		os.Exit(runAndReap(roleTests))
	case roleDom0:
		must("setting up a Dom0", setUpDom0(os.Getenv("STONITH_TEST_DOM0")))
		fmt.Println("ready")
		reapForEver()
	case roleTests:
		if image := os.Getenv(xenVariable); image != "" {
			os.Exit(runXenTests(m, image))
		}
		os.Exit(runTests(m))
	default:
		if os.Geteuid() != 0 {
			must("", fmt.Errorf("these tests make namespaces and accounts in them: run them as root, as `make e2e` does"))
		}
		machine := again(roleInit, syscall.CLONE_NEWNS|syscall.CLONE_NEWPID|syscall.CLONE_NEWNET|syscall.CLONE_NEWUTS|syscall.CLONE_NEWIPC)
		_ = machine.Run() // the exit status says it
		os.Exit(max(machine.ProcessState.ExitCode(), 0))
	}
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests:", what, err)
		os.Exit(1)
	}
}

// again is this program, in another role and in new namespaces. It ends with us.
func again(role string, namespaces uintptr, env ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(append(os.Environ(), env...), roleVariable+"="+role)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	return command
}

// labDir is a file system in memory: all files of the tests are there.
const labDir = "/mnt"

// copied are the directories that get a copy which is written to instead.
var copied = []string{"/etc", "/usr/lib/stonith/plugins/external", "/usr/local", "/usr/sbin", "/var", "/home"}

func setUpMachine() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", ""); err != nil {
		return err
	}
	if err := mount("tmpfs", labDir, "tmpfs", "mode=0755"); err != nil {
		return err
	}
	for _, dir := range copied {
		upper, work := filepath.Join(labDir, "upper", dir), filepath.Join(labDir, "work", dir)
		if err := makeDirs(upper, work); err != nil {
			return err
		}
		if err := mount("overlay", dir, "overlay", "lowerdir="+dir+",upperdir="+upper+",workdir="+work); err != nil {
			return err
		}
	}
	if err := mount("tmpfs", "/run", "tmpfs", "mode=0755"); err != nil {
		return err
	}
	if err := setUpDev(); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link: %w: %s", err, out)
	}
	return syscall.Sethostname([]byte(thisNode))
}

// setUpDev makes a /dev with a place for the log's socket.
func setUpDev() error {
	dev := filepath.Join(labDir, "dev")
	if err := makeDirs(dev); err != nil {
		return err
	}
	if err := mount("tmpfs", dev, "tmpfs", "mode=0755"); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := os.WriteFile(filepath.Join(dev, name), nil, 0o666); err != nil {
			return err
		}
		if err := syscall.Mount("/dev/"+name, filepath.Join(dev, name), "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", name, err)
		}
	}
	if err := makeDirs(filepath.Join(dev, "shm"), filepath.Join(dev, "pts")); err != nil {
		return err
	}
	if err := mount("devpts", filepath.Join(dev, "pts"), "devpts", "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	if err := os.Symlink("pts/ptmx", filepath.Join(dev, "ptmx")); err != nil {
		return err
	}
	return syscall.Mount(dev, "/dev", "", syscall.MS_MOVE, "")
}

func mount(source, target, kind, options string) error {
	if err := syscall.Mount(source, target, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, target, err)
	}
	return nil
}

func makeDirs(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// runAndReap starts this program in another role, collects every process that
// ends, and returns the status of that one.
func runAndReap(role string) int {
	child := again(role, 0)
	must("starting the tests", child.Start())
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1
		case pid == child.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == child.Process.Pid:
			return 1
		}
	}
}

// reapForEver collects every process that ends.
func reapForEver() {
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); errors.Is(err, syscall.ECHILD) {
			_ = syscall.Pause() // until there are children again
		}
	}
}
