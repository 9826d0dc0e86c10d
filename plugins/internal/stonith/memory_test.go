package stonith_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
)

// memoryBed is a stonithtest.Bed of a Device in memory.
type memoryBed struct{ *stonithtest.Device }

func (b memoryBed) Params() map[string]string {
	return map[string]string{"hostlist": stonithtest.Node + ":a, " + stonithtest.Other + ":b"}
}

func (b memoryBed) Contacts() int { return len(b.Calls()) }

// answering lets every request be judged by fail, by its number from 1 on.
func (b memoryBed) answering(fail func(ctx context.Context, n int64) error) {
	var count atomic.Int64
	b.OnState = func(ctx context.Context, truth stonith.Power) (stonith.Power, error) {
		return truth, fail(ctx, count.Add(1))
	}
	b.OnSwitch = func(ctx context.Context, _ stonith.Power, apply func()) error {
		err := fail(ctx, count.Add(1))
		if err == nil {
			apply()
		}
		return err
	}
	b.OnCheck = func(ctx context.Context) error { return fail(ctx, count.Add(1)) }
}

func (b memoryBed) Break(f stonithtest.Fault) {
	always := func(reason stonith.Reason) {
		b.answering(func(context.Context, int64) error { return stonith.Errorf(reason, "as scripted") })
	}
	switch f {
	case stonithtest.Sound:
	case stonithtest.Unreachable:
		always(stonith.Unreachable)
	case stonithtest.Hangs:
		b.answering(func(ctx context.Context, _ int64) error { <-ctx.Done(); return ctx.Err() })
	case stonithtest.Garbage, stonithtest.Empty:
		always(stonith.UnknownState)
	case stonithtest.Refuses:
		always(stonith.NotPermitted)
	case stonithtest.Lies:
		b.OnSwitch = func(context.Context, stonith.Power, func()) error { return nil }
	case stonithtest.LosesAnswer:
		b.OnSwitch = func(_ context.Context, _ stonith.Power, apply func()) error {
			apply()
			return stonith.Errorf(stonith.Unreachable, "the answer is lost")
		}
	case stonithtest.FailsOnce:
		b.answering(failing(func(n int64) bool { return n == 1 }))
	case stonithtest.Flaps:
		b.answering(failing(func(n int64) bool { return n%2 == 1 }))
	case stonithtest.NeverOn:
		b.OnSwitch = func(_ context.Context, want stonith.Power, apply func()) error {
			if want == stonith.On {
				return stonith.Errorf(stonith.DeviceError, "no power")
			}
			apply()
			return nil
		}
	}
}

func failing(when func(n int64) bool) func(context.Context, int64) error {
	return func(_ context.Context, n int64) error {
		if when(n) {
			return stonith.Errorf(stonith.UnknownState, "as scripted")
		}
		return nil
	}
}

func TestConformance(t *testing.T) {
	stonithtest.Conform(t, func(*testing.T) stonithtest.Bed {
		return memoryBed{stonithtest.NewDevice(stonith.Unknown)}
	})
}
