//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A process is one that was started here. The start time tells it from a later
// one of the same pid. The zero value is not alive.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"`
	Exe   string `json:"exe"`
}

// launch starts cmd in its own session and does not wait for its end.
func launch(cmd *exec.Cmd) (process, error) {
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, err
	}
	pid := cmd.Process.Pid
	_, start := status(pid)
	go func() { _ = cmd.Wait() }() // a background xl outlives its guests
	return process{PID: pid, Start: start, Exe: cmd.Path}, nil
}

// alive is false for a zombie.
func (p process) alive() bool {
	state, start := status(p.PID)
	return start != "" && start == p.Start && !strings.Contains("ZX", state)
}

// end kills the process and returns when it is gone. A process with another
// executable than the recorded one is left alone.
func (p process) end() error {
	if !p.alive() {
		return nil
	}
	if exe := executable(p.PID); exe != "" && exe != p.Exe {
		return nil
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("kill %d: %w", p.PID, err)
	}
	for p.alive() {
		time.Sleep(time.Millisecond)
	}
	return nil
}

// executable returns the file a process runs, "" if it is gone or secret.
func executable(pid int) string {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return strings.TrimSuffix(exe, " (deleted)")
}

// status returns the state letter and the start time of a process, both empty
// if there is none. The name, in brackets, may hold blanks and brackets.
func status(pid int) (state, start string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	return fields[0], fields[19]
}
