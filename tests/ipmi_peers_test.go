package tests

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/realbmc"
)

// peerKey is a K_g that all BMCs can have.
const peerKey = "abcdefghijklmnopqrs"

// A peerCase is a way to speak to a BMC that is not ours.
type peerCase struct {
	name    string
	server  string
	options realbmc.Options
	words   []string // parameters of external/ipmi2
}

// peerCases are all that each server offers.
func peerCases() []peerCase {
	var all []peerCase
	for _, kind := range realbmc.Kinds() {
		if kind.LAN {
			all = append(all, peerCase{"lan MD5", kind.Name, realbmc.Options{}, []string{"interface=lan"}})
		}
		if kind.Name == "ipmi_sim" {
			all = append(all, peerCase{"lan password", kind.Name, realbmc.Options{}, []string{"interface=lan", "auth=password"}},
				peerCase{"lanplus ::1", kind.Name, realbmc.Options{Host: "::1"}, nil},
				peerCase{"lan ::1", kind.Name, realbmc.Options{Host: "::1"}, []string{"interface=lan"}})
		}
		all = append(all, peerCase{"lanplus", kind.Name, realbmc.Options{}, nil})
		for _, suite := range kind.Suites {
			options := realbmc.Options{}
			if kind.OneSuite {
				options.Suite = suite
			}
			cipher := fmt.Sprintf("cipher=%d", suite)
			all = append(all, peerCase{fmt.Sprint("suite ", suite), kind.Name, options, []string{cipher}})
			if suite == 3 || suite == 17 {
				options.Key = []byte(peerKey)
				all = append(all, peerCase{fmt.Sprintf("suite %d and K_g", suite), kind.Name, options, []string{cipher, "kg=" + peerKey}})
			}
		}
	}
	return all
}

// TestIPMIPeers fences by each BMC that is not ours, in each way that it offers, and
// compares every answer with the node's true power.
func TestIPMIPeers(t *testing.T) {
	t.Parallel()
	for _, c := range peerCases() {
		t.Run(c.server+" "+c.name, func(t *testing.T) {
			t.Parallel()
			p := newIPMIPeer(t, startPeer(t, c.server, c.options), c.words...)
			p.says(0, "status: ready to fence node-1", true, "status")
			p.rehearses("nothing, since this BMC has no request that changes nothing .*C1h") // none of the three has
			p.says(0, "off node-1: off-observed in ", false, "off")
			p.says(0, "off node-1: already-off in ", false, "off")
			p.says(0, "reset node-1: already-off, on-observed in ", true, "reset")
			p.says(0, "reset node-1: off-observed, on-observed in ", true, "reset")
			p.says(0, "on node-1: on-observed in ", true, "on")
			p.fails("off", bmc.IgnoreOff, "error: off node-1: still-on: ")
		})
	}
}

func startPeer(t *testing.T, name string, options realbmc.Options) realbmc.Server {
	t.Helper()
	return bmcKinds()[name](t, options)
}

// TestIPMIPeersRefuse has what each BMC refuses: the answer names it, and the node
// stays on.
func TestIPMIPeersRefuse(t *testing.T) {
	t.Parallel()
	wrong := "passwd=Secret-1-wrong"
	for _, c := range []struct {
		peerCase
		reason string // with the word that must be in the text
	}{
		{peerCase{"wrong password", "ipmi_sim", realbmc.Options{}, []string{wrong}}, "not-authenticated: .*password"},
		{peerCase{"wrong password", "pyghmi", realbmc.Options{}, []string{wrong}}, "not-authenticated: .*password"},
		{peerCase{"wrong password", "go-ipmi", realbmc.Options{}, []string{wrong}}, "not-authenticated: .*password"},
		{peerCase{"wrong password, lan", "ipmi_sim", realbmc.Options{}, []string{wrong, "interface=lan", "timeout=30s"}}, "not-authenticated: .*password"},
		{peerCase{"wrong password, lan", "go-ipmi", realbmc.Options{}, []string{wrong, "interface=lan"}}, "not-authenticated: .*password"},
		{peerCase{"unknown user", "ipmi_sim", realbmc.Options{}, []string{"userid=nobody"}}, "not-authenticated: .*user"},
		{peerCase{"unknown user", "pyghmi", realbmc.Options{}, []string{"userid=nobody"}}, "unreachable: .*RAKP"},
		{peerCase{"unknown user", "go-ipmi", realbmc.Options{}, []string{"userid=nobody"}}, "not-authenticated: .*user"},
		{peerCase{"unknown user, lan", "ipmi_sim", realbmc.Options{}, []string{"userid=nobody", "interface=lan"}}, "not-authenticated: .*user"},
		{peerCase{"unknown user, lan", "go-ipmi", realbmc.Options{}, []string{"userid=nobody", "interface=lan"}}, "not-authenticated: .*user"},
		{peerCase{"K_g missing", "ipmi_sim", realbmc.Options{Key: []byte(peerKey)}, nil}, "not-authenticated: .*K_g"},
		{peerCase{"K_g wrong", "ipmi_sim", realbmc.Options{Key: []byte(peerKey)}, []string{"kg=other"}}, "not-authenticated: .*K_g"},
		{peerCase{"K_g missing", "pyghmi", realbmc.Options{Key: []byte(peerKey)}, nil}, "not-authenticated: .*K_g"},
		{peerCase{"K_g wrong", "pyghmi", realbmc.Options{Key: []byte(peerKey)}, []string{"kg=other"}}, "not-authenticated: .*K_g"},
		{peerCase{"K_g missing", "go-ipmi", realbmc.Options{Key: []byte(peerKey)}, nil}, "not-authenticated: .*K_g"},
		{peerCase{"K_g wrong", "go-ipmi", realbmc.Options{Key: []byte(peerKey)}, []string{"kg=other"}}, "not-authenticated: .*K_g"},
		{peerCase{"too much", "go-ipmi", realbmc.Options{}, []string{"priv=ADMINISTRATOR"}}, "not-permitted: "},
		{peerCase{"too much, lan", "go-ipmi", realbmc.Options{}, []string{"priv=ADMINISTRATOR", "interface=lan"}}, "not-permitted: "},
		{peerCase{"too much, lan", "ipmi_sim", realbmc.Options{}, []string{"priv=ADMINISTRATOR", "interface=lan"}}, "not-permitted: "},
		{peerCase{"viewer, lan", "ipmi_sim", realbmc.Options{}, []string{"userid=viewer", "passwd=Secret-3", "interface=lan"}}, "not-permitted: "},
		{peerCase{"viewer", "go-ipmi", realbmc.Options{}, []string{"userid=viewer", "passwd=Secret-3"}}, "not-permitted: "},
		{peerCase{"no such suite", "ipmi_sim", realbmc.Options{}, []string{"cipher=17"}}, "[a-z-]+: .*cipher"},
		{peerCase{"other suite", "pyghmi", realbmc.Options{}, []string{"cipher=17"}}, "[a-z-]+: .*(cipher|algorithms)"},
		{peerCase{"no such suite", "go-ipmi", realbmc.Options{}, []string{"cipher=1"}}, "[a-z-]+: .*cipher"},
	} {
		t.Run(c.server+" "+c.name, func(t *testing.T) {
			t.Parallel()
			p := newIPMIPeer(t, startPeer(t, c.server, c.options), append([]string{"timeout=12s"}, c.words...)...)
			p.says(1, "error: status: "+c.reason, true, "status")
			p.says(1, "error: off node-1: "+c.reason, true, "off")
		})
	}
}

// TestIPMIPeersFail has the faults that every BMC can have, ours too: an exit status of
// 0 is true, and once all is well again, off is 0.
func TestIPMIPeersFail(t *testing.T) {
	t.Parallel()
	for name := range bmcKinds() {
		for _, c := range []struct {
			fault bmc.Fault
			want  string
		}{
			{bmc.Refused, "unreachable: "},
			{bmc.Silent, "unreachable: "},
			{bmc.SaysOn, "still-on: "},
			{bmc.RefuseGet, "device-error: "},
			{bmc.RefuseSet, "device-error: |still-on: "},
		} {
			t.Run(name+" "+string(c.fault), func(t *testing.T) {
				t.Parallel()
				p := newIPMIPeer(t, startPeer(t, name, realbmc.Options{}))
				p.fails("off", c.fault, "error: off node-1: ("+c.want+")")
				p.server.SetPower(true)
				p.says(0, "off node-1: off-observed in ", false, "off")
			})
		}
		t.Run(name+" "+string(bmc.SlowOff), func(t *testing.T) {
			t.Parallel()
			p := newIPMIPeer(t, startPeer(t, name, realbmc.Options{}))
			if err := p.server.Fail(bmc.SlowOff); err != nil {
				t.Fatal(err)
			}
			p.says(0, "off node-1: off-observed in ", false, "off")
			p.says(0, "on node-1: on-observed in ", true, "on")
			p.says(0, "reset node-1: off-observed, on-observed in ", true, "reset")
		})
		t.Run(name+" "+string(bmc.Restarts), func(t *testing.T) {
			t.Parallel()
			p := newIPMIPeer(t, startPeer(t, name, realbmc.Options{}))
			if err := p.server.Fail(bmc.SlowOff); err != nil {
				t.Fatal(err)
			}
			p.during("off", func() error { return p.server.Fail(bmc.Restarts) })
			if p.server.Power() {
				t.Error("the node is on")
			}
		})
	}
}

// TestIPMIPeersForgive makes as many calls with a wrong password as no BMC has sessions,
// and then one with the right one.
func TestIPMIPeersForgive(t *testing.T) {
	t.Parallel()
	for name := range bmcKinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startPeer(t, name, realbmc.Options{})
			wrong := newIPMIPeer(t, server, "passwd=wrong")
			for range 6 {
				wrong.says(1, "error: status: not-authenticated: ", true, "status")
			}
			newIPMIPeer(t, server).says(0, "off node-1: off-observed in ", false, "off")
		})
	}
}

// TestIPMISessionsTaken kills calls until the BMC has no session left, as the cluster
// kills those that take too long. That is said, and over once the BMC has forgotten them.
func TestIPMISessionsTaken(t *testing.T) {
	t.Parallel()
	const sessions = 4 // of go-ipmi's server
	p := newIPMIPeer(t, startPeer(t, "go-ipmi", realbmc.Options{}))
	if err := p.server.Fail(bmc.IgnoreOff); err != nil {
		t.Fatal(err)
	}
	for range sessions {
		p.kill("off")
	}
	p.words = append(p.words, "timeout=6s")
	p.says(1, "error: status: device-error: .*no free session", true, "status")
	p.says(1, "error: off node-1: device-error: .*no free session", true, "off")
	if err := errors.Join(p.server.Fail(bmc.Restarts), p.server.Mend()); err != nil {
		t.Fatal(err)
	}
	p.says(0, "off node-1: off-observed in ", false, "off")
}

// TestIPMIPeersCrossed shows that external/ipmi2 and ipmitool, as the plugin's transport
// or alone, see the same of each BMC.
func TestIPMIPeersCrossed(t *testing.T) {
	t.Parallel()
	for _, c := range []peerCase{
		{"lanplus", "bmc", realbmc.Options{}, nil},
		{"lanplus, IPv6", "bmc", realbmc.Options{Host: lan6}, nil},
		{"lan, IPv6", "bmc", realbmc.Options{Host: lan6}, []string{"interface=lan"}},
		{"lan", "ipmi_sim", realbmc.Options{}, []string{"interface=lan"}},
		{"lanplus", "ipmi_sim", realbmc.Options{}, []string{"cipher=3"}},
		{"lanplus, K_g", "ipmi_sim", realbmc.Options{Key: []byte(peerKey)}, []string{"cipher=3", "kg=" + peerKey}},
		{"lanplus", "pyghmi", realbmc.Options{}, []string{"cipher=3"}},
		{"lanplus", "go-ipmi", realbmc.Options{}, []string{"cipher=17"}},
	} {
		t.Run(c.server+" "+c.name, func(t *testing.T) {
			t.Parallel()
			server := startPeer(t, c.server, c.options)
			ours := newIPMIPeer(t, server, c.words...)
			through := newIPMIPeer(t, server, append(c.words, "ipmitool=/usr/bin/ipmitool")...)
			alone := newIPMITool(t, server, string(c.options.Key), toolArguments(c)...)
			ours.says(0, "off-observed", false, "off")
			alone.says("status", "Chassis Power is off", false)
			through.says(0, "already-off, on-observed", true, "reset")
			alone.says("off", "Chassis Power Control: Down/Off", false)
			ours.says(0, "already-off", false, "off")
			ours.says(0, "on-observed", true, "on")
			through.says(0, "off-observed", false, "off")
		})
	}
}

// toolArguments are ipmitool's for what the parameters say.
func toolArguments(c peerCase) []string {
	args := []string{"-I", "lanplus"}
	if slices.Contains(c.words, "interface=lan") {
		args = []string{"-I", "lan"}
	}
	for _, word := range c.words {
		if suite, ok := strings.CutPrefix(word, "cipher="); ok {
			args = append(args, "-C", suite)
		}
	}
	if len(c.options.Key) > 0 {
		args = append(args, "-K")
	}
	return args
}

// An ipmiPeer is external/ipmi2 for the node of one server.
type ipmiPeer struct {
	t      *testing.T
	server realbmc.Server
	words  []string
}

// newIPMIPeer has the parameters, of which words are some: for oper, if there is no other user.
func newIPMIPeer(t *testing.T, server realbmc.Server, words ...string) *ipmiPeer {
	t.Helper()
	has := func(name string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, name+"=") })
	}
	oper := bmc.DefaultUsers()[1]
	all := append([]string{"cycle_time=1s"}, words...) // nobody cycles the node
	if !has("hostlist") {
		all = append(all, "hostlist=node-1:"+net.JoinHostPort(server.Host(), fmt.Sprint(server.Port())))
	}
	if !has("userid") {
		all = append(all, "userid="+oper.Name)
	}
	if !has("passwd") && !has("passwd_file") {
		all = append(all, "passwd_file="+secretFile(t, oper.Password))
	}
	return &ipmiPeer{t, server, all}
}

// call makes a call, and compares a success with what is true.
func (p *ipmiPeer) call(verb string, more ...string) (int, string) {
	p.t.Helper()
	words := []string{verb}
	if verb != "status" {
		words = append(words, "node-1")
	}
	status, out := callIPMI(slices.Concat(words, p.words, more)...)
	if wrong := verb == "off" && p.server.Power() || verb == "on" && !p.server.Power(); status == 0 && wrong {
		p.t.Errorf("FALSE SUCCESS: %s exits 0, and the node is %s; %s", verb, powerWord(p.server.Power()), out)
	}
	if verb == "reset" && status == 0 && !strings.Contains(out, "off-observed") && !strings.Contains(out, "already-off") {
		p.t.Errorf("FALSE SUCCESS: reset exits 0 without having seen the node off; %s", out)
	}
	return status, out
}

// says wants a status, words that fit, and the node's true power afterwards.
func (p *ipmiPeer) says(status int, fits string, power bool, verb string) {
	p.t.Helper()
	var patient []string
	if status == 0 { // which other work on the machine may delay
		patient = []string{"timeout=100s", "status_timeout=100s"}
	}
	got, out := p.call(verb, patient...)
	if got != status || !fitsLine("^ipmi2: .*"+fits, out) {
		p.t.Errorf("%s: exit status %d, want %d and %q; %s", verb, got, status, fits, out)
	}
	if p.server.Power() != power {
		p.t.Fatalf("%s: the node is %s; %s", verb, powerWord(!power), out)
	}
}

// rehearses wants a rehearsal of off to succeed with words that fit, and the node not to be ordered anything.
func (p *ipmiPeer) rehearses(fits string) {
	p.t.Helper()
	before := p.server.Orders()
	status, out := callIPMI(slices.Concat([]string{"check", "--rehearse", "node-1"}, p.words)...)
	if status != 0 || !fitsLine("^rehearsal of off node-1: "+fits, out) {
		p.t.Errorf("rehearsal: exit status %d, want 0 and %q; %s", status, fits, out)
	}
	if !p.server.Power() || p.server.Orders() != before {
		p.t.Errorf("rehearsal: the node is %s, after %d orders", powerWord(p.server.Power()), p.server.Orders()-before)
	}
}

// fails wants a failure with words that fit as long as the BMC has the fault.
func (p *ipmiPeer) fails(verb string, fault bmc.Fault, fits string) {
	p.t.Helper()
	if err := p.server.Fail(fault); err != nil {
		p.t.Fatal(err)
	}
	status, out := p.call(verb, "timeout=6s")
	if status == 1 && !fitsLine("^ipmi2: "+fits, out) { // other work on the machine may have used up the time
		status, out = p.call(verb, "timeout=60s")
	}
	if status != 1 || !fitsLine("^ipmi2: "+fits, out) {
		p.t.Errorf("%s, %s: exit status %d, want 1 and %q; %s", verb, fault, status, fits, out)
	}
	if err := p.server.Mend(); err != nil {
		p.t.Fatal(err)
	}
}

// during does something as soon as the node was ordered to go off or on, and wants the
// call to succeed.
func (p *ipmiPeer) during(verb string, act func() error) {
	p.t.Helper()
	ordered := p.ordered()
	acted := make(chan error, 1)
	go func() {
		if !ordered() {
			acted <- errors.New("the node was not ordered to do anything")
			return
		}
		acted <- act()
	}()
	status, out := p.call(verb)
	if err := <-acted; err != nil || status != 0 {
		p.t.Errorf("%s: exit status %d, %v; %s", verb, status, err, out)
	}
}

// kill kills a call as soon as the node was ordered to go off or on.
func (p *ipmiPeer) kill(verb string) {
	p.t.Helper()
	ordered := p.ordered()
	command := exec.Command(ipmiProgram, append([]string{verb, "node-1"}, p.words...)...)
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	if !ordered() {
		p.t.Errorf("%s: the node was not ordered to do anything", verb)
	}
	if err := command.Process.Kill(); err != nil {
		p.t.Errorf("%s: has ended: %v", verb, err)
	}
	_ = command.Wait() // it was killed
}

// ordered waits for the first order to the node after now, and tells whether there was one.
func (p *ipmiPeer) ordered() func() bool {
	before := p.server.Orders()
	return func() bool {
		for deadline := time.Now().Add(logPatience); p.server.Orders() == before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				return false
			}
		}
		return true
	}
}

// fitsLine tells whether the expression fits a line of the text.
func fitsLine(expression, text string) bool {
	return regexp.MustCompile("(?m)" + expression).MatchString(text)
}
