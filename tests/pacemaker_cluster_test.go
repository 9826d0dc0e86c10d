package tests

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// A memberNode is a node of a real cluster: a machine on this one, whose power is a BMC's.
type memberNode struct {
	name, address string
	dir           string
	bmc           *bmc.BMC
	init          *exec.Cmd // its first process
}

// clusterName names the cluster, its bridge and network. This machine has its last address.
const (
	clusterName    = "pk"
	clusterNetwork = "10.78.0."
	clusterRouter  = clusterNetwork + "254"
)

// memberSetup is the first process of a node. $1 is its name, $2 its directory, $3 its address.
const memberSetup = `set -e
mount -t proc proc /proc
hostname "$1"
for dir in /run /tmp /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs $dir; done
install -d -o hacluster -g haclient -m 0750 /run/crm
for dir in /etc/corosync /var/lib/corosync /var/lib/pacemaker /var/log; do mount --bind "$2$dir" $dir; done
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip addr add "$3/24" dev eth0
ip link set eth0 up
exec </dev/null >"$2/console" 2>&1
corosync -f &
until corosync-cfgtool -s >/dev/null; do sleep 0.05; done
export PCMK_logfile=/var/log/pacemaker/pacemaker.log PCMK_logfacility=none
pacemakerd &
wait`

// corosyncConfig has the nodes where %s is. Its token is the usual one.
const corosyncConfig = `totem {
  version: 2
  cluster_name: ` + clusterName + `
  transport: knet
  token: 3000
  crypto_cipher: none
  crypto_hash: none
}
system {
  sched_rr: no
  move_to_root_cgroup: no
  allow_knet_handle_fallback: yes
}
logging {
  to_syslog: no
  to_stderr: yes
}
quorum {
  provider: corosync_votequorum
}
nodelist {
%s}
`

// clusterConfig is the CIB that all nodes begin with, but for the parameters of the
// agent and of the external plugin.
const clusterConfig = `<cib crm_feature_set="3.0.10" validate-with="pacemaker-3.0" epoch="1" num_updates="0" admin_epoch="0">
<configuration>
<crm_config><cluster_property_set id="options">
<nvpair id="options-dc-deadtime" name="dc-deadtime" value="2s"/>
</cluster_property_set></crm_config>
<nodes/>
<resources>
<primitive id="by-agent" class="stonith" type="fence_ipmi"><instance_attributes id="by-agent-params">%s</instance_attributes></primitive>
<primitive id="by-plugin" class="stonith" type="external/ipmi2"><instance_attributes id="by-plugin-params">%s</instance_attributes></primitive>
</resources>
<constraints/>
</configuration>
<status/>
</cib>
`

// TestPacemakerCluster has a real cluster of three nodes, and a fourth machine that is no
// member. It is rebooted on demand, through the external plugin. Then a node's corosync is
// killed, and the cluster fences that node by itself, through the fence agent.
func TestPacemakerCluster(t *testing.T) {
	t.Parallel()
	must("a bridge", makeBridge())
	t.Cleanup(func() { must("the bridge", ip("link del "+clusterName)) })
	spare := newMember(t, 4)
	nodes := newCluster(t, spare)
	first, lost, other := nodes[0], nodes[1], nodes[2]
	first.until(t, "all nodes are online, and both devices started", func() bool {
		return slices.Equal(first.online(), []string{first.name, lost.name, other.name}) && first.started() == 2
	})
	if out, err := first.run("stonith_admin", "--reboot", spare.name, "--timeout", orderLimit); err != nil {
		t.Fatalf("stonith_admin: %v: %s", err, out)
	}
	spare.did(t, bmc.WentOff, bmc.WentOn)
	lost.did(t)

	go lost.obeyBMC()
	lost.killCorosync(t)
	first.until(t, "the cluster takes the lost node for fenced", func() bool {
		return slices.Equal(first.online(), []string{first.name, other.name}) && !first.takesUnclean(lost)
	})
	lost.did(t, bmc.WentOff, bmc.WentOn)
	for _, n := range []*memberNode{first, other} {
		n.did(t)
	}
}

// makeBridge makes the network of the cluster.
func makeBridge() error {
	return errors.Join(ip("link add "+clusterName+" type bridge"), ip("addr add "+clusterRouter+"/24 dev "+clusterName), ip("link set "+clusterName+" up"))
}

// newMember is a node that is not started yet, with its BMC.
func newMember(t *testing.T, number int) *memberNode {
	t.Helper()
	b, err := bmc.Start(bmc.Options{Host: clusterRouter})
	must("a BMC", err)
	t.Cleanup(b.Close)
	return &memberNode{name: fmt.Sprint("n", number), address: clusterNetwork + strconv.Itoa(number), bmc: b}
}

// newCluster starts three nodes. The machine spare is a node of the external plugin.
func newCluster(t *testing.T, spare *memberNode) []*memberNode {
	t.Helper()
	var nodes []*memberNode
	var list strings.Builder
	for i := 1; i <= 3; i++ {
		n := newMember(t, i)
		nodes = append(nodes, n)
		fmt.Fprintf(&list, "  node {\n    ring0_addr: %s\n    name: %s\n    nodeid: %d\n  }\n", n.address, n.name, i)
	}
	user, passwd := bmc.DefaultUsers()[1], labFile(t, "passwd")
	must("passwd", os.WriteFile(passwd, []byte(user.Password+"\n"), 0o600))
	params := func(of string, nodes ...*memberNode) string {
		var hostlist []string
		for _, n := range nodes {
			hostlist = append(hostlist, fmt.Sprintf("%s:%s:%d", n.name, n.bmc.Host(), n.bmc.Port()))
		}
		var pairs strings.Builder
		for name, value := range map[string]string{"hostlist": strings.Join(hostlist, " "), "userid": user.Name, "passwd_file": passwd, "cycle_time": "1s"} {
			fmt.Fprintf(&pairs, `<nvpair id="%s-%s" name="%[2]s" value="%s"/>`, of, name, value)
		}
		return pairs.String()
	}
	cib := fmt.Sprintf(clusterConfig, params("by-agent", nodes...), params("by-plugin", spare))
	for _, n := range nodes {
		n.start(t, fmt.Sprintf(corosyncConfig, list.String()), cib)
	}
	return nodes
}

func ip(command string) error {
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", command, err, out)
	}
	return nil
}

// start starts the node's machine, with a cable to the bridge.
func (n *memberNode) start(t *testing.T, corosync, cib string) {
	t.Helper()
	n.dir = labTemp(t)
	for _, command := range []string{
		"install -d $1/etc/corosync $1/var/lib/corosync $1/var/log",
		"install -d -o hacluster -g haclient -m 0750 $1/var/lib/pacemaker $1/var/lib/pacemaker/blackbox $1/var/lib/pacemaker/cib $1/var/lib/pacemaker/cores $1/var/lib/pacemaker/pengine $1/var/log/pacemaker",
		"printf %s \"$2\" >$1/etc/corosync/corosync.conf",
		"printf %s \"$3\" >$1/var/lib/pacemaker/cib/cib.xml",
		"chown hacluster:haclient $1/var/lib/pacemaker/cib/cib.xml",
		"chmod 600 $1/var/lib/pacemaker/cib/cib.xml",
	} {
		if out, err := exec.Command("sh", "-c", command, "sh", n.dir, corosync, cib).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	n.init = exec.Command("sh", "-c", memberSetup, "sh", n.name, n.dir, n.address)
	n.init.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	n.init.Stderr = os.Stderr
	n.init.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	must("node "+n.name, n.init.Start())
	t.Cleanup(func() {
		n.cut()
		_ = n.init.Wait() // killed
	})
	must("a cable", ip(fmt.Sprintf("link add %s-%s type veth peer name eth0 netns %d", clusterName, n.name, n.init.Process.Pid)))
	must("a cable", ip(fmt.Sprintf("link set %s-%s master %[1]s up", clusterName, n.name)))
}

// cut takes the node's power.
func (n *memberNode) cut() { _ = n.init.Process.Kill() }

// obeyBMC takes the node's power when the BMC does.
func (n *memberNode) obeyBMC() {
	for len(n.bmc.History()) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	n.cut()
}

// run runs a program on the node.
func (n *memberNode) run(args ...string) (string, error) {
	enter := []string{"-t", strconv.Itoa(n.init.Process.Pid), "-m", "-n", "-u", "-i", "-p", "--"}
	out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
	return string(out), err
}

// clusterLimit is what the cluster may take for anything, many times over.
const clusterLimit = 3 * time.Minute

func (n *memberNode) until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(clusterLimit); !so(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			status, _ := n.run("crm_mon", "-1")
			console, _ := os.ReadFile(filepath.Join(n.dir, "console"))
			log, _ := os.ReadFile(filepath.Join(n.dir, "var/log/pacemaker/pacemaker.log"))
			t.Fatalf("never so: %s\n%s\n%s\n%s", what, status, console, log)
		}
	}
}

// A monitored is what crm_mon says.
type monitored struct {
	Nodes []struct {
		Name    string `xml:"name,attr"`
		Online  bool   `xml:"online,attr"`
		Pending bool   `xml:"pending,attr"`
		Unclean bool   `xml:"unclean,attr"`
	} `xml:"nodes>node"`
	Resources []struct {
		Role string `xml:"role,attr"`
	} `xml:"resources>resource"`
}

func (n *memberNode) monitor() (m monitored) {
	out, err := n.run("crm_mon", "-1", "--output-as=xml")
	if err != nil || xml.Unmarshal([]byte(out), &m) != nil {
		return monitored{} // not yet
	}
	return m
}

// online are the members, as the node sees them.
func (n *memberNode) online() []string {
	var names []string
	for _, one := range n.monitor().Nodes {
		if one.Online && !one.Pending {
			names = append(names, one.Name)
		}
	}
	slices.Sort(names)
	return names
}

// takesUnclean reports whether the node waits for the other one to be fenced.
func (n *memberNode) takesUnclean(other *memberNode) bool {
	for _, one := range n.monitor().Nodes {
		if one.Name == other.name {
			return one.Unclean
		}
	}
	return true // it does not answer
}

// did expects all that truly happened to the node.
func (n *memberNode) did(t *testing.T, want ...bmc.Happening) {
	t.Helper()
	var got []bmc.Happening
	for _, event := range n.bmc.History() {
		got = append(got, event.What)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the truth: %s did %q, want %q", n.name, got, want)
	}
}

// started is how many devices have been monitored with success.
func (n *memberNode) started() (count int) {
	for _, r := range n.monitor().Resources {
		if r.Role == "Started" {
			count++
		}
	}
	return count
}

// killCorosync ends the node's corosync, so that the others do not hear of it any more.
func (n *memberNode) killCorosync(t *testing.T) {
	t.Helper()
	for _, p := range processesBeside(n.init.Process.Pid) {
		if p.is("corosync") {
			must("the end of corosync", syscall.Kill(p.pid, syscall.SIGKILL))
			return
		}
	}
	t.Fatal("there is no corosync on " + n.name)
}
