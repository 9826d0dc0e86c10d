package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

const (
	// logoutLimit is the time that a logout may take.
	logoutLimit = time.Second
	// readLimit is the time that a question about the database may take. A member
	// that has lost its master would never answer some.
	readLimit = 5 * time.Second
	nullRef   = "OpaqueRef:NULL"
)

// rulesOfEntry are what a session is opened with.
type rulesOfEntry struct {
	client     *client
	user       string
	originator string
	poolUUID   string        // of the only pool that will do, if not empty
	limit      time.Duration // of a login
	settle     time.Duration // age of a master whose word counts
	histories  *histories    // of the guests
}

// A session is a login at a master. It ends with that master, and what was found
// out in it is found out again in the next one.
type session struct {
	rulesOfEntry
	at      address
	found   *search // the one that this session is of
	ref     string
	pool    poolRecord
	poolRef string
	master  string // the host's reference
	hosts   map[string]hostRecord

	mu     sync.Mutex
	guests map[string]*guest // by plug
}

// A poolRecord is what the database says of the pool.
type poolRecord struct {
	UUID      string `xmlrpc:"uuid"`
	Name      string `xmlrpc:"name_label"`
	Master    string `xmlrpc:"master"`
	HAEnabled *bool  `xmlrpc:"ha_enabled"`
}

// A hostRecord is what the database says of a member.
type hostRecord struct {
	UUID        string            `xmlrpc:"uuid"`
	Name        string            `xmlrpc:"name_label"`
	Address     string            `xmlrpc:"address"`
	OtherConfig map[string]string `xmlrpc:"other_config"`
}

// login returns the session's reference. Only a master gives one.
func (r *rulesOfEntry) login(ctx context.Context, at address, password string) (string, error) {
	const method = "session.login_with_password"
	ref, err := call[string](ctx, r.client, at, method, r.user, password, "1.0", r.originator)
	if code(err) == "MESSAGE_PARAMETER_COUNT_MISMATCH" { // before release 6.2
		ref, err = call[string](ctx, r.client, at, method, r.user, password)
	}
	if err == nil && (ref == "" || ref == nullRef) {
		err = stonith.Errorf(stonith.UnknownState, "%s: it answers with session %q", method, ref)
	}
	return ref, err
}

// identify asks the master what it is master of.
func (r *rulesOfEntry) identify(ctx context.Context, at address, ref string) (*session, error) {
	s := &session{rulesOfEntry: *r, at: at, ref: ref, guests: map[string]*guest{}}
	var err error
	if s.master, err = ask[string](ctx, s, "session.get_this_host", ref); err != nil {
		return s, err
	}
	pools, err := ask[map[string]poolRecord](ctx, s, "pool.get_all_records")
	if err != nil {
		return s, err
	}
	if s.hosts, err = ask[map[string]hostRecord](ctx, s, "host.get_all_records"); err != nil {
		return s, err
	}
	for ref, one := range pools {
		s.poolRef, s.pool = ref, one
	}
	switch {
	case len(pools) != 1 || s.pool.UUID == "":
		return s, stonith.Errorf(stonith.UnknownState, "it is of %d pools, the last one with UUID %q", len(pools), s.pool.UUID)
	case s.masterUUID() == "":
		return s, stonith.Errorf(stonith.UnknownState, "it does not know itself: it says to be host %q", s.master)
	case s.pool.Master != s.master:
		return s, stonith.Errorf(stonith.Unreachable, "it let us in, but says that %s is the master of its pool", s.hostName(s.pool.Master)).
			WithHint("xe-toolstack-restart there, once that host is up; if it is dead, xe pool-emergency-transition-to-master on a member that is to take over")
	case r.poolUUID != "" && s.pool.UUID != r.poolUUID:
		return s, stonith.Errorf(stonith.Unreachable, "it is the master of another pool, with UUID %s", s.pool.UUID).
			WithHint("a member that was ejected is a pool of its own: take it out of the parameter pool, or correct pool_uuid")
	}
	return s, nil
}

// ask carries out one call in the session.
func ask[T any](ctx context.Context, s *session, method string, params ...any) (T, error) {
	return call[T](ctx, s.client, s.at, method, append([]any{s.ref}, params...)...)
}

// read asks for something of the database, which takes no time.
func read[T any](ctx context.Context, s *session, method string, params ...any) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	return ask[T](ctx, s, method, params...)
}

// logout ends the session, soon.
func (s *session) logout(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, logoutLimit)
	defer cancel()
	_, _ = ask[string](ctx, s, "session.logout") // nothing can be done about it
}

// masterUUID is that of the host.
func (s *session) masterUUID() string { return s.hosts[s.master].UUID }

// isSame reports whether both are sessions with one and the same master.
func (s *session) isSame(other *session) bool { return s.masterUUID() == other.masterUUID() }

// String names the master.
func (s *session) String() string {
	name := s.hosts[s.master].Name
	if name == "" || strings.EqualFold(name, s.at.Host) {
		return "master " + s.at.String()
	}
	return fmt.Sprintf("master %s (%s)", s.at, name)
}

// hostName returns how people know a member.
func (s *session) hostName(ref string) string {
	h, ok := s.hosts[ref]
	if !ok {
		return fmt.Sprintf("host %q", ref)
	}
	return fmt.Sprintf("host %s (%s)", h.Name, h.Address)
}

// addresses returns the members that the master knows.
func (s *session) addresses() []address {
	var all []address
	for _, h := range s.hosts {
		if a, err := parseAddress(h.Address, s.at.Port); err == nil {
			all = append(all, a)
		}
	}
	return all
}
