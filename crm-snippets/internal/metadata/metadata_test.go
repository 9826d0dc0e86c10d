package metadata

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The files are what the programs print.
func TestFiles(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "../../../plugins/xen", "../../../plugins/xenapi", "../../../plugins/ipmi")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", build.Args, err, out)
	}
	for _, agent := range Agents() {
		t.Run(agent.File(), func(t *testing.T) {
			t.Parallel()
			want, err := files.ReadFile(agent.File())
			if err != nil {
				t.Fatalf("%v: make metadata writes it", err)
			}
			if diff := cmp.Diff(string(print(t, bin, agent)), string(want)); diff != "" {
				t.Errorf("%s is not what the program prints; make metadata writes it (-printed +file):\n%s", agent.File(), diff)
			}
		})
	}
}

// print returns the metadata of an agent, which is told by the program's name.
func print(t *testing.T, bin string, agent Agent) []byte {
	call := exec.Command(filepath.Join(bin, string(agent.Plugin)), "getinfo-xml")
	if agent.Face == FenceAgent {
		call.Args = []string{agent.Type(), "-o", "metadata"}
	}
	out, err := call.Output()
	if err != nil {
		t.Fatalf("%v: %v", call.Args, err)
	}
	return out
}

func TestFindAgent(t *testing.T) {
	t.Parallel()
	for _, agent := range Agents() {
		if got, ok := FindAgent(agent.Type()); !ok || got != agent {
			t.Errorf("FindAgent(%q) = %v, %v, want %v", agent.Type(), got, ok, agent)
		}
	}
	if got, ok := FindAgent("external/ipmi"); ok {
		t.Errorf("FindAgent(external/ipmi) = %v, want none: it is cluster-glue's", got)
	}
}

// A fence agent has the names of other agents, and the plugin's own one stands for it.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plugin     Plugin
		own, agent string
	}{
		{IPMI, "userid", "username"},
		{IPMI, "passwd", "password"},
		{IPMI, "priv", "privlvl"},
		{IPMI, "ipaddr", "ip"},
		{IPMI, "passwd_file", "passwd_file"},
		{Xenapi, "pool", "session_url"},
		{Xenapi, "passwd_script", "password_script"},
		{Xen, "sshaccount", "sshaccount"},
	} {
		if got := (Agent{c.plugin, FenceAgent}).Name(c.own); got != c.agent {
			t.Errorf("the agent's name for %s of %s is %q, want %q", c.own, c.plugin, got, c.agent)
		}
		if got := (Agent{c.plugin, External}).Name(c.own); got != c.own {
			t.Errorf("the plugin's name for %s of %s is %q, want the same", c.own, c.plugin, got)
		}
		for _, name := range []string{c.own, c.agent} {
			if got, ok := c.plugin.Own(name); !ok || got.Name != c.own {
				t.Errorf("%s of %s is parameter %q, %v, want %q", name, c.plugin, got.Name, ok, c.own)
			}
		}
	}
	if got, ok := IPMI.Own("lanplus"); ok {
		t.Errorf("lanplus is parameter %q, want none: its values are others", got.Name)
	}
}

// What this package says of parameters by name is said of parameters that there are.
func TestNamedParameters(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, plugin := range []Plugin{Xen, Xenapi, IPMI} {
		for _, p := range (Agent{plugin, External}).Parameters() {
			known[p.Name] = true
		}
		for _, name := range plugin.Credentials() {
			if _, ok := plugin.Own(name); !ok {
				t.Errorf("%s has no parameter %q", plugin, name)
			}
		}
		if limit := plugin.Timeout(); limit < 10*time.Second {
			t.Errorf("the time limit of %s is %v, want its default", plugin, limit)
		}
	}
	for _, name := range strings.Fields("passwd kg vm_uuid bmc_guid") {
		if !known[name] || Secret(name) == PerNode(name) {
			t.Errorf("%s: known %v, secret %v, per node %v: want it known, and one of both", name, known[name], Secret(name), PerNode(name))
		}
	}
}
