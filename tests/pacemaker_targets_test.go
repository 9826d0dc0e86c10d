package tests

import (
	"strings"
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
		test  func(s *fenceScene)
	}{
		{"list of the device", fenceNames(), listOfDevice},
		{"guests of the device", agentNames[:2], guestsOfDevice},
		{"list of Pacemaker", fenceNames(), listOfPacemaker},
		{"map", agentNames, mapOfPacemaker},
		{"map that hostlist contradicts", agentNames, mapAgainst},
		{"map alone", agentNames, mapAlone},
		{"plug for good", agentNames[:2], plugForGood},
		{"order that fences no node", agentNames, orderOfNothing},
		{"map that external plugins never see", externalNames, mapUnseen},
	} {
		t.Run(c.name, func(t *testing.T) { eachName(t, c.names, c.test) })
	}
}

// listOfDevice leaves it to the device which nodes it has. Pacemaker and cluster-glue
// write them in lower case.
func listOfDevice(s *fenceScene) {
	s.register(hostlist(s.bed, "Node-1", "node-2"))
	s.has("node-1", "Node-1", "NODE-1", "node-2")
	s.hasNot("node-10", "node", "node-11")
	s.wantLog(`st is not eligible to fence .* node-11: dynamic-list`)
	s.obeys(fenceOff, "NODE-1")
	s.is("node-1", false)
	s.obeys(fenceOn, "node-1")
	s.is("node-1", true)
	s.refuses(fenceOff, "node-10")
	s.is("node-1", true)
	s.is("node-2", true)
}

// guestsOfDevice has no hostlist at all: the list is of the guests that the device has.
func guestsOfDevice(s *fenceScene) {
	s.register()
	s.has("node-1", "NODE-2")
	s.hasNot("stranger-1")
	s.obeys(fenceOff, "node-1")
	s.is("node-1", false)
	s.is("node-2", true)
	s.refuses(fenceOff, "stranger-1")
	s.is("node-2", true)
}

// listOfPacemaker has a node that the device has not.
func listOfPacemaker(s *fenceScene) {
	s.registerNodes("pcmk_host_list=Node-1 stranger-1", "pcmk_off_retries=1")
	s.has("node-1", "stranger-1")
	s.hasNot("node-2")
	s.refuses(fenceOff, "stranger-1")
	s.wantLog(s.name.ownWord("error: off stranger-1: wrong-target: "))
	s.refuses(fenceOff, "node-2")
	s.is("node-1", true)
	s.is("node-2", true)
	s.obeys(fenceOff, "node-1")
	s.is("node-1", false)
	s.is("node-2", true)
}

// mapOfPacemaker maps nodes to what hostlist says of them too.
func mapOfPacemaker(s *fenceScene) {
	hosts := hostlist(s.bed, "Web-1=node-1", "web-2=node-2")
	s.register(hosts, "pcmk_host_map=web-1:"+s.bed.plug("node-1")+";web-2:web-2;web-3:node-3", "pcmk_off_retries=1")
	s.obeys(fenceOff, "WEB-1")
	s.is("node-1", false)
	s.is("node-2", true)
	s.refuses(fenceOff, "web-3")
	s.refuses(fenceOff, "web-4")
	s.is("node-2", true)
	s.obeys(fenceOff, "web-2")
	s.is("node-2", false)
}

// mapAgainst maps nodes to what hostlist says of another node.
func mapAgainst(s *fenceScene) {
	hosts := hostlist(s.bed, "web-1=node-1", "web-2=node-2")
	for _, maps := range []string{"web-1:" + s.bed.plug("node-2"), "web-1:web-2", "web-9:web-2"} {
		s.register(hosts, "pcmk_host_map="+maps, "pcmk_off_retries=1")
		node, _, _ := strings.Cut(maps, ":")
		s.refuses(fenceOff, node)
		s.wantLog(s.name.ownWord("error: off .*: wrong-target: "))
		s.is("node-1", true)
		s.is("node-2", true)
	}
}

// mapAlone maps nodes of the cluster to what the device knows them by. It has no hostlist.
func mapAlone(s *fenceScene) {
	params := []string{"pcmk_host_map=web-1:" + s.bed.plug("node-1") + ";web-2:" + s.bed.plug("node-2")}
	if s.name.name == "fence_ipmi" {
		params = append(params, "port_as_ip=1")
	}
	s.register(params...)
	life := s.life()
	s.obeys(fenceReboot, "web-1")
	s.rebooted(life)
	s.obeys(fenceOff, "web-2")
	s.is("node-2", false)
	s.obeys(fenceOn, "web-2")
	s.is("node-2", true)
	s.refuses(fenceOff, "web-3")
	s.is("node-1", true)
	s.is("node-2", true)
}

// plugForGood has the plug of one node for all.
func plugForGood(s *fenceScene) {
	s.register("plug=node-1", "pcmk_host_list=node-1 node-2", "pcmk_off_retries=1")
	s.refuses(fenceOff, "node-2")
	s.wantLog(s.name.ownWord("error: off node-2: wrong-target: plug names another guest"))
	s.is("node-1", true)
	s.is("node-2", true)
	s.obeys(fenceOff, "node-1")
	s.is("node-1", false)
	s.is("node-2", true)
}

// orderOfNothing lets Pacemaker ask for something else where it means off.
func orderOfNothing(s *fenceScene) {
	for _, action := range []string{"monitor", "list", "list-status", "metadata", "diag", "check"} {
		s.register(hostlist(s.bed, bedNodes...), "pcmk_off_action="+action, "pcmk_off_retries=1")
		s.refuses(fenceOff, "node-1")
		s.is("node-1", true)
	}
}

// mapUnseen maps a node to another one, which an external plugin is never told: it
// has a map of its own.
func mapUnseen(s *fenceScene) {
	s.register(hostlist(s.bed, "web-1=node-1", "web-2=node-2"), "pcmk_host_map=web-1:web-2")
	s.obeys(fenceOff, "web-1")
	s.is("node-1", false)
	s.is("node-2", true)
}

// TestPacemakerTwoDevices fences a node that only one of two devices has, and a node
// that both have while one of them is silent, whichever Pacemaker asks first.
func TestPacemakerTwoDevices(t *testing.T) {
	t.Parallel()
	f := startFencer(t)
	one, other := newFencedRack(t).(*fencedRack), newFencedRack(t).(*fencedRack)
	f.add("one", "fence_ipmi", append(one.params(), "hostlist=node-1:"+one.plug("node-1"))...)
	f.add("other", "external/ipmi2", append(other.params(), "hostlist=node-2:"+other.plug("node-2"))...)
	f.obeys(fenceOff, "node-2")
	wantPower(t, other, "node-2", false)
	for _, node := range bedNodes {
		wantPower(t, one, node, true)
		if n := one.bmcs[node].Orders(); n != 0 {
			t.Errorf("the other device had %d orders for %s", n, node)
		}
	}
	wantPower(t, other, "node-1", true)

	f.add("other", "external/ipmi2", append(other.params(), "hostlist=node-1:"+other.plug("node-1"))...)
	f.add("one", "fence_ipmi", append(one.params(), "hostlist=node-1:"+one.plug("node-1"), "timeout=4s", "pcmk_off_retries=1")...)
	must("silence", one.silence())
	f.obeys(fenceOff, "node-1")
	wantPower(t, one, "node-1", true)
	wantPower(t, other, "node-1", false)
}
