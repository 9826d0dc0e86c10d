package tests

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// agentRounds is how often ours and the peer take turns.
const agentRounds = 12

// A rival is a fence agent with all that it is given but the action.
type rival struct {
	program     string
	environment []string
	lines       []string
}

// command is the agent, or another program that starts it.
func (r rival) command(action string, starter ...string) *exec.Cmd {
	words := append(starter, r.program)
	command := exec.Command(words[0], words[1:]...)
	command.Env = append(os.Environ(), r.environment...)
	command.Stdin = strings.NewReader(strings.Join(append(slices.Clone(r.lines), "action="+action), "\n") + "\n")
	return command
}

// race runs ours and the peer by turns, and reports times, peaks of memory and ratios.
func race(b *testing.B, node benchNode, action string, ours, peer rival) {
	var mine, theirs []time.Duration
	for b.Loop() {
		for range agentRounds {
			mine = append(mine, lap(b, node, timed, action, ours))
			theirs = append(theirs, lap(b, node, timed, action, peer))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(mine).Seconds()*1000, "ms/ours")
	b.ReportMetric(middle(theirs).Seconds()*1000, "ms/peer")
	b.ReportMetric(middle(theirs).Seconds()/middle(mine).Seconds(), "ratio(goal>=5)")
	memory := lap(b, node, peakMiB, action, ours, builtPeak)
	b.ReportMetric(memory, "MiB/ours")
	b.ReportMetric(lap(b, node, peakMiB, action, peer, builtPeak), "MiB/peer(goal>ours)")
}

// lap is one call. One of off must switch the node off.
func lap[T any](b *testing.B, node benchNode, run func(*testing.B, *exec.Cmd) T, action string, r rival, starter ...string) T {
	b.Helper()
	if action == "off" {
		return fence(b, node, run, r.command(action, starter...))
	}
	return run(b, r.command(action, starter...))
}

// BenchmarkAgents compares fence_xapi with fence_xenapi, in a pool of one member, and
// fence_ipmi with fence_ipmilan, by a BMC of ours: metadata, monitor, and off with proof
// of a node that is on. fence_ipmilan has its pause of 2 s after off, or not.
func BenchmarkAgents(b *testing.B) {
	actions := []string{"metadata", "monitor", "off"}
	b.Run("fence_xapi", func(b *testing.B) {
		p := newBenchPool(b, pool.Options{Members: 1})
		shared := []string{"session_url=" + p.Member(0).URL(), "login=" + p.User(), "passwd=" + p.Password(), "plug=node-1"}
		ours := rival{"fence_xapi", nil, append(slices.Clone(shared), "ca_file="+p.ca)}
		peer := rival{"fence_xenapi", []string{"SSL_CERT_FILE=" + p.ca}, shared}
		for _, action := range actions {
			b.Run(action, func(b *testing.B) { race(b, p, action, ours, peer) })
		}
	})
	b.Run("fence_ipmi", func(b *testing.B) {
		s := newBenchBMC(b, "bmc", false, "")
		lines := []string{"ip=" + s.Host(), fmt.Sprintf("ipport=%d", s.Port()), "username=" + s.user.Name, "password=" + s.user.Password, "plug=node-1", "lanplus=1"}
		ours, peer := rival{"fence_ipmi", nil, lines}, rival{"fence_ipmilan", nil, lines}
		patient := peer
		peer.lines = append(slices.Clone(lines), "power_wait=0")
		for _, action := range actions {
			b.Run(action, func(b *testing.B) { race(b, s, action, ours, peer) })
		}
		b.Run("off,power_wait=2", func(b *testing.B) { race(b, s, "off", ours, patient) })
	})
}
