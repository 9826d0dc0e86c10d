package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
)

// A target is the cluster that a command works on.
type target struct {
	CIB    string    `name:"cib" env:"CIB_file" placeholder:"FILE" help:"Work on a CIB in a file, instead of the cluster that this machine is in."`
	Tool   live.Tool `placeholder:"TOOL" help:"crm, pcs or cibadmin; default: the first that is there."`
	Shadow string    `hidden:"" env:"CIB_shadow"`
}

// with calls a function with the cluster, and stops it at a signal.
func (t *target) with(work func(context.Context, *live.Cluster) error) error {
	if t.Shadow != "" && t.CIB == "" {
		return fmt.Errorf("CIB_shadow is %s: give the file of that shadow with --cib, or unset it", t.Shadow)
	}
	tools, err := live.NewTools()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = work(ctx, &live.Cluster{File: t.CIB, Tools: tools, Tool: t.Tool})
	return errors.Join(err, tools.Close())
}

// installCommand gives the cluster the configuration.
type installCommand struct {
	DryRun bool `name:"dry-run" help:"Show the difference, and change nothing."`
	target
	input
}

// Run shows the difference, and makes it.
func (c *installCommand) Run(s *session) error {
	p, err := c.plan(s)
	if err != nil {
		return err
	}
	return c.with(func(ctx context.Context, cluster *live.Cluster) error {
		return cluster.Install(ctx, p.Configuration(), c.DryRun, s.stdout)
	})
}

// removeCommand takes the configuration from the cluster.
type removeCommand struct {
	DryRun bool `name:"dry-run" help:"Show the difference, and change nothing."`
	target
	input
}

// Run shows the difference, and makes it.
func (c *removeCommand) Run(s *session) error {
	p, err := c.read(s)
	if err != nil {
		return err
	}
	return c.with(func(ctx context.Context, cluster *live.Cluster) error {
		return cluster.Remove(ctx, p.Configuration(), c.DryRun, s.stdout)
	})
}
