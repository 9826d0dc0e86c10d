package tests

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// agentLimit is what one call of an agent may take, many times over.
const agentLimit = 2 * time.Minute

// actionNames are the columns of wantOf.
var actionNames = [...]string{"on", "off", "reboot", "status", "diag", "monitor", "list-status", "check", "list", "validate-all", "metadata", "manpage"}

// wantOf has the exit status of each action in each trouble.
var wantOf = map[trouble][len(actionNames)]int{
	noTrouble:   {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	nodeOff:     {0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0},
	unreachable: {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
	hangs:       {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
	wrongSecret: {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
	offIsLost:   {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	onIsLost:    {1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0}, // a reboot has fenced the node all the same
	unknownNode: {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
}

// forNode and forDevice are how many of the first actions are for one node, and ask the device.
const (
	forNode   = 5
	forDevice = 8
)

// matters tells whether the trouble is one to the action. What does not ask the device is
// tried where it can be reached, and where it cannot. A BMC has one node, whose name it
// does not know, so only what is for a node can be for one that it does not have.
func (d device) matters(action string, f trouble) bool {
	i := slices.Index(actionNames[:], action)
	if action == "diag" && !d.diagnoses {
		return f == noTrouble // it is refused
	}
	if f == unknownNode && d.agent == "fence_ipmi" {
		return i < forNode
	}
	return i < forDevice || f == noTrouble || f == unreachable
}

// want is the exit status of the action where one that has it has this.
func (d device) want(action string, status int) int {
	if action == "diag" && !d.diagnoses {
		return 1
	}
	return status
}

// A form is a way to give parameters to an agent.
type form struct {
	name  string
	write func([]given) (args, lines []string)
}

var forms = []form{
	{"names", func(all []given) (_, lines []string) {
		for _, g := range all {
			lines = append(lines, g.name+"="+g.value)
		}
		return nil, lines
	}},
	{"old names", func(all []given) (_, lines []string) {
		for _, g := range all {
			lines = append(lines, g.old+"="+g.value)
		}
		return nil, lines
	}},
	{"dashes, comments, and what is overruled", func(all []given) (_, lines []string) {
		for _, g := range all {
			dashed := strings.ReplaceAll(g.name, "_", "-")
			lines = append(lines, "# "+dashed+"=comment", "", dashed+"=overruled", " "+dashed+" = "+g.value)
		}
		return nil, lines
	}},
	{"long options", func(all []given) (args, _ []string) {
		for _, g := range all {
			args = append(args, "--"+strings.ReplaceAll(g.name, "_", "-")+"="+g.value)
		}
		return args, nil
	}},
	{"short options", func(all []given) (args, _ []string) {
		for _, g := range all {
			switch {
			case g.letter != "":
				args = append(args, "-"+g.letter, g.value)
			case g.name == "lanplus":
				args = append(args, "-P")
			default:
				args = append(args, "--"+g.name+"="+g.value)
			}
		}
		return args, nil
	}},
}

// agentPairs is how many pairs of Dom0s take turns: what takes time is waiting.
const agentPairs = 4

// A scenario is one call.
type scenario struct {
	device  device
	action  string
	form    form
	trouble trouble
	want    int
}

// scenarios are all of the device's, in each form; of fence_xen, whose beds take their
// time, in each form where there is no trouble, and else in one.
func (d device) scenarios() []scenario {
	var all []scenario
	for _, f := range slices.Sorted(maps.Keys(wantOf)) {
		for i, action := range actionNames {
			if !d.matters(action, f) {
				continue
			}
			for j, form := range forms {
				if d.agent != "fence_xen" || f == noTrouble || (i+len(f))%len(forms) == j {
					all = append(all, scenario{d, action, form, f, d.want(action, wantOf[f][i])})
				}
			}
		}
	}
	return all
}

// TestAgents runs every action of every fence agent in each trouble, with parameters in
// each form, and compares the exit status with the node's true power.
func TestAgents(t *testing.T) {
	devices := []device{
		{agent: "fence_xen", bed: pairBeds(t, agentPairs)},
		{agent: "fence_xapi", bed: poolBeds(t)},
		{agent: "fence_ipmi", bed: newBMCBed, diagnoses: true},
	}
	t.Parallel()
	for _, d := range devices {
		for _, s := range d.scenarios() {
			t.Run(strings.Join([]string{d.agent, string(s.trouble), s.action, s.form.name}, "/"), func(t *testing.T) {
				t.Parallel()
				s.run(t)
			})
		}
	}
}

func (s scenario) run(t *testing.T) {
	b := s.device.bed(t, s.trouble)
	status, out := callAgent(s.device, s.form, s.parameters(b))
	on := b.power()
	if status != s.want {
		t.Errorf("exit status %d, want %d; %s", status, s.want, out)
	}
	if want := s.powerAfter(); on != want {
		t.Errorf("the node is %s, want %s; %s", powerWord(on), powerWord(want), out)
	}
	if s.action == "diag" && (status == 0) != interrupted(b) {
		t.Errorf("diag exits %d, and the node was interrupted: %v; %s", status, interrupted(b), out)
	}
	if lie := falseSuccess(s.action, status, out, on); lie != "" {
		t.Errorf("FALSE SUCCESS: %s, and the node is %s; %s", lie, powerWord(on), out)
	}
	if said := saysOf(s.action); status != 1 && !fitsLine(said, out) {
		t.Errorf("no line is %s; %s", said, out)
	}
}

// parameters are those of the call.
func (s scenario) parameters(b agentBed) []given {
	plug := "node-1"
	if s.trouble == unknownNode {
		plug = unknownName
	}
	all := append(b.parameters(), given{"action", "option", "o", s.action}, given{"plug", "port", "n", plug})
	if s.action == "list" || s.trouble == unknownNode && s.device.agent == "fence_ipmi" {
		all = append(all, given{"hostlist", "hostlist", "", "node-1"})
	}
	if limit := s.limit(); limit != "" {
		all = append(all, given{"timeout", "power_timeout", "", limit})
	}
	return all
}

// limit is the time limit of a call that would else wait for long.
func (s scenario) limit() string {
	switch {
	case s.want == 1:
		return "2"
	case s.action == "reboot" && s.trouble == onIsLost:
		return "15"
	default:
		return ""
	}
}

// powerAfter is what the call should have made of the node.
func (s scenario) powerAfter() bool {
	before := !s.trouble.isOff()
	switch {
	case s.want != 0:
		return before
	case s.action == "off":
		return false
	case s.action == "on", s.action == "reboot":
		return s.trouble != onIsLost
	default:
		return before
	}
}

// falseSuccess is what an agent says that is not true, "" if there is no such thing.
func falseSuccess(action string, status int, out string, on bool) string {
	switch {
	case action == "off" && status == 0 && on:
		return "off exits 0"
	case action == "on" && status == 0 && !on:
		return "on exits 0"
	case action == "reboot" && status == 0 && !regexp.MustCompile("off-observed|already-off").MatchString(out):
		return "reboot exits 0 without having seen the node off"
	case action == "status" && (status == 0 && !on || status == 2 && on):
		return fmt.Sprintf("status exits %d", status)
	case action == "list-status" && (strings.Contains(out, ",ON\n") && !on || strings.Contains(out, ",OFF\n") && on):
		return "list-status says so"
	}
	return ""
}

// saysOf fits a line of what the action prints when it succeeds.
func saysOf(action string) string {
	switch action {
	case "status":
		return "^Status: (ON|OFF)$"
	case "diag":
		return "^fence_[a-z]+: diag node-1: the interrupt was accepted$"
	case "monitor":
		return "^fence_[a-z]+: monitor: ready to fence "
	case "check":
		return "^fence_[a-z]+: check: ready to fence "
	case "list":
		return "^node-1$"
	case "list-status":
		return "^node-1,[^,]*,(ON|OFF)$"
	case "validate-all":
		return ""
	case "metadata":
		return "^</resource-agent>$"
	case "manpage":
		return "^.SH NAME$"
	default:
		return "^fence_[a-z]+: " + action + " node-1: [a-z, -]+ in "
	}
}

// callAgent runs an installed agent, whose environment is somebody else's.
func callAgent(d device, f form, all []given) (status int, out string) {
	args, lines := f.write(all)
	ctx, cancel := context.WithTimeout(context.Background(), agentLimit)
	defer cancel()
	command := exec.CommandContext(ctx, d.path(), args...)
	command.Env = []string{"HOME=/nonexistent", "action=on", "plug=other", "port=other", "hostlist=other", "ip=192.0.2.1", "ipaddr=192.0.2.1", "timeout=1ms"}
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var text bytes.Buffer
	command.Stdout, command.Stderr = &text, &text
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), text.String()
}
