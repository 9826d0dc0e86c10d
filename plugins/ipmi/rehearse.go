package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

var (
	_ stonith.Rehearser = (*device)(nil)
	_ stonith.Diagnoser = (*device)(nil)
)

// unknownCommand is the completion code of a command that a BMC does not have (IPMI
// specification v2.0, table 5-2).
const unknownCommand = 0xC1

// Rehearse logs in with the privilege that off needs, reads the state, and sends in the
// place of Power Down a command to the chassis that needs the same privilege and
// changes nothing.
func (d *device) Rehearse(ctx context.Context, n stonith.Node) (told string, err error) {
	b := d.bmcs[n.Name]
	seen, err := b.lookOnce(ctx)
	if err != nil {
		return "", err
	}
	err = b.do(ctx, func(ctx context.Context, c chassis) error { return c.KeepRestorePolicy(ctx) })
	var answer *rmcp.CompletionError
	switch {
	case errors.As(err, &answer) && answer.Code == unknownCommand:
		return fmt.Sprintf("nothing, since this BMC has no request that changes nothing (%s); all before it worked, and the node is %s", answer, seen), nil
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("Set Power Restore Policy with no change, in the place of Power Down; the node is %s", seen), nil
}

// Diagnose sends a diagnostic interrupt.
func (d *device) Diagnose(ctx context.Context, n stonith.Node) error {
	return d.bmcs[n.Name].control(ctx, rmcp.Diag)
}
