// Sudo stands for sudo where there is no root: it runs the one command line that
// the file `rule` next to it has, word for word, and nothing else. It changes
// no user; it only sets what the root half learns its caller from.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	self, err := os.Executable()
	if err != nil {
		refuse(err)
	}
	rule, err := os.ReadFile(filepath.Join(filepath.Dir(self), "rule"))
	if err != nil {
		refuse(err)
	}
	account, command, _ := strings.Cut(strings.TrimSpace(string(rule)), " ")
	if len(os.Args) < 3 || os.Args[1] != "-n" || strings.Join(os.Args[2:], " ") != command {
		refuse(fmt.Errorf("a password is required"))
	}
	refuse(syscall.Exec(os.Args[2], os.Args[2:], []string{"SUDO_USER=" + account}))
}

func refuse(err error) {
	fmt.Fprintln(os.Stderr, "sudo:", err)
	os.Exit(1)
}
