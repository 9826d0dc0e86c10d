package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// foreignLimit is what a client may take for all that it does here, many times over.
const foreignLimit = 5 * time.Minute

// A foreignClient is a client of XenAPI that is not ours.
type foreignClient struct {
	name string
	// start is a new agent, which calls the member at that URL.
	start func(t *testing.T, l *foreignLab, member *pool.Member, password string) agent
	// follows tells whether it asks the master if a slave tells it to.
	follows bool
	// offAgain is what it says of a guest that is off already.
	offAgain string
	// twins tells whether a snapshot with the guest's name is in its way.
	twins bool
	// leaves tells whether it leaves its sessions open.
	leaves bool
}

// An agent carries out list, or status, off, on or reboot with a guest. What it
// answers is Running or Halted to status, the guests' names to list, and its words
// if it fails.
type agent func(action ...string) (answer string, ok bool)

var foreignClients = []foreignClient{
	{name: "fence_xenapi", start: startFenceXenAPI, offAgain: "^$", twins: true, leaves: true},
	{name: "npm json-rpc", start: startNPM("json-rpc"), follows: true, offAgain: "^VM_BAD_POWER_STATE OpaqueRef:.* paused, suspended, running halted$"},
	{name: "npm xml-rpc", start: startNPM("xml-rpc"), follows: true, offAgain: "^VM_BAD_POWER_STATE OpaqueRef:.* paused, suspended, running halted$"},
}

// A foreignLab is a pool, and the CA that the clients trust.
type foreignLab struct {
	*pool.Pool
	ca string
}

// TestForeignClients shows that the simulated pool is a pool to others than us: the
// same scenario passes with each client, and the guest's domain says so.
func TestForeignClients(t *testing.T) {
	for _, client := range foreignClients {
		t.Run(client.name, func(t *testing.T) {
			l := newForeignLab(t)
			t.Run("fence", func(t *testing.T) { client.fence(t, l) })
			t.Run("wrong password", func(t *testing.T) { client.wrongPassword(t, l) })
			t.Run("slave", func(t *testing.T) { client.slave(t, l) })
			t.Run("snapshot", func(t *testing.T) { client.snapshot(t, l) })
			t.Run("sessions", func(t *testing.T) { client.sessions(t, l) })
		})
	}
}

func newForeignLab(t *testing.T) *foreignLab {
	p, err := pool.New(pool.Options{ShutdownTime: 100 * time.Millisecond, StartTime: 100 * time.Millisecond, WrongPassword: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	l := &foreignLab{p, filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(l.ca, p.CA(), 0o644); err != nil {
		t.Fatal(err)
	}
	return l
}

// fence takes node1 off, on, and off and on, and looks at its domain each time.
func (c foreignClient) fence(t *testing.T, l *foreignLab) {
	act := c.start(t, l, l.Member(0), l.Password())
	expect := func(want string, runs bool, action ...string) {
		t.Helper()
		answer, _ := act(action...)
		if !regexp.MustCompile(want).MatchString(answer) {
			t.Errorf("%s: %q, not %s", action, answer, want)
		}
		if l.Truth("node1") != runs {
			t.Fatalf("%s: the guest runs: %v", action, !runs)
		}
	}
	expect("^Running$", true, "status", "node1")
	expect("^$", false, "off", "node1")
	expect("^Halted$", false, "status", "node1")
	expect(c.offAgain, false, "off", "node1")
	expect("^$", true, "on", "node1")
	expect("^node1 node2 node3$", true, "list")
	before := l.Count("VM.hard_shutdown") + l.Count("VM.hard_reboot")
	expect("^$", true, "reboot", "node1")
	if l.Count("VM.hard_shutdown")+l.Count("VM.hard_reboot") != before+1 {
		t.Error("reboot: nothing was called")
	}
}

func (c foreignClient) wrongPassword(t *testing.T, l *foreignLab) {
	act := c.start(t, l, l.Member(0), "wrong")
	if answer, ok := act("off", "node1"); ok || !strings.Contains(answer, "SESSION_AUTHENTICATION_FAILED") || !l.Truth("node1") {
		t.Errorf("%q, ok %v, the guest runs: %v", answer, ok, l.Truth("node1"))
	}
}

func (c foreignClient) slave(t *testing.T, l *foreignLab) {
	act := c.start(t, l, l.Member(1), l.Password())
	answer, ok := act("status", "node2")
	if ok != c.follows || (!ok && !strings.Contains(answer, "HOST_IS_SLAVE")) {
		t.Errorf("%q, ok %v", answer, ok)
	}
}

// snapshot is fence_xenapi's flaw: the name is not unique, so the guest cannot be fenced.
func (c foreignClient) snapshot(t *testing.T, l *foreignLab) {
	l.Add(pool.Guest{Name: "node3", Snapshot: true})
	act := c.start(t, l, l.Member(0), l.Password())
	if answer, ok := act("off", "node3"); ok == c.twins || l.Truth("node3") != c.twins {
		t.Errorf("%q, ok %v, the guest runs: %v", answer, ok, l.Truth("node3"))
	}
}

func (c foreignClient) sessions(t *testing.T, l *foreignLab) {
	if c.leaves {
		if l.OpenSessions() == 0 {
			t.Error("no session is open")
		}
		return
	}
	for deadline := time.Now().Add(foreignLimit); l.OpenSessions() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("sessions: %+v", l.Sessions())
		}
	}
}

// startFenceXenAPI makes an agent of Debian's fence_xenapi. Its parameters, with the
// password, go to its standard input.
func startFenceXenAPI(t *testing.T, l *foreignLab, member *pool.Member, password string) agent {
	program := foreignProgram(t, "fence_xenapi")
	return func(action ...string) (string, bool) {
		t.Helper()
		input := fmt.Sprintf("session_url=%s\nlogin=%s\npasswd=%s\naction=%s\n", member.URL(), l.User(), password, action[0])
		if len(action) > 1 {
			input += "port=" + action[1] + "\n"
		}
		command := exec.CommandContext(limited(t), program)
		command.Env = append(os.Environ(), "SSL_CERT_FILE="+l.ca)
		command.Stdin = strings.NewReader(input)
		var errors strings.Builder
		command.Stderr = &errors
		out, _ := command.Output() // the exit status says it
		return fenceAnswer(t, action[0], command.ProcessState.ExitCode(), string(out), errors.String())
	}
}

// fenceAnswer reads the answer of a fence agent: 0 is done, or on; 2 is off.
func fenceAnswer(t *testing.T, action string, status int, out, errors string) (string, bool) {
	t.Helper()
	switch {
	case action == "status" && status == 0:
		return pool.Running, true
	case action == "status" && status == 2:
		return pool.Halted, true
	case status != 0:
		return strings.TrimSpace(out + errors), false
	case action != "list":
		return "", true
	}
	var names []string
	for line := range strings.Lines(out) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), ",")
		names = append(names, name)
	}
	return strings.Join(names, " "), true
}

// npmModule is where install-peers.sh has put npm's client.
const npmModule = "../bin/npm/node_modules/xen-api/index.mjs"

// startNPM makes an agent of npm's xen-api.
func startNPM(transport string) func(*testing.T, *foreignLab, *pool.Member, string) agent {
	return func(t *testing.T, l *foreignLab, member *pool.Member, password string) agent {
		t.Helper()
		if _, err := os.Stat(npmModule); err != nil {
			t.Fatalf("%v: run `make peers`", err)
		}
		command := exec.CommandContext(limited(t), foreignProgram(t, "node"), "beds/pool/npm/client.mjs", npmModule, transport)
		command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+l.ca)
		command.Stderr = os.Stderr
		ask := converse(t, command)
		answer, connected := ask("connect", member.URL(), l.User(), password)
		t.Cleanup(func() {
			if connected {
				ask("disconnect")
			}
		})
		return func(action ...string) (string, bool) {
			if !connected {
				return answer, false
			}
			return ask(action...)
		}
	}
}

// converse starts a program that answers lines with lines.
func converse(t *testing.T, command *exec.Cmd) agent {
	t.Helper()
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		command.Wait()
	})
	lines := bufio.NewReader(out)
	return func(words ...string) (string, bool) {
		if _, err := io.WriteString(in, strings.Join(words, " ")+"\n"); err != nil {
			return err.Error(), false
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			return err.Error(), false
		}
		kind, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
		return answer, kind == "ok"
	}
}

// limited is a context that outlives the test's cleanups, but not for ever.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), foreignLimit)
	t.Cleanup(cancel)
	return ctx
}

// foreignProgram finds a program that must be there.
func foreignProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: run `make peers`", err)
	}
	return path
}
