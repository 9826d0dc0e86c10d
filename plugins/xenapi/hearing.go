package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// What the parameter unheard_hosts says of hosts that are not heard.
const (
	refuseUnheard = "refuse" // they may run the guest
	fencedByHA    = "ha"     // those that are silent have been fenced by the pool's high availability
	trustUnheard  = "trust"  // the administrator says that they do not run it
)

// A voice is what a host of a master's database, or another member of the parameter
// pool, has said to a call with the session of that master.
//
// It is heard if it answers HOST_IS_SLAVE: to say so it has found the session in the
// database that it works with, so that is this master's, and the connection of the two
// holds now. HOST_IS_SLAVE to a login says nothing of the kind: that is an address in
// its configuration. SESSION_INVALID is the word of a member that works with another
// database; one that has lost its master does not answer at all.
type voice struct {
	key  string // UUID of the host, or the address of one that is in no record
	host string // reference in the master's database, "" if it is in no record
	name string
	at   address
	from string    // the address that answered as a slave
	err  error     // nil if it is heard
	now  time.Time // at the host, if it is heard and in a record
}

// errElsewhere is in the error of a member that works with another database.
var errElsewhere = errors.New("it works with another master's database")

// isSilent reports whether the member has not answered, as one that is off does.
func (v voice) isSilent() bool {
	var b broken
	return errors.As(v.err, &b) && code(v.err) == "" && stonith.ReasonOf(v.err) != stonith.UnknownState
}

// isElsewhere reports whether the member has said that it works with another database.
func (v voice) isElsewhere() bool { return errors.Is(v.err, errElsewhere) }

// listen asks all members that the master must know about, at once. It returns when all
// have answered or failed, or at the end of ctx.
func (s *session) listen(ctx context.Context, hosts map[string]hostRecord) []voice {
	var voices []voice
	at := map[string]int{} // how many hosts have the address
	for _, h := range hosts {
		at[h.Address]++
	}
	for ref, h := range hosts {
		if ref == s.master {
			continue
		}
		v := voice{key: cmp.Or(h.UUID, ref), host: ref, name: fmt.Sprintf("member %s (%s)", h.Address, h.Name)}
		var err error
		if v.at, err = parseAddress(h.Address, s.at.Port); err != nil {
			v.err = stonith.Errorf(stonith.UnknownState, "its address in the master's database is %.60q", h.Address)
		} else if at[h.Address] > 1 { // one of them would answer for both
			v.err = stonith.Errorf(stonith.UnknownState, "another host has the same address in the master's database")
		}
		voices = append(voices, v)
	}
	for _, at := range s.found.others(s) {
		if !slices.ContainsFunc(voices, func(v voice) bool { return v.at == at }) {
			voices = append(voices, voice{key: at.String(), name: "member " + at.String(), at: at})
		}
	}
	var all sync.WaitGroup
	for i := range voices {
		if v := &voices[i]; v.err == nil {
			all.Go(func() {
				v.from, v.err = s.ask(ctx, v.at, v.host == "")
				s.tellTime(ctx, v)
			})
		}
	}
	all.Wait()
	return byAnyName(voices)
}

// byAnyName takes a host as heard that was heard under another name of the parameter
// pool, by a connection to the very address that is in its record: its certificate may
// have that name alone.
func byAnyName(voices []voice) []voice {
	for i, v := range voices {
		isIt := func(other voice) bool { return other.err == nil && other.from == v.at.Host }
		if v.err != nil && v.host != "" && v.at.Host != "" && !v.isElsewhere() && slices.ContainsFunc(voices, isIt) {
			voices[i].err = nil
		}
	}
	return voices
}

// tellTime has the master ask a host that is heard for its time, once. One that does not
// tell it is not heard, and not silent either.
func (s *session) tellTime(ctx context.Context, v *voice) {
	if v.err != nil || v.host == "" || !v.now.IsZero() {
		return
	}
	var err error
	if v.now, err = s.clock(ctx, v.host); err != nil {
		v.err = stonith.Errorf(stonith.UnknownState, "it does not tell the master its time: %v", err)
	}
}

// ask puts a question to a member with the session of this master. It returns no error
// if the member is heard, and the address that the connection was made to if it is a slave.
// mayBeMaster says that it may be the master under another name.
func (s *session) ask(ctx context.Context, at address, mayBeMaster bool) (from string, err error) {
	const method = "session.get_this_host"
	remote := ""
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if a, err := parseAddress(info.Conn.RemoteAddr().String(), ""); err == nil {
			remote = a.Host
		}
	}})
	host, err := call[string](ctx, s.client, at, method, s.ref, s.ref)
	switch {
	case err == nil && host == s.master && mayBeMaster:
		return "", nil
	case err == nil:
		return "", stonith.Errorf(stonith.UnknownState, "%s: it says to be host %q: %w", method, host, errElsewhere)
	case code(err) == "HOST_IS_SLAVE":
		return remote, nil
	case code(err) == "SESSION_INVALID":
		return "", stonith.Errorf(stonith.UnknownState, "%w (SESSION_INVALID)", errElsewhere)
	}
	return "", err
}

// hear returns an error that names the members which may run a guest that the masters
// call Halted, and are heard by none of them; or those that may not have told them
// what they run. The masters are of one pool.
func (m *members) hear(ctx context.Context, masters []*session) error {
	all := make([]report, len(masters))
	errs := make([]error, len(masters))
	var work sync.WaitGroup
	for i, s := range masters {
		work.Go(func() {
			if all[i], errs[i] = s.report(ctx); errs[i] != nil && len(masters) > 1 {
				errs[i] = fmt.Errorf("%s: %w", s, errs[i]) // which of them
			}
		})
	}
	work.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	heard := map[string]bool{}
	for i, s := range masters {
		heard[s.masterUUID()] = true
		for _, v := range all[i].voices {
			heard[v.key] = heard[v.key] || v.err == nil
		}
	}
	var missing []voice
	for i, s := range masters {
		armed := all[i].armed
		for _, v := range all[i].voices {
			if !heard[v.key] && !m.countsAsOff(v, armed) {
				missing = append(missing, v)
			}
		}
		if !armed || m.unheardHosts != fencedByHA { // it may have been switched on after the database was read
			errs = append(errs, s.isOlder(all[i].hosts, all[i].clocks))
		}
		errs = append(errs, s.areSettled(all[i]))
	}
	if len(missing) > 0 {
		return m.unheard(missing, all[0])
	}
	return errors.Join(errs...)
}

// countsAsOff reports whether the parameter unheard_hosts lets a member that is not
// heard count as one that runs nothing. It never does so for one that says to work
// with another database.
func (m *members) countsAsOff(v voice, armed bool) bool {
	switch m.unheardHosts {
	case trustUnheard:
		return !v.isElsewhere()
	case fencedByHA:
		return armed && v.isSilent()
	}
	return false
}

// unheard is the error that names the members which are not heard.
func (m *members) unheard(missing []voice, of report) error {
	var texts []string
	elsewhere := false
	for _, v := range missing {
		text := fmt.Sprintf("%s: %v", v.name, v.err)
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
		elsewhere = elsewhere || v.isElsewhere()
	}
	slices.Sort(texts)
	err := stonith.Errorf(stonith.UnknownState, "not heard as slaves of this master, so it may not know what they run: %s", strings.Join(texts, "; "))
	switch {
	case elsewhere:
		return err.WithHint("a member that works with another master's database has left this pool, or the pool is split: xe pool-recover-slaves on the right master " +
			"takes it back; one of another pool is to be taken out of the parameter pool")
	case m.unheardHosts == fencedByHA && !of.armed:
		return err.WithHint("unheard_hosts=ha counts only while high availability is on (ha_enabled) and no member is in emergency mode")
	}
	return err.WithHint("start them, or xe-toolstack-restart there if they run; let the next fencing level switch off a host that is dead; xe host-forget takes " +
		"one out that is off for good; with high availability, unheard_hosts=ha counts silent hosts as fenced")
}

// forTheRest is what is left of a look, or a quarter of it, when members that are silent
// are waited for no longer.
const forTheRest = time.Second

// allBut returns a context that ends earlier than ctx, by rest or a quarter of the time.
func allBut(ctx context.Context, rest time.Duration) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(rest, time.Until(end)/4)))
}

// A report is what the members have said to one master, and what its database says.
type report struct {
	voices []voice
	hosts  map[string]hostRecord
	clocks map[string]time.Time // the time at the master and at the hosts that are heard
	armed  bool                 // high availability is on, and no member has said the contrary
}

// report listens to the members that a master must know about, if it is settled. High availability counts
// if the database says so before and after, and no member that answers is in emergency
// mode: it may have been switched off there, while the database still has it.
func (s *session) report(ctx context.Context) (r report, err error) {
	if r.hosts, err = read[map[string]hostRecord](ctx, s, "host.get_all_records"); err != nil {
		return r, fmt.Errorf("%s: %w", s, err)
	}
	now, err := s.clock(ctx, s.master)
	if err != nil {
		return r, fmt.Errorf("%s: %w", s, err)
	}
	r.clocks = map[string]time.Time{s.master: now}
	if err := s.isSettled(r); err != nil {
		return r, err
	}
	part, cancel := allBut(ctx, forTheRest)
	r.voices = s.listen(part, r.hosts)
	cancel()
	for i := range r.voices {
		v := &r.voices[i]
		s.tellTime(ctx, v) // one that is heard by another name
		if v.err == nil && v.host != "" {
			r.clocks[v.host] = v.now
		}
	}
	r.armed = s.hasHA() && !slices.ContainsFunc(r.voices, func(v voice) bool { return slices.Contains(emergencies, code(v.err)) })
	if r.armed {
		still, err := read[bool](ctx, s, "pool.get_ha_enabled", s.poolRef)
		if err != nil {
			return r, fmt.Errorf("%s: %w", s, err)
		}
		r.armed = still
	}
	return r, nil
}
