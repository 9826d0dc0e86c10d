package tests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A checkBed is a device, and what both faces of its plugin are given for it.
type checkBed struct {
	device
	plugin string
	node   agentBed
	words  []string
}

// newCheckBeds makes one of each device.
func newCheckBeds(t *testing.T) []checkBed {
	t.Helper()
	pair, members, one := pairBeds(t, 1)(t, noTrouble).(*pairBed), poolBeds(t)(t, noTrouble).(*poolBed), newBMCBed(t, noTrouble).(*bmcBed)
	return []checkBed{
		{device{agent: "fence_xen"}, pluginPath, pair, []string{
			"hostlist=node-1", "sshaccount=xen@" + pair.alpha.name + " xen@" + pair.beta.name, "identity_file=" + pair.key, "known_hosts=" + knownHosts,
		}},
		{device{agent: "fence_xapi"}, xenapiProgram, members, []string{
			"hostlist=node-1", "pool=" + members.Member(0).Address(), "passwd_file=" + secretFile(t, poolPassword), "ca_file=" + members.ca,
		}},
		{device{agent: "fence_ipmi"}, ipmiProgram, one, []string{
			"hostlist=node-1:" + bmcAddress(one.BMC), "userid=oper", "passwd_file=" + secretFile(t, one.password), "cycle_time=1s",
		}},
	}
}

// mistakes are wrong configurations: what is different from a good one, with commas
// where there are several mistakes, by agent.
var mistakes = map[string][]string{
	"fence_xen": {
		"sshaccount=alpha", "sshaccount=xen@alpha xen@alpha", "sshaccount=", "identity_file=/nonexistent", "identity_file=/etc/hosts",
		"known_hosts=/nonexistent", "dom0_protocol=3", "connect_timeout=0", "connect_timeout=never,identity_file=/nonexistent,sshaccount=alpha:x",
	},
	"fence_xapi": {
		"pool=http://192.0.2.1", "pool=", "pool_uuid=x", "vm_uuid=node-1", "vm_uuid=node-7=x", "passwd_file=/nonexistent", "passwd_file=/etc/hosts",
		"passwd_file=", "passwd=x", "passwd_file=,passwd_script=cat x", "ca_file=/nonexistent", "ca_file=/etc/hosts", "ca_file=,tls_pins=zz",
		"tls_insecure=perhaps", "settle_time=long", "ca_file=/nonexistent,pool=a:b,passwd_file=/nonexistent,settle_time=x",
	},
	"fence_ipmi": {
		"hostlist=node-1", "hostlist=node-1:192.0.2.1:x", "hostlist=node-1:192.0.2.1 node-2:192.0.2.1", "hostname=node-2", "ipport=70000",
		"nodes_file=/nonexistent", "bmc_guid=node-1=x", "userid=a-name-of-more-than-16-bytes", "passwd_file=/nonexistent", "passwd_file=/etc/hosts",
		"passwd_file=", "kg=0xzz", "kg_file=/nonexistent", "priv=USER", "interface=open", "cipher=99", "interface=lan,auth=md2", "method=explode",
		"ipmitool=/nonexistent", "cycle_time=0", "cipher=x,passwd_file=/nonexistent,method=x,kg_file=/nonexistent",
	},
}

// anyMistakes are those of all plugins.
var anyMistakes = []string{"timeout=soon", "timeout=-1", "reset_off_node=maybe", "hostlist=node-1 node-1", "hostlist=on", "timeout=x,reset_off_node=x"}

// TestCheckAgrees shows the same configurations to validate-all and to check, which must
// find the same mistakes; and of good ones none.
func TestCheckAgrees(t *testing.T) {
	beds := newCheckBeds(t)
	t.Parallel()
	for _, b := range beds {
		t.Run(b.agent, func(t *testing.T) {
			t.Parallel()
			b.agree(t, 0, b.words)
			for _, mistake := range slices.Concat(anyMistakes, mistakes[b.agent]) {
				t.Run(mistake, func(t *testing.T) {
					t.Parallel()
					b.agree(t, 1, changed(b.words, strings.Split(mistake, ",")))
				})
			}
		})
	}
}

// changed are the words with others in place of those with the same name.
func changed(words, others []string) []string {
	var all []string
	for _, word := range words {
		name, _, _ := strings.Cut(word, "=")
		if !slices.ContainsFunc(others, func(other string) bool { return strings.HasPrefix(other, name+"=") }) {
			all = append(all, word)
		}
	}
	return append(all, others...)
}

// agree wants both to exit so, and to say the same of what is wrong.
func (b checkBed) agree(t *testing.T, want int, words []string) {
	t.Helper()
	validated, byAgent := callAgent(b.device, forms[0], append(givens(words), given{name: "action", value: "validate-all"}))
	checked, byPlugin := b.check(words)
	if validated != want || checked != want {
		t.Errorf("validate-all exits %d, and check %d, want %d; %s%s", validated, checked, want, byAgent, byPlugin)
	}
	if diff := cmp.Diff(wrongs(byAgent), wrongs(byPlugin)); diff != "" || want != 0 && len(wrongs(byAgent)) == 0 {
		t.Errorf("what is wrong, by validate-all and by check (-validate-all +check):\n%s%s%s", diff, byAgent, byPlugin)
	}
}

// givens are the words as parameters of an agent.
func givens(words []string) []given {
	var all []given
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		all = append(all, given{name: name, value: value})
	}
	return all
}

// check runs the verb of the plugin, with what the cluster would give in the environment.
func (b checkBed) check(environment []string, words ...string) (status int, out string) {
	ctx, cancel := context.WithTimeout(context.Background(), agentLimit)
	defer cancel()
	command := exec.CommandContext(ctx, b.plugin, append([]string{"check"}, words...)...)
	command.Env = append([]string{"HOME=/nonexistent"}, environment...)
	var text bytes.Buffer
	command.Stdout, command.Stderr = &text, &text
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), text.String()
}

// wrongs are the mistakes and hints of an output, without who says so.
func wrongs(out string) []string {
	var all []string
	for _, found := range regexp.MustCompile(`(?m)^\w+: (?:(error): (?:validate-all|check): (.*)|(hint): (.*))$`).FindAllStringSubmatch(out, -1) {
		all = append(all, strings.Join(found[1:], " "))
	}
	return all
}

// TestRehearse rehearses off by both faces: the node stays on, and so it does in a
// rehearsal for a node that the device does not have, or with a wrong password.
func TestRehearse(t *testing.T) {
	beds := newCheckBeds(t)
	t.Parallel()
	stranger := key("stranger")
	wrong := filepath.Join(t.TempDir(), "wrong")
	must(wrong, os.WriteFile(wrong, []byte("wr0ng\n"), 0o600))
	secrets := map[string]string{"fence_xen": "identity_file=" + stranger, "fence_xapi": "passwd_file=" + wrong, "fence_ipmi": "passwd_file=" + wrong}
	for _, b := range beds {
		t.Run(b.agent, func(t *testing.T) {
			t.Parallel()
			b.rehearse(t, 0, "^rehearsal of off node-1: ", "node-1", b.words)
			b.rehearse(t, 1, "wrong-target: ", unknownName, b.words)
			b.rehearse(t, 1, "not-authenticated: ", "node-1", changed(b.words, []string{secrets[b.agent]}))
		})
	}
}

// rehearse wants both faces to exit so, with words that fit, and the node to stay on.
func (b checkBed) rehearse(t *testing.T, want int, fits, node string, words []string) {
	t.Helper()
	status, out := callAgent(b.device, forms[0], append(givens(words), given{name: "action", value: "check"}, given{name: "rehearse", value: node}))
	b.rehearsed(t, want, fits, status, out)
	status, out = b.check(words, "--rehearse", node)
	b.rehearsed(t, want, fits, status, out)
}

func (b checkBed) rehearsed(t *testing.T, want int, fits string, status int, out string) {
	t.Helper()
	if status != want || !fitsLine(fits, out) {
		t.Errorf("exit status %d, want %d and %q; %s", status, want, fits, out)
	}
	if !b.node.power() {
		t.Fatalf("the node is off; %s", out)
	}
}
