package tests

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/lossy"
)

// A toolFence is external/ipmi2 with Debian's ipmitool, and a BMC.
type toolFence struct {
	t   *testing.T
	bmc *bmc.BMC
	env []string
}

// newToolFence starts a BMC. The last of two parameters of one name counts.
func newToolFence(t *testing.T, options bmc.Options, params ...string) *toolFence {
	t.Helper()
	b, err := bmc.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	f := &toolFence{t: t, bmc: b}
	f.env = append([]string{
		"HA_LOGFACILITY=none", "hostlist=node-1:" + f.address(), "userid=oper", "passwd=Secret-2", "cycle_time=1s", "ipmitool=" + foreignProgram(t, "ipmitool"),
		"timeout=100", "status_timeout=100", // other work on the machine may slow it down
	}, params...)
	return f
}

func (f *toolFence) address() string {
	return net.JoinHostPort(f.bmc.Host(), strconv.Itoa(f.bmc.Port()))
}

// call runs the plugin.
func (f *toolFence) call(words ...string) (status int, said string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), ipmiToolLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "/usr/lib/stonith/plugins/external/ipmi2", words...)
	command.Env = f.env
	out, err := command.CombinedOutput()
	if command.ProcessState == nil {
		f.t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(out)
}

// says expects the exit status, words, and the node's true power afterwards.
func (f *toolFence) says(verb string, status int, expression string, power bool) {
	f.t.Helper()
	if text := f.wrong(verb, status, expression, power); text != "" {
		f.t.Fatal(text)
	}
}

// wrong makes a call, and tells what is wrong with its exit status, words, and the node's
// true power afterwards; "" if nothing is. A false success is one of the test.
func (f *toolFence) wrong(verb string, status int, expression string, power bool) string {
	f.t.Helper()
	words := []string{verb, "node-1"}
	if verb == "status" {
		words = words[:1]
	}
	got, said := f.call(words...)
	if verb == "off" && got == 0 && f.bmc.Power() {
		f.t.Errorf("FALSE SUCCESS: off exits 0, and the node is on; %s", said)
	}
	if got != status || f.bmc.Power() != power || !regexp.MustCompile(expression).MatchString(said) {
		return fmt.Sprintf("%s: exit status %d, node %s, want %d, %s and %q; %s", verb, got, powerWord(f.bmc.Power()), status, powerWord(power), expression, said)
	}
	return ""
}

// patiently tries with one parameter after the other, each more patient than the one before,
// until nothing is wrong: other work on the machine may use up the time of a call.
func patiently(t *testing.T, params []string, try func(param string) (wrong string)) {
	t.Helper()
	wrong := ""
	for _, param := range params {
		if wrong = try(param); wrong == "" {
			return
		}
	}
	t.Error(wrong)
}

// count is how many commands of that kind were carried out.
func (f *toolFence) count(step bmc.Step) int {
	n := 0
	for _, c := range f.bmc.Commands() {
		if c.Step == step && c.Done {
			n++
		}
	}
	return n
}

// TestIPMITool fences with ipmitool by each way to log in, and looks at the true power.
func TestIPMITool(t *testing.T) {
	t.Parallel()
	const longPassword = "12345678 '\"$\\ \xff%6789"
	long := []bmc.User{{Name: "0123456789abcdef", Password: longPassword, Limit: bmc.Administrator}}
	for _, c := range []struct {
		name    string
		options bmc.Options
		params  []string
	}{
		{"lanplus", bmc.Options{}, nil},
		{"suite 3 after 17", bmc.Options{Suites: []int{3}}, nil},
		{"suite 15", bmc.Options{}, []string{"cipher=15"}},
		{"lan", bmc.Options{}, []string{"interface=lan"}},
		{"lan, password", bmc.Options{}, []string{"interface=lan", "auth=password"}},
		{"lan, none", bmc.Options{Auth: []bmc.Auth{bmc.AuthNone}}, []string{"interface=lan", "auth=none"}},
		{"lan, none, no password", bmc.Options{Auth: []bmc.Auth{bmc.AuthNone}}, []string{"interface=lan", "auth=none", "passwd="}},
		{"K_g", bmc.Options{Key: []byte("abcdefghi klmnopqrst")}, []string{"kg=abcdefghi klmnopqrst"}},
		{"K_g of bytes", bmc.Options{Key: []byte("\xff\n\t='\"")}, []string{"kg=0xff0a093d2722"}},
		{"20 bytes of password", bmc.Options{Users: long}, []string{"userid=0123456789abcdef", "passwd=" + longPassword}},
		{"anonymous", bmc.Options{Users: []bmc.User{{Password: "Secret-2"}}}, []string{"userid="}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newToolFence(t, c.options, c.params...)
			f.says("status", 0, "ready", true)
			f.says("off", 0, "off-observed", false)
			f.says("off", 0, "already-off", false)
			f.says("on", 0, "on-observed", true)
			f.says("reset", 0, "off-observed, on-observed", true)
			if n := f.bmc.SessionsIn(bmc.Open); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

// TestIPMIToolFails shows what a BMC in trouble comes to, where ipmitool is asked.
func TestIPMIToolFails(t *testing.T) {
	t.Parallel()
	off := func(fault bmc.Fault) func(*toolFence) {
		return func(f *toolFence) { _ = f.bmc.Fail(fault) }
	}
	refuse := func(step bmc.Step, code byte) func(*toolFence) {
		return func(f *toolFence) { f.bmc.RefuseAt(bmc.At(step), code) }
	}
	none := func(*toolFence) {}
	const unreachable = `(?s)unreachable: .*hint: ipmitool does not tell a wrong password`
	for _, c := range []struct {
		name    string
		prepare func(*toolFence)
		params  []string
		status  int
		says    string
		power   bool
	}{
		{"wrong password", none, []string{"passwd=wrong"}, 1, unreachable, true},
		{"unknown user", none, []string{"userid=nobody"}, 1, unreachable, true},
		{"wrong K_g", none, []string{"kg=wrong"}, 1, unreachable, true},
		{"silent", off(bmc.Silent), nil, 1, unreachable, true},
		{"refused port", off(bmc.Refused), nil, 1, unreachable, true},
		{"garbage", off(bmc.Garbage), nil, 1, unreachable, true},
		{"other suite", off(bmc.OtherSuite), []string{"cipher=17"}, 1, unreachable, true},
		{"no rights", refuse(bmc.SetPrivilege, 0x81), nil, 1, "not-permitted: .*privilege too low", true},
		{"accepted and ignored", off(bmc.IgnoreOff), nil, 1, "still-on", true},
		{"no off", refuse(bmc.ChassisControl, 0xc0), nil, 1, `device-error: .*node busy \(completion code C0h\)`, true},
		{"no state", refuse(bmc.ChassisStatus, 0xff), nil, 1, `device-error: .*completion code FFh`, false},
		// ipmitool's own "chassis power status" says off then.
		{"a state without data", func(f *toolFence) { f.bmc.FailAt(bmc.At(bmc.ChassisStatus), bmc.Empty); off(bmc.IgnoreOff)(f) }, nil, 1, "unknown-state: .*0 bytes", true},
		{"answers of off lost", func(f *toolFence) { f.bmc.FailAt(bmc.At(bmc.ChassisControl), bmc.LoseAnswer) }, nil, 0, "off-observed", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patiently(t, []string{"timeout=16", "timeout=100"}, func(timeout string) string {
				f := newToolFence(t, bmc.Options{}, append(slices.Clone(c.params), timeout)...)
				c.prepare(f)
				return f.wrong("off", c.status, c.says, c.power)
			})
		})
	}
}

// TestIPMIToolAddresses shows that a dead address of a BMC is no hindrance.
func TestIPMIToolAddresses(t *testing.T) {
	t.Parallel()
	dead := newToolFence(t, bmc.Options{})
	if err := dead.bmc.Fail(bmc.Silent); err != nil {
		t.Fatal(err)
	}
	f := newToolFence(t, bmc.Options{})
	f.env = append(f.env, "hostlist=", "hostname=node-1", "ipaddr="+dead.address()+" "+f.address(), "timeout=60")
	f.says("off", 0, "off-observed", false)
}

// TestIPMIToolGUID shows that bmc_guid takes the GUID that ipmitool prints.
func TestIPMIToolGUID(t *testing.T) {
	t.Parallel()
	f := newToolFence(t, bmc.Options{})
	command := exec.Command(foreignProgram(t, "ipmitool"), "-I", "lanplus", "-C", "17", "-H", f.bmc.Host(), "-p", strconv.Itoa(f.bmc.Port()),
		"-U", "oper", "-L", "OPERATOR", "-E", "mc", "guid")
	command.Env = []string{"IPMI_PASSWORD=Secret-2"}
	out, err := command.Output()
	found := regexp.MustCompile(`GUID +: ([0-9A-Fa-f-]{32,36})`).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("ipmitool: %v, %q", err, out)
	}
	f.env = append(f.env, "bmc_guid=node-1="+string(found[1]))
	f.says("off", 0, "off-observed", false)
	f.says("on", 0, "on-observed", true)
	f.env = append(f.env, "bmc_guid=node-1="+strings.Repeat("1", 32))
	f.says("off", 1, "not-found: .*another BMC", true)
}

// TestIPMIToolOneReset shows that a cycle or reset whose answer is lost is carried out
// once, and that one which is refused gives way to off and on.
func TestIPMIToolOneReset(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"cycle", "hard"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			f := newToolFence(t, bmc.Options{}, "method="+method, "timeout=60")
			f.bmc.FailAt(bmc.At(bmc.ChassisControl).Nth(1), bmc.LoseAnswer)
			f.says("reset", 0, "off-observed, on-observed", true)
			if n := f.count(bmc.ChassisControl); n != 3 {
				t.Errorf("%d commands: %+v, want the %s, off and on", n, f.bmc.Commands(), method)
			}
			f = newToolFence(t, bmc.Options{}, "method="+method)
			f.bmc.RefuseAt(bmc.At(bmc.ChassisControl).Nth(1), 0xd5)
			f.says("reset", 0, "off-observed, on-observed", true)
		})
	}
}

// TestIPMIToolKilled shows that ipmitool ends with the plugin, and that no secret is
// seen of it.
func TestIPMIToolKilled(t *testing.T) {
	t.Parallel()
	f := newToolFence(t, bmc.Options{Key: []byte("Key-of-the-BMC")}, "kg=Key-of-the-BMC")
	asked := make(chan struct{})
	f.bmc.DoAt(bmc.At(bmc.AnyStep).Nth(1), func() { close(asked) })
	if err := f.bmc.Fail(bmc.Silent); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/usr/lib/stonith/plugins/external/ipmi2", "off", "node-1")
	command.Env = f.env
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	case <-time.After(ipmiToolLimit):
		t.Fatal("ipmitool asks nothing")
	}
	children, err := filepath.Glob("/proc/" + strconv.Itoa(command.Process.Pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	child := ""
	for _, file := range children {
		text, _ := os.ReadFile(file)
		child += strings.TrimSpace(string(text))
	}
	arguments, err := os.ReadFile("/proc/" + child + "/cmdline")
	if err != nil || !bytes.Contains(arguments, []byte("ipmitool")) || bytes.Contains(arguments, []byte("Secret-2")) || bytes.Contains(arguments, []byte("Key-of")) {
		t.Errorf("command line %q, %v, want ipmitool without secrets", arguments, err)
	}
	environment, err := os.ReadFile("/proc/" + child + "/environ")
	if err != nil || string(environment) != "LC_ALL=C\x00IPMI_KGKEY=Key-of-the-BMC\x00" {
		t.Errorf("environment %q, %v", environment, err)
	}
	if err := command.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	// By itself it gives up after 20 s.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + child + "/stat")
		if err != nil || bytes.Contains(state, []byte(") Z ")) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("ipmitool outlives the plugin: %s", state)
		}
	}
}

// TestIPMIToolSpoofer shows what someone on the way, who knows no password, can say through
// ipmitool: it takes packets without their code, and in sessions that are encrypted packets
// in clear. So each call with it warns, whatever the cipher suite.
func TestIPMIToolSpoofer(t *testing.T) {
	t.Parallel()
	const attempts = 3 // other work on the machine may change the order of what ipmitool sends
	reads := func() lossy.Forger { return &lossy.Spoofer{Bold: true} }
	accepts, off := []byte{0x01, 0x02, 0x00}, []byte{0x01, 0x01, 0x00, 0x60, 0x10, 0x00, 0x00}
	blind := func() lossy.Forger {
		return &lossy.BlindSpoofer{Forge: [][]byte{nil, nil, accepts, off}} // after a login and a look
	}
	for _, c := range []struct {
		params  string
		network func() lossy.Forger
		fooled  bool // so is ipmitool 1.8.19
	}{
		{"cipher=17", blind, true},
		{"cipher=3", blind, true},
		{"cipher=17", reads, false}, // what is encrypted
		{"cipher=2", reads, true},
		{"cipher=1", reads, true},
		{"cipher=15", reads, true},
		{"cipher=0", reads, true},
		{"interface=lan", reads, true},
	} {
		t.Run(fmt.Sprintf("%s, fooled %v", c.params, c.fooled), func(t *testing.T) {
			t.Parallel()
			said, fooled := "", false
			for i := 0; i < attempts && (i == 0 || fooled != c.fooled); i++ {
				said, fooled = offThroughSpoofer(t, c.network(), c.params)
				if !strings.Contains(said, "warning: off node-1: ipmitool is set") || !strings.Contains(said, "anyone on the network") {
					t.Errorf("no warning: %s", said)
				}
			}
			if fooled != c.fooled {
				t.Errorf("fooled: %v, want %v: what the documents say of ipmitool is to be changed; %s", fooled, c.fooled, said)
			}
		})
	}
}

// offThroughSpoofer calls off, and reports whether it is a success, and the node is on.
func offThroughSpoofer(t *testing.T, network lossy.Forger, params string) (said string, fooled bool) {
	t.Helper()
	f := newToolFence(t, bmc.Options{}, params)
	proxy, err := lossy.Start("127.0.0.1", f.address(), lossy.Options{Forge: network})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	f.env = append(f.env, "hostlist=node-1:127.0.0.1:"+strconv.Itoa(proxy.Port()))
	status, said := f.call("off", "node-1")
	return said, status == 0 && f.bmc.Power()
}

// TestIPMIToolSleeps shows that a node that sleeps or hibernates is no better hidden by
// ipmitool.
func TestIPMIToolSleeps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		arrange func(*bmc.BMC)
		verb    string
		status  int
		says    string
		on      bool
	}{
		{"asleep", (*bmc.BMC).Sleep, "off", 0, "off-observed", false},
		{"asleep, and off is ignored", func(b *bmc.BMC) { b.Sleep(); _ = b.Fail(bmc.IgnoreOff) }, "off", 1, "still-on: .*S3 .03h.", true},
		{"hibernates", func(b *bmc.BMC) { b.SetPower(false); b.SetACPI(0x04) }, "reset", 0, "error: .*hibernates", false},
		{"no such command", func(b *bmc.BMC) { b.RefuseAt(bmc.At(bmc.ACPIState), 0xc1) }, "off", 0, "off-observed", false},
		{"the BMC has just started", func(b *bmc.BMC) {
			_, _, _ = b.Fail(bmc.Starts), b.Fail(bmc.SaysOff), b.Fail(bmc.IgnoreOff)
		}, "off", 1, "unknown-state: .*just started", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patiently(t, []string{"timeout=30", "timeout=100"}, func(timeout string) string {
				f := newToolFence(t, bmc.Options{}, timeout)
				c.arrange(f.bmc)
				return f.wrong(c.verb, c.status, c.says, c.on)
			})
		})
	}
}
