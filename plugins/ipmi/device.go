package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

const (
	// lookAgain is the time between two looks at a node that may be in the off half of
	// a power cycle.
	lookAgain = 500 * time.Millisecond
	// interruptLimit is the time in which the BMC must take a diagnostic interrupt, and
	// answer the look after it.
	interruptLimit = 3 * time.Second
)

// A device is the BMCs of all nodes.
type device struct {
	bmcs map[string]*bmc // by node
	way  stonith.Way
	// cycleTime is how long a power cycle is without power, 0 if off need not be proven.
	cycleTime time.Duration
	// diag is how long a node may write a dump after a diagnostic interrupt, 0 if it
	// gets none.
	diag time.Duration
	warn func(string)
}

// Check logs in at every BMC, with the privilege that a fence needs, and reads the
// state of the chassis.
func (d *device) Check(ctx context.Context, nodes []stonith.Node) error {
	failed := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			if _, err := d.bmcs[n.Name].lookOnce(ctx); err != nil {
				failed[i] = fmt.Errorf("node %s: %w", n.Name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// State reads the state of the chassis. A node that we have seen on, and switched off,
// is off when that is read. Any other one may be in the off half of a power cycle,
// which somebody else began: it is off when that is read for as long as a cycle takes.
func (d *device) State(ctx context.Context, n stonith.Node) (stonith.Power, error) {
	b := d.bmcs[n.Name]
	for {
		s, err := b.look(ctx)
		if err != nil || s.power != stonith.Off || s.ours || s.offFor >= d.cycleTime {
			if s.power == stonith.Off && d.cycleTime > 0 && b.isHibernating() {
				d.warn(fmt.Sprintf("node %s hibernates: when it is switched on, it goes on with the memory that it had", n.Name))
			}
			return s.power, err
		}
		if !stonith.Sleep(ctx, min(lookAgain, d.cycleTime-s.offFor)) {
			return stonith.Unknown, stonith.Errorf(stonith.UnknownState, "off for %s, which may be the off half of a power cycle (cycle_time is %s)",
				s.offFor.Round(time.Millisecond), d.cycleTime)
		}
	}
}

// Switch sends Power Up or Power Down. Down may follow a diagnostic interrupt.
func (d *device) Switch(ctx context.Context, n stonith.Node, want stonith.Power) error {
	b := d.bmcs[n.Name]
	if want == stonith.On {
		return d.switchOn(ctx, b)
	}
	d.interrupt(ctx, b)
	return b.control(ctx, rmcp.Down)
}

// switchOn sends Power Up, but not to a node that would go on with the memory that it had.
func (d *device) switchOn(ctx context.Context, b *bmc) error {
	if b.isHibernating() {
		return stonith.Errorf(stonith.DeviceError, "the node hibernates (ACPI power state %s), and is not switched on: it would go on with the memory that it had", rmcp.ACPIHibernates).
			WithHint("remove the image from its disk, or have it ignored (noresume), and switch the node on by hand; nohibernate on its kernel's command line, AllowHibernation=no in systemd's sleep.conf").
			AsFinal()
	}
	return b.control(ctx, rmcp.Up)
}

// interrupt lets a node that runs write a dump, once. A fence does not fail for want
// of a dump, and has half of its time left for the rest. Then it looks again: somebody
// else may have switched the node off meanwhile.
func (d *device) interrupt(ctx context.Context, b *bmc) {
	if d.diag == 0 || !b.mayDump() {
		return
	}
	d.dump(ctx, b)
	part, cancel := context.WithTimeout(ctx, interruptLimit)
	defer cancel()
	_, _ = b.look(part) // b knows if it failed
}

func (d *device) dump(ctx context.Context, b *bmc) {
	part, cancel := context.WithTimeout(ctx, interruptLimit)
	defer cancel()
	if err := b.control(part, rmcp.Diag); err != nil {
		d.warn("no dump: " + err.Error())
		return
	}
	wait := d.diag
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)/2)
	}
	stonith.Sleep(ctx, wait)
}

// Way is the parameter method.
func (d *device) Way() stonith.Way { return d.way }

// Reset sends Power Cycle or Hard Reset.
func (d *device) Reset(ctx context.Context, n stonith.Node) error {
	if d.way == stonith.ByCycle {
		return d.bmcs[n.Name].control(ctx, rmcp.Cycle)
	}
	return d.bmcs[n.Name].control(ctx, rmcp.Reset)
}

// Close logs out everywhere.
func (d *device) Close() error {
	var all sync.WaitGroup
	for _, b := range d.bmcs {
		all.Go(b.close)
	}
	all.Wait()
	return nil
}
