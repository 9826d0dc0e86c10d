package docs

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// agents are the fence agents, with the programs that they are.
var agents = map[string]string{"fence_ipmi": "ipmi", "fence_xapi": "xenapi", "fence_xen": "xen"}

// The man pages are what the programs print, in any build of them.
func TestManPages(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("man/*")
	if err != nil || len(pages) != len(agents)+1 {
		t.Errorf("man has %q, want a page for each agent, and that of crm-snippets, which has its own test: %v", pages, err)
	}
	for agent, program := range agents {
		t.Run(agent, func(t *testing.T) {
			t.Parallel()
			page := "man/" + agent + ".8"
			if !slices.Contains(pages, page) {
				t.Fatalf("there is no %s: make man writes it", page)
			}
			binary := filepath.Join(t.TempDir(), agent)
			for _, version := range []string{"", "-X main.version=1.2.3"} {
				build := exec.Command("go", "build", "-buildvcs=false", "-ldflags", version, "-o", binary, "../plugins/"+program)
				if out, err := build.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v: %s", build.Args, err, out)
				}
				printed, err := exec.Command(binary, "-o", "manpage").Output()
				if diff := cmp.Diff(string(printed), read(t, page)); err != nil || diff != "" {
					t.Errorf("%s is not what the program prints; make man writes it (-printed +file): %v\n%s", page, err, diff)
				}
			}
		})
	}
}
