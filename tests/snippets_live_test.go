package tests

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// liveSetup is the first process of a cluster's only node. It has corosync, and of
// Pacemaker the part that keeps the CIB.
const liveSetup = `set -e
mount -t proc proc /proc
for dir in /run /dev/shm /var/lib/corosync /var/lib/pacemaker /var/log /etc/corosync; do mount -t tmpfs -o mode=0755 tmpfs $dir; done
install -d -o hacluster -g haclient -m 0750 /run/crm /var/lib/pacemaker/cib /var/log/pacemaker
install -d /var/log/crmsh
ip link set lo up
cat >/etc/corosync/corosync.conf
exec </dev/null >/run/console 2>&1
corosync -f &
until corosync-cfgtool -s >/dev/null; do sleep 0.05; done
export PCMK_logfile=/var/log/pacemaker/pacemaker.log PCMK_logfacility=none
/usr/lib/pacemaker/pacemaker-based &
wait`

// liveNode is that node in corosync's configuration.
const liveNode = `  node {
    ring0_addr: 127.0.0.1
    name: node-1
    nodeid: 1
  }
`

// A liveCluster is one whose CIB is alive: it is asked, not read.
type liveCluster struct {
	t   *testing.T
	pid int
}

// newLiveCluster starts one, in which two nodes are known.
func newLiveCluster(t *testing.T) *liveCluster {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", liveSetup)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	command.Stdin = strings.NewReader(fmt.Sprintf(corosyncConfig, liveNode))
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	must("a cluster", command.Start())
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	c := &liveCluster{t: t, pid: command.Process.Pid}
	for end := time.Now().Add(toolLimit); ; time.Sleep(50 * time.Millisecond) {
		status, _, stderr := c.run("cibadmin", "--query")
		if status == 0 {
			break
		}
		if time.Now().After(end) {
			_, console, _ := c.run("cat", "/run/console")
			t.Fatalf("the cluster does not answer: %s%s", stderr, console)
		}
	}
	c.must("cibadmin", "--modify", "--scope", "nodes", "--xml-text", `<nodes><node id="1" uname="node-1"/><node id="2" uname="node-2"/></nodes>`)
	// Nobody counts votes here.
	c.must("cibadmin", "--modify", "--xml-text", `<cib have-quorum="1" dc-uuid="1"/>`)
	c.must("cibadmin", "--modify", "--scope", "status", "--xml-text", `<status><node_state id="1" uname="node-1" in_ccm="true" crmd="online" join="member" expected="member"/><node_state id="2" uname="node-2" in_ccm="true" crmd="online" join="member" expected="member"/></status>`)
	return c
}

// run runs a program on the node.
func (c *liveCluster) run(program string, args ...string) (status int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(context.Background(), toolLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "/usr/bin/nsenter", append([]string{"-t", strconv.Itoa(c.pid), "-m", "-p", "-n", "-i", program}, args...)...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/run"}
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), out.String(), errors.String()
}

func (c *liveCluster) must(program string, args ...string) string {
	c.t.Helper()
	status, stdout, stderr := c.run(program, args...)
	if status != 0 {
		c.t.Fatalf("%s %s: status %d: %s%s", program, strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

// quietly runs a program that must succeed, beside the test.
func (c *liveCluster) quietly(program string, args ...string) {
	if status, stdout, stderr := c.run(program, args...); status != 0 {
		c.t.Errorf("%s %s: status %d: %s%s", program, strings.Join(args, " "), status, stdout, stderr)
	}
}

// TestSnippetsLive installs and removes an example in a cluster that is alive, by each
// tool, while nothing else happens and while other things change all the time. The commands
// of pcs give it the same.
func TestSnippetsLive(t *testing.T) {
	t.Parallel()
	two := absolute(snippetExamples + "bmc-two-nodes.toml")
	c := newLiveCluster(t)
	for _, tool := range snippetTools {
		empty := c.must("cibadmin", "--query")
		install, remove := []string{"install", two, "--tool", tool}, []string{"remove", two, "--tool", tool}
		c.must(snippetsProgram, append(install, "--dry-run")...)
		if now := c.must("cibadmin", "--query"); now != empty {
			t.Fatalf("%s: --dry-run has changed the cluster: %s", tool, now)
		}
		c.must(snippetsProgram, install...)
		full := c.must("cibadmin", "--query")
		if !hasTwoDevices(full) {
			t.Fatalf("%s: the cluster has not all: %s", tool, full)
		}
		if out := c.must(snippetsProgram, install...); out != "nothing to do\n" || c.must("cibadmin", "--query") != full {
			t.Errorf("%s: install again says %q", tool, out)
		}
		if out := c.must(snippetsProgram, "check", two); strings.Contains(out, "not checked") {
			t.Errorf("%s: check: %s", tool, out)
		}
		if out := c.must(snippetsProgram, "convert"); !strings.Contains(out, `hostlist = "node-1:192.0.2.1 node-2:192.0.2.2"`) {
			t.Errorf("%s: convert of the cluster: %s", tool, out)
		}
		c.must(snippetsProgram, remove...)
		if out := c.must(snippetsProgram, remove...); out != "nothing to do\n" || strings.Contains(c.must("cibadmin", "--query"), "<primitive ") {
			t.Errorf("%s: remove again says %q", tool, out)
		}
	}
	c.must("sh", "-c", "cd /run && sh "+absolute(snippetExamples+"bmc-two-nodes.pcs"))
	if out := c.must(snippetsProgram, "install", two); out != "nothing to do\n" {
		t.Errorf("install after the commands of pcs says %q", out)
	}
	c.must(snippetsProgram, "remove", two)
	c.amidChanges("crm", two)
	c.amidState("crm", two)
}

// changePause is the first pause between two changes. It is so short that no tool makes
// its change in it; each pause is longer than the one before, until one is long enough to
// give a change to the cluster, however busy the machine is.
const changePause = 300 * time.Millisecond

// amidChanges installs while properties are set all the time. No such change is lost;
// the configuration is installed as a whole, or it is said that it is not.
func (c *liveCluster) amidChanges(tool, description string) {
	c.t.Helper()
	status, stderr, n := c.amid(description, tool, func(n int) {
		c.quietly("crm_attribute", "--type", "crm_config", "--name", "counter-"+strconv.Itoa(n), "--update", "x")
	})
	now := c.must("cibadmin", "--query")
	refused := status == 1 && !strings.Contains(now, "<primitive ") && strings.Contains(stderr, "nothing was changed: the cluster has changed since it was read")
	installed := status == 0 && hasTwoDevices(now)
	if !installed && !refused {
		c.t.Errorf("%s amid changes: status %d: %s%s", tool, status, stderr, now)
	}
	for i := 1; i <= n; i++ {
		if !strings.Contains(now, fmt.Sprintf(`name="counter-%d"`, i)) {
			c.t.Fatalf("%s: change %d of %d is lost: %s", tool, i, n, now)
		}
	}
	c.must(snippetsProgram, "remove", description)
}

// amidState installs while the cluster's state changes, as it does when resources are
// started and stopped. That is not in the way, and not lost.
func (c *liveCluster) amidState(tool, description string) {
	c.t.Helper()
	status, stderr, n := c.amid(description, tool, func(n int) {
		c.quietly("cibadmin", "--modify", "--scope", "status", "--xml-text", `<status><node_state id="1" crm-debug-origin="`+strconv.Itoa(n)+`"/></status>`)
	})
	now := c.must("cibadmin", "--query")
	if status != 0 || !hasTwoDevices(now) {
		c.t.Errorf("%s amid changes of state: status %d: %s%s", tool, status, stderr, now)
	}
	if !strings.Contains(now, fmt.Sprintf(`crm-debug-origin="%d"`, n)) {
		c.t.Errorf("%s: the last change of state, to %d, is lost: %s", tool, n, now)
	}
}

func hasTwoDevices(cib string) bool {
	return strings.Count(cib, "<primitive ") == 2 && strings.Count(cib, "<rsc_location ") == 2
}

// amid installs while changes are made one after the other, with a pause between them.
// It returns how many.
func (c *liveCluster) amid(description, tool string, change func(n int)) (status int, stderr string, last int) {
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		for n := 1; ; n++ {
			change(n)
			select {
			case <-stop:
				done <- n
				return
			case <-time.After(time.Duration(n) * changePause):
			}
		}
	}()
	status, _, stderr = c.run(snippetsProgram, "install", description, "--tool", tool)
	close(stop)
	return status, stderr, <-done
}
