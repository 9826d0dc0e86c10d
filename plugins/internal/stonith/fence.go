package stonith

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// pollInterval is the pause between two looks at a node. While looks fail it doubles after
	// each slowerAfter of them, maxDoublings times: each look is work for a device in trouble.
	pollInterval = 250 * time.Millisecond
	slowerAfter  = 4
	maxDoublings = 2
	// askAgainAfter is how long a request may stay without its effect before it is repeated.
	askAgainAfter = 10 * time.Second
	// A fence has time for several looks and requests: one look may take this part of it,
	// and one request that.
	lookShare, askShare = 4, 2
	// longestPause is the longest pause between requests that fail: it begins with
	// pollInterval, and doubles.
	longestPause = 4 * time.Second
	// grace is what a device gets after its context's end to say what it was doing.
	grace = 200 * time.Millisecond
)

// A fencer turns verbs into looks and requests. Its only success is what it saw.
type fencer struct {
	device Device
	// budget is the time for the whole call.
	budget time.Duration
	// leaveOff says that reset leaves a node off that it found off.
	leaveOff bool
}

// An outcome is the way a verb succeeded. trouble is an error that does not
// change the verdict: a node that is proven off, but did not come on again.
type outcome struct {
	reasons []Reason
	trouble error
}

// off returns only after n has been seen off, or with an error.
func (f *fencer) off(ctx context.Context, n Node) (outcome, error) {
	already, err := f.pursue(ctx, n, Off)
	switch {
	case err != nil:
		return outcome{}, err
	case already:
		return outcome{reasons: []Reason{AlreadyOff}}, nil
	default:
		return outcome{reasons: []Reason{OffObserved}}, nil
	}
}

// on returns only after n has been seen on, or with an error.
func (f *fencer) on(ctx context.Context, n Node) (outcome, error) {
	if _, err := f.pursue(ctx, n, On); err != nil {
		return outcome{}, err
	}
	return outcome{reasons: []Reason{OnObserved}}, nil
}

// reset resets in the way that the device is told to. A node that is not seen on,
// or whose device does not take that request, is switched off and on: that
// proves no less.
func (f *fencer) reset(ctx context.Context, n Node) (outcome, error) {
	device, ok := f.device.(Resetter)
	if !ok || device.Way() == OffAndOn {
		return f.offAndOn(ctx, n)
	}
	var w watch
	if f.look(ctx, n, &w) != On || f.ask(ctx, &w, func(ctx context.Context) error { return device.Reset(ctx, n) }) != nil {
		return f.offAndOn(ctx, n)
	}
	if device.Way() == HardReset {
		return outcome{reasons: []Reason{ResetAccepted}}, nil
	}
	for f.look(ctx, n, &w) != Off {
		if err := w.hopeless(); err != nil {
			return outcome{}, err
		}
		if !Sleep(ctx, w.poll()) {
			return outcome{}, w.gaveUp(ctx, f.budget, Off)
		}
	}
	return f.onAgain(ctx, n, outcome{reasons: []Reason{OffObserved}})
}

// offAndOn is off, then on.
func (f *fencer) offAndOn(ctx context.Context, n Node) (outcome, error) {
	out, err := f.off(ctx, n)
	if err != nil {
		return outcome{}, err
	}
	if f.leaveOff && out.reasons[0] == AlreadyOff {
		return outcome{reasons: []Reason{LeftOff}}, nil
	}
	return f.onAgain(ctx, n, out)
}

// onAgain switches on a node that has been seen off. It is fenced, and what becomes
// of on is no more than trouble.
func (f *fencer) onAgain(ctx context.Context, n Node, out outcome) (outcome, error) {
	started, err := f.on(ctx, n)
	out.reasons = append(out.reasons, started.reasons...)
	if err != nil {
		out.trouble = fmt.Errorf("off was observed, so the node is fenced; but it did not come on: %w", err)
	}
	return out, nil
}

// pursue looks, asks and looks again until n is in the wanted state; already
// says that it was so at first sight. A node that cannot be observed is asked
// all the same. It gives up when nothing more can come of it.
func (f *fencer) pursue(ctx context.Context, n Node, want Power) (already bool, err error) {
	var w watch
	if f.look(ctx, n, &w) == want {
		return true, nil
	}
	for {
		if w.isDue() || want == Off && f.cameOn(&w) {
			_ = f.ask(ctx, &w, func(ctx context.Context) error { return f.device.Switch(ctx, n, want) }) // w has it
		}
		if f.look(ctx, n, &w) == want {
			return false, nil
		}
		if err := w.hopeless(); err != nil {
			return false, err
		}
		if !Sleep(ctx, w.poll()) {
			return false, w.gaveUp(ctx, f.budget, want)
		}
	}
}

// cameOn reports whether a node that was off after the last request is on.
func (f *fencer) cameOn(w *watch) bool {
	device, ok := f.device.(Finisher)
	return ok && device.Finishes() && w.askErr == nil && w.lookErr == nil && w.seen == On
}

func (f *fencer) look(ctx context.Context, n Node, w *watch) Power {
	return f.lookFor(ctx, f.budget/lookShare, n, w)
}

// lookFor is look with a time limit of its own.
func (f *fencer) lookFor(ctx context.Context, limit time.Duration, n Node, w *watch) Power {
	part, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	p, err := within(part, func() (Power, error) { return f.device.State(part, n) })
	if err == nil && p != On && p != Off {
		err = Errorf(UnknownState, "the device gave no state")
	}
	if err != nil {
		p = Unknown
	}
	// A device may keep a part of the time for something else, and be hurried before the end.
	end, limited := ctx.Deadline()
	hurried := limited && time.Since(began) > time.Until(end)
	if cutShort := err != nil && (hurried || ctx.Err() != nil); !cutShort || w.looks == 0 {
		w.see(p, err)
	}
	return p
}

func (f *fencer) ask(ctx context.Context, w *watch, request func(context.Context) error) error {
	part, cancel := context.WithTimeout(ctx, f.budget/askShare)
	defer cancel()
	_, err := within(part, func() (struct{}, error) { return struct{}{}, request(part) })
	cutShort := err != nil && ctx.Err() != nil
	if nothing := (*NotAsked)(nil); errors.As(err, &nothing) {
		if !cutShort {
			w.askErr = nothing.Err
		}
		return nothing.Err
	}
	if !cutShort || w.asked.IsZero() {
		w.askErr = err
	}
	w.hasAsked(err)
	return err
}

// check asks the device whether it would obey a request for each of nodes.
func (f *fencer) check(ctx context.Context, nodes []Node) error {
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, f.device.Check(ctx, nodes) })
	return err
}

// A sight is what one look at a node came to.
type sight struct {
	power Power
	err   error // if power is Unknown
}

// lookAtAll looks once at each of nodes, at all of them at the same time, for as long as
// there is time.
func (f *fencer) lookAtAll(ctx context.Context, nodes []Node) []sight {
	sights := make([]sight, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { sights[i] = f.lookOnce(ctx, f.budget, n) })
	}
	all.Wait()
	return sights
}

// lookOnce looks at a node within limit, without regard to what was seen before.
func (f *fencer) lookOnce(ctx context.Context, limit time.Duration, n Node) sight {
	var w watch
	power := f.lookFor(ctx, limit, n, &w)
	return sight{power, w.lookErr}
}

// within returns what call returns, or soon after the end of ctx an error: the
// device may break its contract, the verb's time limit stands.
func within[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := call()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-time.After(grace):
		var none T
		return none, fmt.Errorf("the device did not answer: %w", ctx.Err())
	}
}

// Sleep reports whether d passed before the end of ctx.
func Sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// A watch remembers what was last seen of a node and what was last asked. What
// the end of the whole call cuts short says nothing new, and is not remembered.
type watch struct {
	looks   int
	failed  int   // looks in a row
	seen    Power // the last state that was known
	seenAt  time.Time
	lookErr error // of the last look
	asked   time.Time
	askErr  error         // of the last request, or why none was made
	pause   time.Duration // before the next request
}

// poll is the pause before the next look.
func (w *watch) poll() time.Duration {
	return pollInterval << min(w.failed/slowerAfter, maxDoublings)
}

// isDue reports whether a request is to be made now.
func (w *watch) isDue() bool { return w.asked.IsZero() || time.Since(w.asked) >= w.pause }

// hasAsked notes that a request was made. One that fails is repeated, with a growing
// pause: each is work and a line in a log for the device.
func (w *watch) hasAsked(err error) {
	w.asked = time.Now()
	switch {
	case err == nil:
		w.pause = askAgainAfter
	case w.pause == 0 || w.pause == askAgainAfter:
		w.pause = pollInterval
	default:
		w.pause = min(2*w.pause, longestPause)
	}
}

func (w *watch) see(p Power, err error) {
	if w.looks > 0 && w.lookErr != nil && err == nil && w.askErr != nil {
		w.pause = 0 // what kept it from being seen may have kept it from being asked
	}
	w.looks++
	w.lookErr = err
	w.failed++
	if err == nil {
		w.failed = 0
	}
	if p != Unknown {
		w.seen, w.seenAt = p, time.Now()
	}
}

// hopeless returns the error that no repetition can cure, if there is one.
func (w *watch) hopeless() error {
	for _, err := range []error{w.lookErr, w.askErr} {
		if isFinal(err) {
			return err
		}
	}
	return nil
}

// gaveUp says, at the end of the budget, what was last seen and what went wrong last.
func (w *watch) gaveUp(ctx context.Context, budget time.Duration, want Power) error {
	last := "it was never seen"
	if w.seen != Unknown {
		last = fmt.Sprintf("last seen %s %s ago", w.seen, time.Since(w.seenAt).Round(time.Millisecond))
	}
	ended := fmt.Sprintf("not seen %s within %s", want, budget)
	if errors.Is(ctx.Err(), context.Canceled) {
		ended = "interrupted before it was seen " + want.String()
	}
	reason := TimedOut
	if w.seen == On && want == Off && w.lookErr == nil {
		reason = StillOn
	}
	trouble := w.trouble()
	switch {
	case trouble == nil && w.asked.IsZero():
		return Errorf(reason, "%s, %s: nothing was asked of the device", ended, last)
	case trouble == nil:
		return Errorf(reason, "%s, %s: the device takes the request, and nothing comes of it", ended, last)
	}
	if told := ReasonOf(trouble); told != TimedOut {
		reason = told
	}
	return Errorf(reason, "%s, %s: %w", ended, last, trouble)
}

// trouble returns what went wrong in the last request and the last look.
func (w *watch) trouble() error {
	if w.askErr != nil && w.lookErr != nil && strings.Contains(w.askErr.Error(), w.lookErr.Error()) {
		return w.askErr // a device that looks before it acts has said the same
	}
	return errors.Join(w.askErr, w.lookErr)
}
