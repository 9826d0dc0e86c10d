package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// onOneDomain are the operations that besides the harmless ones leave a running
// guest on its host: xapi ends them for hard_shutdown or lets it wait, and the host
// then ends what domain there is.
var onOneDomain = []string{
	"clean_reboot", "hard_reboot", "reboot", "suspend", "pause", "unpause", "call_plugin", "send_sysrq", "send_trigger", "csvm",
}

// building are the operations whose host may be building a domain, from an image of
// the old memory too. hard_shutdown does not end them: while the record says
// Suspended it writes Halted and empties current_operations, and the host goes on.
var building = []string{"resume", "resume_on", "checkpoint", "start", "start_on", "migrate_send", "revert", "reverting"}

// mayBuild reports whether an operation, known or not, may end with a domain that was not
// there before, or is on another host.
func mayBuild(operation string) bool {
	return !slices.Contains(harmless, operation) && !slices.Contains(onOneDomain, operation)
}

// A verdict is what one look at a guest came to.
type verdict struct {
	power  stonith.Power
	strong bool // Off is proven by this session's own request; else the record says Halted, and no more
	at     time.Time
}

// state returns On, or Off with what it has for a proof. power_state is a field of a
// database and no measurement: Halted alone is none.
func (g *guest) state(ctx context.Context) (verdict, error) {
	proven := g.isProven()
	r, err := g.firstLook(ctx)
	if err != nil {
		return verdict{}, err
	}
	switch r.Power {
	case running:
		return verdict{power: stonith.On}, nil
	case halted:
		if err := g.stays(ctx, r); err != nil {
			return verdict{}, err
		}
		return verdict{power: stonith.Off, strong: proven && g.isProven(), at: time.Now()}, nil
	case paused, suspended:
		return verdict{}, stonith.Errorf(stonith.UnknownState, "%s: it is %s, %w", g, r.Power, stonith.ErrNeitherState)
	default:
		return verdict{}, stonith.Errorf(stonith.UnknownState, "%s: power_state is %.40q", g, r.Power)
	}
}

// stays returns an error if the record of a Halted guest says that it may soon be
// running, or is already: the state is written when a start is over. An operation
// that was seen under way counts until its task has ended, though the record may have
// lost it.
func (g *guest) stays(ctx context.Context, r record) error {
	for _, operation := range r.CurrentOperations {
		if !slices.Contains(harmless, operation) {
			return stonith.Errorf(stonith.UnknownState, "%s: Halted, but with %.40q under way", g, operation)
		}
	}
	for _, host := range []string{r.ResidentOn, r.ScheduledOn} {
		if isHost(host) {
			return stonith.Errorf(stonith.UnknownState, "%s: Halted, but on %s", g, g.session.hostName(host))
		}
	}
	return g.builds(ctx)
}

// builds returns an error if a task that was seen building the guest's domain goes on, or
// may have left one that the record does not show.
func (g *guest) builds(ctx context.Context) error {
	for task, operation := range g.past.underWay(g.session.masterUUID()) {
		status, err := read[string](ctx, g.session, "task.get_status", task)
		switch {
		case code(err) == "HANDLE_INVALID", err == nil && slices.Contains([]string{"success", "failure", "cancelled"}, status):
			g.past.end(task)
		case err != nil:
			return fmt.Errorf("%s: Halted, but %.40q was under way: %w", g, operation, err)
		default:
			return stonith.Errorf(stonith.UnknownState, "%s: Halted, but the task of %.40q is %.40s, though the record has lost it", g, operation, status)
		}
	}
	if operation := g.past.doubt(); operation != "" {
		return stonith.Errorf(stonith.UnknownState, "%s: Halted, but %.40q was under way, and may have left a domain that the record does not show", g, operation).
			WithHint("xe-toolstack-restart on the host that it was to run on makes it tell what it runs")
	}
	return nil
}

// restoring are the operations that build a domain from an image of the old memory.
var restoring = []string{"resume", "resume_on", "checkpoint", "revert", "reverting"}

// A taskRecord is what the database says of a task.
type taskRecord struct {
	Name   string `xmlrpc:"name_label"`
	Status string `xmlrpc:"status"`
}

// restores returns an error if a task of the pool may restore the guest from an image.
// Which guest a task restores stands in that guest's record alone, and somebody's
// hard_shutdown may have emptied ours: only what another guest's record has is not ours.
func (g *guest) restores(ctx context.Context) error {
	s := g.session
	tasks, err := read[map[string]taskRecord](ctx, s, "task.get_all_records_where", `field "status" = "pending"`)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	maps.DeleteFunc(tasks, func(_ string, t taskRecord) bool { return !t.restores() })
	if len(tasks) == 0 {
		return nil
	}
	guests, err := s.allGuests(ctx)
	if err != nil {
		return err
	}
	for ref, task := range tasks {
		if !slices.ContainsFunc(guests, func(r record) bool { return r.UUID != g.uuid && r.CurrentOperations[ref] != "" }) {
			return stonith.Errorf(stonith.UnknownState, "%s: a task %.60q is pending, which may restore the guest, whatever its record says", s, task.Name).
				WithHint("its end is waited for; xe task-list on the master shows it, and xe task-cancel may end it")
		}
	}
	return nil
}

// restores reports whether the task builds the domain of some guest from an image.
func (t taskRecord) restores() bool {
	return slices.ContainsFunc(restoring, func(operation string) bool { return strings.HasSuffix(t.Name, "VM."+operation) })
}

// good returns an error unless the word of the masters that call the node Halted
// counts: they have been masters for long enough, every member that may run the guest
// works with the database of one of them and tells it what it runs, and a look that
// follows says Halted again. since is when it was said first.
func (m *members) good(ctx context.Context, guests []*guest, since time.Time) error {
	if err := m.areHeard(ctx, guests); err != nil {
		return err
	}
	if !stonith.Sleep(ctx, time.Until(since.Add(againAfter))) {
		return stonith.Errorf(stonith.TimedOut, "%s: Halted, but not looked at again: %w", guests[0], ctx.Err())
	}
	for _, g := range guests {
		err := g.restores(ctx)
		if err == nil {
			err = g.lookAgain(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *guest) lookAgain(ctx context.Context) error {
	r, err := g.look(ctx)
	switch {
	case err != nil:
		return err
	case r.Power != halted:
		return stonith.Errorf(stonith.UnknownState, "%s: Halted, and %.40s soon after", g, r.Power)
	}
	return g.stays(ctx, r)
}

// areHeard returns an error unless every member that may run the guest is heard by
// one of the masters, each of which is settled.
func (m *members) areHeard(ctx context.Context, guests []*guest) error {
	var masters []*session
	for _, g := range guests {
		if err := g.session.found.strays(g.session); err != nil {
			return fmt.Errorf("%s: Halted, but not by this call: %w", g, err)
		}
		masters = append(masters, g.session)
	}
	if err := m.hear(ctx, masters); err != nil {
		return fmt.Errorf("%s: Halted, but not by this call: %w", guests[0], err)
	}
	return nil
}

// warnOfAge warns if the masters' databases may be older than the last migration of
// a guest that they have ended: then its host had no domain of it, and said so.
func (m *members) warnOfAge(guests []*guest) {
	for _, g := range guests {
		clocks := map[string]time.Time{} // none is asked for its own: this is a warning
		for ref := range g.session.hosts {
			clocks[ref] = time.Now()
		}
		if err := g.session.isOlder(g.session.hosts, clocks); err != nil {
			m.warn(fmt.Sprintf("%s: ended by this call on the host that the master knows, but the guest may have been moved since: %s", g, withHint(err)))
		}
	}
}

// stateOf is On if one master says so, and Off if all do; strong are the guests that
// this call has ended.
func (m *members) stateOf(ctx context.Context, guests []*guest) (power stonith.Power, strong bool, err error) {
	var errs []error
	strong = true
	for _, g := range guests {
		v, err := g.state(ctx)
		switch {
		case err != nil:
			errs = append(errs, m.check(err))
		case v.power == stonith.On:
			return stonith.On, false, nil
		}
		strong = strong && v.strong
	}
	if len(errs) > 0 {
		return stonith.Unknown, false, errors.Join(errs...)
	}
	return stonith.Off, strong, nil
}
