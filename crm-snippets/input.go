package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// An input is the description that a command works on: a file, or flags.
type input struct {
	Words []string `arg:"" optional:"" name:"file|name=value" help:"The description file, - for standard input. With --plugin instead: parameters of the plugin."`

	AllowSecrets bool `name:"allow-secret" help:"Let secrets of the description file stand in the configuration, where many can read them."`

	Plugin        string   `group:"One device, without a file:" placeholder:"NAME" help:"xen, xenapi or ipmi."`
	Face          string   `group:"One device, without a file:" placeholder:"FACE" help:"external (default), or agent for a fence agent."`
	ID            string   `name:"id" group:"One device, without a file:" placeholder:"ID" help:"What ids of resources begin with; default: the plugin's name."`
	Shared        bool     `group:"One device, without a file:" help:"One resource for all nodes, instead of one for each."`
	Hostlist      string   `group:"One device, without a file:" placeholder:"LIST" help:"The nodes it fences, as node or node:what-the-device-knows-it-by."`
	Timeout       string   `group:"One device, without a file:" placeholder:"TIME" help:"The plugin's time limit; those of the cluster follow from it."`
	Nodes         []string `group:"One device, without a file:" placeholder:"NODE,..." help:"The cluster's nodes; default: those of --hostlist."`
	Pacemaker     string   `group:"One device, without a file:" placeholder:"VERSION" help:"The cluster's Pacemaker, such as 2.1 (default) or 3.0.2."`
	Delay         string   `group:"One device, without a file:" placeholder:"NODE=TIME" help:"Of two nodes, the one that wins, and how long its attacker waits."`
	PriorityDelay string   `group:"One device, without a file:" placeholder:"TIME" help:"Instead: how long the attacker of the node with the more important resources waits."`
}

// maxDescription is more than any description needs.
const maxDescription = 1 << 20

// plan reads the description, and warns of what is most likely wrong in it.
func (in *input) plan(s *session) (*plan.Plan, error) {
	p, err := in.read(s)
	if err != nil {
		return nil, err
	}
	for _, warning := range p.Warnings() {
		s.say("warning", warning)
	}
	return p, nil
}

func (in *input) read(s *session) (*plan.Plan, error) {
	options := plan.Options{AllowSecrets: in.AllowSecrets}
	flags := plan.Flags{
		Plugin: in.Plugin, Face: in.Face, ID: in.ID, Shared: in.Shared, Hostlist: in.Hostlist, Timeout: in.Timeout,
		Nodes: in.Nodes, Pacemaker: in.Pacemaker, Delay: in.Delay, PriorityDelay: in.PriorityDelay,
	}
	if in.Plugin != "" {
		flags.Parameters = in.Words
		return plan.FromFlags(flags, options)
	}
	if len(in.Words) != 1 {
		return nil, fmt.Errorf("want one description file, or --plugin with --hostlist and parameters")
	}
	if !flags.Empty() {
		return nil, fmt.Errorf("want a description file, or flags that describe a device: with a file, all is said there")
	}
	text, err := readDescription(in.Words[0], s.stdin)
	if err != nil {
		return nil, err
	}
	return plan.Parse(in.Words[0], text, options)
}

func readDescription(name string, stdin io.Reader) ([]byte, error) {
	text, err := readAll(name, stdin, maxDescription)
	if err != nil {
		return nil, err
	}
	if len(text) > maxDescription {
		return nil, fmt.Errorf("%s: more than %d bytes are no description", name, maxDescription)
	}
	return text, nil
}

// readAll reads a file, or standard input if its name is -, but no more than one byte
// above a limit.
func readAll(name string, stdin io.Reader, limit int64) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, limit+1))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	return text, errors.Join(err, file.Close())
}
