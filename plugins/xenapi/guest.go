package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// The power states of XenAPI.
const (
	running   = "Running"
	paused    = "Paused"
	suspended = "Suspended"
	halted    = "Halted"
)

// A record is what the database says of a virtual machine.
type record struct {
	UUID              string            `xmlrpc:"uuid"`
	Name              string            `xmlrpc:"name_label"`
	Power             string            `xmlrpc:"power_state"`
	ResidentOn        string            `xmlrpc:"resident_on"`
	ScheduledOn       string            `xmlrpc:"scheduled_to_be_resident_on"`
	IsTemplate        *bool             `xmlrpc:"is_a_template"`
	IsSnapshot        *bool             `xmlrpc:"is_a_snapshot"`
	IsControlDomain   *bool             `xmlrpc:"is_control_domain"`
	BlockedOperations map[string]string `xmlrpc:"blocked_operations"`
	CurrentOperations map[string]string `xmlrpc:"current_operations"`
}

// kind returns what a virtual machine is, "guest" if it can be fenced.
func (r *record) kind() string {
	switch {
	case *r.IsControlDomain:
		return "control domain"
	case *r.IsSnapshot: // is a template as well
		return "snapshot"
	case *r.IsTemplate:
		return "template"
	default:
		return "guest"
	}
}

// A guest is a virtual machine that a node is, as one session knows it.
type guest struct {
	session *session
	ref     string
	uuid    string
	name    string

	past *history

	mu    sync.Mutex
	found *record // by which it was found, until it is looked at
	kill  *kill   // the last hard_shutdown, or one that is under way
}

// String names the guest and who says so.
func (g *guest) String() string {
	return fmt.Sprintf("%s: guest %q (%s)", g.session, g.name, g.uuid)
}

// readRecord returns the record of a reference, which must be whole.
func (s *session) readRecord(ctx context.Context, ref string) (record, error) {
	r, err := read[record](ctx, s, "VM.get_record", ref)
	if err == nil {
		err = r.isWhole()
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", s, err)
	}
	return r, nil
}

// isWhole returns an error if the record lacks a part, which would have a meaning by
// not being there.
func (r *record) isWhole() error {
	if r.UUID == "" || r.Power == "" || r.ResidentOn == "" || r.CurrentOperations == nil || r.IsTemplate == nil || r.IsSnapshot == nil || r.IsControlDomain == nil {
		return stonith.Errorf(stonith.UnknownState, "the record of %q (%q) lacks what every record has", r.Name, r.UUID)
	}
	return nil
}

// find returns the guest of a node. Templates, snapshots and control domains do
// not count; there must be one guest then.
func (s *session) find(ctx context.Context, n stonith.Node, pin string) (*guest, error) {
	if g := s.known(n.Plug); g != nil {
		return g, nil
	}
	refs, err := s.refs(ctx, n.Plug)
	if err != nil {
		return nil, err
	}
	var guests []*guest
	others := map[string]int{}
	for _, ref := range refs {
		r, err := s.readRecord(ctx, ref)
		switch {
		case code(err) == "HANDLE_INVALID": // deleted since
		case err != nil:
			return nil, err
		case r.Name != n.Plug && !strings.EqualFold(r.UUID, n.Plug):
			return nil, stonith.Errorf(stonith.UnknownState, "%s: asked for %q, it gives the record of %q (%s)", s, n.Plug, r.Name, r.UUID)
		case r.kind() != "guest":
			others[r.kind()]++
		default:
			g := &guest{session: s, ref: ref, uuid: r.UUID, name: r.Name, past: s.histories.of(r.UUID), found: &r}
			g.note(r, false)
			guests = append(guests, g)
		}
	}
	g, err := s.only(n, guests, others)
	if err == nil && pin != "" && g.uuid != pin {
		err = stonith.Errorf(stonith.Ambiguous, "%s: guest %q of node %s has UUID %s, but vm_uuid says %s", s, g.name, n.Name, g.uuid, pin).
			WithHint("has the guest been made anew? Then correct vm_uuid; else something else has taken its name")
	}
	if err != nil {
		return nil, err
	}
	return s.keep(n.Plug, g), nil
}

// known returns the guest that was found under that name, nil if none was.
func (s *session) known(plug string) *guest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guests[plug]
}

// keep returns the guest that is known from now on: the one that was found, unless
// another search for it was faster.
func (s *session) keep(plug string, found *guest) *guest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guests[plug] == nil {
		s.guests[plug] = found
	}
	return s.guests[plug]
}

// refs returns the references of all that has that UUID or name.
func (s *session) refs(ctx context.Context, plug string) ([]string, error) {
	uuid, isUUID := asUUID(plug)
	if !isUUID {
		refs, err := read[[]string](ctx, s, "VM.get_by_name_label", plug)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		return refs, nil
	}
	ref, err := read[string](ctx, s, "VM.get_by_uuid", uuid)
	switch {
	case code(err) == "UUID_INVALID":
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return []string{ref}, nil
}

// only returns the one guest, or says why there is not just one.
func (s *session) only(n stonith.Node, guests []*guest, others map[string]int) (*guest, error) {
	switch len(guests) {
	case 1:
		return guests[0], nil
	case 0:
		also := ""
		for _, kind := range slices.Sorted(maps.Keys(others)) {
			also += fmt.Sprintf(", %d %s by that name", others[kind], kind)
		}
		return nil, stonith.Errorf(stonith.NotFound, "%s: no guest %q of node %s%s", s, n.Plug, n.Name, also).
			WithHint("hostlist has node:guest, where guest is the name-label or, if that has blanks, the UUID; xe vm-list on the master shows both")
	default:
		var found []string
		for _, g := range guests {
			found = append(found, g.uuid)
		}
		return nil, stonith.Errorf(stonith.Ambiguous, "%s: %d guests are called %q: %s", s, len(guests), n.Plug, strings.Join(found, ", ")).
			WithHint("name the one that node %s is by its UUID in hostlist", n.Name)
	}
}

// firstLook returns the record by which the guest was found, once, if it has not
// been looked at since: nothing was asked of it then. Else it looks.
func (g *guest) firstLook(ctx context.Context) (record, error) {
	if found := g.takeFound(); found != nil {
		return *found, nil
	}
	return g.look(ctx)
}

func (g *guest) takeFound() *record {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := g.found
	g.found = nil
	return found
}

// look reads the guest's record, which must still be that of a guest.
func (g *guest) look(ctx context.Context) (record, error) {
	g.takeFound()
	answered := g.isAnswered()
	r, err := g.session.readRecord(ctx, g.ref)
	switch {
	case err != nil:
		return r, err
	case r.UUID != g.uuid || r.kind() != "guest":
		return r, stonith.Errorf(stonith.Ambiguous, "%s: it is now a %s with UUID %s", g, r.kind(), r.UUID)
	}
	g.note(r, answered)
	return r, nil
}

// switchOn starts a guest that is off, or lets a paused one go on.
func (g *guest) switchOn(ctx, life context.Context, isOff func(context.Context) error) error {
	r, err := g.look(ctx)
	if err != nil {
		return err
	}
	var ask *request
	switch r.Power {
	case running:
		return &stonith.NotAsked{}
	case paused:
		ask = startRequest(life, g, "VM.unpause")
	case halted:
		if err := isOff(ctx); err != nil {
			return fmt.Errorf("not started, since it may be running: %w", err)
		}
		// Neither paused nor by force.
		ask = startRequest(life, g, "VM.start", false, false)
	case suspended:
		return stonith.Errorf(stonith.DeviceError, "%s: it is Suspended, and would not know after its resumption what it missed", g).
			WithHint("switch it off first: reset does both").AsFinal()
	default:
		return stonith.Errorf(stonith.UnknownState, "%s: power_state is %.40q", g, r.Power)
	}
	if err := ask.wait(ctx, running); err != nil {
		return fmt.Errorf("%s: %w", g, err)
	}
	return nil
}
