package tests

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// An ipmiBed is what one script has: BMCs, once it has started them.
type ipmiBed struct {
	scene
	number int      // of the script
	names  []string // of the nodes, in their order
	bmcs   map[string]*bmc.BMC
}

// TestIPMI runs the scripts that have BMCs of ours, side by side: each has its own.
func TestIPMI(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/ipmi/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var begun atomic.Int32
	testscript.Run(t, testscript.Params{
		Files: scripts, RequireExplicitExec: true, Deadline: time.Now().Add(scriptLimit),
		Cmds: map[string]command{
			"exits":  cmdExits,
			"bmc":    func(ts *testscript.TestScript, neg bool, args []string) { theBed(ts).cmdBMC(ts, neg, args) },
			"node":   func(ts *testscript.TestScript, neg bool, args []string) { theBed(ts).cmdNode(ts, neg, args) },
			"logged": func(ts *testscript.TestScript, neg bool, args []string) { theBed(ts).cmdLogged(ts, neg, args) },
		},
		Setup: func(env *testscript.Env) error {
			var mark logMark
			mark.set()
			bed := &ipmiBed{scene: scene{log: mark.lines}, number: int(begun.Add(1)), bmcs: map[string]*bmc.BMC{}}
			env.Values[bedKey{}] = bed
			env.Vars = append(env.Vars, "SHORT=timeout=6s", "cycle_time=1s", "LAN6="+lan6,
				"PLUGINS=/usr/lib/stonith/plugins/external", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
			return program.Renew(env.WorkDir) // a script may run its files
		},
	})
}

// bedKey is the key of a script's bed.
type bedKey struct{}

func theBed(ts *testscript.TestScript) *ipmiBed { return ts.Value(bedKey{}).(*ipmiBed) }

// lan6 is an address of this machine: ipmitool does not speak IPv6 with the loopback.
const lan6 = "fd00:77::1"

// makeLAN gives this machine an interface with lan6.
func makeLAN() error {
	for _, command := range []string{
		"link add lan type veth peer name lan-end", "link set lan-end up", "link set lan up", "addr add " + lan6 + "/64 dev lan nodad",
	} {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
	}
	return nil
}

// cmdBMC: what stands first in args
//
//	bmc start [OPTION=VALUE...] NODE...  starts a BMC for each, and sets the parameters of external/ipmi2
//	bmc NODE fail FAULT [STEP [N]]       lets it fail, always or at (the Nth of) these messages
//	bmc NODE refuse CODE STEP [N]        answers those with a completion code, or a status of RMCP+
//	bmc NODE mend                        ends all faults
//	bmc NODE button on|off STEP N        turns the node on or off by its button when that message comes
//	bmc NODE times OFF ON CYCLE          says how long off and on take, and a cycle is without power
//	bmc NODE got STEP N                  waits until N such messages have come
//	bmc NODE sessions STATE N            waits until N sessions are in that state
//
// What stands before a node are options of its BMC, see bmcOptions.
func (s *ipmiBed) cmdBMC(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: bmc start|NODE ...")
	}
	if args[0] == "start" {
		s.start(ts, args[1:])
		return
	}
	ts.Check(actOnBMC(s.bmc(ts, args[0]), args[1:]))
}

func (s *ipmiBed) bmc(ts *testscript.TestScript, node string) *bmc.BMC {
	b := s.bmcs[node]
	if b == nil {
		ts.Fatalf("%s has no BMC yet: bmc start %[1]s", node)
	}
	return b
}

// start gives each BMC an address of its own, and the usual port.
func (s *ipmiBed) start(ts *testscript.TestScript, words []string) {
	var options []string
	for _, word := range words {
		if strings.Contains(word, "=") {
			options = append(options, word)
			continue
		}
		o, err := bmcOptions(options)
		ts.Check(err)
		if o.Host == "" {
			o.Host = fmt.Sprintf("127.1.%d.%d", s.number, len(s.names)+1)
		}
		b, err := bmc.Start(o)
		ts.Check(err)
		ts.Defer(b.Close)
		s.names, s.bmcs[word] = append(s.names, word), b
	}
	var pairs []string
	for i, name := range s.names {
		b := s.bmcs[name]
		pairs = append(pairs, name+":"+bmcAddress(b))
		ts.Setenv(fmt.Sprint("BMC", i+1), b.Host())
		ts.Setenv(fmt.Sprint("GUID", i+1), fmt.Sprintf("%x", b.GUID()))
	}
	oper := bmc.DefaultUsers()[1]
	ts.Check(os.WriteFile(ts.MkAbs("passwd"), []byte(oper.Password+"\n"), 0o600))
	ts.Setenv("hostlist", strings.Join(pairs, " "))
	ts.Setenv("userid", oper.Name)
	ts.Setenv("passwd_file", ts.MkAbs("passwd"))
}

// bmcAddress is the address as hostlist has it.
func bmcAddress(b *bmc.BMC) string {
	if b.Port() == ipmiPort {
		return b.Host()
	}
	return net.JoinHostPort(b.Host(), strconv.Itoa(b.Port()))
}

// bmcOptions reads words NAME=VALUE: host, port, key (K_g), suites and auth (numbers
// with commas between them, or none), sessions, idle and power.
func bmcOptions(words []string) (bmc.Options, error) {
	o := bmc.Options{Port: ipmiPort}
	for _, word := range words {
		var err error
		switch name, value, _ := strings.Cut(word, "="); name {
		case "host":
			o.Host = value
		case "port":
			o.Port, err = strconv.Atoi(value)
		case "key":
			o.Key = []byte(value)
		case "suites":
			o.Suites, err = numbers(value)
		case "auth":
			o.Auth = []bmc.Auth{}
			var types []int
			types, err = numbers(value)
			for _, n := range types {
				o.Auth = append(o.Auth, bmc.Auth(n))
			}
		case "sessions":
			o.Sessions, err = strconv.Atoi(value)
		case "idle":
			o.Idle, err = time.ParseDuration(value)
		case "power":
			o.Off = value == "off"
		default:
			err = fmt.Errorf("unknown")
		}
		if err != nil {
			return o, fmt.Errorf("option %s of a BMC: %w", word, err)
		}
	}
	return o, nil
}

func numbers(list string) ([]int, error) {
	all := []int{}
	if list == "none" {
		return all, nil
	}
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// actOnBMC is the command bmc, behind the node.
func actOnBMC(b *bmc.BMC, words []string) error {
	act, words := words[0], words[1:]
	switch {
	case act == "mend" && len(words) == 0:
		return b.Mend()
	case act == "fail" && len(words) == 1:
		return b.Fail(bmc.Fault(words[0]))
	case act == "times" && len(words) == 3:
		return setTimes(b, words)
	case act == "sessions" && len(words) == 2:
		return await(words[1], func() (any, any) { return b.SessionsIn(bmc.State(words[0])), b.Sessions() })
	case act == "got" && len(words) == 2:
		return await(words[1], func() (any, any) { return b.Count(bmc.Step(words[0])), b.Commands() })
	case len(words) < 2:
		return fmt.Errorf("bmc NODE %s %q?", act, words)
	}
	when, err := pick(words[1:])
	if err != nil {
		return err
	}
	switch act {
	case "fail":
		b.FailAt(when, bmc.Fault(words[0]))
	case "refuse":
		code, err := strconv.ParseUint(words[0], 16, 8)
		if err != nil {
			return err
		}
		b.RefuseAt(when, byte(code))
	case "button":
		b.DoAt(when, func() { b.SetPower(words[0] == "on") })
	default:
		return fmt.Errorf("bmc NODE %s?", act)
	}
	return nil
}

// pick reads STEP [N].
func pick(words []string) (bmc.When, error) {
	when := bmc.At(bmc.Step(words[0]))
	if len(words) == 1 {
		return when, nil
	}
	n, err := strconv.Atoi(words[1])
	return when.Nth(n), err
}

func setTimes(b *bmc.BMC, words []string) error {
	var times [3]time.Duration
	for i, word := range words {
		var err error
		if times[i], err = time.ParseDuration(word); err != nil {
			return err
		}
	}
	b.SetTimes(times[0], times[1], times[2])
	return nil
}

// await waits for a number. It is given with what it counts.
func await(want string, count func() (number, all any)) error {
	for deadline := time.Now().Add(logPatience); ; time.Sleep(10 * time.Millisecond) {
		got, all := count()
		if fmt.Sprint(got) == want {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%v, want %s: %+v", got, want, all)
		}
	}
}

// cmdNode: what is true
//
//	node NODE on|off            the node's power
//	node NODE did [HAPPENING...]  all that has happened to it: off, on, reset, diag
func (s *ipmiBed) cmdNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: node NODE on|off|did ...")
	}
	b := s.bmc(ts, args[0])
	if args[1] == "did" {
		var did []string
		for _, event := range b.History() {
			did = append(did, string(event.What))
		}
		if got, want := strings.Join(did, " "), strings.Join(args[2:], " "); got != want {
			ts.Fatalf("the truth: node %s did %q, want %q", args[0], got, want)
		}
		return
	}
	if got := powerWord(b.Power()); got != args[1] {
		ts.Fatalf("the truth: node %s is %s, want %s", args[0], got, args[1])
	}
}

func powerWord(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// callIPMI runs the installed plugin with these words and nothing else.
func callIPMI(words ...string) (status int, out string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, ipmiProgram, words...)
	command.Env = []string{"PATH=/usr/bin:/bin"}
	var text bytes.Buffer
	command.Stdout, command.Stderr = &text, &text
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), text.String()
}

// secretFile writes a secret to a file of its own, as the plugin wants it.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
