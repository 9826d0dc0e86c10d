package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/realbmc"
)

// A logKind is a system log that is not as it should be. make makes it at path.
type logKind struct {
	name string
	make func(t *testing.T, path string)
}

// logKinds are the ways in which a log can fail who writes to it.
var logKinds = []logKind{
	{"none", func(*testing.T, string) {}},
	{"full queue that nobody reads", func(t *testing.T, path string) { fillLog(t, path) }},
	{"full queue that is read slowly", func(t *testing.T, path string) {
		log := fillLog(t, path)
		go func() {
			for buffer := make([]byte, 64<<10); ; time.Sleep(100 * time.Millisecond) {
				if _, err := log.Read(buffer); err != nil {
					return
				}
			}
		}()
	}},
	{"socket of a daemon that has ended", func(t *testing.T, path string) { listenLog(t, path).Close() }},
	{"stream that nobody accepts", func(t *testing.T, path string) {
		socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		must("a stream", errors.Join(err, syscall.Bind(socket, &syscall.SockaddrUnix{Name: path}), syscall.Listen(socket, 0)))
		t.Cleanup(func() { _ = syscall.Close(socket) })
		// The first connection has room, and keeps it: nobody accepts it.
		first, err := net.Dial("unix", path)
		must("a connection", err)
		t.Cleanup(func() { first.Close() })
	}},
	{"file", func(_ *testing.T, path string) { must("a file", os.WriteFile(path, nil, 0o666)) }},
	{"link to nothing", func(_ *testing.T, path string) { must("a link", os.Symlink("/run/none/log", path)) }},
}

func listenLog(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must("a log", err)
	t.Cleanup(func() { log.Close() })
	return log
}

// fillLog makes a log whose queue is full: a sender that has sent nothing yet cannot
// either. Before that, each has come to the limit of its own memory.
func fillLog(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	log := listenLog(t, path)
	for sent := 1; sent > 0; {
		socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		for sent = -1; err == nil; sent++ {
			err = syscall.Sendto(socket, []byte("x"), 0, &syscall.SockaddrUnix{Name: path})
		}
		_ = syscall.Close(socket)
		if !errors.Is(err, syscall.EAGAIN) {
			t.Fatalf("filling the log: %v", err)
		}
	}
	return log
}

// withLog is a command that has such a log, in a /dev of its own. It has that long, which
// is far more than it needs.
func withLog(t *testing.T, kind logKind, program string, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "log") // a short name: a socket's is at most 107 bytes long
	must("a /dev", err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must("/dev/null", syscall.Mknod(filepath.Join(dir, "null"), syscall.S_IFCHR|0o666, 1<<8|3))
	kind.make(t, filepath.Join(dir, "log"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	const script = `mount --bind "$1" /dev && shift && exec "$@"`
	command := exec.CommandContext(ctx, "/usr/bin/unshare", append([]string{"--mount", "/bin/sh", "-c", script, "sh", dir, program}, args...)...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	return command
}

// TestStuckLog fences by each face with each kind of log: the node is truly off, and the
// cluster hears of it. The pool is called with a warning, which is before the contact.
func TestStuckLog(t *testing.T) {
	t.Parallel()
	for _, kind := range logKinds {
		for _, device := range []string{"ipmi", "xenapi"} {
			for _, agent := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, agent %t", kind.name, device, agent), func(t *testing.T) {
					t.Parallel()
					checkStuckLog(t, kind, device, agent)
				})
			}
		}
	}
}

func checkStuckLog(t *testing.T, kind logKind, device string, agent bool) {
	var words []string
	var isOff func() bool
	program, name := ipmiProgram, "/usr/sbin/fence_ipmi"
	if device == "ipmi" {
		server := startBMC(t, realbmc.Options{})
		oper := bmc.DefaultUsers()[1]
		words = []string{
			"hostlist=node-1:" + net.JoinHostPort(server.Host(), fmt.Sprint(server.Port())),
			"userid=" + oper.Name, "passwd_file=" + secretFile(t, oper.Password), "cycle_time=500ms",
		}
		isOff = func() bool { return !server.Power() }
	} else {
		program, name = xenapiProgram, "/usr/sbin/fence_xapi"
		p, err := pool.New(pool.Options{Guests: []pool.Guest{{Name: "node-1", Member: 1}}, ShutdownTime: 100 * time.Millisecond})
		must("a pool", err)
		t.Cleanup(p.Close)
		for parameter, value := range poolParameters(p, t.TempDir(), "node-1") {
			if parameter != "ca_file" {
				words = append(words, parameter+"="+value)
			}
		}
		words = append(words, "tls_insecure=true")
		isOff = func() bool { return !p.Truth("node-1") }
	}
	command := withLog(t, kind, program, slices.Concat([]string{"off", "node-1"}, words)...)
	if agent {
		command = withLog(t, kind, name)
		command.Stdin = strings.NewReader(strings.Join(append(words, "action=off", "plug=node-1"), "\n") + "\n")
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil || !strings.Contains(stdout.String(), "off node-1: off-observed in ") {
		t.Errorf("off: %v, stdout %q, stderr %q", err, &stdout, &stderr)
	}
	if !isOff() {
		t.Error("the node is on")
	}
	if device == "xenapi" && !strings.Contains(stderr.String(), "warning: off node-1: tls_insecure is set") {
		t.Errorf("no warning before the contact, so nothing was shown; stderr %q", &stderr)
	}
}

// TestStuckLogRefusals: what is refused before any contact is told as soon, by the plugins
// and by both halves of the Dom0's helper.
func TestStuckLogRefusals(t *testing.T) {
	t.Parallel()
	for _, kind := range logKinds {
		for _, c := range []struct {
			name, stdin, says string
			env               string
			words             []string
		}{
			{"plugin", "", "wrong-target", "", []string{ipmiProgram, "off", "node-9", "hostlist=node-1:192.0.2.1", "passwd=x"}},
			{"agent", "action=off\nplug=node-9\nhostlist=node-1:192.0.2.1\npassword=x\n", "wrong-target", "", []string{"/usr/sbin/fence_ipmi"}},
			{"gate", "", "refused bad-request", "SSH_ORIGINAL_COMMAND=dom0/1", []string{"/usr/local/sbin/dom0-helper", "gate", "--allow", "node-1", "--client", "c"}},
			{"root half", "nonsense\n", "refused bad-request", "SUDO_USER=xen", []string{"/usr/local/sbin/dom0-helper", "root"}},
		} {
			t.Run(kind.name+", "+c.name, func(t *testing.T) {
				t.Parallel()
				command := withLog(t, kind, c.words[0], c.words[1:]...)
				command.Env = append(command.Env, c.env)
				command.Stdin = strings.NewReader(c.stdin)
				out, err := command.CombinedOutput()
				if command.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), c.says) {
					t.Errorf("%v, want exit status 1 and %q; %s", err, c.says, out)
				}
			})
		}
	}
}

// TestNoFacility: who wants no log, by HA_LOGFACILITY, gets none, also from a log that hangs.
func TestNoFacility(t *testing.T) {
	t.Parallel()
	var log *net.UnixConn
	kind := logKind{"sound", func(t *testing.T, path string) { log = listenLog(t, path) }}
	for facility, want := range map[string]bool{"none": false, "local3": true} {
		command := withLog(t, kind, ipmiProgram, "off", "node-9", "hostlist=node-1:192.0.2.1", "passwd=x")
		command.Env = append(command.Env, "HA_LOGFACILITY="+facility)
		if out, _ := command.CombinedOutput(); command.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: %s", facility, out)
		}
		_ = log.SetReadDeadline(time.Now().Add(time.Second))
		if want {
			_ = log.SetReadDeadline(time.Now().Add(time.Minute)) // what was sent is there, or comes never
		}
		buffer := make([]byte, 64<<10)
		n, err := log.Read(buffer)
		if got := err == nil; got != want || want && !strings.HasPrefix(string(buffer[:n]), "<155>") {
			t.Errorf("HA_LOGFACILITY=%s: the log has %q, %v", facility, buffer[:n], err)
		}
	}
}
