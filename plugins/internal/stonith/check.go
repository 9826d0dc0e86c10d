package stonith

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A checkStep is one that a request takes to its node, and the reasons by which it fails
// there.
type checkStep struct {
	name  string
	fails []Reason
}

// checkSteps are in their order.
var checkSteps = []checkStep{
	{"reach", []Reason{Unreachable}},
	{"login", []Reason{NotAuthenticated}},
	{"permission", []Reason{NotPermitted}},
	{"found", []Reason{NotFound, Ambiguous}},
}

// check asks the device about each node by itself, prints a table of how far it came,
// and then asks about all together, as status does. Configuration and files were
// checked when the device was opened.
func (c *call) check(ctx context.Context, f *fencer) error {
	start := time.Now()
	sights := c.checkEach(ctx, f)
	if err := c.printChecks(sights); err != nil {
		return err
	}
	var failed []error
	for _, s := range sights {
		if s.err != nil && !slices.ContainsFunc(failed, func(other error) bool { return other.Error() == s.err.Error() }) {
			failed = append(failed, branches(s.err)...)
		}
	}
	if len(failed) == 0 {
		failed = append(failed, f.check(ctx, c.hosts.nodes))
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if err := c.rehearse(ctx, f); err != nil {
		return err
	}
	return c.succeed(c.ready(), start)
}

// checkEach checks each node and looks at it, all at the same time.
func (c *call) checkEach(ctx context.Context, f *fencer) []sight {
	sights := make([]sight, len(c.hosts.nodes))
	var all sync.WaitGroup
	for i, n := range c.hosts.nodes {
		all.Go(func() {
			if err := f.check(ctx, []Node{n}); err != nil {
				sights[i].err = err
				return
			}
			sights[i] = f.lookOnce(ctx, f.budget/lookShare, n)
			if errors.Is(sights[i].err, ErrNeitherState) {
				sights[i].err = nil // the power stays unknown, and the device would obey, as status says
			}
		})
	}
	all.Wait()
	return sights
}

func (c *call) printChecks(sights []sight) error {
	heads := []string{"node"}
	for _, step := range checkSteps {
		heads = append(heads, step.name)
	}
	var rows strings.Builder
	rows.WriteString(strings.Join(append(heads, "power", "verdict"), "\t") + "\n")
	for i, s := range sights {
		cells := append([]string{c.hosts.nodes[i].Name}, stepsOf(s.err)...)
		rows.WriteString(strings.Join(append(cells, s.power.String(), verdictOf(s.err)), "\t") + "\n")
	}
	table := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	return table.Flush()
}

// stepsOf says of each step whether it was taken: yes, no, - (one before was not), or
// ? if the error does not tell.
func stepsOf(err error) []string {
	words := make([]string, len(checkSteps))
	first, told := len(checkSteps), true
	for _, e := range reasoned(err) {
		at := slices.IndexFunc(checkSteps, func(s checkStep) bool { return slices.Contains(s.fails, e.Reason) })
		if at < 0 {
			told = false
			continue
		}
		words[at] = "no"
		first = min(first, at)
	}
	for i := range words {
		switch {
		case words[i] != "":
		case !told || err != nil && first == len(checkSteps):
			words[i] = "?"
		case i < first:
			words[i] = "yes"
		default:
			words[i] = "-"
		}
	}
	return words
}

func verdictOf(err error) string {
	if err == nil {
		return "ready"
	}
	return string(ReasonOf(err))
}

// rehearse goes the whole way of off for one node but for the last step, if asked to.
func (c *call) rehearse(ctx context.Context, f *fencer) error {
	if c.request.rehearse == "" {
		return nil
	}
	node, err := c.hosts.find(c.request.rehearse)
	if err != nil {
		return err
	}
	device, ok := f.device.(Rehearser)
	if !ok {
		return Errorf(BadConfig, "rehearsal of off %s: the device has none", node.Name)
	}
	told, err := within(ctx, func() (string, error) { return device.Rehearse(ctx, node) })
	if err != nil {
		return fmt.Errorf("rehearsal of off %s: %w", node.Name, err)
	}
	_, err = io.WriteString(c.Stdout, printable.Line(fmt.Sprintf("rehearsal of off %s: %s", node.Name, told))+"\n")
	return err
}
