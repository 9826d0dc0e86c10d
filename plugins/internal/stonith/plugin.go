// Package stonith is the protocol between a cluster and its fencing devices: the
// verbs of an external STONITH plugin, its parameters, the logic of a fence, the
// time limit, the report and the exit status. A plugin adds a Device and no more.
//
// Exit status 0 of off and reset means: this run has seen, through the device,
// that the node is off. The verbs are described in docs/protocol.md.
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

// A Plugin describes one kind of device.
type Plugin struct {
	// Name is the program's name; external/Name is what clusters call it.
	Name string
	// Title is what the device is, in a few words; Description one or more sentences.
	Title, Description, URL string
	// Plug says what a hostlist entry maps a node to.
	Plug PlugSyntax
	// OneNode is the name of a parameter that can take hostlist's place where the
	// device has one node, "" if there is none.
	OneNode string
	// Agent is the plugin's other face.
	Agent Agent
	// New returns an empty Config with the defaults.
	New func() Config
}

// A Process is what a call may use of the process that it runs in.
type Process struct {
	Args           []string  // without the program's name
	Stdin          io.Reader // of a fence agent
	Getenv         func(name string) string
	Hostname       func() (string, error)
	Stdout, Stderr io.Writer
	// Log takes the same lines as Stderr, and those of successes.
	Log Log
	// ID identifies the call in logs.
	ID string
	// Version is the program's.
	Version string
}

// Run carries out one call and returns its exit status: 0 for a success, else 1.
func (p Plugin) Run(ctx context.Context, proc Process) int {
	proc.Stderr = bounded(proc.Stderr)
	report := report{program: p.Name, stderr: proc.Stderr, log: proc.Log}
	request, code, err := parse(p, proc)
	if err != nil {
		report.failure("usage", err)
		return 1
	}
	if request == nil {
		return code
	}
	report.what = request.what()
	c := p.newCall(proc, report)
	c.request = *request
	if err := c.run(ctx); err != nil {
		c.report.failure(c.report.what, err)
		if c.request.verb.acts() {
			c.endGlue(c.report.what + " failed")
		}
		return 1
	}
	return 0
}

func (p Plugin) newCall(proc Process, r report) *call {
	return &call{
		Plugin: p, Process: proc, report: r, verdicts: bounded(proc.Stdout),
		config: p.New(), hosts: &hostList{syntax: p.Plug}, common: defaultCommon(), lookup: proc.Getenv, began: time.Now(),
	}
}

// common holds the parameters that every plugin has besides hostlist.
type common struct {
	timeout       Duration
	statusTimeout Duration
	resetOffNode  Choice
}

// Pacemaker's usual limit of a fencing action is 60 s. It tries a second time while less
// than 70 % of it is used, kills that one at the limit, and then asks no other device, as
// it would after a failure (update_remaining_timeout in its lib/fencing/st_actions.c):
// 45 s is more than the one, and leaves time before the other. An operation monitor has
// 20 s where its time-out is not set (PCMK_DEFAULT_ACTION_TIMEOUT_MS), and is killed then.
func defaultCommon() common {
	return common{
		timeout:       Duration(45 * time.Second),
		statusTimeout: Duration(15 * time.Second),
		resetOffNode:  Choice{Chosen: "start", Words: []string{"start", "leave"}},
	}
}

// A call is one run of the plugin.
type call struct {
	Plugin
	Process
	request request
	report  report
	// verdicts is Stdout for what the exit status tells as well.
	verdicts io.Writer
	config   Config
	hosts    *hostList
	common   common
	// lookup returns what was given under the name of a parameter, besides words.
	lookup func(name string) string
	// nodesOptional says that a device may have no configured nodes.
	nodesOptional bool
	// namesake is the cluster's name for a node that was given by another name, "" if it
	// was not.
	namesake string
	// began is when the call's time limit began to run: at its start, so that what is read
	// before the device is asked counts.
	began time.Time
	// delay is waited before the device is contacted, and does not count.
	delay time.Duration
}

// params lists all parameters, in the order in which they are shown.
func (c *call) params() []Param {
	params := append(c.hostParams(), c.config.Params()...)
	return append(params, Param{
		Name: "timeout", Value: &c.common.timeout,
		Short: "Time limit of one call",
		Long: "The time within which a call ends, with a proof or with an error that says what was last seen. " +
			"Keep it below the time-out of the cluster, which kills the call without a word, and above 70 % of that, or the cluster " +
			"tries a second time, and kills that one: 60s is usual there.",
	}, Param{
		Name: "status_timeout", Value: &c.common.statusTimeout,
		Short: "Time limit of a call that only looks",
		Long: "The time within which status, monitor, list and list-status end, with an answer or with the reason why there is none; " +
			"timeout, if that is less. Keep it below the time-out of the cluster's operation monitor, which is 20s if it is not set.",
	}, Param{
		Name: "reset_off_node", Value: &c.common.resetOffNode,
		Short: "What reset does with a node that is off",
		Long:  "A node that reset finds off is fenced already. It is then switched on (start) or left off (leave).",
	})
}

// hostParams lists the parameters that say which nodes the device has.
func (c *call) hostParams() []Param {
	params := []Param{{
		Name: "hostlist", Value: c.hosts, Required: c.OneNode == "" && !c.nodesOptional,
		Short: "Nodes that this device can fence",
		Long:  "The nodes, separated by blanks, commas or semicolons. An entry is a node's name in the cluster, or " + c.Plug.entry() + "." + c.Plug.note(),
	}}
	if c.OneNode != "" {
		params = append(params, Param{
			Name: c.OneNode, Value: oneNode{c.hosts},
			Short: "The only node that this device can fence",
			Long:  "The node's name in the cluster. It takes the place of hostlist where there is one node; one of both is needed.",
		})
	}
	return params
}

// setHosts sets the parameters that say which nodes the device has.
func (c *call) setHosts(g given) []error {
	mistakes := g.set(c.hostParams())
	if len(mistakes) == 0 && len(c.hosts.nodes) == 0 && !c.nodesOptional {
		mistakes = append(mistakes, notSet("hostlist"))
	}
	return mistakes
}

func (c *call) run(ctx context.Context) error {
	switch c.request.verb {
	case verbGetConfigNames, verbGetInfoDevID, verbGetInfoDevName, verbGetInfoDevDescr, verbGetInfoDevURL, verbGetInfoXML:
		_, err := io.WriteString(c.Stdout, c.info())
		return err
	case verbGetHosts:
		return c.getHosts()
	case verbStatus:
		return c.withDevice(ctx, c.status)
	case verbOff, verbOn, verbReset:
		return c.withDevice(ctx, c.fence)
	case verbCheck:
		return c.withDevice(ctx, c.check)
	}
	return fmt.Errorf("verb %q has no meaning here", c.request.verb)
}

// given returns what the call is configured with.
func (c *call) given(params []Param) (given, []error) {
	names := c.Plug.Names
	for _, p := range params {
		names = slices.Concat(names, p.names())
	}
	return readWords(c.request.words, names, c.lookup)
}

// getHosts asks for no more than a good hostlist: a device whose list cannot be
// had is, to Pacemaker, one that can fence any node at all.
func (c *call) getHosts() error {
	given, mistakes := c.given(c.params())
	mistakes = append(mistakes, c.setHosts(given)...)
	if len(mistakes) > 0 {
		return errors.Join(mistakes...)
	}
	names := make([]string, len(c.hosts.nodes))
	for i, n := range c.hosts.nodes {
		names[i] = n.Name
	}
	return c.answer(names)
}

// answer writes lines to stdout.
func (c *call) answer(lines []string) error {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(c.Stdout, text.String())
	return err
}

// budget is the time limit of the call.
func (c *call) budget() time.Duration {
	if c.request.verb == verbStatus {
		return time.Duration(min(c.common.timeout, c.common.statusTimeout))
	}
	return time.Duration(c.common.timeout)
}

// left is what is left of the budget.
func (c *call) left() time.Duration { return c.budget() - time.Since(c.began) }

// withDevice runs a verb that needs the device, within the time limit. All
// mistakes of configuration are found before the device is contacted.
func (c *call) withDevice(ctx context.Context, verb func(context.Context, *fencer) error) error {
	device, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer device.Close() //nolint:errcheck // the verdict stands, and the process ends here
	if err := c.guard(); err != nil {
		return err
	}
	if !Sleep(ctx, c.delay) {
		return Errorf(TimedOut, "interrupted within the delay of %s", c.delay)
	}
	c.began = c.began.Add(c.delay)
	if c.left() <= 0 {
		return Errorf(TimedOut, "the time limit of %s has passed before the device was asked", c.budget()).
			WithHint("what took the time is standard input that ended late, or storage that is slow")
	}
	c.report.request = c.ID
	ctx, cancel := context.WithTimeout(ctx, c.left())
	defer cancel()
	return verb(ctx, &fencer{device: device, budget: c.budget(), leaveOff: c.common.resetOffNode.Chosen == "leave"})
}

// open sets the parameters and opens the device. It reports every mistake that it
// finds, in parameters as in the files that they name.
func (c *call) open(ctx context.Context) (Device, error) {
	params := c.params()
	given, mistakes := c.given(params)
	mistakes = append(mistakes, c.setHosts(given)...)
	mistakes = append(mistakes, given.set(params[len(c.hostParams()):])...)
	mistakes = append(mistakes, given.checkPlugs(c.hosts)...)
	mayTouch := c.request.verb == verbOff || c.request.verb == verbReset
	opening, cancel := context.WithTimeout(ctx, c.left())
	defer cancel()
	device, err := within(opening, func() (Device, error) {
		return c.config.Open(Call{
			ID: c.ID, Nodes: c.hosts.nodes, ProvesOff: mayTouch || c.request.rehearse != "", MayTouch: mayTouch,
			Getenv: c.Getenv, Warn: Once(c.report.warning),
		})
	})
	if end := opening.Err(); end != nil && errors.Is(err, end) {
		err = Errorf(TimedOut, "the files that the parameters name were not read within the time limit of %s: %w", c.budget(), end)
	}
	if err != nil {
		return nil, errors.Join(append(mistakes, branches(err)...)...)
	}
	if len(mistakes) > 0 {
		_ = device.Close() // nothing was done with it
		return nil, errors.Join(mistakes...)
	}
	return device, nil
}

// guard refuses a node that is not ours, and to switch on or reset ourselves.
func (c *call) guard() error {
	name := c.request.node
	if name == "" {
		name = c.request.rehearse
	}
	if name == "" {
		return nil
	}
	node, err := c.hosts.find(name)
	if err != nil || c.request.verb != verbOn && c.request.verb != verbReset {
		return err
	}
	hostname, err := c.Hostname()
	if err != nil {
		return Errorf(SelfFence, "cannot tell whether this is the node itself: %w", err)
	}
	if node.runsOn(hostname) {
		return Errorf(SelfFence, "%s of the node that runs this call is refused", c.request.verb).
			WithHint("let another node run this device: location rule with score -INFINITY for %s", node.Name)
	}
	return nil
}

func (c *call) status(ctx context.Context, f *fencer) error {
	start := time.Now()
	if err := f.check(ctx, c.hosts.nodes); err != nil {
		return err
	}
	return c.succeed(c.ready(), start)
}

// ready says for which nodes the device is.
func (c *call) ready() string {
	if len(c.hosts.nodes) == 0 {
		return "ready"
	}
	return "ready to fence " + c.hosts.String()
}

func (c *call) fence(ctx context.Context, f *fencer) error {
	node, err := c.hosts.find(c.request.node)
	if err != nil {
		return err
	}
	if err := c.refuseNamesake(ctx, f); err != nil {
		return err
	}
	start := time.Now()
	act := map[verb]func(context.Context, Node) (outcome, error){verbOff: f.off, verbOn: f.on, verbReset: f.reset}[c.request.verb]
	out, err := act(ctx, node)
	if err != nil {
		return err
	}
	if out.trouble != nil {
		c.report.failure(c.report.what, out.trouble)
	}
	// What was observed stands, whether or not anybody reads the answer.
	_ = c.succeed(out.String(), start)
	return nil
}

func (o outcome) String() string {
	codes := make([]string, len(o.reasons))
	for i, r := range o.reasons {
		codes[i] = string(r)
	}
	return strings.Join(codes, ", ")
}

// succeed writes the answer to stdout, and then to the log, which may hang.
func (c *call) succeed(verdict string, start time.Time) error {
	line := fmt.Sprintf("%s: %s in %s", c.report.what, verdict, time.Since(start).Round(time.Millisecond)) + c.report.ending()
	var err error
	if !c.endGlue(line) {
		_, err = fmt.Fprintf(c.verdicts, "%s: %s\n", c.report.program, line)
	}
	c.Log.Notice(line)
	return err
}

// endGlue writes the last line for cluster-glue, if it is that which calls. Its reader
// sleeps for a second at the end of an output that ends with a line end, and at that of
// an empty one, but not at the end of a line that has none (external_run_cmd in
// lib/plugins/stonith/external.c): so every fence and every status would last a second longer.
func (c *call) endGlue(line string) bool {
	if c.Getenv("HA_LOGTAG") != "external/"+c.Name {
		return false
	}
	_, _ = fmt.Fprintf(c.verdicts, "%s: %s", c.report.program, line) // what was seen stands, whoever reads it
	return true
}
