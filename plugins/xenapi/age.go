package main

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	// startsDiffer is by how much agents that start together may seem to differ: each
	// writes the time at some step of its start, and is asked for its clock a little later.
	startsDiffer = time.Minute
)

// hasHA reports whether the database says that the pool has high availability.
func (s *session) hasHA() bool { return s.pool.HAEnabled != nil && *s.pool.HAEnabled }

// fencesHosts reports whether the pool may find out by itself that a dead host's
// guests are off: high availability does. Without it nobody does, until the host
// is back or an administrator says so.
func (s *session) fencesHosts() bool { return s.pool.HAEnabled == nil || *s.pool.HAEnabled }

// clock returns the time that it is at a host, which the master asks for it.
func (s *session) clock(ctx context.Context, host string) (time.Time, error) {
	return read[time.Time](ctx, s, "host.get_servertime", host)
}

// age returns for how long a host's agent has been running. now is the time there: the
// agent wrote down when it started by the same clock.
func (h hostRecord) age(now time.Time) (time.Duration, error) {
	told := h.OtherConfig["agent_start_time"]
	seconds, err := strconv.ParseFloat(told, 64)
	if err != nil || !(seconds >= 0 && seconds <= math.MaxInt32<<8) { // NaN is neither
		return 0, stonith.Errorf(stonith.UnknownState, "its agent was started at %.40q, which is not a time", told)
	}
	started := time.Unix(int64(seconds), 0)
	age := now.Sub(started)
	if age > maxAge {
		return 0, stonith.Errorf(stonith.UnknownState, "its agent was started at %s, and it is %s there now, so its clock has been set since", started.Format(time.DateOnly), now.Format(time.DateOnly)).
			WithHint("xe-toolstack-restart on the master, once its clock is right, writes the time anew; the guests go on meanwhile")
	}
	return age, nil
}

// isSettled returns an error if the master is too young to know what its members run.
// High availability does not make it know: after host-emergency-ha-disable a database
// still says that it is on.
func (s *session) isSettled(r report) error {
	age, err := r.hosts[s.master].age(r.clocks[s.master])
	if err != nil {
		return err
	}
	if age < s.settle {
		return stonith.Errorf(stonith.UnknownState, "its agent has been running for %s only, so it may not know yet what the other members run", age.Round(time.Second)).
			WithHint("after %s (settle_time) its word counts; or switch the guest off by hand and see for yourself", s.settle)
	}
	return nil
}

// isOlder returns an error that names the hosts whose agents have been running for longer
// than the master's, of those that clocks has. A host tells what it runs when its own
// agent starts, and not when it gets another master or the same one again; and the master
// may have come back with a database of some minutes ago, or have taken over with a copy.
func (s *session) isOlder(hosts map[string]hostRecord, clocks map[string]time.Time) error {
	master, err := hosts[s.master].age(clocks[s.master])
	if err != nil {
		return err
	}
	return s.names(hosts, clocks, "were started before the master's, and may not have told it what they run", func(age time.Duration, err error) bool {
		return err == nil && age > master+startsDiffer
	}, "xe-toolstack-restart on each of them, once, makes it tell; the guests go on meanwhile")
}

// areSettled returns an error that names the hosts whose agents have not been running for
// long enough to have told what they run, since storage comes first; or nobody knows for how long.
func (s *session) areSettled(r report) error {
	noAge := s.names(r.hosts, r.clocks, "have no age: when they were started is not a time, or was written before their clocks were set", func(_ time.Duration, err error) bool {
		return err != nil
	}, "xe-toolstack-restart on each of them, once its clock is right, writes the time anew; the guests go on meanwhile")
	young := s.names(r.hosts, r.clocks, fmt.Sprintf("have been running for less than %s, and may not have told yet what they run", s.settle), func(age time.Duration, err error) bool {
		return err == nil && age < s.settle
	}, fmt.Sprintf("after %s (settle_time) their word counts", s.settle))
	return errors.Join(noAge, young)
}

// names returns an error that names the hosts with a clock, other than the master, for
// whose age is is true.
func (s *session) names(hosts map[string]hostRecord, clocks map[string]time.Time, text string, is func(time.Duration, error) bool, hint string) error {
	var named []string
	for ref, now := range clocks {
		h := hosts[ref]
		if ref != s.master && is(h.age(now)) {
			named = append(named, fmt.Sprintf("%s (%s)", h.Name, h.Address))
		}
	}
	if len(named) == 0 {
		return nil
	}
	slices.Sort(named)
	return stonith.Errorf(stonith.UnknownState, "the agents of %s %s", strings.Join(named, ", "), text).WithHint("%s", hint)
}
