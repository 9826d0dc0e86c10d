package tests

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/realbmc"
)

// ipmiProgram is the installed plugin.
const ipmiProgram = "/usr/lib/stonith/plugins/external/ipmi2"

// glueProgram is cluster-glue's plugin, and gluePath where it finds its ha_log.sh.
const (
	glueProgram = "/usr/lib/stonith/plugins/external/ipmi"
	gluePath    = "/usr/share/cluster-glue"
)

// ipmiPort is the BMC's port: cluster-glue's plugin has no parameter for another one.
const ipmiPort = 623

// ipmiTurns is how often the fast ones take turns, for a few of fence_ipmilan's.
const (
	ipmiTurns  = 20
	agentTurns = 4
)

// A benchBMC is a BMC that is not ours, and how it is spoken to.
type benchBMC struct {
	realbmc.Server
	lan    bool
	suite  string // that the peers are told to use, "" if they ask the BMC
	user   bmc.User
	passwd string // the file with the password
}

func newBenchBMC(b *testing.B, kind realbmc.Kind, lan bool, suite string) *benchBMC {
	user := bmc.DefaultUsers()[0]
	passwd := filepath.Join(b.TempDir(), "passwd")
	if err := os.WriteFile(passwd, []byte(user.Password+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	server := kind.Start(b, realbmc.Options{Port: ipmiPort})
	return &benchBMC{Server: server, lan: lan, suite: suite, user: user, passwd: passwd}
}

func (s *benchBMC) start()     { s.SetPower(true) }
func (s *benchBMC) runs() bool { return s.Power() }

func (s *benchBMC) face() string {
	if s.lan {
		return "lan"
	}
	return "lanplus"
}

// ours is the plugin, or another program that starts it. It has its usual suites.
func (s *benchBMC) ours(verb string, program ...string) *exec.Cmd {
	words := append(program[1:], verb)
	if verb != "status" {
		words = append(words, "node-1")
	}
	command := exec.Command(program[0], words...)
	command.Env = []string{
		"hostlist=node-1:" + s.Host(), "userid=" + s.user.Name, "passwd_file=" + s.passwd, "interface=" + s.face(),
	}
	return command
}

// ipmitool is the program with this action.
func (s *benchBMC) ipmitool(action string) []string {
	words := []string{"ipmitool", "-I", s.face(), "-H", s.Host(), "-U", s.user.Name, "-f", s.passwd}
	if s.suite != "" {
		words = append(words, "-C", s.suite)
	}
	return append(words, "chassis", "power", action)
}

// toolOff is off by ipmitool, and then its status until it is off.
func (s *benchBMC) toolOff() *exec.Cmd { return offUntilOff(s.ipmitool) }

// offUntilOff is the shortest script that does it.
func offUntilOff(tool func(action string) []string) *exec.Cmd {
	return exec.Command("sh", "-c", strings.Join(tool("off"), " ")+"\nuntil "+strings.Join(tool("status"), " ")+" | grep -q off; do sleep 0.2; done")
}

// glue is cluster-glue's external/ipmi.
func (s *benchBMC) glue(verb string) *exec.Cmd {
	command := exec.Command(glueProgram, verb, "node-1")
	command.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":" + gluePath, "HA_LOGFACILITY=none",
		"hostname=node-1", "ipaddr=" + s.Host(), "userid=" + s.user.Name, "passwd=" + s.user.Password, "interface=" + s.face(),
	}
	return command
}

// agent is fence_ipmilan, with its usual parameters but for these.
func (s *benchBMC) agent(action string, more ...string) *exec.Cmd {
	lines := append([]string{
		"ip=" + s.Host(), "username=" + s.user.Name, "password=" + s.user.Password, "action=" + action,
	}, more...)
	if !s.lan {
		lines = append(lines, "lanplus=1")
	}
	if s.suite != "" {
		lines = append(lines, "cipher="+s.suite)
	}
	command := exec.Command("fence_ipmilan")
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	return command
}

// A benchPeer does the same as the plugin.
type benchPeer struct {
	name    string
	goal    string // of its time to ours
	turns   int
	command func() *exec.Cmd
}

// report runs ours and the peers by turns, and reports the times and their ratios.
func report(b *testing.B, ours func() *exec.Cmd, peers []benchPeer, run func(*exec.Cmd) time.Duration) {
	var mine []time.Duration
	theirs := make([][]time.Duration, len(peers))
	for b.Loop() {
		for turn := range ipmiTurns {
			mine = append(mine, run(ours()))
			for i, p := range peers {
				if turn < p.turns {
					theirs[i] = append(theirs[i], run(p.command()))
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(mine).Seconds()*1000, "ms")
	for i, p := range peers {
		b.ReportMetric(middle(theirs[i]).Seconds()*1000, "ms/"+p.name)
		b.ReportMetric(middle(theirs[i]).Seconds()/middle(mine).Seconds(), p.name+"-ratio"+p.goal)
	}
}

// BenchmarkIPMI compares status, and off with proof, of a node that is on, with the
// same by the peers: ipmitool, cluster-glue's external/ipmi, which has no proof, and
// fence_ipmilan, as it is and without its pause of 2 s. ipmi_sim does not answer the
// peers' question for its suites, so they are told the one that works.
func BenchmarkIPMI(b *testing.B) {
	for _, c := range []struct {
		kind  string
		lan   bool
		suite string
	}{
		{"ipmi_sim", true, ""},
		{"ipmi_sim", false, "3"},
		{"pyghmi", false, ""},
	} {
		kinds := realbmc.Kinds()
		kind := kinds[slices.IndexFunc(kinds, func(k realbmc.Kind) bool { return k.Name == c.kind })]
		s := benchBMC{lan: c.lan}
		b.Run(c.kind+"/"+s.face()+"/status", func(b *testing.B) {
			s := newBenchBMC(b, kind, c.lan, c.suite)
			report(b, func() *exec.Cmd { return s.ours("status", ipmiProgram) }, s.peers("status"), func(command *exec.Cmd) time.Duration { return timed(b, command) })
		})
		b.Run(c.kind+"/"+s.face()+"/off", func(b *testing.B) {
			s := newBenchBMC(b, kind, c.lan, c.suite)
			report(b, func() *exec.Cmd { return s.ours("off", ipmiProgram) }, s.peers("off"), func(command *exec.Cmd) time.Duration { return fence(b, s, timed, command) })
			b.ReportMetric(fence(b, s, peakMiB, s.ours("off", builtPeak, ipmiProgram)), "MiB-peak(goal<=20)")
		})
	}
}

// peers are the ones that can do it with this BMC.
func (s *benchBMC) peers(verb string) []benchPeer {
	var peers []benchPeer
	add := func(name, goal string, turns int, command func() *exec.Cmd) {
		peers = append(peers, benchPeer{name, goal, turns, command})
	}
	if verb == "off" {
		add("ipmitool", "(goal>=3)", ipmiTurns, s.toolOff)
	} else {
		add("ipmitool", "(goal>=3)", ipmiTurns, func() *exec.Cmd { tool := s.ipmitool("status"); return exec.Command(tool[0], tool[1:]...) })
	}
	if s.suite == "" { // it has no parameter for one
		add("external/ipmi", "", ipmiTurns, func() *exec.Cmd { return s.glue(verb) })
	}
	if verb == "off" {
		add("fence_ipmilan", "(goal>=10)", 1, func() *exec.Cmd { return s.agent(verb) })
		add("fence_ipmilan-power_wait=0", "(goal>=10)", agentTurns, func() *exec.Cmd { return s.agent(verb, "power_wait=0") })
	} else {
		add("fence_ipmilan", "(goal>=10)", agentTurns, func() *exec.Cmd { return s.agent(verb) })
	}
	return peers
}

// A rack is many nodes, each with a BMC of ours, and one resource for them all.
type rack struct {
	names  []string
	bmcs   []*bmc.BMC
	passwd string
}

func newRack(b *testing.B, options bmc.Options) *rack {
	r := &rack{passwd: filepath.Join(b.TempDir(), "passwd")}
	if err := os.WriteFile(r.passwd, []byte(bmc.DefaultUsers()[1].Password+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	for i := range many {
		one, err := bmc.Start(options)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(one.Close)
		r.names, r.bmcs = append(r.names, fmt.Sprintf("rack-%d", i+1)), append(r.bmcs, one)
	}
	return r
}

// call is the plugin, or another program that starts it, with the first nodes in its resource.
func (r *rack) call(nodes int, words ...string) *exec.Cmd {
	var hostlist []string
	for i, one := range r.bmcs[:nodes] {
		hostlist = append(hostlist, r.names[i]+":"+net.JoinHostPort(one.Host(), strconv.Itoa(one.Port())))
	}
	command := exec.Command(words[0], words[1:]...)
	command.Env = []string{"hostlist=" + strings.Join(hostlist, " "), "userid=" + bmc.DefaultUsers()[1].Name, "passwd_file=" + r.passwd}
	return command
}

// tool is off by ipmitool, with the suite that ours uses.
func (r *rack) tool(i int) *exec.Cmd {
	one := r.bmcs[i]
	return offUntilOff(func(action string) []string {
		return []string{
			"ipmitool", "-I", "lanplus", "-C", "17", "-L", "OPERATOR", "-H", one.Host(), "-p", strconv.Itoa(one.Port()),
			"-U", bmc.DefaultUsers()[1].Name, "-f", r.passwd, "chassis", "power", action,
		}
	})
}

// start turns all nodes on.
func (r *rack) start() {
	for _, one := range r.bmcs {
		one.SetPower(true)
	}
}

// off lets the first nodes be switched off at the same moment, each by a command of its own.
func (r *rack) off(b *testing.B, nodes int, command func(i int) *exec.Cmd) time.Duration {
	b.Helper()
	r.start()
	took := atOnce(r.names[:nodes], func(name string) { timed(b, command(slices.Index(r.names, name))) })
	for i, one := range r.bmcs[:nodes] {
		if one.Power() {
			b.Fatalf("FALSE SUCCESS: %s runs", r.names[i])
		}
	}
	return took
}

// BenchmarkIPMIAtOnce compares off with proof of the nodes of a rack, by as many calls
// at the same moment, with that of one, and with the same by ipmitool. A node takes no
// time to go off, or a second, as a real one may.
func BenchmarkIPMIAtOnce(b *testing.B) {
	for _, end := range []time.Duration{0, time.Second} {
		b.Run("ends-in-"+end.String(), func(b *testing.B) {
			r := newRack(b, bmc.Options{OffTime: end})
			ours := func(i int) *exec.Cmd { return r.call(many, ipmiProgram, "off", r.names[i]) }
			var one, all, peer []time.Duration
			for b.Loop() {
				one = append(one, r.off(b, 1, ours))
				all = append(all, r.off(b, many, ours))
				peer = append(peer, r.off(b, many, r.tool))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(middle(one).Seconds()*1000, "ms/one")
			b.ReportMetric(middle(all).Seconds()*1000, "ms/64")
			b.ReportMetric(middle(peer).Seconds()*1000, "ms/64-ipmitool")
			b.ReportMetric(middle(all).Seconds()/middle(one).Seconds(), "64-to-one(goal<=3)")
			b.ReportMetric(middle(peer).Seconds()/middle(all).Seconds(), "ipmitool-ratio(goal>=3)")
		})
	}
}

// BenchmarkIPMIRack compares status of a resource with many nodes with that of one node.
func BenchmarkIPMIRack(b *testing.B) {
	r := newRack(b, bmc.Options{})
	var one, all []time.Duration
	for b.Loop() {
		one = append(one, timed(b, r.call(1, ipmiProgram, "status")))
		all = append(all, timed(b, r.call(many, ipmiProgram, "status")))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(one).Seconds()*1000, "ms/one")
	b.ReportMetric(middle(all).Seconds()*1000, "ms/64")
	b.ReportMetric(middle(all).Seconds()/middle(one).Seconds(), "64-to-one(goal<=3)")
	b.ReportMetric(peakMiB(b, r.call(many, builtPeak, ipmiProgram, "status")), "MiB-peak(goal<=20)")
}
