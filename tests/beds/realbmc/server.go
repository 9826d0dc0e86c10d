package realbmc

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// A server is a BMC in a process.
type server struct {
	node
	kind    Kind
	options Options
	port    int
	process *os.Process
	ended   chan struct{}
	output  bytes.Buffer // to be read when it has ended
}

// A launch says how a process is started.
type launch struct {
	words       []string
	environment []string
	input       string
}

// patience is how long a server may take for its start.
const patience = 15 * time.Second

func (s *server) Host() string { return s.options.Host }
func (s *server) Port() int    { return s.port }

// start takes the port, or a free one. Another process may take that first, so it is
// tried again.
func (s *server) start() {
	s.t.Helper()
	for range 5 {
		s.port = s.options.Port
		if s.port == 0 {
			s.port = s.freePort()
		}
		if s.run() {
			return
		}
	}
	s.t.Fatalf("%s: does not start: %s", s.kind.Name, s.output.Bytes())
}

func (s *server) freePort() int {
	s.t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(s.options.Host, "0"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// run starts the process, and tells whether it answers.
func (s *server) run() bool {
	s.t.Helper()
	l := s.kind.command(s)
	s.output.Reset()
	command := exec.Command(l.words[0], l.words[1:]...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), l.environment...)
	command.Stdin = strings.NewReader(l.input)
	command.Stdout, command.Stderr = &s.output, &s.output
	command.WaitDelay = time.Second
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		// The end of a thread is the end of the processes that it has started. This one may
		// have started others, so it is not to end with this function.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // it is killed
		}
		close(s.ended)
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("%s: %v: run `make peers`", s.kind.Name, err)
	}
	s.process = command.Process
	if s.answers() {
		return true
	}
	s.Close()
	return false
}

// ask is Get Channel Authentication Capabilities over lan, with a word of lanplus:
// pyghmi answers no other one.
var ask = []byte{6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0x18, 0xc8, 0x81, 0x04, 0x38, 0x8e, 0x04, 0xb1}

// answers waits for the first answer.
func (s *server) answers() bool {
	s.t.Helper()
	conn, err := net.Dial("udp", net.JoinHostPort(s.options.Host, strconv.Itoa(s.port)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	buffer := make([]byte, 512)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		_, _ = conn.Write(ask) // nobody may listen yet
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := conn.Read(buffer); err == nil {
			return true
		}
		select {
		case <-s.ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// Close kills the process and what it has started.
func (s *server) Close() {
	_ = syscall.Kill(-s.process.Pid, syscall.SIGKILL) // it may have ended
	<-s.ended
}

// Fail adds a fault. Sessions are lost with Refused and Restarts.
func (s *server) Fail(f bmc.Fault) error {
	switch {
	case f == bmc.Refused:
		s.Close()
		return nil
	case f == bmc.Silent:
		return s.process.Signal(syscall.SIGSTOP)
	case f == bmc.Restarts:
		s.Close()
		return s.again()
	case slices.Contains(nodeFaults(), f):
		s.fail(f)
		return nil
	}
	return fmt.Errorf("%s has no fault %s", s.kind.Name, f)
}

// Mend ends all faults.
func (s *server) Mend() error {
	s.mend()
	select {
	case <-s.ended:
		return s.again()
	default:
		return s.process.Signal(syscall.SIGCONT)
	}
}

// again starts the process that has ended, on the same port.
func (s *server) again() error {
	if !s.run() {
		return fmt.Errorf("%s: port %d: does not start again: %s", s.kind.Name, s.port, s.output.Bytes())
	}
	return nil
}

// limit is the user's level, as a number of IPMI.
func limit(u bmc.User) bmc.Privilege {
	if u.Limit == 0 {
		return bmc.Administrator
	}
	return u.Limit
}
