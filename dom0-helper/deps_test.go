package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What runs as root links no code of the network, and no more than it needs.
func TestDependencies(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-deps", "./dom0-helper")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%s: %v", list, err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "os/exec") {
		t.Fatalf("%s: %d packages, and os/exec is not among them", list, len(packages))
	}
	for _, name := range packages {
		name = strings.TrimPrefix(name, "vendor/")
		for _, wall := range []string{"net", "crypto", "log/syslog", "github.com/alecthomas/kong", "golang.org/x"} {
			if name == wall || strings.HasPrefix(name, wall+"/") {
				t.Errorf("dom0-helper links %s", name)
			}
		}
	}
}
