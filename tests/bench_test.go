package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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

func pluginCommand(args ...string) *exec.Cmd {
	return withParameters(exec.Command(pluginPath, args...))
}

func withParameters(command *exec.Cmd) *exec.Cmd {
	command.Env = append(parameters(), "HOME="+filepath.Join(labDir, "home"))
	return command
}

// sshCommand is OpenSSH's client, to alpha with the key of a persona.
func sshCommand(persona, command string) *exec.Cmd {
	return exec.Command("ssh", "-F", "/dev/null", "-i", key(persona), "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile="+filepath.Join(labDir, "home/.ssh/known_hosts"), "xen@alpha", command)
}

// BenchmarkOff compares off with proof, of a running guest on one Dom0, with the
// same work by OpenSSH's client: one ssh that destroys, one that lists.
func BenchmarkOff(b *testing.B) {
	must("sudo rule of the peer", peerRule())
	d := dom0s["alpha"]
	must("alpha", d.reset())
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
		peer += timed(b, sshCommand("shell", "sudo -n "+xl+" destroy node-1"))
		peer += timed(b, sshCommand("shell", "sudo -n "+xl+" list"))
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

// peerRule lets the peer run xl by sudo, which ours does not need.
func peerRule() error {
	rule := "xen ALL = (root) NOPASSWD: " + dom0s["alpha"].dir("xen/sbin/xl") + "\n"
	return os.WriteFile("/etc/sudoers.d/peer", []byte(rule), 0o440)
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

// BenchmarkHelper compares one request through gate, sudo and root half with the
// shortest shell command line that does the same look, each over its own ssh
// connection; and tells the peak memory of the root half.
func BenchmarkHelper(b *testing.B) {
	must("sudo rule of the peer", peerRule())
	d := dom0s["alpha"]
	must("alpha", d.reset())
	xl := d.dir("xen/sbin/xl")
	var ours, peer time.Duration
	for b.Loop() {
		ours += timed(b, sshCommand("cluster", "dom0/1 state node-1 bench"))
		peer += timed(b, sshCommand("shell", "sudo -n "+xl+" list -v; sudo -n "+xl+" list -l"))
	}
	b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms/request")
	b.ReportMetric(peer.Seconds()*1000/float64(b.N), "ms/shell")
	b.ReportMetric(ours.Seconds()/peer.Seconds(), "ratio")
	b.ReportMetric(rootHalfMemory(b, d), "MiB-peak(goal<=10)")
}

// rootHalfMemory is the peak memory of the root half for one look, in MiB.
func rootHalfMemory(b *testing.B, d *dom0) float64 {
	b.Helper()
	command := d.on("env", "SUDO_USER=xen", builtPeak, "/usr/local/sbin/dom0-helper", "root")
	command.Stdin = strings.NewReader("dom0/1 state node-1 bench client bench from ::1\n")
	return peakMiB(b, command)
}
