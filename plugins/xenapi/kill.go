package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// A kill is a hard_shutdown.
type kill struct {
	*request
	proves bool // its success is a proof: see canProve. Under the guest's lock
}

// canProve reports whether the success of a hard_shutdown, which is sent after this
// record was read, says that the guest's host has ended it. Only a host can end a
// domain: of a guest that is Suspended xapi deletes the image, and asks no host for a
// domain. What is under way may be building another one elsewhere.
func (r *record) canProve() bool {
	return (r.Power == running || r.Power == paused) && isHost(r.ResidentOn) && !isHost(r.ScheduledOn) && !r.hasBuilder()
}

// hasBuilder reports whether an operation is under way that may end with a domain, or moves one.
func (r *record) hasBuilder() bool {
	for _, operation := range r.CurrentOperations {
		if mayBuild(operation) {
			return true
		}
	}
	return false
}

// isHost reports whether a field of a record names a host.
func isHost(ref string) bool { return ref != "" && ref != nullRef }

// isBuilding returns the operation under way that may be building a domain of the guest,
// "" if there is none.
func (r *record) isBuilding() string {
	for _, operation := range r.CurrentOperations {
		if slices.Contains(building, operation) || (r.Power == suspended && mayBuild(operation)) {
			return operation
		}
	}
	if r.Power == suspended && isHost(r.ScheduledOn) {
		return "scheduled_to_be_resident_on"
	}
	return ""
}

// note remembers what a look has found that concerns a proof: the tasks that may build a
// domain, and that the last kill is not, or no longer, one. answered says that it was
// answered before the look.
func (g *guest) note(r record, answered bool) {
	g.past.note(g.session.masterUUID(), r)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kill == nil {
		return
	}
	disturbed := r.Power == suspended || r.hasBuilder() || (r.Power != halted && isHost(r.ScheduledOn))
	if disturbed || (answered && r.Power != halted) {
		g.kill.proves = false
	}
}

// isAnswered reports whether the last kill has been answered.
func (g *guest) isAnswered() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.kill != nil && g.kill.ended()
}

// isProven reports whether this session has ended the guest: a look that begins now and
// finds it Halted is the strong proof.
func (g *guest) isProven() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.kill != nil && g.kill.proves && g.kill.succeeded()
}

// switchOff asks for hard_shutdown, and returns when it is answered or the guest
// has been seen Halted. One request is under way at a time. A guest that is Halted
// is not asked for: State finds out whether that is a proof. While a domain is being
// built it is not asked for either: that would hide what goes on.
func (g *guest) switchOff(ctx, life context.Context) error {
	r, err := g.look(ctx)
	if err != nil || r.Power == halted {
		return &stonith.NotAsked{Err: err}
	}
	if operation := r.isBuilding(); operation != "" {
		return &stonith.NotAsked{Err: g.waitsFor(r, operation)}
	}
	if reason, blocked := r.BlockedOperations["hard_shutdown"]; blocked {
		return g.isBlocked(reason)
	}
	return g.shutDown(ctx, life, r)
}

func (g *guest) shutDown(ctx, life context.Context, r record) error {
	g.mu.Lock()
	if g.kill == nil || g.kill.ended() {
		g.kill = &kill{request: startRequest(life, g, "VM.hard_shutdown"), proves: r.canProve()}
	}
	asked := g.kill
	g.mu.Unlock()
	if err := asked.wait(ctx, halted); err != nil {
		return g.refused(r, err)
	}
	return nil
}

// refused says why a hard_shutdown, or what stands for it, came to nothing.
func (g *guest) refused(r record, err error) error {
	host := "host " + r.ResidentOn
	if isHost(r.ResidentOn) {
		host = g.session.hostName(r.ResidentOn)
	}
	_, known := g.session.hosts[r.ResidentOn]
	underWay := argument(err, 2) == "hard_shutdown" // of an earlier call, or of somebody else
	switch offline := code(err) == hostOffline || code(err) == "CANNOT_CONTACT_HOST"; {
	case code(err) == "OPERATION_BLOCKED":
		return g.isBlocked("")
	case code(err) == "SESSION_INVALID" && argument(err, 0) != g.session.ref:
		// %v: it is not our session, which goes on.
		return stonith.Errorf(stonith.UnknownState, "%s, on %s: it refuses the master's session: %v", g, host, err).
			WithHint("that host works with another master's database: name all members in pool, and end one of the two masters")
	case strings.Contains(argument(err, 0), "does not exist in xenopsd"):
		return fmt.Errorf("%s, on %s: %w", g, host, stonith.Errorf(stonith.DeviceError, "%w", err).
			WithHint("that host's toolstack has lost the guest: xe-toolstack-restart there makes it tell anew what it runs; the guests go on meanwhile"))
	case offline && !isHost(r.ResidentOn), code(err) == "NO_HOSTS_AVAILABLE":
		return stonith.Errorf(stonith.Unreachable, "%s, which is on no host: %v", g, err).
			WithHint("a live host that sees the storage of the guest's disks is needed to delete the image of a suspended guest")
	case offline && !known:
		return stonith.Errorf(stonith.Unreachable, "%s, on %s, which the pool did not have when this call logged in: %v", g, host, err)
	case offline, underWay, errors.Is(err, context.DeadlineExceeded):
		return stonith.Errorf(stonith.ReasonOf(err), "%s, on %s: %w", g, host, err).
			WithHint("XenAPI cannot switch off what a dead host runs: if %s is dead, let the next fencing level switch that host off, by its power supply or IPMI", host)
	}
	return fmt.Errorf("%s: %w", g, err)
}

// waitsFor says what is under way that the request would hide, and not end.
func (g *guest) waitsFor(r record, operation string) error {
	return stonith.Errorf(stonith.UnknownState, "%s: %s, with %.40q under way, which hard_shutdown does not end", g, r.Power, operation).
		WithHint("off waits for its end; xe task-list on the master shows it, and xe task-cancel may end it")
}

// isBlocked says what blocks hard_shutdown, and how to lift it.
func (g *guest) isBlocked(reason string) error {
	return stonith.Errorf(stonith.NotPermitted, "%s: blocked_operations has hard_shutdown, with the reason %q", g, reason).
		WithHint("xe vm-param-remove uuid=%s param-name=blocked_operations param-key=hard_shutdown lifts the block", g.uuid)
}

// A request is a call that changes a guest. xapi may take hours to answer it, and
// carries it out even if we do not wait.
type request struct {
	guest   *guest
	method  string
	started time.Time
	done    chan struct{}
	err     error // when done
}

// startRequest sends the call. It is under way until it is answered or life ends.
func startRequest(life context.Context, g *guest, method string, params ...any) *request {
	r := &request{guest: g, method: method, started: time.Now(), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		_, r.err = ask[string](life, g.session, method, append([]any{g.ref}, params...)...)
	}()
	return r
}

func (r *request) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// succeeded reports whether the request was answered with success.
func (r *request) succeeded() bool { return r.ended() && r.err == nil }

// wait returns when the request is answered, or when the guest is seen in the
// wanted state while it is not: the answer may come long after the deed.
func (r *request) wait(ctx context.Context, want string) error {
	const pause = 500 * time.Millisecond
	for {
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
			return stonith.Errorf(stonith.TimedOut, "%s has not been answered for %s: %w", r.method, time.Since(r.started).Round(time.Millisecond), ctx.Err())
		case <-time.After(pause):
		}
		if seen, err := r.guest.look(ctx); err != nil && endsSession(err) {
			return err
		} else if err == nil && seen.Power == want {
			return nil
		}
	}
}
