package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

const (
	// lostAfter is the silence after which a session counts as lost.
	lostAfter = rmcp.SilenceLimit
	// unheardLimit is the time without an answer after which a BMC may have restarted, where
	// there is no session that it would have lost. It is less than any takes for that, which
	// starts an operating system, and more than a slow one takes for a login and a command.
	unheardLimit = 10 * time.Second
	// loginPause is the time between a login that was refused and the next one: a BMC
	// may lock an account, and has few sessions.
	loginPause = time.Second
	// maxRefusals is how many refusals of our credentials are the last word, and
	// maxSilences how many are if they are guessed from silence.
	maxRefusals, maxSilences = 2, 4
	// closeLimit is how long another command may hold up the end of a session.
	closeLimit = 300 * time.Millisecond
	// maxUnseen is how long a node may be out of sight and still count as off all the
	// time. A power cycle is without power for a second or more.
	maxUnseen = time.Second
)

// A chassis obeys commands: a session of rmcp, or ipmitool.
type chassis interface {
	fmt.Stringer
	ChassisStatus(ctx context.Context) (rmcp.Chassis, error)
	ChassisControl(ctx context.Context, control rmcp.Control) error
	KeepRestorePolicy(ctx context.Context) error
	DeviceGUID(ctx context.Context) (rmcp.GUID, error)
	SystemGUID(ctx context.Context) (rmcp.GUID, error)
	ACPIPower(ctx context.Context) (rmcp.ACPIPower, error)
	Starting(ctx context.Context) (bool, error)
	Close() error
}

// An access is a way to the BMC of a node.
type access struct {
	login func(context.Context) (chassis, error)
	// lostAfter is the silence after which a session counts as lost, 0 if there is none to lose.
	lostAfter time.Duration
}

// A bmc is the BMC of one node, and the session with it that this call has. Several
// commands at once take turns.
type bmc struct {
	access
	guid guid // that it must have, "" if any will do

	turn     chan struct{} // has an element while somebody uses what is below
	patient  bool          // a refused login is attempted again
	session  chassis       // nil if there is none
	known    bool          // the session is with the BMC that has the guid
	proven   bool          // a login has succeeded in this call
	refused  time.Time     // when a login was refused
	refusals int           // of our credentials
	refusal  error         // after which there is no other login
	seen     stonith.Power // at the last look of the session, Unknown if that failed
	offSince time.Time     // the first look since when it was never on, zero if the last one saw it on
	offUntil time.Time     // the last look that saw it off
	heard    time.Time     // the last answer, or failure, of a command
	ours     bool          // the last command that it took switches off, and the look before saw the node on
	dumped   bool          // the node has had its diagnostic interrupt

	acpi, start question // whether the node sleeps, and whether the BMC has just started
	hibernates  bool     // the node, when it was last seen off
	noFault     bool     // the node was on when it was last seen so, and the BMC had no fault of power control
}

func newBMC(by access, guid guid, patient bool) *bmc {
	return &bmc{access: by, guid: guid, patient: patient, turn: make(chan struct{}, 1)}
}

// A sight is what was seen at one look.
type sight struct {
	power stonith.Power
	// ours says that the node was on, and that the next and last thing the BMC took
	// from us was to switch it off.
	ours bool
	// offFor is how long the node has been seen off, and never on.
	offFor time.Duration
}

// look reads the state of the chassis. If that is off, it asks what else the BMC knows of
// it: an error says why off is doubtful.
func (b *bmc) look(ctx context.Context) (sight, error) {
	var s sight
	var doubt error
	err := b.do(ctx, func(ctx context.Context, c chassis) (err error) {
		asked := time.Now()
		state, err := c.ChassisStatus(ctx)
		b.hear()
		if err == nil && !state.PowerOn {
			doubt, err = b.doubt(ctx, c, state)
		}
		switch {
		case err != nil:
			b.seen = stonith.Unknown
		case doubt != nil:
			b.seen, b.offSince = stonith.Unknown, time.Time{}
		default:
			s = b.see(state, asked)
		}
		return err
	})
	if err == nil {
		err = doubt
	}
	return s, err
}

// hear notes that the BMC has answered, or could not be asked. Where there is no session,
// whose loss would tell it, a BMC that was not heard for unheardLimit may have restarted.
func (b *bmc) hear() {
	if b.lostAfter == 0 && time.Since(b.heard) > unheardLimit {
		b.forget()
	}
	b.heard = time.Now()
}

// forget forgets what was seen and asked: a BMC that starts anew may not know yet what its
// node does.
func (b *bmc) forget() { b.seen, b.ours, b.offSince = stonith.Unknown, false, time.Time{} }

// lookOnce reads the power of the chassis for those who will not look again, and do not
// want a proof: the first refusal of a login is the last word.
func (b *bmc) lookOnce(ctx context.Context) (stonith.Power, error) {
	err := b.inTurn(ctx, func() error {
		b.patient = false
		return nil
	})
	if err != nil {
		return stonith.Unknown, err
	}
	power := stonith.Off
	err = b.do(ctx, func(ctx context.Context, c chassis) error {
		state, err := c.ChassisStatus(ctx)
		if err == nil && state.PowerOn {
			power = stonith.On
		}
		return err
	})
	if err != nil {
		return stonith.Unknown, err
	}
	return power, nil
}

// see notes what was seen at a look that began at that time.
func (b *bmc) see(state rmcp.Chassis, began time.Time) sight {
	if state.PowerOn {
		b.seen, b.offSince, b.hibernates, b.noFault = stonith.On, time.Time{}, false, !state.ControlFault
		return sight{power: stonith.On}
	}
	unseen := began.Sub(b.offUntil) // from one sight to the next
	b.seen, b.offUntil = stonith.Off, time.Now()
	if b.offSince.IsZero() || unseen > maxUnseen {
		b.offSince = b.offUntil
	}
	return sight{power: stonith.Off, ours: b.ours, offFor: began.Sub(b.offSince)}
}

// control sends one command. One that resets, or interrupts a dump that has begun, is not
// repeated in another session: it may have been carried out.
func (b *bmc) control(ctx context.Context, control rmcp.Control) error {
	send := func(ctx context.Context, c chassis) error {
		b.dumped = b.dumped || control == rmcp.Diag
		err := c.ChassisControl(ctx, control)
		b.hear()
		if control != rmcp.Diag {
			ends := control == rmcp.Down || control == rmcp.Cycle
			b.ours = err == nil && ends && b.seen == stonith.On
		}
		return err
	}
	if control != rmcp.Down && control != rmcp.Up {
		return b.once(ctx, send)
	}
	return b.do(ctx, send)
}

// mayDump reports whether the node was seen on and has not had its diagnostic interrupt.
func (b *bmc) mayDump() bool {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	return b.seen == stonith.On && !b.dumped
}

// isHibernating reports whether the node was last seen off and in hibernation.
func (b *bmc) isHibernating() bool {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	return b.hibernates
}

// do runs a command in the session. If the session is lost, be it by a restart of the
// BMC, it does so in another one, which has twice the time to answer.
func (b *bmc) do(ctx context.Context, command func(context.Context, chassis) error) error {
	return b.inTurn(ctx, func() error {
		for patience := b.lostAfter; ; patience = 2 * b.lostAfter {
			if err := b.ready(ctx); err != nil {
				return err
			}
			err := b.within(ctx, patience, command)
			if err == nil || b.session != nil || patience == 0 || ctx.Err() != nil || !errors.Is(err, rmcp.ErrNoAnswer) {
				return err
			}
		}
	})
}

// once runs a command in one session.
func (b *bmc) once(ctx context.Context, command func(context.Context, chassis) error) error {
	return b.inTurn(ctx, func() error {
		if err := b.ready(ctx); err != nil {
			return err
		}
		return b.within(ctx, b.lostAfter, command)
	})
}

func (b *bmc) inTurn(ctx context.Context, act func() error) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.turn }()
	return act()
}

// ready logs in if there is no session.
func (b *bmc) ready(ctx context.Context) error {
	if b.session != nil {
		return nil
	}
	err := b.open(ctx)
	told := explain(err, b.proven)
	if refused := isCredential(err) || meant(err, refusals) != nil; b.patient && refused && b.refusal == nil && !b.proven {
		return stonith.Errorf(stonith.DeviceError, "%w", told) // not final: there is one more attempt
	}
	return told
}

// within runs a command in the session, which is gone if the BMC does not answer in
// it within the limit; no limit is that of ctx.
func (b *bmc) within(ctx context.Context, limit time.Duration, command func(context.Context, chassis) error) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	err := b.identify(ctx)
	if err == nil {
		err = command(ctx, b.session)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", b.session, err)
	var answer *rmcp.CompletionError
	if errors.Is(err, errWrongBMC) || !errors.As(err, &answer) {
		_ = b.session.Close() // it is lost, and its end need not be confirmed
		b.session = nil
		b.forget()
	}
	return explain(err, false)
}

// open logs in. A refusal may be the fault of a BMC that is busy with its node, so
// there is one more attempt, a second later; one that has let us in before is
// attempted as long as there is time.
func (b *bmc) open(ctx context.Context) error {
	if b.refusal != nil {
		return b.refusal
	}
	if !stonith.Sleep(ctx, time.Until(b.refused.Add(loginPause))) {
		return ctx.Err()
	}
	session, err := b.login(ctx)
	if err == nil {
		b.session, b.known, b.proven = session, false, true
		return nil
	}
	if !errors.Is(err, rmcp.ErrNoAnswer) {
		b.refuse(err)
	}
	return err
}

// refuse notes that a login was refused.
func (b *bmc) refuse(err error) {
	b.refused = time.Now()
	if !isCredential(err) || b.proven {
		return
	}
	attempts := maxRefusals
	switch {
	case errors.Is(err, rmcp.ErrSilence):
		attempts = maxSilences
	case errors.Is(err, rmcp.ErrKg):
		attempts = 1 // each one leaves a session that only the BMC can end
	}
	if b.refusals++; b.refusals >= attempts {
		b.refusal = err
	}
}

// identify checks once in each session that it is one with the right BMC. Another one is
// not asked again.
func (b *bmc) identify(ctx context.Context) error {
	if b.known {
		return nil
	}
	err := b.guid.check(ctx, b.session)
	if errors.Is(err, errWrongBMC) {
		b.refusal = fmt.Errorf("%s: %w", b.session, err)
	}
	b.known = err == nil
	return err
}

// close logs out. It waits a little for whoever uses the session.
func (b *bmc) close() {
	select {
	case b.turn <- struct{}{}:
	case <-time.After(closeLimit):
		return
	}
	defer func() { <-b.turn }()
	if b.session != nil {
		_ = b.session.Close() // the BMC ends it by itself if this is lost
		b.session = nil
	}
}
