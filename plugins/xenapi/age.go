package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

const (
	// maxAge is the age that no agent has: one that seems older was started before
	// its clock was set, and may be young.
	maxAge = 10 * 365 * 24 * time.Hour
	// clocksDiffer is by how much the clocks of two members may differ.
	clocksDiffer = time.Minute
)

// hasHA reports whether the database says that the pool has high availability.
func (s *session) hasHA() bool { return s.pool.HAEnabled != nil && *s.pool.HAEnabled }

// fencesHosts reports whether the pool may find out by itself that a dead host's
// guests are off: high availability does. Without it nobody does, until the host
// is back or an administrator says so.
func (s *session) fencesHosts() bool { return s.pool.HAEnabled == nil || *s.pool.HAEnabled }

// clock returns the time that it is at the master.
func (s *session) clock(ctx context.Context) (time.Time, error) {
	return read[time.Time](ctx, s, "host.get_servertime", s.master)
}

// started returns when the agent of a host was started, by its own clock.
func (h hostRecord) started() (time.Time, error) {
	told := h.OtherConfig["agent_start_time"]
	seconds, err := strconv.ParseFloat(told, 64)
	if err != nil {
		return time.Time{}, stonith.Errorf(stonith.UnknownState, "its agent was started at %q, which is not a time", told)
	}
	return time.Unix(int64(seconds), 0), nil
}

// isSettled returns an error if the master is too young to know what its members run.
// High availability does not make it know: after host-emergency-ha-disable a database
// still says that it is on. Both times are of the master's clock.
func (s *session) isSettled(r report) error {
	now := r.now
	started, err := r.hosts[s.master].started()
	if err != nil {
		return err
	}
	age := now.Sub(started)
	if age > maxAge {
		return stonith.Errorf(stonith.UnknownState, "its agent was started at %s, and it is %s there now, so its clock has been set since", started.Format(time.DateOnly), now.Format(time.DateOnly)).
			WithHint("xe-toolstack-restart on the master, once its clock is right, writes the time anew; the guests go on meanwhile")
	}
	if age < s.settle {
		return stonith.Errorf(stonith.UnknownState, "its agent has been running for %s only, so it may not know yet what the other members run", age.Round(time.Second)).
			WithHint("after %s (settle_time) its word counts; or switch the guest off by hand and see for yourself", s.settle)
	}
	return nil
}

// isOlder returns an error that names the hosts whose agents were started before the
// master's. A host tells what it runs when its own agent starts, and not when it gets
// another master or the same one again; and the master may have come back with a
// database of some minutes ago, or have taken over with a copy. Of hosts those in only
// are looked at, all if it is nil.
func (s *session) isOlder(hosts map[string]hostRecord, only []string) error {
	master, err := hosts[s.master].started()
	if err != nil {
		return err
	}
	return s.names(hosts, only, "were started before the master's, and may not have told it what they run", func(h hostRecord) bool {
		started, err := h.started()
		return err != nil || started.Add(clocksDiffer).Before(master)
	}, "xe-toolstack-restart on each of them, once, makes it tell; the guests go on meanwhile")
}

// areSettled returns an error that names the hosts which are heard, and whose agents
// have not been running for long enough to have told what they run: storage comes first.
func (s *session) areSettled(r report) error {
	heard := r.heard()
	if len(heard) == 0 {
		return nil
	}
	return s.names(r.hosts, heard, fmt.Sprintf("have been running for less than %s, and may not have told yet what they run", s.settle), func(h hostRecord) bool {
		started, err := h.started()
		return err != nil || r.now.Sub(started) < s.settle
	}, fmt.Sprintf("after %s (settle_time) their word counts", s.settle))
}

// names returns an error that names the hosts other than the master for which is is true.
func (s *session) names(hosts map[string]hostRecord, only []string, text string, is func(hostRecord) bool, hint string) error {
	var named []string
	for _, ref := range slices.Sorted(maps.Keys(hosts)) {
		h := hosts[ref]
		if ref != s.master && (only == nil || slices.Contains(only, ref)) && is(h) {
			named = append(named, fmt.Sprintf("%s (%s)", h.Name, h.Address))
		}
	}
	if len(named) == 0 {
		return nil
	}
	slices.Sort(named)
	return stonith.Errorf(stonith.UnknownState, "the agents of %s %s", strings.Join(named, ", "), text).WithHint("%s", hint)
}
