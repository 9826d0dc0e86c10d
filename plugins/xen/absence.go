package main

import (
	"context"
	"sync"
	"time"
)

const (
	// restartGap is for how long a guest must be absent at least to be off, where what would
	// bring it back cannot be seen. A guest that reboots, or crashes with on_crash =
	// "restart", is on no list for 2 s, until its background xl creates it again
	// (sleep(2) in Xen's tools/xl/xl_vmcontrol.c); as the Dom0 side says for xm
	// (Gap in dom0-helper/internal/toolstack/xm.go).
	restartGap = 4 * time.Second
	// restartShare is the part of a look's time for which it must be absent, if that is
	// longer: before xl creates the guest again it may wait for other xl and for memory,
	// up to 30 s each time.
	restartShare = 2.0 / 3
	// lookPause is the pause between two looks at a guest that is absent.
	lookPause = 100 * time.Millisecond
	// longestStep is what the time between two looks counts for at most: a guest
	// may come and go, or its Dom0 stand still, while nobody looks.
	longestStep = time.Second
)

// A gap is for how long a guest must be absent to be off. The zero gap is none.
type gap struct {
	least time.Duration // in which looks were so close to each other that they count
	share float64       // of the time of the call's first look

	once  sync.Once
	whole time.Duration
}

// within returns the time that must pass from the first look to the last, which is the
// same in all looks of a call. ctx has the time of the first one.
func (g *gap) within(ctx context.Context) time.Duration {
	g.once.Do(func() {
		g.whole = g.least
		if deadline, ok := ctx.Deadline(); ok {
			g.whole = max(g.least, time.Duration(g.share*float64(time.Until(deadline))))
		}
	})
	return g.whole
}

// An absence adds up for how long a guest was absent in every look. The zero
// value has not seen it absent.
type absence struct {
	held  time.Duration
	since time.Time // of the first look
	mark  time.Time // up to when it is counted
}

// lasted is the time from the first look to the last, whatever was between them.
func (a *absence) lasted() time.Duration { return a.mark.Sub(a.since) }

// look adds a look without the guest, by when it began and ended. The list is of
// some moment in between, so the first look counts from its end and all others
// to their beginning.
func (a *absence) look(began, ended time.Time) {
	if a.mark.IsZero() {
		a.since, a.mark = ended, ended
		return
	}
	a.held += min(began.Sub(a.mark), longestStep)
	a.mark = began
}
