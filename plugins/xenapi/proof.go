package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// againAfter is the pause between two looks that must agree.
const againAfter = 250 * time.Millisecond

// harmless are the operations that cannot bring a Halted guest back. All others,
// known or not, can.
var harmless = []string{
	"shutdown", "clean_shutdown", "hard_shutdown", "snapshot", "snapshot_with_quiesce", "copy", "clone", "export",
	"metadata_export", "make_into_template", "destroy", "update_allowed_operations", "get_boot_record", "assert_operation_valid",
	"data_source_op", "changing_dynamic_range", "changing_static_range", "changing_memory_limits", "changing_shadow_memory",
	"changing_shadow_memory_live", "changing_VCPUs", "changing_VCPUs_live", "changing_NVRAM", "create_vtpm", "create_template",
	"query_services",
}

// state returns On, or Off with a proof. power_state is a field of a database and
// no measurement: Halted alone is none.
func (g *guest) state(ctx context.Context) (stonith.Power, error) {
	kill := g.lastKill()
	killed := kill != nil && kill.succeeded()
	r, err := g.firstLook(ctx)
	if err != nil {
		return stonith.Unknown, err
	}
	switch r.Power {
	case running:
		return stonith.On, nil
	case halted:
		return g.prove(ctx, r, killed)
	case paused, suspended:
		return stonith.Unknown, stonith.Errorf(stonith.UnknownState, "%s: it is %s, which is neither on nor off", g, r.Power)
	default:
		return stonith.Unknown, stonith.Errorf(stonith.UnknownState, "%s: power_state is %.40q", g, r.Power)
	}
}

// prove returns Off if the guest that was read Halted is dead. The strong proof is
// that this session's own hard_shutdown had succeeded before it was read. The other
// one is a second look that says the same, and a request of ours under way
// meanwhile, or a master that has known its members for long enough.
func (g *guest) prove(ctx context.Context, first record, killed bool) (stonith.Power, error) {
	if err := g.stays(first); err != nil {
		return stonith.Unknown, err
	}
	if killed {
		return stonith.Off, nil
	}
	if !g.lastKill().counts() {
		if err := g.session.checkAge(ctx); err != nil {
			return stonith.Unknown, fmt.Errorf("%s: Halted, but not by this call: %w", g, err)
		}
	}
	select {
	case <-time.After(againAfter):
	case <-ctx.Done():
		return stonith.Unknown, stonith.Errorf(stonith.TimedOut, "%s: Halted, but not looked at again: %w", g, ctx.Err())
	}
	return g.lookAgain(ctx)
}

// isTrusted returns an error if a guest that is proven Halted was not ended by us,
// and a slave says that this master is not its own.
func (g *guest) isTrusted() error {
	if g.lastKill().counts() {
		return nil
	}
	if err := g.session.found.strays(g.session); err != nil {
		return fmt.Errorf("%s: Halted, but not by this call: %w", g, err)
	}
	return nil
}

func (g *guest) lookAgain(ctx context.Context) (stonith.Power, error) {
	r, err := g.look(ctx)
	switch {
	case err != nil:
		return stonith.Unknown, err
	case r.Power != halted:
		return stonith.Unknown, stonith.Errorf(stonith.UnknownState, "%s: Halted, and %.40s soon after", g, r.Power)
	}
	if err := g.stays(r); err != nil {
		return stonith.Unknown, err
	}
	return stonith.Off, nil
}

// stays returns an error if the record of a Halted guest says that it may soon be
// running, or is already: the state is written when a start is over.
func (g *guest) stays(r record) error {
	for _, operation := range r.CurrentOperations {
		if !slices.Contains(harmless, operation) {
			return stonith.Errorf(stonith.UnknownState, "%s: Halted, but with %.40q under way", g, operation)
		}
	}
	for _, host := range []string{r.ResidentOn, r.ScheduledOn} {
		if host != "" && host != nullRef {
			return stonith.Errorf(stonith.UnknownState, "%s: Halted, but on %s", g, g.session.hostName(host))
		}
	}
	return nil
}
