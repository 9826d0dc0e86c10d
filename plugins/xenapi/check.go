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

// needed are the permissions that a fence needs.
var needed = []string{"vm.hard_shutdown", "vm.start"}

// checkLimit is how long Check waits for members that are silent.
const checkLimit = 3 * time.Second

// Check logs in on the master, and asks whether it would obey for each of nodes.
func (m *members) Check(ctx context.Context, nodes []stonith.Node) error {
	s, err := m.search(ctx)
	if err != nil {
		return err
	}
	if _, err := s.first(ctx); err != nil {
		return m.ends(s, err)
	}
	var errs []error
	var asked []*session          // each once
	nodeOf := map[string]string{} // by the guest's UUID
	for _, n := range nodes {
		guests, err := m.guests(ctx, n, known)
		errs = append(errs, err)
		for _, g := range guests {
			_, err := g.obeys(ctx)
			errs = append(errs, m.check(err), g.isOnly(n.Name, nodeOf))
			if !slices.Contains(asked, g.session) {
				asked = append(asked, g.session)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	masters, err := s.settle(ctx, false)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if len(masters) > 1 { // one that was found later may know the node too
			_, err := m.find(ctx, n, masters)
			errs = append(errs, m.check(err))
		}
	}
	for _, master := range masters {
		errs = append(errs, m.check(master.permits(ctx)))
	}
	for i, master := range masters {
		if i > 0 && master.pool.UUID == masters[0].pool.UUID {
			errs = append(errs, stonith.Errorf(stonith.Ambiguous, "the pool has two masters: %s and %s", masters[0], master).
				WithHint("one of them was cut off from the others, or declared dead: switch it off, or let it join again"))
		}
	}
	if err := errors.Join(errs...); err != nil || ctx.Err() != nil {
		return err
	}
	if len(asked) == 0 {
		asked = masters[:1]
	}
	m.warnOfMembers(ctx, s, asked)
	return nil
}

// warnOfMembers warns of what keeps a guest that these masters call Halted from counting
// as off, and else of the members that are of no use.
func (m *members) warnOfMembers(ctx context.Context, s *search, masters []*session) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	for _, master := range masters {
		err := s.strays(master)
		if err == nil {
			err = m.hear(ctx, []*session{master})
		}
		if err != nil {
			m.warn("a guest that is Halted or Suspended would not be proven off: " + withHint(err))
			return
		}
	}
	for _, line := range s.warnings() {
		m.warn(line)
	}
}

// withHint returns the text of err, with its hint.
func withHint(err error) string {
	var known *stonith.Error
	if errors.As(err, &known) && known.Hint != "" {
		return fmt.Sprintf("%v (%s)", err, known.Hint)
	}
	return err.Error()
}

// obeys looks at the guest, and at whether anything but its host keeps it from being
// switched off.
func (g *guest) obeys(ctx context.Context) (record, error) {
	r, err := g.look(ctx)
	if err != nil {
		return r, err
	}
	if reason, blocked := r.BlockedOperations["hard_shutdown"]; blocked {
		return r, g.isBlocked(reason)
	}
	return r, nil
}

// isOnly returns an error if the guest is another node as well, by its name and by its UUID.
func (g *guest) isOnly(node string, nodeOf map[string]string) error {
	if other := nodeOf[g.uuid]; other != "" && other != node {
		return stonith.Errorf(stonith.Ambiguous, "%s is node %s and node %s", g, other, node).
			WithHint("hostlist has it by its name and by its UUID: correct one of them")
	}
	nodeOf[g.uuid] = node
	return nil
}

// permits asks whether the user may switch guests. root may do everything, and has no list.
func (s *session) permits(ctx context.Context) error {
	super, err := read[bool](ctx, s, "session.get_is_local_superuser", s.ref)
	if super || code(err) == "MESSAGE_METHOD_UNKNOWN" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	permitted, err := read[[]string](ctx, s, "session.get_rbac_permissions", s.ref)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	var missing []string
	for _, call := range needed {
		if !slices.ContainsFunc(permitted, func(have string) bool { return strings.EqualFold(have, call) }) {
			missing = append(missing, call)
		}
	}
	if len(missing) > 0 {
		return stonith.Errorf(stonith.NotPermitted, "%s: user %q may not call %s", s, s.user, strings.Join(missing, " and ")).
			WithHint("give the user the role vm-operator, or use root")
	}
	return nil
}
