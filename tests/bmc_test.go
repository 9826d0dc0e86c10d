package tests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/realbmc"
)

// bmcKinds are all BMCs of the tests: ours, and those that are not ours.
func bmcKinds() map[string]func(*testing.T, realbmc.Options) realbmc.Server {
	kinds := map[string]func(*testing.T, realbmc.Options) realbmc.Server{"bmc": startBMC}
	for _, kind := range realbmc.Kinds() {
		kinds[kind.Name] = func(t *testing.T, options realbmc.Options) realbmc.Server { return kind.Start(t, options) }
	}
	return kinds
}

func startBMC(t *testing.T, options realbmc.Options) realbmc.Server {
	t.Helper()
	b, err := bmc.Start(bmc.Options{Host: options.Host, Users: options.Users, Key: options.Key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// TestBMCs shows that the BMCs of the tests are BMCs to others than us: ipmitool turns
// a node off and on by each, over lan and with each cipher suite, and the true power
// says so.
func TestBMCs(t *testing.T) {
	const key = "abcdefghijklmnopqrs"
	for _, c := range []struct {
		server  string
		options realbmc.Options
		args    []string
	}{
		{"bmc", realbmc.Options{}, []string{"-I", "lan"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lan", "-A", "PASSWORD"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus", "-C", "17"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus", "-C", "0"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus", "-C", "1"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus", "-C", "2"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus", "-C", "3"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus", "-C", "15"}},
		{"bmc", realbmc.Options{}, []string{"-I", "lanplus", "-C", "16"}},
		{"bmc", realbmc.Options{Key: []byte(key)}, []string{"-I", "lanplus", "-C", "3", "-K"}},
		{"bmc", realbmc.Options{Key: []byte(key)}, []string{"-I", "lanplus", "-C", "17", "-K"}},
		{"ipmi_sim", realbmc.Options{}, []string{"-I", "lan"}},
		{"ipmi_sim", realbmc.Options{}, []string{"-I", "lanplus", "-C", "3"}},
		{"ipmi_sim", realbmc.Options{}, []string{"-I", "lanplus", "-C", "0"}},
		{"ipmi_sim", realbmc.Options{}, []string{"-I", "lanplus", "-C", "1"}},
		{"ipmi_sim", realbmc.Options{}, []string{"-I", "lanplus", "-C", "2"}},
		{"ipmi_sim", realbmc.Options{Key: []byte(key)}, []string{"-I", "lanplus", "-C", "3", "-K"}},
		{"pyghmi", realbmc.Options{}, []string{"-I", "lanplus", "-C", "3"}},
		{"pyghmi", realbmc.Options{Suite: 17}, []string{"-I", "lanplus", "-C", "17"}},
		{"pyghmi", realbmc.Options{Key: []byte(key)}, []string{"-I", "lanplus", "-C", "3", "-K"}},
		{"go-ipmi", realbmc.Options{}, []string{"-I", "lan"}},
		{"go-ipmi", realbmc.Options{}, []string{"-I", "lanplus", "-C", "3"}},
		{"go-ipmi", realbmc.Options{}, []string{"-I", "lanplus", "-C", "15"}},
		{"go-ipmi", realbmc.Options{}, []string{"-I", "lanplus", "-C", "16"}},
		{"go-ipmi", realbmc.Options{}, []string{"-I", "lanplus", "-C", "17"}},
		{"go-ipmi", realbmc.Options{Key: []byte(key)}, []string{"-I", "lanplus", "-C", "17", "-K"}},
	} {
		name := strings.Join(append([]string{c.server}, c.args...), " ")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := bmcKinds()[c.server](t, c.options)
			tool := newIPMITool(t, server, key, c.args...)
			tool.says("status", "Chassis Power is on", true)
			tool.says("off", "Chassis Power Control: Down/Off", false)
			tool.says("status", "Chassis Power is off", false)
			tool.says("on", "Chassis Power Control: Up/On", true)
			tool.password("wrong")
			switch {
			case slices.Contains(c.args, "0"): // there is no proof of a password
				tool.says("off", "Chassis Power Control: Down/Off", false)
			case c.server == "bmc" || slices.Contains(c.args, "lanplus"): // else it takes long
				tool.fails("off")
			}
			if b, ours := server.(*bmc.BMC); ours && b.SessionsIn(bmc.Open) != 0 {
				t.Errorf("sessions: %+v", b.Sessions())
			}
		})
	}
}

// TestBMCFaults shows that each BMC fails as it is told, towards a client that is not ours.
func TestBMCFaults(t *testing.T) {
	for name, start := range bmcKinds() {
		for _, c := range []struct {
			fault bmc.Fault
			try   func(*ipmiTool)
		}{
			{bmc.Refused, func(tool *ipmiTool) { tool.fails("off") }},
			{bmc.Silent, func(tool *ipmiTool) { tool.fails("off") }},
			{bmc.Restarts, func(tool *ipmiTool) {}},
			{bmc.IgnoreOff, func(tool *ipmiTool) { tool.says("off", "Down/Off", true) }},
			{bmc.IgnoreOn, func(tool *ipmiTool) {
				tool.server.SetPower(false)
				tool.says("on", "Up/On", false)
			}},
			{bmc.SaysOff, func(tool *ipmiTool) { tool.says("status", "is off", true) }},
			{bmc.SaysOn, func(tool *ipmiTool) {
				tool.server.SetPower(false)
				tool.says("status", "is on", false)
			}},
			{bmc.SlowOff, func(tool *ipmiTool) {
				tool.says("off", "Down/Off", true)
				tool.becomes(false)
				tool.says("status", "is off", false)
			}},
			{bmc.RefuseSet, func(tool *ipmiTool) { tool.fails("off") }},
			{bmc.RefuseGet, func(tool *ipmiTool) { tool.fails("status") }},
		} {
			t.Run(name+" "+string(c.fault), func(t *testing.T) {
				t.Parallel()
				tool := newIPMITool(t, start(t, realbmc.Options{}), "", "-I", "lanplus", "-C", "3")
				if err := tool.server.Fail(c.fault); err != nil {
					t.Fatal(err)
				}
				c.try(tool)
				if err := tool.server.Mend(); err != nil {
					t.Fatal(err)
				}
				tool.server.SetPower(true)
				tool.says("status", "Chassis Power is on", true)
				tool.says("off", "Chassis Power Control: Down/Off", false)
			})
		}
	}
}

// TestBMCLogins shows what only our BMC does on demand: ipmitool gets over a loss, and
// has no success where the login is not as it should be.
func TestBMCLogins(t *testing.T) {
	failAt := func(step bmc.Step, fault bmc.Fault) func(*bmc.BMC) {
		return func(b *bmc.BMC) { b.FailAt(bmc.At(step).Nth(1), fault) }
	}
	none := func(*bmc.BMC) {}
	for _, c := range []struct {
		name    string
		prepare func(*bmc.BMC)
		user    int // of bmc.DefaultUsers
		level   string
		works   bool
	}{
		{"Open Session lost", failAt(bmc.OpenSession, bmc.Silent), 0, "ADMINISTRATOR", true},
		{"RAKP 1 lost", failAt(bmc.RAKP1, bmc.Silent), 0, "ADMINISTRATOR", true},
		{"RAKP 2 lost", failAt(bmc.RAKP1, bmc.LoseAnswer), 0, "ADMINISTRATOR", true},
		{"RAKP 3 lost", failAt(bmc.RAKP3, bmc.Silent), 0, "ADMINISTRATOR", true},
		{"RAKP 4 lost", failAt(bmc.RAKP3, bmc.LoseAnswer), 0, "ADMINISTRATOR", true},
		{"operator", none, 1, "OPERATOR", true},
		{"operator as administrator", none, 1, "ADMINISTRATOR", false},
		{"viewer", none, 2, "USER", false},
		{"other suite", failAt(bmc.OpenSession, bmc.OtherSuite), 0, "ADMINISTRATOR", false},
		{"wrong RAKP 2", failAt(bmc.RAKP1, bmc.Corrupt), 0, "ADMINISTRATOR", false},
		{"wrong RAKP 4", failAt(bmc.RAKP3, bmc.Corrupt), 0, "ADMINISTRATOR", false},
		{"no free session", func(b *bmc.BMC) { b.SetSessions(0) }, 0, "ADMINISTRATOR", false},
		{"refused", func(b *bmc.BMC) { b.RefuseAt(bmc.At(bmc.ChassisControl), 0xc0) }, 0, "ADMINISTRATOR", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := startBMC(t, realbmc.Options{}).(*bmc.BMC)
			c.prepare(b)
			tool := newIPMITool(t, b, "", "-I", "lanplus", "-C", "17", "-L", c.level)
			tool.user(bmc.DefaultUsers()[c.user])
			tool.wait = "2" // a busy BMC is asked again
			if c.works {
				tool.says("off", "Chassis Power Control: Down/Off", false)
			} else {
				tool.fails("off")
			}
			if sessions := b.Sessions(); c.works && sessions[len(sessions)-1].State != bmc.Closed {
				t.Errorf("sessions: %+v", sessions)
			}
		})
	}
}

// An ipmiTool is Debian's ipmitool, for one server.
type ipmiTool struct {
	t      *testing.T
	server realbmc.Server
	args   []string
	key    string
	name   string
	wait   string // for an answer, in seconds
	file   string // of the password
}

func newIPMITool(t *testing.T, server realbmc.Server, key string, args ...string) *ipmiTool {
	t.Helper()
	tool := &ipmiTool{t: t, server: server, key: key, wait: "20", file: filepath.Join(t.TempDir(), "password")}
	tool.args = append(args, "-H", server.Host(), "-p", fmt.Sprint(server.Port()), "-f", tool.file)
	tool.user(bmc.DefaultUsers()[0])
	return tool
}

func (i *ipmiTool) user(user bmc.User) {
	i.t.Helper()
	i.name = user.Name
	i.password(user.Password)
}

func (i *ipmiTool) password(password string) {
	i.t.Helper()
	if err := os.WriteFile(i.file, []byte(password), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// ipmiToolLimit is what a call may take at most: a busy machine fails no test.
const ipmiToolLimit = 2 * time.Minute

func (i *ipmiTool) run(action string, patience ...string) (string, error) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), ipmiToolLimit)
	defer cancel()
	command := exec.CommandContext(ctx, foreignProgram(i.t, "ipmitool"), slices.Concat(i.args, patience, []string{"-U", i.name}, []string{"chassis", "power", action})...)
	command.Env = append(os.Environ(), "IPMI_KGKEY="+i.key)
	out, err := command.CombinedOutput()
	return string(out), err
}

// says expects success with these words, and the node's true power afterwards.
func (i *ipmiTool) says(action, words string, power bool) {
	i.t.Helper()
	out, err := i.run(action, "-N", i.wait, "-R", "4")
	if err != nil || !strings.Contains(out, words) {
		i.t.Errorf("%s: %v, %q, not %q", action, err, out, words)
	}
	i.has(action, power)
}

// fails expects no success, and the node to be on afterwards.
func (i *ipmiTool) fails(action string) {
	i.t.Helper()
	if out, err := i.run(action, "-N", "1", "-R", "1"); err == nil {
		i.t.Errorf("%s succeeds: %q", action, out)
	}
	i.has(action, true)
}

func (i *ipmiTool) has(action string, power bool) {
	i.t.Helper()
	if i.server.Power() != power {
		i.t.Fatalf("%s: the node's power is %v", action, !power)
	}
}

// becomes waits for the node's true power.
func (i *ipmiTool) becomes(power bool) {
	i.t.Helper()
	for deadline := time.Now().Add(ipmiToolLimit); i.server.Power() != power; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			i.t.Fatalf("the node's power stays %v", !power)
		}
	}
}
