package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// The benchmarks run ours and the peer by turns in one go and report the ratio
// of their times: what else the machine does hits both. docs/performance.md
// explains each.

// timed runs a command that must succeed and returns its time.
func timed(b *testing.B, command *exec.Cmd) time.Duration {
	b.Helper()
	start := time.Now()
	out, err := command.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		b.Fatalf("%v: %v: %s", command.Args, err, out)
	}
	return took
}

// peakMiB runs a command that must succeed below the program peak and returns its peak memory.
func peakMiB(b *testing.B, command *exec.Cmd) float64 {
	b.Helper()
	var stderr strings.Builder
	command.Stderr = &stderr
	if err := command.Run(); err != nil {
		b.Fatalf("%v: %v: %s", command.Args, err, stderr.String())
	}
	lines := strings.Fields(stderr.String())
	kib, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}

// A benchNode is what a benchmark fences.
type benchNode interface {
	start()
	runs() bool // what is true
}

// fence runs what must switch the node off, and returns what its run has returned.
// A success with a node that runs ends the benchmark.
func fence[T any](b *testing.B, node benchNode, run func(*testing.B, *exec.Cmd) T, command *exec.Cmd) T {
	b.Helper()
	node.start()
	got := run(b, command)
	if node.runs() {
		b.Fatalf("FALSE SUCCESS: %v: the node runs", command.Args)
	}
	return got
}

// middle is the one in the middle of the times.
func middle(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func pluginCommand(args ...string) *exec.Cmd {
	return withParameters(exec.Command(pluginPath, args...))
}

func withParameters(command *exec.Cmd) *exec.Cmd {
	command.Env = append(parameters(), "HOME="+filepath.Join(labDir, "home"))
	return command
}

// sshCommand is OpenSSH's client, to a Dom0, with a key that may run any command.
func sshCommand(dom0, command string) *exec.Cmd {
	return exec.Command("ssh", "-F", "/dev/null", "-i", key("shell"), "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile="+filepath.Join(labDir, "home/.ssh/known_hosts"), "xen@"+dom0, command)
}

// BenchmarkOff compares off with proof, of a running guest on one Dom0, with the
// same work by OpenSSH's client: one ssh that destroys, one that lists.
func BenchmarkOff(b *testing.B) {
	d := dom0s["alpha"]
	must("alpha", errors.Join(d.reset(), peerRule(d)))
	xl := d.dir("xen/sbin/xl")
	start := func() {
		if _, err := d.xl("create", "-q", "-e", d.host.Config("node-1")); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := d.xl("destroy", "node-1"); err != nil {
		b.Fatal(err)
	}
	var ours, peer time.Duration
	for b.Loop() {
		start()
		ours += timed(b, pluginCommand("off", "node-1", "sshaccount=xen@alpha"))
		start()
		peer += timed(b, sshCommand("alpha", "sudo -n "+xl+" destroy node-1"))
		peer += timed(b, sshCommand("alpha", "sudo -n "+xl+" list"))
	}
	if d.runs("node-1") {
		b.Fatal("the guest still runs")
	}
	b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms/off")
	b.ReportMetric(peer.Seconds()*1000/float64(b.N), "ms/two-ssh")
	b.ReportMetric(ours.Seconds()/peer.Seconds(), "ratio(goal<=1.0)")
	start()
	b.ReportMetric(peakMiB(b, withParameters(exec.Command(builtPeak, pluginPath, "off", "node-1"))), "MiB-peak(goal<=20)")
}

// peerRule lets the peer run the Dom0s' xl by sudo, which ours does not need.
func peerRule(all ...*dom0) error {
	var rules strings.Builder
	for _, d := range all {
		fmt.Fprintf(&rules, "xen ALL = (root) NOPASSWD: %s\n", d.dir("xen/sbin/xl"))
	}
	return os.WriteFile("/etc/sudoers.d/peer", []byte(rules.String()), 0o440)
}

// BenchmarkInfo measures the processor time of the verbs that need no device.
func BenchmarkInfo(b *testing.B) {
	for _, verb := range []string{"getconfignames", "getinfo-xml", "gethosts"} {
		b.Run(verb, func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				command := pluginCommand(verb)
				timed(b, command)
				cpu += command.ProcessState.UserTime() + command.ProcessState.SystemTime()
			}
			b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "ms-CPU(goal<=4)")
		})
	}
}

// BenchmarkHelper compares one request through gate, sudo and root half with a
// forced command that does the same two looks in two lines of shell, each over a
// connection that is there; and tells the peak memory of gate and root half.
func BenchmarkHelper(b *testing.B) {
	d := dom0s["alpha"]
	must("alpha", errors.Join(d.reset(), peerRule(d)))
	ours, peer := connect(b, d, "cluster"), connect(b, d, plainPersona(d))
	var helper, shell time.Duration
	for b.Loop() {
		helper += session(b, ours, "dom0/1 state node-1 bench", "dom0/1 bench ok on\n")
		shell += session(b, peer, "", "Name ")
	}
	b.ReportMetric(helper.Seconds()*1000/float64(b.N), "ms/request")
	b.ReportMetric(shell.Seconds()*1000/float64(b.N), "ms/shell")
	b.ReportMetric((helper-shell).Seconds()*1000/float64(b.N), "ms-added(goal<=10)")
	b.ReportMetric(helper.Seconds()/shell.Seconds(), "ratio(goal<=1.1)")
	b.ReportMetric(gateMemory(b, d), "MiB-gate(goal<=10)")
	b.ReportMetric(rootHalfMemory(b, d), "MiB-root-half(goal<=10)")
}

// plainPersona makes a key whose forced command is the shortest script that looks
// as the helper does, and returns its name.
func plainPersona(d *dom0) string {
	const owner = "plain"
	script, xl := filepath.Join(labDir, owner+".sh"), d.dir("xen/sbin/xl")
	must("script", program.Write(script, "#!/bin/sh\nsudo -n "+xl+" list -v\nsudo -n "+xl+" list -l\n", 0o755))
	must("key", makeKey(owner, "xen", `restrict,command="`+script+`"`))
	return owner
}

// connect returns a connection to the Dom0 as xen, with the key of a persona.
func connect(b *testing.B, d *dom0, owner string) *ssh.Client {
	b.Helper()
	private, err := os.ReadFile(key(owner))
	must("key", err)
	signer, err := ssh.ParsePrivateKey(private)
	must("key", err)
	public, err := os.ReadFile(d.dir("etc/host_key.pub"))
	must("host key", err)
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey(public)
	must("host key", err)
	client, err := ssh.Dial("tcp", d.address+":22", &ssh.ClientConfig{
		User: "xen", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
	must("connecting", err)
	b.Cleanup(func() { _ = client.Close() })
	return client
}

// session runs a command, whose output must begin as wanted, and returns its time.
func session(b *testing.B, client *ssh.Client, command, want string) time.Duration {
	b.Helper()
	start := time.Now()
	s, err := client.NewSession()
	if err != nil {
		b.Fatal(err)
	}
	out, err := s.Output(command)
	took := time.Since(start)
	if err != nil || !strings.HasPrefix(string(out), want) {
		b.Fatalf("session %q: %v: %s", command, err, out)
	}
	return took
}

// rootHalfMemory is the peak memory of the root half for one look, in MiB.
func rootHalfMemory(b *testing.B, d *dom0) float64 {
	b.Helper()
	command := d.on("env", "SUDO_USER=xen", builtPeak, "/usr/local/sbin/dom0-helper", "root")
	command.Stdin = strings.NewReader("dom0/1 state node-1 bench client bench from ::1\n")
	return peakMiB(b, command)
}

// gateMemory is that of the gate, which true replaces in the end instead of sudo.
func gateMemory(b *testing.B, d *dom0) float64 {
	b.Helper()
	return peakMiB(b, d.on("env", "SSH_ORIGINAL_COMMAND=dom0/1 state node-1 bench", "SSH_CONNECTION=::1 1 ::1 22",
		builtPeak, "/usr/local/sbin/dom0-helper", "gate", "--allow", "node-1", "--client", "bench", "--sudo", "/bin/true"))
}

// BenchmarkAtOnce compares off with proof of many guests of one Dom0 at the same
// moment with that of one, and with the same by OpenSSH's client.
func BenchmarkAtOnce(b *testing.B) {
	c, err := newCrowd()
	must("the crowd", err)
	defer c.end()
	must("the crowd", errors.Join(c.limitStartups(fmt.Sprint(2*many)), peerRule(c.dom0)))
	xl := c.dir("xen/sbin/xl")
	var one, all, peer time.Duration
	for b.Loop() {
		must("the crowd", c.begin(true))
		one += timed(b, pluginCommand(append([]string{"off", c.guests[0]}, c.params()...)...))
		must("the crowd", c.begin(true))
		all += atOnce(c.guests, func(guest string) { timed(b, pluginCommand(append([]string{"off", guest}, c.params()...)...)) })
		must("the crowd", c.begin(true))
		peer += atOnce(c.guests, func(guest string) {
			timed(b, sshCommand("crowd", "sudo -n "+xl+" destroy "+guest))
			timed(b, sshCommand("crowd", "sudo -n "+xl+" list"))
		})
	}
	b.ReportMetric(one.Seconds()*1000/float64(b.N), "ms/one")
	b.ReportMetric(all.Seconds()*1000/float64(b.N), "ms/64")
	b.ReportMetric(peer.Seconds()*1000/float64(b.N), "ms/64-two-ssh")
	b.ReportMetric(all.Seconds()/one.Seconds(), "64-to-one")
	b.ReportMetric(all.Seconds()/peer.Seconds(), "ratio(goal<=1.0)")
}

// atOnce does something for all nodes at the same moment and returns its time.
func atOnce(nodes []string, act func(node string)) time.Duration {
	var all sync.WaitGroup
	start := time.Now()
	for _, node := range nodes {
		all.Go(func() { act(node) })
	}
	all.Wait()
	return time.Since(start)
}
