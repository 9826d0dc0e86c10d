package tests

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// TestPacemakerParameterNames looks for parameters that Pacemaker's fence_legacy would
// take for itself, or that the shell between it and the plugin would lose.
func TestPacemakerParameterNames(t *testing.T) {
	t.Parallel()
	f := startFencer(t)
	taken := []string{"option", "plugin", "stonith", "agent", "nodename", "PATH"}
	identifier := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	for _, n := range fenceNames() {
		status, out := f.admin("--metadata", "--agent", n.name)
		var metadata struct {
			Parameters []struct {
				Name string `xml:"name,attr"`
			} `xml:"parameters>parameter"`
		}
		if err := xml.Unmarshal([]byte(out), &metadata); status != 0 || err != nil || len(metadata.Parameters) < 3 {
			t.Fatalf("%s: metadata: %d, %v, %s", n.name, status, err, out)
		}
		for _, p := range metadata.Parameters {
			if slices.Contains(taken, p.Name) || p.Name == "action" && !n.isAgent() || !identifier.MatchString(p.Name) {
				t.Errorf("%s has the parameter %q", n.name, p.Name)
			}
		}
	}
}

// TestPacemakerOption gives a device another action under the name that old agents have
// for it. A reboot that is reported must have been one.
func TestPacemakerOption(t *testing.T) {
	eachName(t, agentNames, func(s *fenceScene) {
		for _, param := range []string{"option=on", "option=status", "option=monitor", "Action=on"} {
			s.registerNodes("pcmk_host_list=node-1", "pcmk_reboot_retries=1", "pcmk_off_retries=1", param)
			for _, o := range []order{fenceReboot, fenceOff} {
				life := s.life()
				status, _ := s.fence(o, "node-1")
				switch {
				case status != 0:
					s.untouched(life)
				case o == fenceReboot:
					s.rebooted(life)
				default:
					s.is("node-1", false)
				}
				if status == 0 && o == fenceOff {
					s.obeys(fenceOn, "node-1")
				}
			}
		}
	})
}

// TestPacemakerListFails lets the list of the device fail, so that Pacemaker asks status
// from then on, which must claim no node that is not the device's.
func TestPacemakerListFails(t *testing.T) {
	t.Parallel()
	t.Run("hostlist is wrong", func(t *testing.T) { eachName(t, fenceNames(), hostlistWrong) })
	t.Run("no hostlist", func(t *testing.T) { eachName(t, agentNames, hostlistAbsent) })
	t.Run("once", func(t *testing.T) { eachName(t, fenceNames(), listFailed) })
	t.Run("the device is silent", func(t *testing.T) { eachName(t, fenceNames(), listOfSilentDevice) })
}

// hostlistWrong has a hostlist that nobody can read.
func hostlistWrong(s *fenceScene) {
	s.register("hostlist=node-1:"+s.bed.plug("node-1")+" node-2:", "pcmk_off_retries=1")
	s.hasNot("node-1", "node-2", "stranger-1")
	s.wantLog(`Switching to pcmk_host_check='status' for st`)
	for _, node := range []string{"node-1", "node-2", "stranger-1"} {
		s.refuses(fenceOff, node)
	}
	s.is("node-1", true)
	s.is("node-2", true)
}

// hostlistAbsent has a device that would be good enough for its one node.
func hostlistAbsent(s *fenceScene) {
	var params []string
	if s.name.name == "fence_ipmi" {
		params = append(params, "ip="+s.bed.plug("node-1"))
	}
	s.register(append(params, "pcmk_off_retries=1")...)
	s.hasNot("stranger-1")
	s.refuses(fenceOff, "stranger-1")
	s.refuses(fenceReboot, "stranger-1")
	s.is("node-1", true)
	s.is("node-2", true)

	s.register(append(params, "pcmk_host_list=node-1")...)
	s.obeys(fenceOff, "node-1")
	s.is("node-1", false)
	s.is("node-2", true)
}

// Programs between Pacemaker and ours: the list fails, and all else is ours.
const (
	agentWithoutList = `#!/bin/sh
input=$(cat)
case $input in *action=list*) exit 1 ;; esac
echo "$input" | %s
`
	pluginWithoutList = `#!/bin/sh
[ "$1" = gethosts ] && exit 1
HA_LOGTAG=%s
export HA_LOGTAG
exec %s "$@"
`
)

// withoutList makes another name for the same program, by which the list fails.
func (n fenceName) withoutList(t *testing.T) string {
	t.Helper()
	base := strings.TrimPrefix(n.name, "external/") + "-unlisted"
	path, text, name := filepath.Join("/usr/sbin", base), fmt.Sprintf(agentWithoutList, n.name), base
	if !n.isAgent() {
		name = "external/" + base
		path = filepath.Join(gluePlugins, name)
		text = fmt.Sprintf(pluginWithoutList, n.name, filepath.Join(gluePlugins, n.name))
	}
	if err := program.Write(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// listFailed has a good configuration, and a list that has failed. An external plugin
// has no status of one node, so that Pacemaker takes it for every node: it must refuse.
func listFailed(s *fenceScene) {
	s.add(theDevice, s.name.withoutList(s.t), append(s.bed.params(), hostlist(s.bed, bedNodes...), "pcmk_off_retries=1", "pcmk_reboot_retries=1")...)
	s.hasNot("node-1") // the list is tried once more for this
	s.has("node-1")
	if s.name.isAgent() {
		s.hasNot("stranger-1")
	}
	s.wantLog(`Switching to pcmk_host_check='status' for st`)
	s.refuses(fenceOff, "stranger-1")
	s.refuses(fenceReboot, "stranger-1")
	s.wantLog(s.name.ownWord("error: [a-z]+ stranger-1: wrong-target: "))
	s.is("node-1", true)
	s.is("node-2", true)
	s.obeys(fenceOff, "node-2")
	s.is("node-1", true)
	s.is("node-2", false)
}

// listOfSilentDevice is asked for nodes when the device does not answer: the list needs none.
func listOfSilentDevice(s *fenceScene) {
	s.must(s.bed.silence())
	s.registerNodes()
	s.has("node-1", "node-2")
	s.hasNot("stranger-1")
	s.notLog(`Switching to pcmk_host_check`)
	s.must(s.bed.mend())
	s.obeys(fenceOff, "node-1")
	s.is("node-1", false)
}

// TestPacemakerOwnLimit has a time limit between 70 % and all of Pacemaker's. The error is
// ours, with its reason: nothing is killed, and there is no second call for which too
// little time is left.
func TestPacemakerOwnLimit(t *testing.T) {
	eachName(t, fenceNames(), func(s *fenceScene) {
		life := s.life()
		s.must(s.bed.silence())
		s.registerNodes("timeout=29s", "pcmk_reboot_timeout=40")
		s.has("node-1")
		s.fails(fenceReboot, silentReason)
		s.wantLog(failed("reboot"))
		s.notLog(`Timed Out|Timer expired|did not complete|Attempt 2 `)
		s.untouched(life)
	})
}

// TestPacemakerKills has a time limit above Pacemaker's, and a device that is silent:
// Pacemaker kills the call, and nothing of it is left.
func TestPacemakerKills(t *testing.T) {
	kills := func(more ...string) func(s *fenceScene) {
		return func(s *fenceScene) {
			s.must(s.bed.silence())
			s.registerNodes(append(more, "timeout=10m", "pcmk_off_timeout=10")...)
			s.has("node-1")
			life := s.life()
			end := s.begin(fenceOff, "node-1")
			s.until("the call is under way", func() bool { return s.callRuns() })
			end(false)
			s.wantLog(timedOut("off"))
			s.until("nothing of the call is left", func() bool { return len(s.calls()) == 0 })
			s.untouched(life)
			s.must(s.bed.mend())
			s.registerNodes()
			s.obeys(fenceOff, "node-1")
			s.is("node-1", false)
		}
	}
	t.Parallel()
	t.Run("own client", func(t *testing.T) { eachName(t, fenceNames(), kills()) })
	t.Run("ipmitool", func(t *testing.T) {
		hangs := labFile(t, "ipmitool")
		must("ipmitool", program.Write(hangs, "#!/bin/sh\nsleep 600\n", 0o755))
		eachName(t, rackNames, kills("ipmitool="+hangs))
	})
}

// callRuns reports whether there is a process of ours.
func (s *fenceScene) callRuns() bool {
	return slices.ContainsFunc(s.calls(), func(p process) bool { return filepath.Base(p.words[0]) == filepath.Base(s.name.name) })
}

// TestPacemakerTwoAtOnce fences two nodes of one device at the same time: a call that
// waits for a silent BMC keeps nobody waiting.
func TestPacemakerTwoAtOnce(t *testing.T) {
	eachName(t, rackNames, func(s *fenceScene) {
		silent := s.bed.(*fencedRack).bmcs["node-1"]
		s.must(silent.Fail(bmc.Silent))
		s.registerNodes("pcmk_action_limit=-1")
		end := s.begin(fenceOff, "node-1")
		s.must(await("1", func() (number, all any) { return min(1, len(silent.Commands())), nil }))
		s.obeys(fenceOff, "node-2")
		s.is("node-2", false)
		s.is("node-1", true)
		s.must(silent.Mend())
		end(true)
		s.is("node-1", false)
	})
}

// TestPacemakerSameNode reboots one node by several orders at once. Pacemaker makes one
// call of those that wait.
func TestPacemakerSameNode(t *testing.T) {
	eachName(t, fenceNames(), func(s *fenceScene) {
		s.registerNodes()
		life := s.life()
		var ends []func(bool)
		for range 3 {
			ends = append(ends, s.begin(fenceReboot, "node-1"))
		}
		for _, end := range ends {
			end(true)
		}
		s.until("no call is left", func() bool { return len(s.calls()) == 0 })
		s.rebooted(life)
	})
}

// TestPacemakerRetries lets the first try fail, and Pacemaker try again: the node is
// rebooted once.
func TestPacemakerRetries(t *testing.T) {
	eachName(t, fenceNames(), func(s *fenceScene) {
		s.must(s.bed.silence())
		s.registerNodes("timeout=12s", "pcmk_reboot_retries=4")
		life := s.life()
		end := s.begin(fenceReboot, "node-1")
		s.until("Pacemaker tries again", func() bool { return s.logged(`Attempt 2 to execute \S+ \(reboot\)`) })
		s.must(s.bed.mend())
		end(true)
		s.saysWhy(fenceReboot, silentReason)
		s.rebooted(life)
		if b, ok := s.bed.(*fencedRack); ok && len(b.bmcs["node-1"].History()) != 2 {
			s.t.Errorf("the truth: %+v", b.bmcs["node-1"].History())
		}
	})
}

// TestPacemakerDelays has delays of the agent and of Pacemaker before a node loses its
// power, and none before anything else.
func TestPacemakerDelays(t *testing.T) {
	t.Parallel()
	const delay = 2 * time.Second
	waits := func(param string, o order) func(s *fenceScene) {
		return func(s *fenceScene) {
			s.registerNodes(param)
			s.has("node-1")
			life := s.life()
			start := time.Now()
			end := s.begin(o, "node-1")
			s.until("the node is off", func() bool { return !s.bed.power("node-1") || s.life() != life })
			if cut := time.Since(start); cut < delay {
				s.t.Errorf("the node is off after %s already", cut)
			}
			end(true)
		}
	}
	t.Run("off", func(t *testing.T) { eachName(t, agentNames, waits("delay=2s", fenceOff)) })
	t.Run("reboot", func(t *testing.T) { eachName(t, agentNames, waits("delay=2", fenceReboot)) })
	t.Run("of Pacemaker", func(t *testing.T) {
		eachName(t, rackNames, waits("pcmk_delay_base=2s", fenceOff))
	})
	t.Run("not else", func(t *testing.T) { eachName(t, agentNames, delaysNothingElse) })
}

// delaysNothingElse would wait for longer than Pacemaker does.
func delaysNothingElse(s *fenceScene) {
	s.registerNodes()
	s.obeys(fenceOff, "node-1")
	s.registerNodes("delay=10m")
	s.has("node-1")
	s.monitors(true)
	s.obeys(fenceOn, "node-1")
	s.is("node-1", true)

	s.registerNodes("delay=10m", "pcmk_host_check=status", "pcmk_off_timeout=3")
	s.has("node-1")
	life := s.life()
	s.refuses(fenceOff, "node-1")
	s.wantLog(timedOut("off"))
	s.untouched(life)
}
