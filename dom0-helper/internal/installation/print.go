package installation

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A printer writes for people. An error of it is no one's: what was done is done.
type printer struct{ out io.Writer }

// line writes one line.
func (p printer) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

// table writes rows in columns.
func (p printer) table(rows [][]string) {
	columns := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		printer{columns}.line("%s", strings.Join(row, "\t"))
	}
	_ = columns.Flush()
}
