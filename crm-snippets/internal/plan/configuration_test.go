package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	limits := []Parameter{{"pcmk_off_timeout", "60s"}, {"pcmk_on_timeout", "60s"}, {"pcmk_reboot_timeout", "60s"}}
	operations := []Operation{{"monitor", "600s", "60s"}, {"start", "0s", "60s"}}
	resource := func(node, address, comment string, more ...Parameter) Resource {
		parameters := []Parameter{{"hostlist", node + ":" + address}, {"userid", "fence"}, {"passwd_file", "/etc/bmc.passwd"}, {"pcmk_host_list", node}}
		return Resource{
			ID: "bmc-" + node, Type: "external/ipmi2", Nodes: []string{node},
			Parameters: slices.Concat(parameters, limits, more), Operations: operations, Comment: comment,
		}
	}
	want := Configuration{
		Properties: []Parameter{{"stonith-enabled", "true"}, {"stonith-timeout", "60s"}},
		Resources: []Resource{
			resource("node-1", "192.0.2.1", "bmc fences node-1; node-1 wins, since its attacker waits 5s; it never runs there", Parameter{"pcmk_delay_base", "5s"}),
			resource("node-2", "192.0.2.2", "bmc fences node-2; it never runs there"),
		},
		Locations: []Location{{"bmc-node-1-avoids-node-1", "bmc-node-1", "node-1"}, {"bmc-node-2-avoids-node-2", "bmc-node-2", "node-2"}},
	}
	if diff := cmp.Diff(want, parse(t, bmcs).Configuration()); diff != "" {
		t.Errorf("Configuration of two nodes (-want +got):\n%s", diff)
	}
}

// A shared resource has all nodes, no rule, and waits before one of them only.
func TestSharedDevice(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(bmcs, "plugin =", "shared = true\nplugin =", 1)).Configuration()
	if len(c.Resources) != 1 || len(c.Locations) != 0 {
		t.Fatalf("Configuration() = %+v, want one resource without a rule", c)
	}
	for name, want := range map[string]string{
		"hostlist": "node-1:192.0.2.1 node-2:192.0.2.2", "pcmk_host_list": "node-1 node-2",
		"pcmk_delay_base": "node-1:5s",
	} {
		if got := value(c.Resources[0].Parameters, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func value(parameters []Parameter, name string) string {
	i := slices.IndexFunc(parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return ""
	}
	return parameters[i].Value
}

// A fence agent's resource has its names, and of lists by node only what is the node's.
func TestAgentFace(t *testing.T) {
	t.Parallel()
	guids := `bmc_guid = "node-1=0a, NODE-2=0b"`
	text := strings.NewReplacer("plugin =", "face = \"agent\"\nplugin =", "userid", guids+"\nuserid").Replace(bmcs)
	second := parse(t, text).Configuration().Resources[1]
	if second.Type != "fence_ipmi" || value(second.Parameters, "username") != "fence" || value(second.Parameters, "bmc_guid") != "NODE-2=0b" {
		t.Errorf("the resource of node-2 is %+v, want fence_ipmi with username and its own bmc_guid", second)
	}
}

// The cluster's limit is later than the plugin's, and so little that no second try is
// begun, for which Pacemaker wants 30 % of its limit.
func TestLimit(t *testing.T) {
	t.Parallel()
	for timeout := minTimeout; timeout <= 10*time.Minute; timeout += time.Second {
		limit := Device{Timeout: timeout}.Limit()
		if limit < timeout+4*time.Second || float64(timeout) <= 0.7*float64(limit) {
			t.Fatalf("the limit for a timeout of %s is %s, want more, and the timeout above 70 %% of it", timeout, limit)
		}
	}
}

// Whatever the plan's times are, Pacemaker's are beyond the plugin's.
func TestTimes(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(bmcs, "plugin =", "timeout = \"2min\"\nplugin =", 1)).Configuration()
	if got := value(c.Properties, "stonith-timeout"); got != "135s" {
		t.Errorf("stonith-timeout = %q, want 135s", got)
	}
	for _, r := range c.Resources {
		got := fmt.Sprint(value(r.Parameters, "timeout"), " ", value(r.Parameters, "pcmk_off_timeout"), " ", r.Operations[0].Timeout)
		if want := "120s 135s 135s"; got != want {
			t.Errorf("times of %s are %s, want %s", r.ID, got, want)
		}
	}
}

// The cluster's time-out is that of the slowest device, and levels are in the order of
// their numbers.
func TestOrder(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(bmcs, "[[device]]", pool+"level = 2\ntimeout = \"60s\"\n[[device]]\nlevel = 1", 1)).Configuration()
	if got := value(c.Properties, "stonith-timeout"); got != "75s" {
		t.Errorf("stonith-timeout = %q, want 75s", got)
	}
	if got := c.Levels[0].Resources[0]; got != "bmc-node-1" {
		t.Errorf("the first level has %q, want bmc-node-1", got)
	}
}

// Levels count from 1 for each node, whatever their numbers, and the delay is before
// the first one.
func TestLevels(t *testing.T) {
	t.Parallel()
	third := strings.NewReplacer("pool\"", "spare\"", "node-1 node-2", "node-2", "id =", "with = \"bmc\"\nid =").Replace(pool)
	text := strings.Replace(bmcs, "[[device]]", pool+"level = 3\n[[device]]\nlevel = 7", 1) + third
	p := parse(t, text)
	want := []Level{
		{"fl-node-1-1", "node-1", 1, []string{"pool-node-1"}},
		{"fl-node-1-2", "node-1", 2, []string{"bmc-node-1"}},
		{"fl-node-2-1", "node-2", 1, []string{"pool-node-2"}},
		{"fl-node-2-2", "node-2", 2, []string{"bmc-node-2", "spare-node-2"}},
	}
	c := p.Configuration()
	if diff := cmp.Diff(want, c.Levels); diff != "" {
		t.Errorf("Levels (-want +got):\n%s", diff)
	}
	for _, r := range c.Resources {
		if got, waits := value(r.Parameters, "pcmk_delay_base"), r.ID == "pool-node-1"; (got != "") != waits {
			t.Errorf("pcmk_delay_base of %s is %q, want it for pool-node-1 alone", r.ID, got)
		}
	}
}
