// Package stonithtest has what tests of devices share: a Device in memory that
// can be scripted and records what it was asked, and the conformance suite that
// every Device passes.
package stonithtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var (
	_ stonith.Rehearser = (*Device)(nil)
	_ stonith.Lister    = (*Device)(nil)
)

// A Device has one node, whose power is a variable. Its hooks stand before the
// real thing; without them it does what it should.
type Device struct {
	// OnState is called instead of State, with the truth.
	OnState func(ctx context.Context, truth stonith.Power) (stonith.Power, error)
	// OnSwitch is called instead of Switch; apply makes the wanted state true.
	OnSwitch func(ctx context.Context, want stonith.Power, apply func()) error
	// OnCheck is called instead of Check.
	OnCheck func(ctx context.Context) error

	mu    sync.Mutex
	power stonith.Power
	calls []string
}

// NewDevice returns a Device whose node has that power.
func NewDevice(p stonith.Power) *Device { return &Device{power: p} }

// Power is the truth.
func (d *Device) Power() stonith.Power {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.power
}

// SetPower changes the truth.
func (d *Device) SetPower(p stonith.Power) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.power = p
}

// Calls lists what was asked so far: check, state, switch on, switch off.
func (d *Device) Calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

func (d *Device) record(call string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, call)
}

// Check succeeds.
func (d *Device) Check(ctx context.Context, _ []stonith.Node) error {
	d.record("check")
	if d.OnCheck != nil {
		return d.OnCheck(ctx)
	}
	return nil
}

// State tells the truth.
func (d *Device) State(ctx context.Context, _ stonith.Node) (stonith.Power, error) {
	d.record("state")
	if d.OnState != nil {
		return d.OnState(ctx, d.Power())
	}
	return d.Power(), nil
}

// Switch obeys.
func (d *Device) Switch(ctx context.Context, _ stonith.Node, want stonith.Power) error {
	d.record("switch " + want.String())
	apply := func() { d.SetPower(want) }
	if d.OnSwitch != nil {
		return d.OnSwitch(ctx, want, apply)
	}
	apply()
	return nil
}

// Rehearse fails as a look does.
func (d *Device) Rehearse(ctx context.Context, n stonith.Node) (string, error) {
	_, err := d.State(ctx, n)
	return "nothing was done", err
}

// List returns the cell of Node.
func (d *Device) List(ctx context.Context) ([]string, error) {
	return []string{Node}, d.Check(ctx, nil)
}

// Close does nothing.
func (d *Device) Close() error { return nil }

// Plugin returns a Plugin that opens d.
func (d *Device) Plugin() stonith.Plugin {
	return stonith.Plugin{
		Name: "memory", Title: "A node in memory", Description: "For tests.", URL: "https://example.org/",
		Plug:  stonith.PlugSyntax{Word: "cell", Check: checkCell},
		Agent: stonith.Agent{Name: "fence_memory"},
		New:   func() stonith.Config { return opener{d} },
	}
}

func checkCell(plug string) error {
	if plug == "" {
		return errors.New("no cell")
	}
	return nil
}

type opener struct{ device *Device }

func (o opener) Params() []stonith.Param                   { return nil }
func (o opener) Open(stonith.Call) (stonith.Device, error) { return o.device, nil }
