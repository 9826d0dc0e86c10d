// Peak runs a program, passes on its output, and then prints its peak memory in
// KiB as the last line of standard error. A benchmark cannot see that itself: a
// process counts the memory of the one that started it as its own, and peak is small.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	command := exec.Command(os.Args[1], os.Args[2:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := command.Run()
	if command.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "peak:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	os.Exit(command.ProcessState.ExitCode())
}
