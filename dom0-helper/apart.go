package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// cgroups is where Linux shows its control groups, cgroups(7).
const cgroups = "/sys/fs/cgroup"

// leaveSession moves this process, and so the guest that it is about to create, from
// the control group of the account's ssh session to the topmost one: the end of a
// session ends all that is in its group (KillUserProcesses of logind.conf(5)), and its
// limits hold for all that is in it. Where there is no such group, or it must not be
// left, the guest stays.
func leaveSession(root string) {
	if root == "" {
		return
	}
	for _, group := range []string{"", "systemd", "unified"} { // version 2, version 1, both
		path := filepath.Join(root, group, "cgroup.procs")
		if file, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			_, _ = file.WriteString("0") // as above
			_ = file.Close()             // as above
		}
	}
}

// removeApart lets a process remove files that does not belong to this request, and
// is not waited for. What it leaves, the next one removes.
func removeApart(files []string) {
	command := exec.Command("/bin/rm", append([]string{"-f", "--"}, files...)...)
	command.Env = []string{}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err == nil {
		_ = command.Process.Release() // nothing depends on it
	}
}
