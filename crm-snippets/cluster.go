package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/verify"
)

// A target is the cluster that a command works on.
type target struct {
	CIB    *string `name:"cib" env:"CIB_file" placeholder:"FILE" help:"Work on a CIB in a file, instead of the cluster that this machine is in."`
	Shadow string  `hidden:"" env:"CIB_shadow"`
}

// file returns the file of the CIB, or "" if the target is the cluster.
func (t *target) file() string {
	if t.CIB == nil {
		return ""
	}
	return *t.CIB
}

// with calls a function with the cluster, and stops it at a signal.
func (t *target) with(work func(context.Context, *live.Cluster) error) error {
	switch {
	case t.CIB != nil && *t.CIB == "":
		return fmt.Errorf("--cib or CIB_file is empty: want a file, or neither for the cluster that this machine is in")
	case t.Shadow != "" && t.CIB == nil:
		return fmt.Errorf("CIB_shadow is %s: give the file of that shadow with --cib, or unset it", t.Shadow)
	}
	tools, err := live.NewTools()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends what does not look at the first
	err = work(ctx, &live.Cluster{File: t.file(), Tools: tools})
	return errors.Join(err, tools.Close())
}

// A change is one of the cluster.
type change struct {
	DryRun bool      `name:"dry-run" help:"Show the difference, and change nothing."`
	Tool   live.Tool `placeholder:"TOOL" help:"crm, pcs or cibadmin, to make the change with; default: the first that is there."`
	target
	input
}

// installCommand gives the cluster the configuration.
type installCommand struct{ change }

// Run shows the difference, makes it, and says on standard error what the nodes need.
func (c *installCommand) Run(s *session) error {
	p, err := c.plan(s)
	if err != nil {
		return err
	}
	err = c.with(func(ctx context.Context, cluster *live.Cluster) error {
		cluster.Tool = c.Tool
		return cluster.Install(ctx, p.Configuration(), c.DryRun, s.stdout)
	})
	if err != nil {
		return err
	}
	for _, note := range p.Notes() {
		s.say("note", note)
	}
	return nil
}

// removeCommand takes the configuration from the cluster.
type removeCommand struct{ change }

// Run shows the difference, and makes it.
func (c *removeCommand) Run(s *session) error {
	p, err := c.read(s)
	if err != nil {
		return err
	}
	return c.with(func(ctx context.Context, cluster *live.Cluster) error {
		cluster.Tool = c.Tool
		return cluster.Remove(ctx, p.Configuration(), c.DryRun, s.stdout)
	})
}

// checkCommand looks at the cluster's fencing.
type checkCommand struct {
	target
	input
}

// Run prints what it finds, and fails if something is wrong.
func (c *checkCommand) Run(s *session) error {
	options := verify.Options{Live: c.file() == "", AllowSecrets: c.AllowSecrets}
	if len(c.Words) > 0 || c.Plugin != "" {
		p, err := c.read(s)
		if err != nil {
			return err
		}
		wanted := p.Configuration()
		options.Wanted = &wanted
	}
	return c.with(func(ctx context.Context, cluster *live.Cluster) error {
		cib, err := cluster.Read(ctx)
		if err != nil {
			return err
		}
		rows, err := verify.Check(ctx, cluster.Tools, cib, options)
		if err != nil {
			return err
		}
		if err := verify.Write(s.stdout, rows); err != nil {
			return err
		}
		if n := verify.Failures(rows); n > 0 {
			return fmt.Errorf("%d of %d findings are wrong", n, len(rows))
		}
		return nil
	})
}
