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

// The actions.
const (
	actionOn         action = "on"
	actionOff        action = "off"
	actionReboot     action = "reboot"
	actionStatus     action = "status"
	actionMonitor    action = "monitor"
	actionList       action = "list"
	actionListStatus action = "list-status"
	actionValidate   action = "validate-all"
	actionMetadata   action = "metadata"
	actionManpage    action = "manpage"
)

// The exit statuses of a fence agent. That of status is also the state.
const (
	agentOK     = 0
	agentFailed = 1
	agentIsOff  = 2
)

// verbs are the verbs that actions are carried out as.
var verbs = map[action]verb{actionOn: verbOn, actionOff: verbOff, actionReboot: verbReset, actionMonitor: verbStatus}

// IsAgent reports whether a program of that name is asked to be a fence agent.
func (p Plugin) IsAgent(program string) bool { return p.Agent.Name != "" && program == p.Agent.Name }

// RunAgent carries out one call as a fence agent and returns its exit status.
func (p Plugin) RunAgent(ctx context.Context, proc Process) int {
	report := report{program: p.Agent.Name, stderr: proc.Stderr, log: proc.Log}
	in, err := p.readAgent(proc)
	if errors.Is(err, errAnswered) {
		return agentOK
	}
	if err != nil {
		report.failure("usage", err)
		return agentFailed
	}
	report.what = in.what()
	c := p.newCall(proc, report)
	c.lookup = in.lookup
	node, err := in.bind(p)
	if err != nil {
		report.failure(report.what, err)
		return agentFailed
	}
	c.request = request{verb: verbs[in.action], node: node}
	for _, text := range in.warnings {
		c.report.warning(text)
	}
	status, err := c.act(ctx, in)
	if err != nil {
		c.report.failure(c.report.what, err)
		return agentFailed
	}
	return status
}

// act carries out the action.
func (c *call) act(ctx context.Context, in *agentInput) (int, error) {
	switch in.action {
	case actionMetadata:
		_, err := io.WriteString(c.Stdout, c.metadata())
		return agentOK, err
	case actionManpage:
		_, err := io.WriteString(c.Stdout, c.manpage())
		return agentOK, err
	}
	switch in.action {
	case actionValidate:
		device, err := c.open()
		if err == nil {
			device.Close()
		}
		return agentOK, err
	case actionList:
		return agentOK, c.getHosts()
	case actionStatus:
		return c.agentStatus(ctx)
	case actionListStatus:
		return agentOK, c.withDevice(ctx, c.listStatus)
	case actionMonitor:
		return agentOK, c.withDevice(ctx, c.status)
	case actionOff, actionReboot:
		if !Sleep(ctx, in.delay) {
			return agentFailed, Errorf(TimedOut, "interrupted within the delay of %s", in.delay)
		}
	}
	return agentOK, c.withDevice(ctx, c.fence)
}

// agentStatus looks at one node. A node that cannot be told on or off is an error.
func (c *call) agentStatus(ctx context.Context) (status int, err error) {
	status = agentFailed
	err = c.withDevice(ctx, func(ctx context.Context, f *fencer) error {
		node, err := c.hosts.find(c.request.node)
		if err != nil {
			return err
		}
		var w watch
		switch f.look(ctx, node, &w) {
		case On:
			status = agentOK
			_, err = fmt.Fprintln(c.Stdout, "Status: ON")
		case Off:
			status = agentIsOff
			_, err = fmt.Fprintln(c.Stdout, "Status: OFF")
		case Unknown:
			err = w.lookErr
		}
		return err
	})
	return status, err
}

// listStatus prints every node with its state.
func (c *call) listStatus(ctx context.Context, f *fencer) error {
	var failed []error
	for _, n := range c.hosts.nodes {
		var w watch
		power := f.look(ctx, n, &w)
		if power == Unknown {
			failed = append(failed, fmt.Errorf("node %s: %w", n.Name, w.lookErr))
		}
		fmt.Fprintf(c.Stdout, "%s,%s,%s\n", n.Name, n.Plug, strings.ToUpper(power.String()))
	}
	return errors.Join(failed...)
}

// bind returns the configured node that the action is for. Without hostlist, that
// node is the only one. With it, the plug must be a node of it or the plug of one, and
// the same one as nodename.
func (in *agentInput) bind(p Plugin) (node string, err error) {
	listed := in.values["hostlist"]
	if listed == "" && p.OneNode != "" {
		listed = in.values[p.OneNode]
	}
	if listed == "" {
		return in.bindAlone(p)
	}
	if in.node() == "" {
		return "", nil
	}
	hosts := &hostList{syntax: p.Plug}
	if err := hosts.Set(listed); err != nil {
		return in.plug, nil // it is told when the parameters are set
	}
	i := slices.IndexFunc(hosts.nodes, func(n Node) bool { return strings.EqualFold(n.Name, in.plug) })
	if i < 0 {
		i = slices.IndexFunc(hosts.nodes, func(n Node) bool { return n.Plug == in.plug })
	}
	if i < 0 {
		return in.plug, nil // which is refused as a wrong target
	}
	found := hosts.nodes[i]
	if other, err := hosts.find(in.nodename); in.nodename != "" && err == nil && other.Name != found.Name {
		return "", Errorf(WrongTarget, "plug %q is node %s of hostlist, and nodename %q is another one", in.plug, found.Name, in.nodename)
	}
	return found.Name, nil
}

// bindAlone makes the plug the only node.
func (in *agentInput) bindAlone(p Plugin) (node string, err error) {
	if in.plug == "" {
		return "", nil
	}
	name := in.nodename
	if checkNodeName(name) != nil {
		name = in.plug
	}
	entry := name
	if !p.Plug.Apart && name != in.plug {
		entry = name + ":" + in.plug
	}
	if len(SplitList(entry)) != 1 {
		return "", Errorf(BadConfig, "plug: %q is not one node", in.plug).WithHint("several plugs of one node are for its fencing topology")
	}
	in.values["hostlist"] = entry
	if in.node() == "" {
		return "", nil
	}
	return name, nil
}

// maxDelay is more than any cluster waits for an agent.
const maxDelay = time.Hour
