package main

import (
	"fmt"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/render"
)

// renderCommand prints the configuration.
type renderCommand struct {
	Format string `required:"" placeholder:"FORMAT" help:"crm, pcs, cibadmin, heartbeat (as of 2007) or cluster.conf."`
	input
}

// Run prints the configuration, and on standard error what the format lacks and the nodes need.
func (c *renderCommand) Run(s *session) error {
	p, err := c.plan(s)
	if err != nil {
		return err
	}
	out, err := render.Render(render.Format(c.Format), p)
	if err != nil {
		return err
	}
	for _, note := range append(out.Notes, p.Notes()...) {
		s.say("note", note)
	}
	_, err = fmt.Fprint(s.stdout, out.Text)
	return err
}
