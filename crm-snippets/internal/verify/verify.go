// Package verify looks at a cluster's fencing, as its CIB describes it: what would go
// wrong when a node has to be fenced, and what the tools of the cluster software say.
package verify

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A Result is what a check came to.
type Result string

// The results.
const (
	OK         Result = "ok"
	Wrong      Result = "wrong"
	NotChecked Result = "not checked"
)

// A Row is what a check has to say.
type Row struct {
	Result Result
	Check  string
	Text   string
}

// Options are what is checked besides the CIB itself.
type Options struct {
	// Wanted is the configuration that the cluster should have, if one is described.
	Wanted *plan.Configuration
	// Live says that the cluster is the one that this machine is in, so that it should
	// have the agents.
	Live bool
	// AllowSecrets lets secrets stand in the CIB.
	AllowSecrets bool
}

// Check looks at a CIB in all ways, and returns what there is to say, in a fixed order.
func Check(ctx context.Context, tools *live.Tools, cib *live.CIB, options Options) ([]Row, error) {
	c := read(cib)
	rows := c.rules(options)
	if options.Wanted != nil {
		rows = append(rows, verdict("description", live.Deviations(cib, *options.Wanted), "the cluster has all that is described")...)
	}
	its, err := askTools(ctx, tools, c, options)
	return append(rows, its...), err
}

// rules looks at the CIB alone.
func (c *cluster) rules(options Options) []Row {
	var rows []Row
	for _, check := range []func(*cluster) []Row{enabled, fenced, levels, parameters, locations, monitored, timeouts, delays} {
		rows = append(rows, check(c)...)
	}
	if options.AllowSecrets {
		return append(rows, Row{NotChecked, "secrets", "they are allowed to stand in the configuration"})
	}
	return append(rows, secrets(c)...)
}

// verdict returns a row for each thing that is wrong, or one that says that all is well.
func verdict(check string, wrong []string, well string) []Row {
	if len(wrong) == 0 {
		return []Row{{OK, check, well}}
	}
	var rows []Row
	for _, text := range wrong {
		rows = append(rows, Row{Wrong, check, text})
	}
	return rows
}

// withoutOK returns what is not checked, and the verdict behind it: all is well only
// where all is checked.
func withoutOK(notChecked, verdict []Row) []Row {
	if len(notChecked) > 0 && Failures(verdict) == 0 {
		return notChecked
	}
	return append(notChecked, verdict...)
}

// Failures returns how many rows say that something is wrong.
func Failures(rows []Row) int {
	n := 0
	for _, row := range rows {
		if row.Result == Wrong {
			n++
		}
	}
	return n
}

// Write writes the rows as a table.
func Write(out io.Writer, rows []Row) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", row.Result, row.Check, printable.Line(row.Text)); err != nil {
			return err
		}
	}
	return table.Flush()
}
