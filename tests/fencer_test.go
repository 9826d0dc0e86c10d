package tests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A fencer is a pacemaker-fenced of its own, without a cluster: it has the machine's
// network, and its own processes and sockets. Each call of an agent is its own.
type fencer struct {
	t    *testing.T
	init int    // its first process, as this machine sees it
	log  string // the path of its log
}

// fencerSetup is the first process of a fencer. The library of its sockets has them
// below /tmp, /run or /dev/shm, once it is told to have files.
const fencerSetup = `set -e
mount -t proc proc /proc
for dir in /tmp /run /dev/shm; do mount -t tmpfs tmpfs $dir; done
mkdir -p /etc/libqb
touch /etc/libqb/force-filesystem-sockets
/usr/lib/pacemaker/pacemaker-fenced -s -l "$1" &
wait`

// callLimit is what the longest call may take, many times over.
const callLimit = 3 * time.Minute

// startFencer returns when it answers.
func startFencer(t *testing.T) *fencer {
	t.Helper()
	f := &fencer{t: t, log: labFile(t, "pacemaker.log")}
	machine := exec.Command("sh", "-c", fencerSetup, "sh", f.log)
	machine.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + labDir + "/home", "PCMK_logfacility=none"}
	machine.Stderr = os.Stderr
	machine.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if err := machine.Start(); err != nil {
		t.Fatal(err)
	}
	f.init = machine.Process.Pid
	t.Cleanup(func() {
		_ = machine.Process.Kill()
		_ = machine.Wait() // killed
	})
	f.until("pacemaker-fenced answers", func() bool {
		status, _ := f.admin("--list-registered")
		return status == 0
	})
	return f
}

// until waits for something.
func (f *fencer) until(what string, so func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(callLimit); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("never so: %s; the log:\n%s", what, f.text())
		}
	}
}

// run runs a program beside pacemaker-fenced.
func (f *fencer) run(args ...string) (status int, out string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(f.init), "-m", "-p", "--"}, args...)...)
	var text bytes.Buffer
	command.Stdout, command.Stderr = &text, &text
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), text.String()
}

// admin runs stonith_admin.
func (f *fencer) admin(args ...string) (status int, out string) {
	f.t.Helper()
	return f.run(append([]string{"stonith_admin"}, args...)...)
}

// add makes a device, or makes it anew.
func (f *fencer) add(device, agent string, params ...string) {
	f.t.Helper()
	args := []string{"--register", device, "--agent", agent}
	for _, param := range params {
		args = append(args, "--option", param)
	}
	if status, out := f.admin(args...); status != 0 {
		f.t.Fatalf("%s cannot be registered: %d, %s", agent, status, out)
	}
}

// An order is what stonith_admin asks pacemaker-fenced for.
type order string

const (
	fenceOff    order = "--fence"
	fenceOn     order = "--unfence"
	fenceReboot order = "--reboot"
)

// orderLimit is what stonith_admin gives an order, in seconds.
const orderLimit = "120"

// fence gives an order.
func (f *fencer) fence(o order, node string) (status int, out string) {
	f.t.Helper()
	return f.admin(string(o), node, "--timeout", orderLimit)
}

// begin gives an order. What it returns waits for its end, and expects success or failure.
func (f *fencer) begin(o order, node string) (end func(well bool)) {
	f.t.Helper()
	type answer struct {
		status int
		out    string
	}
	answers := make(chan answer, 1)
	go func() {
		status, out := f.fence(o, node)
		answers <- answer{status, out}
	}()
	return func(well bool) {
		f.t.Helper()
		switch a := <-answers; {
		case well && a.status != 0:
			f.t.Fatalf("%s %s: exit status %d, %s\n%s", o, node, a.status, a.out, f.text())
		case !well && a.status == 0:
			f.t.Fatalf("FALSE SUCCESS: %s %s: %s\n%s", o, node, a.out, f.text())
		}
	}
}

// obeys expects success.
func (f *fencer) obeys(o order, node string) {
	f.t.Helper()
	f.begin(o, node)(true)
}

// refuses expects failure.
func (f *fencer) refuses(o order, node string) {
	f.t.Helper()
	f.begin(o, node)(false)
}

// text is the log.
func (f *fencer) text() string {
	text, err := os.ReadFile(f.log)
	must("the log of pacemaker-fenced", err)
	return string(text)
}

// logged reports whether the log has a line like that.
func (f *fencer) logged(pattern string) bool {
	return regexp.MustCompile("(?m)" + pattern).MatchString(f.text())
}

// wantLog expects such a line, and notLog none.
func (f *fencer) wantLog(pattern string) {
	f.t.Helper()
	if !f.logged(pattern) {
		f.t.Errorf("the log has no %q:\n%s", pattern, f.text())
	}
}

func (f *fencer) notLog(pattern string) {
	f.t.Helper()
	if f.logged(pattern) {
		f.t.Errorf("the log has %q:\n%s", pattern, f.text())
	}
}

// calls are the processes of agents that have not ended.
func (f *fencer) calls() []process {
	return slices.DeleteFunc(processesBeside(f.init), func(p process) bool {
		return p.pid == f.init || strings.HasSuffix(p.words[0], "/pacemaker-fenced") || p.words[0] == "stonith_admin"
	})
}
