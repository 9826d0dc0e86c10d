package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lookAtNobody is the action status for a BMC that is not there, or another program that
// starts it.
func lookAtNobody(starter ...string) *exec.Cmd {
	words := append(starter, "/usr/sbin/fence_ipmi", "--action=status", "--plug=node-1", "--ip=127.0.0.99", "--username=fence", "--password=secret", "--timeout=60")
	command := exec.Command(words[0], words[1:]...)
	command.Stderr = new(bytes.Buffer)
	return command
}

// TestAgentBreaksDown gives an agent fewer files than Go's runtime needs. It would end
// with status 2, which says that the node is off.
func TestAgentBreaksDown(t *testing.T) {
	t.Parallel()
	for files := range 7 {
		t.Run(fmt.Sprint(files, " files"), func(t *testing.T) {
			t.Parallel()
			agent := lookAtNobody("prlimit", fmt.Sprintf("--nofile=%d", files))
			must("the agent", agent.Start())
			_ = agent.Wait() // the exit status says it
			if status := agent.ProcessState.ExitCode(); status == 0 || status == 2 {
				t.Errorf("exit status %d; %s", status, agent.Stderr)
			}
		})
	}
}

// TestAgentIsQuit sends an agent, once it asks, the signal that Go's runtime ends at with
// status 2.
func TestAgentIsQuit(t *testing.T) {
	t.Parallel()
	agent := lookAtNobody()
	must("the agent", agent.Start())
	asks := func() bool {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", agent.Process.Pid))
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "socket:") {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(30 * time.Second); !asks() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	must("the signal", agent.Process.Signal(syscall.SIGQUIT))
	var failed *exec.ExitError
	if err := agent.Wait(); !errors.As(err, &failed) || failed.ExitCode() != 1 || !strings.Contains(fmt.Sprint(agent.Stderr), "fence_ipmi: error: status node-1: ") {
		t.Errorf("%v, want exit status 1 with the reason; %s", err, agent.Stderr)
	}
}
