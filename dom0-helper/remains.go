package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// A remain is a domain, whatever its name is or was. One that has none may stay for days.
type remain struct {
	id   int
	uuid string
}

// noteBeside remembers which remains were there beside the running guest, and have
// another UUID: they are none of its own, and do not stand in its way when it is
// gone. One that runs is no remain: where xenstored has lost the names of all domains, it may
// be the guest, and what has the guest's name another that was started since. An xl that builds a domain of the guest may have made one of them, so
// nothing is noted while there may be one. Without a UUID by which the guest is
// known, this is all that tells them apart, so it is kept for requests to come.
func (h *host) noteBeside(s *sight) {
	if s.state != wire.GuestOn || s.mayBuild() {
		return
	}
	own := func(d toolstack.Domain) bool {
		return d.UUID == "" || slices.ContainsFunc(s.domains, func(its toolstack.Domain) bool { return its.UUID == "" || its.UUID == d.UUID })
	}
	beside := map[remain]bool{}
	for _, d := range s.nameless {
		if !own(d) && !runsOn(d) {
			beside[remain{d.ID, d.UUID}] = true
		}
	}
	if len(beside) == 0 {
		return
	}
	s.nameless = slices.DeleteFunc(s.nameless, func(d toolstack.Domain) bool { return beside[remain{d.ID, d.UUID}] })
	maps.Copy(beside, s.id.beside)
	s.id.beside = beside
	h.identities[s.id.Name] = s.id
	_ = h.keepRemains(s.id.Name+besideFile, beside) // without it, they stand in the way later
}

// noteSeen remembers the guest's domains in the request, and, where no UUID of the policy tells
// them, for requests to come: whatever they are called then, they are what a fence that failed has left.
func (f *fence) noteSeen() {
	known := len(f.seen)
	for _, d := range f.last.domains {
		if d.UUID != "" {
			f.seen[remain{d.ID, d.UUID}] = true
		}
	}
	if len(f.seen) > known && !f.last.id.pinned() {
		_ = f.host.keepRemains(f.guest.Name+seenFile, f.seen) // without it, one that is renamed later is not told
	}
}

// forgetSeen is for a fence that has left nothing.
func (f *fence) forgetSeen() {
	if len(f.seen) > 0 {
		_ = os.Remove(filepath.Join(f.host.stateDir, f.guest.Name+seenFile)) // it may be missing
	}
}

// Files of remains in the directory of state, behind a guest's name.
const (
	besideFile = ".beside" // that are not the guest
	seenFile   = ".seen"   // that are
)

// keepRemains keeps what readRemains reads.
func (h *host) keepRemains(file string, all map[remain]bool) error {
	var lines strings.Builder
	for r := range all {
		fmt.Fprintf(&lines, "%d %s\n", r.id, r.uuid)
	}
	return h.keep(file, []byte(lines.String()))
}

// runsOn reports whether the processors run a domain, with or without a name.
func runsOn(d toolstack.Domain) bool { return !d.Stopped && !d.Dying && !d.Paused }

// readRemains returns what keepRemains kept. Ids of domains begin anew when the Dom0
// boots, and so does the directory of state. What cannot be read is nothing: then
// all remains stand in the way.
func (h *host) readRemains(file string) map[remain]bool {
	all := map[remain]bool{}
	text, err := trust.Read(filepath.Join(h.stateDir, file), wire.MaxAnswer)
	if err != nil {
		return all
	}
	for line := range strings.Lines(string(text)) {
		var r remain
		if n, err := fmt.Sscanf(line, "%d %s\n", &r.id, &r.uuid); n == 2 && err == nil {
			all[r] = true
		}
	}
	return all
}

// inTheWay says which remains may be the guest, so that nothing proves it off.
func (s sight) inTheWay() error {
	if len(s.nameless) == 0 {
		return nil
	}
	d := s.nameless[0]
	return failf(wire.UnknownState, "domain %d without a name (UUID %s) may be guest %s, which cannot be proven off while it is there: "+
		"give the guest a line uuid in its configuration, and that uuid in the policy", d.ID, d.UUID, s.id.Name)
}
