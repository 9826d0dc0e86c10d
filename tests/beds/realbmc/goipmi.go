package realbmc

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// goIPMIProgram is where install-peers.sh has put it, below the module's directory.
const goIPMIProgram = "bin/goipmi-bmc"

func goIPMI(s *server) *launch {
	var users strings.Builder
	for _, u := range s.options.Users {
		fmt.Fprintf(&users, "%s:%d:%s\n", u.Name, limit(u), u.Password)
	}
	return &launch{
		words: []string{
			filepath.Join(moduleDir(s.t), goIPMIProgram), "-chassis", s.script, "-dir", s.dir,
			"-listen", net.JoinHostPort(s.options.Host, strconv.Itoa(s.port)),
		},
		environment: []string{"KG=" + string(s.options.Key)},
		input:       users.String(),
	}
}

// moduleDir is the directory of go.mod, at or above the test's.
func moduleDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}
