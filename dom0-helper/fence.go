package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/saved"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// off ends what would bring the guest back, then every domain of the guest, puts its
// images out of reach, and returns when a look has shown that nothing of these is left.
// It does not wait for another request that holds the guest's lock, but ends what that
// creates; yet as long as it is there, the guest may come back, and off has no success.
// A lock that cannot be had at all, say for want of space, is no obstacle: on
// needs it too. The remark says which images were moved.
func (h *host) off(ctx context.Context, g policy.Guest) (remark string, err error) {
	f, err := h.fence(ctx, g)
	return f.remark(), err
}

// fence is off, and returns what it came to see.
func (h *host) fence(ctx context.Context, g policy.Guest) (*fence, error) {
	lock, err := h.openLock(g.Name)
	f := &fence{host: h, guest: g, seen: map[remain]bool{}, partial: map[string]bool{}, locked: err != nil, start: time.Now()}
	if err == nil {
		defer func() { _ = lock.Close() }() // closing unlocks
	}
	id := h.identity(g)
	maps.Copy(f.seen, id.seen)
	id.seen, id.written = f.seen, f.partial
	h.identities[g.Name] = id
	err = f.run(ctx, lock)
	h.record.Images = f.remark()
	if h.record.Images != "" && err != nil {
		err = fmt.Errorf("%w; %s", err, h.record.Images)
	}
	if f.begun {
		h.leaveNote(g.Name, wire.WithNote(wire.Done, f.remark()), err)
	}
	if err == nil {
		f.dropOlder()
		f.forgetSeen()
	}
	return f, err
}

// A fence is one off on its way.
type fence struct {
	host   *host
	guest  policy.Guest
	locked bool            // the lock is ours, or there is none
	begun  bool            // something of the guest was ended
	seen   map[remain]bool // domains that are the guest
	moved  []movedImage
	// partial are images that processes were writing of the guest when they were ended.
	partial map[string]bool
	start   time.Time
	last    sight
	// unwatched says that the guest ran, and no process was seen that watches it.
	unwatched bool
	absent    time.Time // since when nothing has been left
	// stuck says that waiting cures nothing: all that is left are images that cannot
	// be moved, or something that cannot be looked at.
	stuck bool
}

// A movedImage is an image that was put out of reach.
type movedImage struct{ from, to string }

// remark says what was moved, and what could not be, for people.
func (f *fence) remark() string {
	var parts []string
	for _, m := range f.moved {
		parts = append(parts, fmt.Sprintf("image %s is %s now", m.from, filepath.Base(m.to)))
	}
	for _, path := range slices.Sorted(maps.Keys(f.partial)) {
		if !slices.ContainsFunc(f.moved, func(m movedImage) bool { return m.from == path }) {
			parts = append(parts, fmt.Sprintf("the guest was being saved to %s, which may be whole: do not restore it", path))
		}
	}
	return strings.Join(parts, ", ")
}

// run goes in rounds until nothing of the guest is left, or only what nobody can tell,
// or ctx ends.
func (f *fence) run(ctx context.Context, lock *os.File) error {
	var trouble error // of the last round that the end of ctx did not cut short
	for {
		f.locked = f.locked || tryLock(lock)
		done, err := f.round(ctx)
		if ambiguity := f.last.ambiguity(); ambiguity != nil {
			return ambiguity
		}
		if doubt := f.last.doubt(); doubt != nil {
			return errors.Join(doubt, err)
		}
		if done && f.locked && f.lasts() {
			return nil
		}
		if f.stuck {
			return err
		}
		if ctx.Err() == nil || trouble == nil {
			trouble = err
		}
		if !pause(ctx) {
			return f.gaveUp(trouble)
		}
	}
}

// lasts reports whether the absence has lasted for as long as a guest without a
// process that watches it can be absent and come back.
func (f *fence) lasts() bool {
	return !f.unwatched || f.host.stack.Gap() > 0 || time.Since(f.absent) >= f.host.unwatchedGap
}

// round looks, ends all that is left of the guest, and reports whether nothing was.
func (f *fence) round(ctx context.Context) (done bool, err error) {
	f.stuck = false
	seen, err := f.host.look(ctx, f.guest)
	if err != nil && seen.unknown == nil {
		return false, err
	}
	f.last, f.stuck = seen, err != nil
	if !f.last.gone() {
		f.absent = time.Time{}
	} else if f.absent.IsZero() {
		f.absent = time.Now()
	}
	if f.last.gone() || err != nil {
		return err == nil, err
	}
	if f.last.state == wire.GuestAmbiguous || f.mayBeRenamed() {
		return false, nil
	}
	f.noteSeen()
	f.unwatched = f.unwatched || !f.begun && f.last.unwatched()
	first := !f.begun && len(f.last.revivers)+len(f.last.domains)+len(f.last.images) > 0
	if first {
		f.begun = true
		f.host.record.begin()
		f.host.leaveNote(f.guest.Name, "", errUnderWay)
	}
	building, err := f.endRevivers(ctx)
	if building {
		return false, err
	}
	if first && f.locked { // a second request for the same guest destroys without further delay
		f.host.dumpFirst(ctx, f.guest.Name, f.last.domains)
	}
	for _, d := range f.last.domains {
		err = errors.Join(err, f.host.stack.Destroy(ctx, d.ID))
	}
	moveErr := f.moveImages()
	f.stuck = moveErr != nil && f.last.state == wire.GuestSaved
	return false, errors.Join(err, moveErr)
}

// mayBeRenamed reports whether all that is there is a process that watches the guest, and
// the guest may be a domain of another name that none watches: the policy does not say which
// UUID it has, and no domain of the guest was seen. The configuration's UUID may be younger
// than the guest. To end the process would prove nothing, and leave no trace of the guest.
// If the guest reboots, its domain will come.
func (f *fence) mayBeRenamed() bool {
	return f.last.state == wire.GuestRestarting && len(f.last.strays) > 0 && !f.last.id.pinned() && len(f.seen) == 0 &&
		!slices.ContainsFunc(f.last.revivers, func(r toolstack.Reviver) bool { return !r.Watches() })
}

// moveImages puts the guest's images out of reach.
func (f *fence) moveImages() error {
	var errs []error
	for _, i := range f.last.images {
		path, err := i.PutAway(time.Now())
		if path != "" {
			f.moved = append(f.moved, movedImage{i.Path, path})
		}
		if err != nil {
			errs = append(errs, failf(wire.UnknownState, "%s cannot be put out of reach, and guest %s may be restored from it: %w", i, f.guest.Name, err))
		}
	}
	return errors.Join(errs...)
}

// dropOlder lets a process of its own remove the images of the guest that earlier
// fences put out of reach, if this one has put any there: of each guest one fence's
// are kept. To remove a large file takes long, and the verdict must not wait for it.
func (f *fence) dropOlder() {
	if len(f.moved) == 0 {
		return
	}
	keep := make([]string, len(f.moved))
	for i, m := range f.moved {
		keep[i] = m.to
	}
	older := saved.Older(f.last.fenced, keep, f.last.id.owns)
	if len(older) > 0 {
		removeApart(older)
	}
}

// buildLimit is how long an xl that builds a domain may take to name it.
const buildLimit = 4 * time.Second

// endRevivers ends what would bring the guest back. What writes an image of it goes
// first: once that has lost its helper or its stream, it would resume the guest.
//
// An xl that is killed after it has made a domain, and before it has named it, leaves
// one that is there for ever, and nobody can tell whose it is. So one that may be
// building is stopped first; if there is such a domain then, it goes on for a while,
// and is not ended in this round.
func (f *fence) endRevivers(ctx context.Context) (building bool, err error) {
	err = f.end(ctx, toolstack.Writes)
	if f.last.mayBuild() && time.Since(f.start) < buildLimit {
		builders := f.last.having(toolstack.Builds)
		for _, r := range builders {
			err = errors.Join(err, r.Freeze(ctx))
		}
		domains, lookErr := f.host.stack.Domains(ctx)
		if lookErr == nil && slices.ContainsFunc(judge(f.last.id, found{domains: domains}).nameless, isHalfBuilt) {
			for _, r := range builders {
				err = errors.Join(err, r.Thaw())
			}
			return true, err
		}
		err = errors.Join(err, lookErr)
	}
	return false, errors.Join(err, f.end(ctx, toolstack.Builds), f.end(ctx, toolstack.Helps))
}

// end ends the processes of a role.
func (f *fence) end(ctx context.Context, role toolstack.Role) error {
	var err error
	for _, r := range f.last.having(role) {
		if image := r.Saves(); image != "" {
			f.partial[image] = true
		}
		err = errors.Join(err, r.End(ctx))
	}
	return err
}

func isHalfBuilt(d toolstack.Domain) bool { return !d.Dying }

// gaveUp says what was left of the guest at the end.
func (f *fence) gaveUp(err error) error {
	if f.last.gone() { // with the lock, that would have been the end
		return errHeld(f.guest.Name)
	}
	if f.mayBeRenamed() {
		d := f.last.strays[0]
		return failf(wire.UnknownState, "%s watches guest %s, and no domain of that name is here, but domain %d %q, which none watches: "+
			"is that the guest under another name? Give the guest a line uuid in its configuration and that uuid in the policy; "+
			"if it is not, end the process", f.last.text(), f.guest.Name, d.ID, d.Name)
	}
	left := "left are " + f.last.text()
	if f.last.state == "" {
		left = "never seen"
	}
	for _, d := range f.last.nameless {
		if f.last.id.saw(d.UUID) {
			left += fmt.Sprintf(", of which domain %d is this guest", d.ID)
		}
	}
	text := fmt.Sprintf("guest %s not gone within %s: %s", f.guest.Name, f.host.offLimit(), left)
	if err != nil {
		text += ": " + err.Error()
	}
	reason := wire.UnknownState
	if f.last.state == "" {
		reason = reasonOf(err)
	}
	if len(f.last.domains)+len(f.last.revivers) > 0 {
		reason = wire.StillOn
	}
	return failf(reason, "%s", text)
}
