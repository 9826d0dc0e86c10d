package stonith

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxDelay is more than any cluster waits for an agent.
const maxDelay = time.Hour

// onlyNode is what a node is called that nobody gave a name.
const onlyNode = "the-only-node"

// portAsIP is what fence-agents calls that the plug is the device's address.
const portAsIP = "port_as_ip"

// An agentInput is what a fence agent was asked for.
type agentInput struct {
	plugin   Plugin
	action   action
	delay    time.Duration
	node     string            // that the action is for, "" if it is for none
	listed   bool              // the nodes are configured, and not made of the plug
	alone    string            // the node that is made of the plug, "" if it has no name
	renamed  bool              // it has another name in the cluster than the plug
	values   map[string]string // of all else, by names with underscores
	warnings []string
}

// what names the request in reports.
func (in *agentInput) what() string {
	if in.node != "" {
		return string(in.action) + " " + quoteOdd(in.node)
	}
	return string(in.action)
}

// lookup returns what was given under the name of a parameter.
func (in *agentInput) lookup(name string) string { return in.values[name] }

// take returns the value of a name, and takes it away.
func (in *agentInput) take(name string) string {
	value := in.values[name]
	delete(in.values, name)
	return value
}

// interpret makes what other agents have what we have, and finds out what is asked
// for. It reports every mistake.
func (p Plugin) interpret(values map[string]string) (*agentInput, error) {
	in := &agentInput{plugin: p, action: actionReboot, values: values}
	if err := errors.Join(in.setAction(), in.refuseOrder()); err != nil {
		return in, err
	}
	if in.action == actionMetadata || in.action == actionManpage {
		return in, nil
	}
	mistakes := []error{in.setDelay(), in.refuseMissing(), in.refuseToRehearse(), in.setNode()}
	if combine := p.Agent.Combine; combine != nil {
		mistakes = append(mistakes, combine(in.values))
	}
	for _, f := range p.foreign() {
		mistakes = append(mistakes, in.turn(f))
	}
	known := p.parameterNames()
	for _, name := range slices.Sorted(maps.Keys(in.values)) {
		if !slices.Contains(known, name) {
			in.warnings = append(in.warnings, fmt.Sprintf("%s is no parameter, and ignored", quoteOdd(name)))
		}
	}
	return in, errors.Join(mistakes...)
}

// setAction takes the action, which old RHCS calls option. A cluster gives action;
// who gives both, and means two, must not get one of them.
func (in *agentInput) setAction() error {
	_, isGiven := in.values["action"]
	given := in.take("action")
	old := in.take("option")
	switch {
	case isGiven && given == "":
		return Errorf(BadConfig, "action: is empty")
	case given == "" && old == "":
		return nil
	case given == "":
		given = old
	}
	in.action = actionOf(given)
	if old != "" && actionOf(old) != in.action {
		return Errorf(BadConfig, "action is %q and option is %q, want one", given, old).WithHint("take option out of the parameters: the cluster gives the action")
	}
	if known := append(in.plugin.actions(), actionCheck); !slices.Contains(known, in.action) {
		return Errorf(BadConfig, "action: %q is none", given).WithHint("there are %s", joinWords(known))
	}
	return nil
}

// refuseOrder refuses what fences no node where a cluster means one, for it then gives
// nodename: it would take the success for a fence. A look at the node cannot be told from
// one that is wanted, nor can validate-all, for which Pacemaker has itself in nodename.
func (in *agentInput) refuseOrder() error {
	isOrder := in.aims() && in.action != actionDiag || in.action == actionValidate
	if in.values["nodename"] == "" || isOrder {
		return nil
	}
	return Errorf(BadConfig, "nodename: is set, and %s fences no node", in.action).
		WithHint("take nodename, action and pcmk_*_action out of the parameters: the cluster gives what it wants")
}

// actionOf returns the action that a word means; fence-agents takes some old words.
func actionOf(word string) action {
	word = strings.ToLower(word)
	old := map[string]action{"enable": actionOn, "disable": actionOff, "reset": actionReboot, "meta-data": actionMetadata, "devstatus": actionMonitor}
	if a, ok := old[word]; ok {
		return a
	}
	return action(word)
}

func joinWords[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

// setDelay takes the delay, which off and reboot alone have.
func (in *agentInput) setDelay() error {
	var d Duration
	text := in.take("delay")
	if text == "" || text == "0" || text == "0s" {
		return nil
	}
	if err := d.Set(text); err != nil {
		return Errorf(BadConfig, "delay: %w", err)
	}
	if time.Duration(d) > maxDelay {
		return Errorf(BadConfig, "delay: %s is more than %s", &d, maxDelay)
	}
	if in.action == actionOff || in.action == actionReboot {
		in.delay = time.Duration(d)
	}
	return nil
}

// refuseMissing refuses to take a node for off that is not found.
func (in *agentInput) refuseMissing() error {
	missing, err := in.takeBool("missing_as_off")
	if missing {
		return Errorf(BadConfig, "missing_as_off: a node that is not found is not off").WithHint("take missing_as_off out of the parameters")
	}
	return err
}

// refuseToRehearse refuses to do what was to be rehearsed.
func (in *agentInput) refuseToRehearse() error {
	if in.values["rehearse"] != "" && in.action != actionCheck {
		return Errorf(BadConfig, "rehearse is set, and the action is %s, which is no rehearsal", in.action).WithHint("action=check rehearses")
	}
	return nil
}

// takeBool takes the truth of a name, false if it is not given.
func (in *agentInput) takeBool(name string) (bool, error) {
	text := in.take(name)
	if text == "" {
		return false, nil
	}
	truth, err := ParseBool(text)
	if err != nil {
		return false, Errorf(BadConfig, "%s: %w", name, err)
	}
	return truth, nil
}

// turn makes a parameter of other agents one of ours.
func (in *agentInput) turn(f Foreign) error {
	value := in.take(f.Name)
	if value == "" {
		return nil
	}
	if f.Turn != nil {
		var err error
		if value, err = f.Turn(value); err != nil {
			return Errorf(BadConfig, "%s: %w", f.Name, err)
		}
	}
	if f.Becomes == "" || value == "" {
		return nil
	}
	if other := in.values[f.Becomes]; other != "" && other != value { // without the values: they may be secret
		return Errorf(BadConfig, "%s and %s are both set, and differ", f.Name, f.Becomes)
	}
	in.values[f.Becomes] = value
	return nil
}

// A mark is what a call says of its node, and under which name.
type mark struct{ name, value string }

// marks takes all that says which node is meant, but for nodename.
func (in *agentInput) marks() []mark {
	var marks []mark
	for _, name := range slices.Concat([]string{"plug", "port"}, in.plugin.Plug.Names, []string{"rehearse"}) {
		if value := in.take(name); value != "" {
			marks = append(marks, mark{name, value})
		}
	}
	return marks
}

// aims reports whether the action is for one node, before the marks are taken.
func (in *agentInput) aims() bool {
	switch in.action {
	case actionOn, actionOff, actionReboot, actionStatus, actionDiag:
		return true
	case actionCheck:
		return in.values["rehearse"] != ""
	case actionMonitor, actionList, actionListStatus, actionValidate, actionMetadata, actionManpage:
	}
	return false
}

// setNode finds the node that the action is for. All that is said of it must be of one
// node: a cluster gives plug, and an administrator may have given port for good.
func (in *agentInput) setNode() error {
	aims := in.aims()
	nodename := in.take("nodename") // which Pacemaker has for the plug
	marks := in.marks()
	isAddress := false
	if in.plugin.Plug.Apart {
		var err error
		if isAddress, err = in.takeBool(portAsIP); err != nil {
			return err
		}
	}
	if in.action == actionValidate {
		nodename = "" // Pacemaker has itself there
	}
	in.listed = in.values["hostlist"] != "" || in.plugin.OneNode != "" && in.values[in.plugin.OneNode] != ""
	switch {
	case !in.listed:
		if err := in.setAlone(marks, nodename, isAddress); err != nil {
			return err
		}
	case aims:
		if err := in.find(marks, nodename); err != nil {
			return err
		}
	default:
		return in.checkMarks(marks)
	}
	if !aims {
		in.node = ""
		return nil
	}
	if in.node == "" {
		return Errorf(BadConfig, "plug: not set").WithHint("set plug to the node")
	}
	return nil
}

// hosts returns the configured nodes, as far as they are well-formed: mistakes are told
// when the parameters are set.
func (in *agentInput) hosts() *hostList {
	hosts := &hostList{syntax: in.plugin.Plug}
	_ = hosts.Set(in.values["hostlist"])
	if one := in.values[in.plugin.OneNode]; one != "" {
		_ = hosts.add(one)
	}
	return hosts
}

// find finds the node among those that are configured, by its name or its plug there.
// The cluster's name for it must be that too: who is asked for one node, and has a plug
// of another, would switch the wrong one.
func (in *agentInput) find(marks []mark, nodename string) error {
	hosts := in.hosts()
	if nodename != "" {
		marks = append(marks, mark{"nodename", nodename})
	}
	for _, m := range marks {
		n, ok := hosts.named(m.value)
		if m.name == "nodename" || !ok {
			n = Node{Name: m.value} // one that is not configured is refused as such
		}
		if other, is := hosts.withPlug(m.value); is && nodename == "" && !strings.EqualFold(other.Name, n.Name) {
			return Errorf(WrongTarget, "%s %q is node %s, and the %s of node %s", m.name, m.value, n.Name, in.plugin.Plug.Word, other.Name).
				WithHint("nodename tells which node is meant")
		}
		if in.node != "" && !strings.EqualFold(in.node, n.Name) {
			return Errorf(WrongTarget, "%s %q is node %s, and %s %q is not", marks[0].name, marks[0].value, in.node, m.name, m.value).
				WithHint("hostlist alone says which %[1]s a node is: write an entry node:%[1]s there, and no pcmk_host_map", in.plugin.Plug.Word)
		}
		in.node = n.Name
	}
	return nil
}

// checkMarks refuses what says of a node for good that it is one which is not
// configured, or that it is the one where there are several. plug may be anything:
// Pacemaker has itself there to validate a device.
func (in *agentInput) checkMarks(marks []mark) error {
	hosts := in.hosts()
	for _, m := range marks {
		if _, ok := hosts.named(m.value); !ok && m.name != "plug" {
			return Errorf(BadConfig, "%s: %q is neither a node of hostlist nor a %s of one", m.name, m.value, in.plugin.Plug.Word).
				WithHint("hostlist alone says which %[1]s a node is: write an entry node:%[1]s there, and take %[2]s out of the parameters", in.plugin.Plug.Word, m.name)
		}
		promises := in.action == actionMonitor || in.action == actionList || m.name != "plug"
		if promises && len(hosts.nodes) > 1 {
			return Errorf(BadConfig, "%s: is set for good, and hostlist has %d nodes: the others could not be fenced", m.name, len(hosts.nodes)).
				WithHint("take %s out of the parameters: the cluster gives it", m.name)
		}
	}
	return nil
}

// setAlone makes the plug the only node, by the name that the cluster has for it. Where
// plugs are apart from nodes, isAddress says that it is none the less what the device
// knows the node by.
func (in *agentInput) setAlone(marks []mark, nodename string, isAddress bool) error {
	plug := nodename
	for i, m := range marks {
		if i > 0 && m.value != plug {
			return Errorf(BadConfig, "%s is %q and %s is %q, want one", marks[0].name, marks[0].value, m.name, m.value).
				WithHint("write an entry node:%s in hostlist, and take both out of the parameters", in.plugin.Plug.Word)
		}
		plug = m.value
	}
	name := nodename
	if name == "" {
		name = plug
	}
	in.alone = name
	if in.plugin.Plug.Apart {
		if !isAddress {
			if nodename != "" && plug != nodename {
				return Errorf(WrongTarget, "%s is %q, and nodename is %q", marks[0].name, plug, nodename).
					WithHint("give the node's name in plug, or the address of its BMC with port_as_ip, and no pcmk_host_map")
			}
			plug = ""
		} else if nodename == "" { // the plug is no name
			name, in.alone = "", ""
		}
		name = cmp.Or(name, onlyNode)
	}
	if name == "" {
		return nil
	}
	if len(SplitList(plug)) > 1 {
		return Errorf(BadConfig, "plug: %q is not one node", plug).WithHint("several plugs of one node are several devices in a level of its fencing topology")
	}
	if checkNodeName(name) != nil { // such as a UUID in braces: it is no node of a cluster
		return Errorf(BadConfig, "plug: %q is no node's name", name).WithHint("write an entry node:%s in hostlist", in.plugin.Plug.Word)
	}
	entry := name
	if plug != "" && (plug != name || in.plugin.Plug.Apart) {
		entry += ":" + plug
	}
	in.renamed = plug != "" && plug != name
	in.values["hostlist"], in.node = entry, name
	return nil
}
