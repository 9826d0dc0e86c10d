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

// ipmiPort is a BMC's usual port: cluster-glue's plugin has no parameter for another one.
const ipmiPort = 623

// ipmiTurns is how often the fast ones take turns, for a few of fence_ipmilan's.
const (
	ipmiTurns  = 12
	agentTurns = 4
)

// A benchBMC is the BMC of node-1, and how it is spoken to.
type benchBMC struct {
	realbmc.Server
	lan    bool
	suite  string // that the peers are told to use, "" if they ask the BMC
	user   bmc.User
	passwd string // the file with the password
}

func newBenchBMC(b *testing.B, kind string, lan bool, suite string) *benchBMC {
	user := bmc.DefaultUsers()[0]
	return &benchBMC{Server: startBenchServer(b, kind), lan: lan, suite: suite, user: user, passwd: passwordFile(b, user)}
}

// startBenchServer starts a BMC of ours, or of a kind that is not.
func startBenchServer(b *testing.B, name string) realbmc.Server {
	for _, kind := range realbmc.Kinds() {
		if kind.Name == name {
			return kind.Start(b, realbmc.Options{Port: ipmiPort})
		}
	}
	server, err := bmc.Start(bmc.Options{Port: ipmiPort})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Close)
	return server
}

// passwordFile has the user's password.
func passwordFile(b *testing.B, user bmc.User) string {
	path := filepath.Join(b.TempDir(), "passwd")
	if err := os.WriteFile(path, []byte(user.Password+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func (s *benchBMC) start()     { s.SetPower(true) }
func (s *benchBMC) runs() bool { return s.Power() }

// face is the name of the version of the protocol.
func face(lan bool) string {
	if lan {
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
		"hostlist=node-1:" + s.Host(), "userid=" + s.user.Name, "passwd_file=" + s.passwd, "interface=" + face(s.lan),
	}
	return command
}

// ipmitool is the program with this action.
func (s *benchBMC) ipmitool(action string) []string {
	words := []string{"ipmitool", "-I", face(s.lan), "-H", s.Host(), "-U", s.user.Name, "-f", s.passwd}
	if s.suite != "" {
		words = append(words, "-C", s.suite)
	}
	return append(words, "chassis", "power", action)
}

// toolOff is off by ipmitool, and then its status until it is off.
func toolOff(tool func(action string) []string) *exec.Cmd {
	return exec.Command("sh", "-c", strings.Join(tool("off"), " ")+" || exit\nuntil "+strings.Join(tool("status"), " ")+" | grep -q off; do sleep 0.2; done")
}

// glue is cluster-glue's external/ipmi.
func (s *benchBMC) glue(verb string) *exec.Cmd {
	command := exec.Command(glueProgram, verb, "node-1")
	command.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":" + gluePath, "HA_LOGFACILITY=none",
		"hostname=node-1", "ipaddr=" + s.Host(), "userid=" + s.user.Name, "passwd=" + s.user.Password, "interface=" + face(s.lan),
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
	goal    string // of its time to ours, or what else is to be said of that
	turns   int
	command func() *exec.Cmd
}

// peersOf are the ones that can do it with this BMC.
func (s *benchBMC) peersOf(verb string) []benchPeer {
	tool := benchPeer{"ipmitool", "(goal>=3)", ipmiTurns, func() *exec.Cmd { return toolOff(s.ipmitool) }}
	if verb == "status" {
		words := s.ipmitool(verb)
		tool.command = func() *exec.Cmd { return exec.Command(words[0], words[1:]...) }
	}
	peers := []benchPeer{tool}
	if s.suite == "" { // external/ipmi has no parameter for one
		goal := map[string]string{"off": "(unproven)"}[verb]
		peers = append(peers, benchPeer{"external/ipmi", goal, ipmiTurns, func() *exec.Cmd { return s.glue(verb) }})
	}
	if verb == "status" {
		return append(peers, benchPeer{"fence_ipmilan", "(goal>=10)", agentTurns, func() *exec.Cmd { return s.agent(verb) }})
	}
	return append(peers,
		benchPeer{"fence_ipmilan", "(goal>=10)", 1, func() *exec.Cmd { return s.agent(verb) }},
		benchPeer{"fence_ipmilan,power_wait=0", "(goal>=10)", agentTurns, func() *exec.Cmd { return s.agent(verb, "power_wait=0") }})
}

// compare runs ours and the peers by turns, and reports the times and their ratios.
func (s *benchBMC) compare(b *testing.B, verb string) {
	peers := s.peersOf(verb)
	var ours []time.Duration
	theirs := make([][]time.Duration, len(peers))
	for b.Loop() {
		for turn := range ipmiTurns {
			ours = append(ours, s.measure(b, verb, s.ours(verb, ipmiProgram)))
			for i, p := range peers {
				if turn < p.turns {
					theirs[i] = append(theirs[i], s.measure(b, verb, p.command()))
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(ours).Seconds()*1000, "ms/ours")
	for i, p := range peers {
		b.ReportMetric(middle(theirs[i]).Seconds()*1000, "ms/"+p.name)
		b.ReportMetric(middle(theirs[i]).Seconds()/middle(ours).Seconds(), p.name+"-ratio"+p.goal)
	}
}

// measure returns the time of a command, which must switch the node off if that is its verb.
func (s *benchBMC) measure(b *testing.B, verb string, command *exec.Cmd) time.Duration {
	b.Helper()
	if verb == "off" {
		return fence(b, s, timed, command)
	}
	return timed(b, command)
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
		{"bmc", true, ""},
		{"bmc", false, ""},
		{"ipmi_sim", true, ""},
		{"ipmi_sim", false, "3"},
		{"pyghmi", false, ""},
	} {
		b.Run(c.kind+"/"+face(c.lan), func(b *testing.B) {
			s := newBenchBMC(b, c.kind, c.lan, c.suite)
			b.Run("status", func(b *testing.B) { s.compare(b, "status") })
			b.Run("off", func(b *testing.B) {
				s.compare(b, "off")
				b.ReportMetric(fence(b, s, peakMiB, s.ours("off", builtPeak, ipmiProgram)), "MiB-peak(goal<=20)")
			})
		})
	}
}

// A rack is many nodes, each with a BMC of ours, and one resource for them all.
type rack struct {
	names  []string
	bmcs   []*bmc.BMC
	user   bmc.User // an operator
	passwd string   // the file with the password
}

func newRack(b *testing.B, options bmc.Options) *rack {
	user := bmc.DefaultUsers()[1]
	r := &rack{user: user, passwd: passwordFile(b, user)}
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
	command.Env = []string{"hostlist=" + strings.Join(hostlist, " "), "userid=" + r.user.Name, "passwd_file=" + r.passwd}
	return command
}

// tool is off by ipmitool, with the suite that ours uses.
func (r *rack) tool(i int) *exec.Cmd {
	one := r.bmcs[i]
	return toolOff(func(action string) []string {
		return []string{
			"ipmitool", "-I", "lanplus", "-C", "17", "-L", "OPERATOR", "-H", one.Host(), "-p", strconv.Itoa(one.Port()),
			"-U", r.user.Name, "-f", r.passwd, "chassis", "power", action,
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

// rackTurns is how often ours takes a turn for one of ipmitool.
const rackTurns = 3

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
				for range rackTurns {
					one = append(one, r.off(b, 1, ours))
					all = append(all, r.off(b, many, ours))
				}
				peer = append(peer, r.off(b, many, r.tool))
			}
			reportMany(b, one, all)
			b.ReportMetric(middle(peer).Seconds()*1000, "ms/64-ipmitool")
			b.ReportMetric(middle(peer).Seconds()/middle(all).Seconds(), "ipmitool-ratio")
		})
	}
}

// BenchmarkIPMIRack compares status of a resource with many nodes with that of a
// resource with one. A BMC answers at once, or takes 10 ms for each answer.
func BenchmarkIPMIRack(b *testing.B) {
	for _, pace := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run("answers-in-"+pace.String(), func(b *testing.B) {
			r := newRack(b, bmc.Options{SlowTime: pace})
			if pace > 0 {
				r.slow(b)
			}
			var one, all []time.Duration
			for b.Loop() {
				one = append(one, timed(b, r.call(1, ipmiProgram, "status")))
				all = append(all, timed(b, r.call(many, ipmiProgram, "status")))
			}
			reportMany(b, one, all)
			b.ReportMetric(peakMiB(b, r.call(many, builtPeak, ipmiProgram, "status")), "MiB-peak(goal<=20)")
		})
	}
}

// slow lets every BMC take its time.
func (r *rack) slow(b *testing.B) {
	for _, one := range r.bmcs {
		if err := one.Fail(bmc.Slow); err != nil {
			b.Fatal(err)
		}
	}
}

// reportMany reports the times of one node and of many, and their ratio.
func reportMany(b *testing.B, one, all []time.Duration) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(one).Seconds()*1000, "ms/one")
	b.ReportMetric(middle(all).Seconds()*1000, "ms/64")
	b.ReportMetric(middle(all).Seconds()/middle(one).Seconds(), "64-to-one(goal<=3)")
}
