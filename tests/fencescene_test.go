package tests

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A fenceScene is a device that has one of the names, and a pacemaker-fenced for it.
type fenceScene struct {
	*fencer
	name fenceName
	bed  fenceBed
}

// theDevice is what the device of a scene is called.
const theDevice = "st"

// eachName runs a test for each of these names, side by side.
func eachName(t *testing.T, names []fenceName, test func(s *fenceScene)) {
	t.Parallel()
	for _, n := range names {
		t.Run(strings.ReplaceAll(n.name, "/", "-"), func(t *testing.T) {
			t.Parallel()
			test(&fenceScene{startFencer(t), n, n.bed(t)})
		})
	}
}

// register makes the device, or makes it anew, with these parameters besides the bed's.
func (s *fenceScene) register(params ...string) {
	s.t.Helper()
	s.add(theDevice, s.name.name, append(s.bed.params(), params...)...)
}

// registerNodes does so with a hostlist of all nodes.
func (s *fenceScene) registerNodes(params ...string) {
	s.t.Helper()
	s.register(append(params, hostlist(s.bed, bedNodes...))...)
}

// must expects that something on the bed works.
func (s *fenceScene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// is expects the node's true power.
func (s *fenceScene) is(node string, want bool) {
	s.t.Helper()
	wantPower(s.t, s.bed, node, want)
}

func wantPower(t *testing.T, bed fenceBed, node string, want bool) {
	t.Helper()
	if bed.power(node) != want {
		t.Fatalf("the truth: node %s is %s, want %s", node, powerWord(!want), powerWord(want))
	}
}

// life is that of node-1.
func (s *fenceScene) life() string { return s.bed.life("node-1") }

// rebooted expects that node-1 is on, and has been off since it had this life.
func (s *fenceScene) rebooted(life string) {
	s.t.Helper()
	s.is("node-1", true)
	if s.life() == life {
		s.t.Fatalf("FALSE SUCCESS: node-1 has not been off\n%s", s.text())
	}
}

// untouched expects that node-1 has been on all the time.
func (s *fenceScene) untouched(life string) {
	s.t.Helper()
	s.is("node-1", true)
	if now := s.life(); now != life {
		s.t.Fatalf("the truth: node-1 has been off: %s, not %s\n%s", now, life, s.text())
	}
}

// has expects Pacemaker to take the device for each of these nodes, and hasNot for none.
func (s *fenceScene) has(nodes ...string) {
	s.t.Helper()
	s.checkList(true, nodes)
}

func (s *fenceScene) hasNot(nodes ...string) {
	s.t.Helper()
	s.checkList(false, nodes)
}

func (s *fenceScene) checkList(want bool, nodes []string) {
	s.t.Helper()
	listed := regexp.MustCompile(`(?m)^\s*` + theDevice + `$`)
	for _, node := range nodes {
		if _, out := s.admin("--list", node, "--timeout", orderLimit); listed.MatchString(out) != want {
			s.t.Errorf("the device for %s: %q, not as wanted: %v\n%s", node, out, want, s.text())
		}
	}
}

// monitors lets the device be monitored once. The log tells of failures alone, and
// stonith_admin itself succeeds too if the device lists its nodes.
func (s *fenceScene) monitors(well bool) {
	s.t.Helper()
	failed := regexp.MustCompile(`Operation 'monitor' \[\d+\] using ` + theDevice + ` `)
	before := len(failed.FindAllString(s.text(), -1))
	status, out := s.admin("--query", theDevice, "--timeout", orderLimit)
	if after := len(failed.FindAllString(s.text(), -1)); status != 0 || (after == before) != well {
		s.t.Fatalf("monitor is not as wanted: %v; %d, %s\n%s", well, status, out, s.text())
	}
}

// fails expects an order for node-1 to fail, with one of the reasons.
func (s *fenceScene) fails(o order, reason string) {
	s.t.Helper()
	s.refuses(o, "node-1")
	s.saysWhy(o, reason)
}

// saysWhy expects that the log has the program's own error of an order for node-1.
// cluster-glue calls a reboot reset.
func (s *fenceScene) saysWhy(o order, reason string) {
	s.t.Helper()
	verb := map[order]string{fenceOff: "off", fenceOn: "on", fenceReboot: "reboot"}[o]
	if o == fenceReboot && !s.name.isAgent() {
		verb = "reset"
	}
	s.wantLog(s.name.ownWord(fmt.Sprintf("error: %s node-1: %s: ", verb, reason)))
}

// silentReason is the reason when the device is silent.
const silentReason = "(unreachable|timed-out)"

// timedOut is what the log has of an order for node-1 that was killed, and failed of one
// whose program failed.
func timedOut(verb string) string {
	return `Operation '` + verb + `' \[\d+\] targeting node-1 using ` + theDevice + ` could not be executed: Timed Out`
}

func failed(verb string) string {
	return `Operation '` + verb + `' \[\d+\] targeting node-1 using ` + theDevice + ` returned 1`
}
