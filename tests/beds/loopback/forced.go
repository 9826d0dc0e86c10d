package loopback

import (
	"net"
	"os/exec"
	"strings"
)

// Forced returns an Exec that runs a program for every command, as sshd runs the
// forced command of a key: with the client's line in SSH_ORIGINAL_COMMAND. The
// program goes on when the client goes away.
func Forced(program string, args ...string) func(Command) int {
	return func(c Command) int {
		command := exec.Command(program, args...)
		host, port, _ := net.SplitHostPort(c.RemoteAddr.String())
		command.Env = []string{
			"SSH_ORIGINAL_COMMAND=" + strings.ReplaceAll(c.Line, "\x00", ""),
			"SSH_CONNECTION=" + host + " " + port + " 127.0.0.1 22",
		}
		command.Stdout, command.Stderr = c.Stdout, c.Stderr
		if command.Run() == nil {
			return 0
		}
		return max(command.ProcessState.ExitCode(), 1)
	}
}
