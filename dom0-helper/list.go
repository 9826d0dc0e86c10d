package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// runList tells an administrator of this Dom0 the state of the guests of the
// policy, or of those that are named, and by whom each was fenced last.
func runList(args []string) int {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	policyPath := flags.String("policy", defaultPolicy, "policy file")
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if err == nil {
		err = list(*policyPath, flags.Args(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "dom0-helper: error: list: %v\n", err)
		return 1
	}
	return 0
}

func list(policyPath string, names []string, out io.Writer) error {
	rules, err := policy.Load(policyPath)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	guests, err := chosen(rules, names)
	if err != nil {
		return err
	}
	host, err := newHost(rules, &audit{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	seen, err := host.glanceAll(ctx, guests)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, s := range seen {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", s.id.Name, cmp.Or(s.state, "unknown"), host.lastFence(s.id.Name)) // Flush tells
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range seen {
		for _, f := range host.examine(s) {
			if _, err := fmt.Fprintf(out, "warning: %s\n", wire.Clean(f.Text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// chosen returns the guests of these names, or all.
func chosen(rules *policy.Policy, names []string) ([]policy.Guest, error) {
	if len(names) == 0 {
		return rules.Guests, nil
	}
	var guests []policy.Guest
	for _, name := range names {
		g, ok := rules.Guest(name)
		if !ok {
			return nil, fmt.Errorf("guest %q is not in the policy", name)
		}
		guests = append(guests, g)
	}
	return guests, nil
}

// lastFence says who fenced the guest last.
func (h *host) lastFence(guest string) string {
	n, found, err := h.readNote(guest)
	switch {
	case err != nil:
		return wire.Clean(fmt.Sprintf("last fence unknown: %v", err))
	case !found:
		return "no fence since this Dom0 started"
	default:
		return n.String()
	}
}
