package stonith

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// An Agent is the other face of a plugin: a fence agent, as Pacemaker, RHCS and people
// call those of the package fence-agents (its doc/FenceAgentAPI.md).
type Agent struct {
	// Name is the program's name, such as fence_ipmi.
	Name string
	// Diagnoses says that the device is a Diagnoser, so that there is the action diag.
	Diagnoses bool
	// Letters are short options of parameters of ours, by their names there, besides
	// those that all agents have.
	Letters map[string]string
	// Foreign are parameters that other agents for such devices have, besides the
	// names and aliases of ours.
	Foreign []Foreign
	// Combine makes parameters of ours of several of theirs, in place. Nil does nothing.
	Combine func(values map[string]string) error
}

// A Foreign is a parameter of other agents that is none of ours.
type Foreign struct {
	// Name has underscores.
	Name string
	// Becomes is the parameter of ours that takes the value, "" if none does.
	Becomes string
	// Turn makes a value of theirs one of ours. Its error refuses the value. Nil takes
	// the value as it is.
	Turn func(value string) (string, error)
	// Letter is its short option, 0 if it has none. Switch says that an option needs no value.
	Letter byte
	Switch bool
}

// An action is what a fence agent is asked for.
type action string

// The actions. check is for people, and told to no cluster.
const (
	actionOn         action = "on"
	actionOff        action = "off"
	actionReboot     action = "reboot"
	actionStatus     action = "status"
	actionMonitor    action = "monitor"
	actionList       action = "list"
	actionListStatus action = "list-status"
	actionDiag       action = "diag"
	actionValidate   action = "validate-all"
	actionMetadata   action = "metadata"
	actionManpage    action = "manpage"
	actionCheck      action = "check"
)

// actions are those that clusters are told of, in the order in which they are shown.
func (p Plugin) actions() []action {
	all := []action{actionOn, actionOff, actionReboot, actionStatus, actionMonitor, actionList, actionListStatus}
	if p.Agent.Diagnoses {
		all = append(all, actionDiag)
	}
	return append(all, actionValidate, actionMetadata, actionManpage)
}

// The exit statuses of a fence agent. That of status is also the state.
const (
	agentOK     = 0
	agentFailed = 1
	agentIsOff  = 2
)

// verbs are the verbs that actions are carried out as, or whose time limit they have.
var verbs = map[action]verb{
	actionOn: verbOn, actionOff: verbOff, actionReboot: verbReset, actionCheck: verbCheck,
	actionMonitor: verbStatus, actionStatus: verbStatus, actionList: verbStatus, actionListStatus: verbStatus,
}

// IsAgent reports whether a program of that name is asked to be a fence agent.
func (p Plugin) IsAgent(program string) bool { return p.Agent.Name != "" && program == p.Agent.Name }

// RunAgent carries out one call as a fence agent and returns its exit status.
func (p Plugin) RunAgent(ctx context.Context, proc Process) int {
	began := time.Now()
	proc.Stderr = bounded(proc.Stderr)
	report := report{program: p.Agent.Name, what: "usage", stderr: proc.Stderr, log: proc.Log}
	values, answered, err := p.readAgent(ctx, proc)
	if answered {
		return agentOK
	}
	if err != nil {
		report.failure(report.what, err)
		return agentFailed
	}
	in, err := p.interpret(values)
	report.what = in.what()
	for _, text := range in.warnings {
		report.warning(text)
	}
	if err != nil {
		report.failure(report.what, err)
		return agentFailed
	}
	c := p.newCall(proc, report)
	c.lookup, c.nodesOptional, c.delay, c.began = in.lookup, true, in.delay, began
	c.request = request{verb: verbs[in.action], node: in.node}
	if in.renamed && !p.Plug.Apart {
		c.namesake = in.node
	}
	if in.action == actionCheck {
		c.request = request{verb: verbCheck, rehearse: in.node}
	}
	status, err := c.act(ctx, in)
	if err != nil {
		c.report.failure(c.report.what, err)
		return agentFailed
	}
	return status
}

// act carries out the action.
func (c *call) act(ctx context.Context, in *agentInput) (status int, err error) {
	switch in.action {
	case actionMetadata:
		_, err = io.WriteString(c.Stdout, c.metadata())
	case actionManpage:
		_, err = io.WriteString(c.Stdout, c.manpage())
	case actionValidate:
		err = c.validate(ctx)
	case actionList:
		err = c.list(ctx, in)
	case actionListStatus:
		err = c.withDevice(ctx, c.listStatus)
	case actionStatus:
		return c.agentStatus(ctx, in)
	case actionDiag:
		err = c.withDevice(ctx, c.diagnose)
	case actionOn, actionOff, actionReboot, actionMonitor, actionCheck:
		err = c.run(ctx)
	}
	return agentOK, err
}

// validate finds every mistake of configuration, and contacts nothing.
func (c *call) validate(ctx context.Context) error {
	device, err := c.open(ctx)
	if err != nil {
		return err
	}
	return device.Close()
}

// list prints the configured nodes, or the only one, if an administrator has set plug
// for good: Pacemaker then gives that plug, whichever node it fences. Where there are
// none, it prints what the device has; a name that would not reach Pacemaker as it is,
// is left out.
func (c *call) list(ctx context.Context, in *agentInput) error {
	if in.listed || in.alone != "" {
		return c.getHosts()
	}
	return c.withDevice(ctx, func(ctx context.Context, f *fencer) error {
		device, ok := f.device.(Lister)
		if !ok {
			return Errorf(BadConfig, "hostlist: not set, and the device knows no nodes").WithHint("set hostlist to the nodes that it has")
		}
		plugs, err := within(ctx, func() ([]string, error) { return device.List(ctx) })
		if err != nil {
			return err
		}
		plugs = slices.DeleteFunc(plugs, func(plug string) bool { return checkNodeName(plug) != nil })
		return c.answer(plugs)
	})
}

// agentStatus looks at one node. A node that cannot be told on or off is an error.
func (c *call) agentStatus(ctx context.Context, in *agentInput) (status int, err error) {
	if !in.listed && (c.Plug.Apart || in.renamed) && c.Getenv("PCMK_service") != "" {
		// Pacemaker asks so whether the device has a node, once its list has failed, and
		// the BMC that we have, or the guest that is set for good, would answer for all
		// (status_search_cb in daemons/fenced/fenced_commands.c).
		return agentFailed, Errorf(BadConfig, "hostlist: not set, so this device can be asked for no node in particular").
			WithHint("set hostlist to the nodes that the device has, or pcmk_host_list")
	}
	status = agentFailed
	err = c.withDevice(ctx, func(ctx context.Context, f *fencer) error {
		node, err := c.hosts.find(c.request.node)
		if err != nil {
			return err
		}
		seen := f.lookOnce(ctx, f.budget, node)
		switch seen.power {
		case On:
			status = agentOK
		case Off:
			status = agentIsOff
		case Unknown:
			return seen.err
		}
		_, err = fmt.Fprintf(c.Stdout, "Status: %s\n", strings.ToUpper(seen.power.String()))
		return err
	})
	return status, err
}

// refuseNamesake refuses to act on a node that was given by another name than the
// cluster's if the device has that name as well: most likely plug is set for good, and
// names another node. What cannot be looked at may be there.
func (c *call) refuseNamesake(ctx context.Context, f *fencer) error {
	if c.namesake == "" {
		return nil
	}
	for {
		seen := f.lookOnce(ctx, f.budget/lookShare, Node{Name: c.namesake, Plug: c.namesake})
		reason := ReasonOf(seen.err)
		switch {
		case seen.power != Unknown, reason == Ambiguous:
			return Errorf(WrongTarget, "plug names another %s, and there is a %[1]s %[2]s as well", c.Plug.Word, c.namesake).
				WithHint("take plug out of the parameters: the cluster gives it; or set hostlist, which says which %s a node is", c.Plug.Word)
		case reason == NotFound, reason == NotPermitted:
			return nil
		}
		if !Sleep(ctx, pollInterval) {
			return fmt.Errorf("plug names another %s, and whether there is a %[1]s %[2]s as well is not known: %[3]w", c.Plug.Word, c.namesake, seen.err)
		}
	}
}

// listStatus prints every node with its state.
func (c *call) listStatus(ctx context.Context, f *fencer) error {
	if len(c.hosts.nodes) == 0 {
		return Errorf(BadConfig, "hostlist: not set, and there is no plug: no node has a state").WithHint("set hostlist to the nodes that it has")
	}
	var lines []string
	var failed []error
	for i, s := range f.lookAtAll(ctx, c.hosts.nodes) {
		n := c.hosts.nodes[i]
		lines = append(lines, n.Name+","+n.Plug+","+strings.ToUpper(s.power.String()))
		if s.err != nil {
			failed = append(failed, fmt.Errorf("node %s: %w", n.Name, s.err))
		}
	}
	return errors.Join(append(failed, c.answer(lines))...)
}

// diagnose interrupts the node, so that it writes a dump.
func (c *call) diagnose(ctx context.Context, f *fencer) error {
	device, ok := f.device.(Diagnoser)
	if !ok {
		return Errorf(BadConfig, "the device has no diagnostic interrupt")
	}
	node, err := c.hosts.find(c.request.node)
	if err != nil {
		return err
	}
	if _, err := within(ctx, func() (struct{}, error) { return struct{}{}, device.Diagnose(ctx, node) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s: %s: the interrupt was accepted\n", c.report.program, c.report.what)
	return err
}
