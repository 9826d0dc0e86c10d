package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// off ends what would bring the guest back, then every domain of the guest, and
// returns when a look has shown that nothing of both is left. It does not wait
// for another request that holds the guest's lock, but ends what that creates;
// yet as long as it is there, the guest may come back, and off has no success.
// A lock that cannot be had at all, say for want of space, is no obstacle: on
// needs it too.
func (h *host) off(ctx context.Context, g policy.Guest) error {
	_, err := h.fence(ctx, g)
	return err
}

// fence is off, and returns what it came to see.
func (h *host) fence(ctx context.Context, g policy.Guest) (*fence, error) {
	lock, err := h.openLock(g.Name)
	f := &fence{host: h, guest: g, uuids: map[string]bool{}, locked: err != nil, start: time.Now()}
	if err == nil {
		defer func() { _ = lock.Close() }() // closing unlocks
	}
	err = f.run(ctx, lock)
	if f.begun {
		h.leaveNote(g.Name, err)
	}
	return f, err
}

// A fence is one off on its way.
type fence struct {
	host   *host
	guest  policy.Guest
	locked bool            // the lock is ours, or there is none
	begun  bool            // something of the guest was ended
	uuids  map[string]bool // of domains that were seen under the guest's name
	images []string        // that processes were writing of the guest when they were ended
	start  time.Time
	last   sight
}

// run goes in rounds until nothing of the guest is left, or only what nobody can tell,
// or ctx ends.
func (f *fence) run(ctx context.Context, lock *os.File) error {
	var trouble error // of the last round that the end of ctx did not cut short
	for {
		f.locked = f.locked || tryLock(lock)
		done, err := f.round(ctx)
		if ambiguity := f.last.ambiguity(f.guest); ambiguity != nil {
			return ambiguity
		}
		if doubt := f.last.doubt(f.guest); doubt != nil {
			return errors.Join(doubt, err)
		}
		if done && f.locked {
			return nil
		}
		if ctx.Err() == nil || trouble == nil {
			trouble = err
		}
		if !pause(ctx, lookAgain) {
			return f.gaveUp(trouble)
		}
	}
}

// round looks, ends all that is left of the guest, and reports whether nothing was.
func (f *fence) round(ctx context.Context) (done bool, err error) {
	seen, err := f.host.look(ctx, f.guest)
	if err != nil {
		return false, err
	}
	f.last = seen
	if f.last.gone() {
		return true, nil
	}
	if f.last.state == wire.GuestAmbiguous {
		return false, nil
	}
	first := !f.begun && len(f.last.revivers)+len(f.last.domains) > 0
	if first {
		f.begun = true
		f.host.record.begin()
		f.host.leaveNote(f.guest.Name, errUnderWay)
	}
	building, err := f.endRevivers(ctx)
	if building {
		return false, err
	}
	if first && f.locked { // a second request for the same guest destroys without further delay
		f.host.dumpFirst(ctx, f.guest.Name, f.last.domains)
	}
	for _, d := range f.last.domains {
		f.uuids[d.UUID] = true
		err = errors.Join(err, f.host.stack.Destroy(ctx, d.ID))
	}
	return false, err
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
	if f.mayBuild() && time.Since(f.start) < buildLimit {
		builders := f.having(toolstack.Builds)
		for _, r := range builders {
			err = errors.Join(err, r.Freeze(ctx))
		}
		domains, lookErr := f.host.stack.Domains(ctx)
		if lookErr == nil && slices.ContainsFunc(judge(f.guest, domains, toolstack.Found{}).nameless, isHalfBuilt) {
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
	for _, r := range f.having(role) {
		if image := r.Saves(); image != "" && !slices.Contains(f.images, image) {
			f.images = append(f.images, image)
		}
		err = errors.Join(err, r.End(ctx))
	}
	return err
}

// having returns the processes of a role.
func (f *fence) having(role toolstack.Role) []toolstack.Reviver {
	var found []toolstack.Reviver
	for _, r := range f.last.revivers {
		if r.Role() == role {
			found = append(found, r)
		}
	}
	return found
}

// mayBuild reports whether there are more processes that build than domains that run:
// each of these has its xl, which only waits. When such a domain ends, xl lets 2 s pass
// before it builds the next (tools/xl/xl_vmcontrol.c).
func (f *fence) mayBuild() bool {
	running := 0
	for _, d := range f.last.domains {
		if d.Name != "" && !d.Stopped {
			running++
		}
	}
	return len(f.having(toolstack.Builds)) > running
}

func isHalfBuilt(d toolstack.Domain) bool { return !d.Dying }

// gaveUp says what was left of the guest at the end.
func (f *fence) gaveUp(err error) error {
	if f.last.gone() { // with the lock, that would have been the end
		return errHeld(f.guest.Name)
	}
	left := "left are " + f.last.text()
	if f.last.state == "" {
		left = "never seen"
	}
	for _, d := range f.last.nameless {
		if f.uuids[d.UUID] {
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
