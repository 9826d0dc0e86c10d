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
	"github.com/stonith-plugins/stonith-plugins/tests/beds/xenhost"
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
	eachName(t, agentNames, func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		for _, param := range []string{"option=on", "option=status", "option=monitor", "Action=on"} {
			f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "pcmk_host_list=node-1", "pcmk_reboot_retries=1", "pcmk_off_retries=1", param)...)
			for _, o := range []order{fenceReboot, fenceOff} {
				life := bed.life("node-1")
				status, _ := f.fence(o, "node-1")
				switch {
				case status != 0:
					truth{t, bed}.untouched("node-1", life)
				case o == fenceReboot:
					truth{t, bed}.rebooted("node-1", life)
				default:
					truth{t, bed}.is("node-1", false)
				}
				if status == 0 && o == fenceOff {
					f.obeys(fenceOn, "node-1")
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
func hostlistWrong(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	f.register("st", n.name, append(bed.params(), "hostlist=node-1:"+bed.plug("node-1")+" node-2:", "pcmk_off_retries=1")...)
	f.hasNot("st", "node-1", "node-2", "stranger-1")
	f.wantLog(`Switching to pcmk_host_check='status' for st`)
	for _, node := range []string{"node-1", "node-2", "stranger-1"} {
		f.refuses(fenceOff, node)
	}
	truth{t, bed}.is("node-1", true)
	truth{t, bed}.is("node-2", true)
}

// hostlistAbsent has a device that would be good enough for its one node.
func hostlistAbsent(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	params := bed.params()
	if n.name == "fence_ipmi" {
		params = append(params, "ip="+bed.plug("node-1"))
	}
	f.register("st", n.name, append(params, "pcmk_off_retries=1")...)
	f.hasNot("st", "stranger-1")
	f.refuses(fenceOff, "stranger-1")
	f.refuses(fenceReboot, "stranger-1")
	truth{t, bed}.is("node-1", true)
	truth{t, bed}.is("node-2", true)

	f.register("st", n.name, append(params, "pcmk_host_list=node-1")...)
	f.obeys(fenceOff, "node-1")
	truth{t, bed}.is("node-1", false)
	truth{t, bed}.is("node-2", true)
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
		const dir = "/usr/lib/stonith/plugins"
		path, name = filepath.Join(dir, "external", base), "external/"+base
		text = fmt.Sprintf(pluginWithoutList, n.name, filepath.Join(dir, n.name))
	}
	if err := xenhost.WriteProgram(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return name
}

// listFailed has a good configuration, and a list that has failed. An external plugin
// has no status of one node, so that Pacemaker takes it for every node: it must refuse.
func listFailed(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	f.register("st", n.withoutList(t), append(bed.params(), hostlist(bed, bedNodes...), "pcmk_off_retries=1", "pcmk_reboot_retries=1")...)
	f.hasNot("st", "node-1") // the list is tried once more for this
	f.has("st", "node-1")
	if n.isAgent() {
		f.hasNot("st", "stranger-1")
	}
	f.wantLog(`Switching to pcmk_host_check='status' for st`)
	f.refuses(fenceOff, "stranger-1")
	f.refuses(fenceReboot, "stranger-1")
	f.wantLog(n.ownWord("error: [a-z]+ stranger-1: wrong-target: "))
	truth{t, bed}.is("node-1", true)
	truth{t, bed}.is("node-2", true)
	f.obeys(fenceOff, "node-2")
	truth{t, bed}.is("node-1", true)
	truth{t, bed}.is("node-2", false)
}

// listOfSilentDevice is asked for nodes when the device does not answer: the list needs none.
func listOfSilentDevice(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	truth{t, bed}.must(bed.silence())
	f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...))...)
	f.has("st", "node-1", "node-2")
	f.hasNot("st", "stranger-1")
	f.notLog(`Switching to pcmk_host_check`)
	truth{t, bed}.must(bed.mend())
	f.obeys(fenceOff, "node-1")
	truth{t, bed}.is("node-1", false)
}

// TestPacemakerOwnLimit has a time limit between 70 % and all of Pacemaker's. The error is
// ours, with its reason: nothing is killed, and there is no second call for which too
// little time is left.
func TestPacemakerOwnLimit(t *testing.T) {
	eachName(t, fenceNames(), func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		life := bed.life("node-1")
		truth{t, bed}.must(bed.silence())
		f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "timeout=12s", "pcmk_reboot_timeout=16")...)
		f.has("st", "node-1")
		f.refuses(fenceReboot, "node-1")
		f.wantLog(n.errorLine("reboot", "node-1", silentReason))
		f.wantLog(`Operation 'reboot' \[\d+\] targeting node-1 using st returned 1`)
		f.notLog(`Timed Out|Timer expired|did not complete|Attempt 2 `)
		truth{t, bed}.untouched("node-1", life)
	})
}

// TestPacemakerKills has a time limit above Pacemaker's, and a device that is silent:
// Pacemaker kills the call, and nothing of it is left.
func TestPacemakerKills(t *testing.T) {
	kills := func(more ...string) func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		return func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
			truth{t, bed}.must(bed.silence())
			f.register("st", n.name, append(append(bed.params(), hostlist(bed, bedNodes...), "timeout=10m", "pcmk_off_timeout=3"), more...)...)
			f.has("st", "node-1")
			life := bed.life("node-1")
			end := f.begin(fenceOff, "node-1")
			f.until("the call is under way", func() bool { return len(f.callsOf(n)) > 0 })
			end(false)
			f.wantLog(`Operation 'off' \[\d+\] targeting node-1 using st could not be executed: Timed Out`)
			f.until("nothing of the call is left", func() bool { return len(f.calls()) == 0 })
			truth{t, bed}.untouched("node-1", life)
			truth{t, bed}.must(bed.mend())
			f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...))...)
			f.obeys(fenceOff, "node-1")
			truth{t, bed}.is("node-1", false)
		}
	}
	t.Parallel()
	t.Run("own client", func(t *testing.T) { eachName(t, fenceNames(), kills()) })
	t.Run("ipmitool", func(t *testing.T) {
		eachName(t, []fenceName{{"external/ipmi2", newRackBed}, {"fence_ipmi", newRackBed}}, kills("ipmitool="+ipmitoolPath))
	})
}

const ipmitoolPath = "/usr/bin/ipmitool"

// callsOf are the processes of ours behind a name.
func (f *fencer) callsOf(n fenceName) []process {
	return slices.DeleteFunc(f.calls(), func(p process) bool { return filepath.Base(p.words[0]) != filepath.Base(n.name) })
}

// TestPacemakerTwoAtOnce fences two nodes of one device at the same time: a call that
// waits for a silent BMC keeps nobody waiting.
func TestPacemakerTwoAtOnce(t *testing.T) {
	names := []fenceName{{"external/ipmi2", newRackBed}, {"fence_ipmi", newRackBed}}
	eachName(t, names, func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		sees, silent := truth{t, bed}, bed.(*rackBed).bmcs["node-1"]
		sees.must(silent.Fail(bmc.Silent))
		f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "pcmk_action_limit=-1")...)
		end := f.begin(fenceOff, "node-1")
		sees.must(await("1", func() (number, all any) { return min(1, len(silent.Commands())), nil }))
		f.obeys(fenceOff, "node-2")
		sees.is("node-2", false)
		sees.is("node-1", true)
		sees.must(silent.Mend())
		end(true)
		sees.is("node-1", false)
	})
}

// TestPacemakerSameNode reboots one node by several orders at once. Pacemaker makes one
// call of those that wait.
func TestPacemakerSameNode(t *testing.T) {
	eachName(t, fenceNames(), func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...))...)
		life := bed.life("node-1")
		var ends []func(bool)
		for range 3 {
			ends = append(ends, f.begin(fenceReboot, "node-1"))
		}
		for _, end := range ends {
			end(true)
		}
		f.until("no call is left", func() bool { return len(f.calls()) == 0 })
		truth{t, bed}.rebooted("node-1", life)
	})
}

// TestPacemakerRetries lets the first try fail, and Pacemaker try again: the node is
// rebooted once.
func TestPacemakerRetries(t *testing.T) {
	eachName(t, fenceNames(), func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		sees := truth{t, bed}
		sees.must(bed.silence())
		f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "timeout=5s", "pcmk_reboot_retries=4")...)
		life := bed.life("node-1")
		end := f.begin(fenceReboot, "node-1")
		f.until("Pacemaker tries again", func() bool { return f.logged(`Attempt 2 to execute \S+ \(reboot\)`) })
		sees.must(bed.mend())
		end(true)
		f.wantLog(n.errorLine("reboot", "node-1", silentReason))
		sees.rebooted("node-1", life)
		if b, ok := bed.(*rackBed); ok && len(b.bmcs["node-1"].History()) != 2 {
			t.Errorf("the truth: %+v", b.bmcs["node-1"].History())
		}
	})
}

// TestPacemakerDelays has delays of the agent and of Pacemaker before a node loses its
// power, and none before anything else.
func TestPacemakerDelays(t *testing.T) {
	t.Parallel()
	const delay = 2 * time.Second
	waits := func(param string, o order) func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		return func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
			f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), param)...)
			f.has("st", "node-1")
			life := bed.life("node-1")
			start := time.Now()
			end := f.begin(o, "node-1")
			f.until("the node is off", func() bool { return !bed.power("node-1") || bed.life("node-1") != life })
			if cut := time.Since(start); cut < delay {
				t.Errorf("the node is off after %s already", cut)
			}
			end(true)
		}
	}
	t.Run("off", func(t *testing.T) { eachName(t, agentNames, waits("delay=2s", fenceOff)) })
	t.Run("reboot", func(t *testing.T) { eachName(t, agentNames, waits("delay=2", fenceReboot)) })
	t.Run("of Pacemaker", func(t *testing.T) {
		eachName(t, []fenceName{{"external/ipmi2", newRackBed}, {"fence_ipmi", newRackBed}}, waits("pcmk_delay_base=2s", fenceOff))
	})
	t.Run("not else", func(t *testing.T) { eachName(t, agentNames, delaysNothingElse) })
}

// delaysNothingElse would wait for longer than Pacemaker does.
func delaysNothingElse(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
	sees := truth{t, bed}
	f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...))...)
	f.obeys(fenceOff, "node-1")
	f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "delay=10m")...)
	f.has("st", "node-1")
	f.monitors("st", true)
	f.obeys(fenceOn, "node-1")
	sees.is("node-1", true)

	f.register("st", n.name, append(bed.params(), hostlist(bed, bedNodes...), "delay=10m", "pcmk_host_check=status", "pcmk_off_timeout=3")...)
	f.has("st", "node-1")
	life := bed.life("node-1")
	f.refuses(fenceOff, "node-1")
	f.wantLog(`Operation 'off' \[\d+\] targeting node-1 using st could not be executed: Timed Out`)
	sees.untouched("node-1", life)
}
