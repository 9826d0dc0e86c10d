package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

const (
	// questionLimit is the silence after which a BMC has no answer to a question that it
	// need not know. It has been sent twice by then.
	questionLimit = 1100 * time.Millisecond
	// maxSilent is how often a question is met by silence, or put off, until it counts as
	// one that the BMC cannot answer.
	maxSilent = 3
)

// A question is one that not every BMC can answer.
type question struct {
	silent   int  // how often it was not answered
	answered bool // it was, once
}

// ask asks it, once a look. A BMC that refuses it has told nothing. One that is silent to
// it, or busy, has told nothing yet, unless that has happened a few times: the error doubt
// says so. One that has answered it before in this call can, so whatever else it does is
// doubt. Any other error is one of the session.
func (q *question) ask(ctx context.Context, b *bmc, c chassis, read func(context.Context) error) (answered bool, doubt, err error) {
	if q.silent == maxSilent {
		return false, nil, nil
	}
	part, cancel := ctx, context.CancelFunc(func() {})
	if b.lostAfter > 0 {
		part, cancel = context.WithTimeout(ctx, questionLimit)
	}
	defer cancel()
	failure := read(part)
	b.hear()
	if failure == nil {
		q.silent, q.answered = 0, true
		return true, nil, nil
	}
	var answer *rmcp.CompletionError
	refused := errors.As(failure, &answer)
	if !refused {
		state, err := c.ChassisStatus(ctx)
		switch {
		case err != nil:
			return false, nil, err // it is the session that is lost, and not the question
		case state.PowerOn:
			return false, stonith.Errorf(stonith.UnknownState, "%s: the chassis was off, and is on a moment later", c), nil
		}
	}
	switch {
	case q.answered:
	case refused && !slices.Contains(busyCodes, answer.Code):
		q.silent = maxSilent
	default:
		q.silent++
	}
	if q.silent == maxSilent {
		return false, nil, nil
	}
	return false, explain(failure, false), nil
}

// doubt asks a BMC that reports off what may make that untrue, and returns it. Many boards
// tell the power by a line of the supply that is down as well while the node sleeps with its
// memory kept (ACPI's S1 to S3). A BMC that has just started may not have read its lines. One
// that has a fault of power control since the node was on says itself that the node did not go
// off when it was told to; an older fault says nothing of that.
func (b *bmc) doubt(ctx context.Context, c chassis, state rmcp.Chassis) (doubt, err error) {
	if state.ControlFault && b.noFault {
		return stonith.Errorf(stonith.UnknownState, "%s: the chassis reads off, but the BMC says that it could not switch the power (power control fault)", c).
			WithHint("look at the node; ipmitool chassis status shows the fault"), nil
	}
	var power rmcp.ACPIPower
	answered, doubt, err := b.acpi.ask(ctx, b, c, func(ctx context.Context) (err error) {
		power, err = c.ACPIPower(ctx)
		return err
	})
	if doubt != nil || err != nil {
		return doubt, err
	}
	if answered && power.Sleeps() {
		return stonith.Errorf(stonith.StillOn, "%s: the chassis is without power, but the node sleeps and keeps its memory: ACPI power state %s", c, power).
			WithHint("let no cluster node suspend: AllowSuspend=no in systemd's sleep.conf"), nil
	}
	b.hibernates = answered && power == rmcp.ACPIHibernates
	if b.ours || !b.offSince.IsZero() {
		return nil, nil // the BMC was well at an earlier sight, and has not been lost since
	}
	starting := false
	answered, doubt, err = b.start.ask(ctx, b, c, func(ctx context.Context) (err error) {
		starting, err = c.Starting(ctx)
		return err
	})
	if answered && starting {
		doubt = stonith.Errorf(stonith.UnknownState, "%s: off, says a BMC that has just started or updates its firmware, and may not know", c)
	}
	return doubt, err
}
