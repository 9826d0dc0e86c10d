package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/convert"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/render"
)

// convertCommand makes a description of an old configuration.
type convertCommand struct {
	File *string `arg:"" optional:"" placeholder:"FILE" help:"A CIB (of Pacemaker, or of Heartbeat 2), a piece of one, or a cluster.conf; - for standard input. Without it: the CIB of the cluster."`
	target
	Format string `placeholder:"FORMAT" help:"Print this instead of the description: crm, pcs, cibadmin, heartbeat (as of 2007) or cluster.conf."`
}

// Run prints the description, and on standard error what is different with it.
func (c *convertCommand) Run(s *session) error {
	name, text, err := c.source(s)
	if err != nil {
		return err
	}
	result, err := convert.Convert(name, text)
	if err != nil {
		return err
	}
	out := render.Output{Text: result.Description}
	if c.Format != "" {
		if out, err = render.Render(render.Format(c.Format), result.Plan); err != nil {
			return err
		}
	}
	for _, note := range append(result.Notes, out.Notes...) {
		s.say("note", note)
	}
	_, err = fmt.Fprint(s.stdout, out.Text)
	return err
}

// source returns the old configuration, and what to call it.
func (c *convertCommand) source(s *session) (name string, text []byte, err error) {
	if c.File == nil {
		err = c.with(func(ctx context.Context, cluster *live.Cluster) error {
			its, err := cluster.Read(ctx)
			if err == nil {
				text = its.Text()
			}
			return err
		})
		return cmp.Or(c.file(), "the CIB of the cluster"), text, err
	}
	if name = *c.File; name == "-" {
		name = "standard input"
	}
	text, err = readAll(*c.File, s.stdin, cib.MaxSize)
	return name, text, err
}
