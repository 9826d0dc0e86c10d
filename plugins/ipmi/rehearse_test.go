package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	bmcbed "github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// open returns the device for nodes with the bed's parameters and others, without the
// logic of a fence around it.
func (b *bed) open(params map[string]string, nodes ...stonith.Node) *device {
	b.t.Helper()
	all := maps.Clone(b.params)
	maps.Copy(all, params)
	c := newConfig()
	for _, p := range c.Params() {
		if text := all[p.Name]; text != "" {
			if err := p.Value.Set(text); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	opened, err := c.Open(stonith.Call{Nodes: nodes, ProvesOff: true, Warn: func(string) {}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { opened.Close() })
	return opened.(*device)
}

// limited is the context of a call that gets no answer, if it is one.
func limited(t *testing.T, silent bool) (context.Context, context.CancelFunc) {
	if silent {
		return context.WithTimeout(t.Context(), 4*time.Second)
	}
	return context.WithCancel(t.Context())
}

func (b *bed) node() stonith.Node {
	return stonith.Node{Name: stonithtest.Node, Plug: addressOf(b.BMC)}
}

// A rehearsal goes as far as off does, and nothing happens to the node.
func TestRehearse(t *testing.T) {
	t.Parallel()
	const kept = "Set Power Restore Policy with no change, in the place of Power Down; the node is "
	unknown := func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.RestorePolicy), 0xC1) }
	const none = "nothing, since this BMC has no request that changes nothing (Set Power Restore Policy: unknown command (completion code C1h)); " +
		"all before it worked, and the node is on"
	for _, tt := range []struct {
		name    string
		options bmcbed.Options
		given   func(b *bed)
		params  map[string]string
		told    string
		reason  stonith.Reason // "" if it succeeds
		says    string         // of the error
	}{
		{name: "on", told: kept + "on"},
		{name: "off", options: bmcbed.Options{Off: true}, told: kept + "off"},
		{name: "lan", params: params("interface=lan"), told: kept + "on"},
		{name: "administrator", params: params("userid=admin", "passwd=Secret-1", "passwd_file=", "priv=administrator"), told: kept + "on"},
		{name: "a BMC that restarts", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.RestorePolicy).Nth(1), bmcbed.Restarts) }, told: kept + "on"},
		{name: "a lost answer", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.RestorePolicy).Nth(1), bmcbed.LoseAnswer) }, told: kept + "on"},
		{name: "not known to the BMC", given: unknown, told: none},
		{name: "not known to the BMC, lan", given: unknown, params: params("interface=lan"), told: none},
		{name: "may only look", params: params("userid=viewer", "passwd=Secret-3", "passwd_file="), reason: stonith.NotPermitted, says: "privilege too low"},
		{name: "may only look, lan", params: params("userid=viewer", "passwd=Secret-3", "passwd_file=", "interface=lan"), reason: stonith.NotPermitted, says: "privilege too low"},
		{name: "not permitted, said late", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.RestorePolicy), 0xD4) }, reason: stonith.NotPermitted, says: "completion code D4h"},
		{name: "busy", given: func(b *bed) { b.RefuseAt(bmcbed.At(bmcbed.RestorePolicy), 0xC0) }, reason: stonith.DeviceError, says: "node busy"},
		{name: "no answer to it", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.RestorePolicy), bmcbed.Empty) }, reason: stonith.UnknownState, says: "0 bytes of data, not 1"},
		{name: "no state", given: func(b *bed) { b.fail(bmcbed.RefuseGet) }, reason: stonith.DeviceError, says: "Get Chassis Status"},
		{name: "wrong password", params: params("passwd=wrong", "passwd_file="), reason: stonith.NotAuthenticated, says: "wrong password"},
		{name: "another BMC", params: params("bmc_guid=node-1=" + strings.Repeat("1", 32)), reason: stonith.NotFound, says: "another BMC"},
		{name: "no BMC", given: func(b *bed) { b.fail(bmcbed.Refused) }, reason: stonith.Unreachable, says: "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, tt.options)
			if tt.given != nil {
				tt.given(b)
			}
			ctx, cancel := limited(t, tt.name == "no BMC")
			defer cancel()
			device := b.open(tt.params, b.node())
			told, err := device.Rehearse(ctx, b.node())
			switch {
			case tt.reason == "" && (err != nil || told != tt.told):
				t.Errorf("%q, %v, want %q", told, err, tt.told)
			case tt.reason != "" && (err == nil || told != "" || stonith.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("%q, %v (%s), want %s with %q", told, err, stonith.ReasonOf(err), tt.reason, tt.says)
			}
			device.Close()
			if happened := b.History(); len(happened) > 0 || b.BMC.Power() == tt.options.Off {
				t.Errorf("the node has had %v", happened)
			}
			for _, c := range b.Commands() {
				if c.Step == bmcbed.ChassisControl || c.Step == bmcbed.RestorePolicy && !slices.Equal(c.Data, []byte{3}) {
					t.Errorf("%s with % x was sent", c.Step, c.Data)
				}
			}
			if n := b.sessionsLeft(); n > 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

// A refusal is told as what it is by a check of a device that will have to prove off, and
// at the first login: nobody attempts another one.
func TestCheckRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	viewer := params("userid=viewer", "passwd=Secret-3", "passwd_file=")
	err := b.open(viewer, b.node()).Check(t.Context(), []stonith.Node{b.node()})
	if stonith.ReasonOf(err) != stonith.NotPermitted || b.Count(bmcbed.OpenSession) != 2 { // one with each suite
		t.Errorf("%v (%s) after %d logins", err, stonith.ReasonOf(err), b.Count(bmcbed.OpenSession))
	}
	if err := b.open(viewer).Check(t.Context(), nil); err != nil {
		t.Errorf("without nodes: %v", err)
	}
}

// A diagnostic interrupt by itself is sent once, and its refusal is told.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	if err := b.open(nil, b.node()).Diagnose(t.Context(), b.node()); err != nil || !slices.Equal(happenings(b), []bmcbed.Happening{diag}) {
		t.Errorf("%v; the node has had %v", err, happenings(b))
	}
	b = newBed(t, bmcbed.Options{Off: true})
	if err := b.open(nil, b.node()).Diagnose(t.Context(), b.node()); stonith.ReasonOf(err) != stonith.DeviceError || len(happenings(b)) > 0 {
		t.Errorf("off: %v; the node has had %v", err, happenings(b))
	}
	b = newBed(t, bmcbed.Options{})
	b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.Restarts)
	if err := b.open(nil, b.node()).Diagnose(t.Context(), b.node()); stonith.ReasonOf(err) != stonith.Unreachable || b.Count(bmcbed.OpenSession) != 1 {
		t.Errorf("a BMC that restarts: %v after %d logins", err, b.Count(bmcbed.OpenSession))
	}
}

func happenings(b *bed) (all []bmcbed.Happening) {
	for _, event := range b.History() {
		all = append(all, event.What)
	}
	return all
}

// Several nodes are looked at side by side, each by its own BMC, even if one is silent.
func TestStatesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	var nodes []stonith.Node
	want := []stonith.Power{stonith.On, stonith.Off, stonith.Unknown, stonith.On, stonith.Off}
	for i, power := range want {
		one := startBMC(t, bmcbed.Options{Off: power == stonith.Off})
		if power == stonith.Unknown {
			if err := one.Fail(bmcbed.Silent); err != nil {
				t.Fatal(err)
			}
		}
		name := string(rune('a' + i))
		nodes = append(nodes, stonith.Node{Name: name, Plug: addressOf(one)}, stonith.Node{Name: name, Plug: addressOf(one)}) // each twice
	}
	opened := b.open(nil, slices.Compact(slices.Clone(nodes))...)
	ctx, cancel := limited(t, true)
	defer cancel()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			power, err := opened.State(ctx, n)
			if power != want[i/2] || (power == stonith.Unknown) != (err != nil) {
				errs[i] = errors.Join(errors.New(n.Name+": "+power.String()+", want "+want[i/2].String()), err)
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}
