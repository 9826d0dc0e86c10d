package tests

import (
	"regexp"
	"testing"
)

// TestPacemakerTargets shows which device Pacemaker takes for a node, and which node
// the device then switches: by the device's own list, by lists and maps of Pacemaker,
// with names in another case, and with names that are none of the device's.
func TestPacemakerTargets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		names []fenceName
		test  func(t *testing.T, n fenceName, f *fencer, bed fenceBed)
	}{
		{"list of the device", fenceNames(), listOfDevice},
		{"list of Pacemaker", fenceNames(), listOfPacemaker},
		{"map", agentNames, mapOfPacemaker},
		{"map alone", agentNames, mapAlone},
		{"map that external plugins never see", externalNames, mapUnseen},
	} {
		t.Run(c.name, func(t *testing.T) { eachName(t, c.names, c.test) })
	}
}

// listOfDevice leaves it to the device which nodes it has. Pacemaker and cluster-glue
// write them in lower case.
func listOfDevice(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	sees := truth{t, bed}
	f.register("st", n.name, append(bed.params(), hostlist(bed, "Node-1", "node-2"))...)
	f.has("st", "node-1", "Node-1", "NODE-1", "node-2")
	f.hasNot("st", "node-10", "node", "node-11")
	f.wantLog(`st is not eligible to fence .* node-11: dynamic-list`)
	f.obeys(fenceOff, "NODE-1")
	sees.is("node-1", false)
	f.obeys(fenceOn, "node-1")
	sees.is("node-1", true)
	f.refuses(fenceOff, "node-10")
	sees.is("node-1", true)
	sees.is("node-2", true)
}

// listOfPacemaker has a node that the device has not.
func listOfPacemaker(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	sees := truth{t, bed}
	f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "pcmk_host_list=Node-1 stranger-1", "pcmk_off_retries=1")...)
	f.has("st", "node-1", "stranger-1")
	f.hasNot("st", "node-2")
	f.refuses(fenceOff, "stranger-1")
	f.wantLog(n.ownWord("error: off stranger-1: wrong-target: "))
	f.refuses(fenceOff, "node-2")
	sees.is("node-1", true)
	sees.is("node-2", true)
	f.obeys(fenceOff, "node-1")
	sees.is("node-1", false)
	sees.is("node-2", true)
}

// mapOfPacemaker maps nodes of the cluster to nodes of hostlist.
func mapOfPacemaker(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	sees := truth{t, bed}
	f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "pcmk_host_map=web-1:Node-1;web-2:node-2;web-3:node-3", "pcmk_off_retries=1")...)
	f.obeys(fenceOff, "WEB-1")
	sees.is("node-1", false)
	sees.is("node-2", true)
	f.refuses(fenceOff, "web-3")
	f.refuses(fenceOff, "web-4")
	sees.is("node-2", true)
	f.obeys(fenceOff, "web-2")
	sees.is("node-2", false)
}

// mapAlone maps nodes of the cluster to what the device knows them by. It has no hostlist.
func mapAlone(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	sees := truth{t, bed}
	params := append(bed.params(), "pcmk_host_map=web-1:"+bed.plug("node-1")+";web-2:"+bed.plug("node-2"))
	if n.name == "fence_ipmi" {
		params = append(params, "port_as_ip=1")
	}
	f.register("st", n.name, params...)
	life := bed.life("node-1")
	f.obeys(fenceReboot, "web-1")
	sees.rebooted("node-1", life)
	f.obeys(fenceOff, "web-2")
	sees.is("node-2", false)
	f.obeys(fenceOn, "web-2")
	sees.is("node-2", true)
	f.refuses(fenceOff, "web-3")
	sees.is("node-1", true)
	sees.is("node-2", true)
}

// mapUnseen maps a node to another one, which an external plugin is never told: it
// has a map of its own.
func mapUnseen(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	sees := truth{t, bed}
	f.register("st", n.name, append(bed.params(), hostlist(bed, "web-1=node-1", "web-2=node-2"), "pcmk_host_map=web-1:web-2")...)
	f.obeys(fenceOff, "web-1")
	sees.is("node-1", false)
	sees.is("node-2", true)
}

// TestPacemakerTwoDevices fences a node that only one of two devices has, and a node
// that both have while the first one is silent.
func TestPacemakerTwoDevices(t *testing.T) {
	t.Parallel()
	f := startFencer(t)
	one, other := newRackBed(t).(*rackBed), newRackBed(t).(*rackBed)
	f.register("one", "fence_ipmi", append(one.params(), "hostlist=node-1:"+one.plug("node-1"))...)
	f.register("other", "external/ipmi2", append(other.params(), "hostlist=node-2:"+other.plug("node-2"))...)
	f.obeys(fenceOff, "node-2")
	truth{t, other}.is("node-2", false)
	for _, node := range bedNodes {
		truth{t, one}.is(node, true)
		if n := one.bmcs[node].Orders(); n != 0 {
			t.Errorf("the other device had %d orders for %s", n, node)
		}
	}
	truth{t, other}.is("node-1", true)

	f.register("other", "external/ipmi2", append(other.params(), "hostlist=node-1:"+other.plug("node-1"))...)
	f.register("one", "fence_ipmi", append(one.params(), "hostlist=node-1:"+one.plug("node-1"), "priority=1", "timeout=4s", "pcmk_off_retries=1")...)
	truth{t, one}.must(one.silence())
	f.obeys(fenceOff, "node-1")
	truth{t, one}.is("node-1", true)
	truth{t, other}.is("node-1", false)
	f.wantLog("fence_ipmi: error: off node-1: unreachable: ")
}

// has expects Pacemaker to take the device for each of these nodes, and hasNot for none.
func (f *fencer) has(device string, nodes ...string) {
	f.t.Helper()
	f.checkDevices(device, true, nodes)
}

func (f *fencer) hasNot(device string, nodes ...string) {
	f.t.Helper()
	f.checkDevices(device, false, nodes)
}

func (f *fencer) checkDevices(device string, want bool, nodes []string) {
	f.t.Helper()
	listed := regexp.MustCompile(`(?m)^\s*` + device + `$`)
	for _, node := range nodes {
		if _, out := f.admin("--list", node, "--timeout", orderLimit); listed.MatchString(out) != want {
			f.t.Errorf("%s for %s: %q, not as wanted: %v\n%s", device, node, out, want, f.text())
		}
	}
}
