package main

import (
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	bmcbed "github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// Off is doubtful where we have not seen the node on right before the BMC took our
// request: somebody else may have begun a cycle, in which it ignores that.
func TestDoubtfulOff(t *testing.T) {
	nothing := []bmcbed.Happening{}
	powerAt := func(b *bed, nth int, on bool) {
		b.DoAt(bmcbed.At(bmcbed.ChassisStatus).Nth(nth), func() { b.BMC.SetPower(on) })
	}
	tests := []fenceTest{
		{name: "a BMC that restarts before off, and does not know its node yet", given: func(b *bed) {
			b.fail(bmcbed.IgnoreOff)
			b.FailAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), bmcbed.Restarts)
			b.FailAt(bmcbed.At(bmcbed.ChassisStatus).Nth(2), bmcbed.SaysOff)
		}, params: map[string]string{"timeout": "16s"}, status: 1, on: true, happens: nothing, says: []string{"still-on"}},
		{name: "a BMC that restarts after off, and does not know its node yet", given: func(b *bed) {
			b.fail(bmcbed.IgnoreOff)
			b.FailAt(bmcbed.At(bmcbed.ChassisStatus).Nth(2), bmcbed.Restarts)
			b.FailAt(bmcbed.At(bmcbed.ChassisStatus).Nth(3), bmcbed.SaysOff)
		}, params: map[string]string{"timeout": "16s"}, status: 1, on: true, happens: nothing, says: []string{"still-on"}},
		{name: "a BMC that is busy with someone's cycle", given: func(b *bed) {
			b.fail(bmcbed.IgnoreOff)
			b.RefuseAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), 0xC0)
			powerAt(b, 2, false)
			b.RefuseAt(bmcbed.At(bmcbed.ChassisStatus).Nth(2), 0xC0)
			powerAt(b, 4, true)
		}, status: 1, on: true, happens: []bmcbed.Happening{off, on}, says: []string{"still-on"}},
		{name: "someone's cycle during the dump", given: func(b *bed) {
			b.fail(bmcbed.IgnoreOff)
			b.DoAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), func() {
				time.AfterFunc(200*time.Millisecond, func() { b.BMC.SetPower(false) })
			})
			powerAt(b, 4, true)
		}, params: map[string]string{"diag": "700ms"}, status: 1, on: true, happens: []bmcbed.Happening{diag, off, on}, says: []string{"still-on"}},
		{name: "someone's cycle before the dump", given: func(b *bed) {
			b.fail(bmcbed.IgnoreOff)
			b.DoAt(bmcbed.At(bmcbed.ChassisControl).Nth(1), func() { b.BMC.SetPower(false) })
			powerAt(b, 4, true)
		}, params: map[string]string{"diag": "700ms"}, status: 1, on: true, happens: []bmcbed.Happening{off, on}, says: []string{"still-on", "no dump: "}},
		{name: "two cycles, and nothing seen between them", given: func(b *bed) {
			b.fail(bmcbed.IgnoreOff)
			b.BMC.SetPower(false)
			for n := 2; n <= 8; n++ {
				b.RefuseAt(bmcbed.At(bmcbed.ChassisStatus).Nth(n), 0xFF)
			}
			powerAt(b, 2, true)
			powerAt(b, 9, false)
			powerAt(b, 10, true)
		}, params: map[string]string{"cycle_time": "800ms"}, status: 1, on: true, happens: []bmcbed.Happening{off, on, off, on}, says: []string{"still-on"}},
		{
			name: "answers that are none", given: func(b *bed) { b.FailAt(bmcbed.At(bmcbed.ChassisStatus), bmcbed.Empty) },
			status: 1, happens: []bmcbed.Happening{off}, says: []string{"unknown-state"},
		},
		{name: "silence, and a password that is refused once", given: func(b *bed) {
			b.fail(bmcbed.Silent)
			b.RefuseAt(bmcbed.At(bmcbed.RAKP1).Nth(1), 0x0D)
			time.AfterFunc(3*time.Second, func() { _ = b.Mend(); b.RefuseAt(bmcbed.At(bmcbed.RAKP1).Nth(1), 0x0D) })
		}, params: map[string]string{"timeout": "10s"}, status: 0, happens: []bmcbed.Happening{off}, says: []string{"off-observed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

// A BMC whose answers are none is not flooded with logins: one a look or request.
func TestLoginsOfBadAnswers(t *testing.T) {
	t.Parallel()
	b := newBed(t, bmcbed.Options{})
	b.FailAt(bmcbed.At(bmcbed.ChassisStatus), bmcbed.Empty)
	got := b.run(map[string]string{"timeout": "2s"}, "off", stonithtest.Node)
	logins, asked := b.Count(bmcbed.OpenSession), b.Count(bmcbed.ChassisStatus)+b.Count(bmcbed.ChassisControl)
	if got.Status != 1 || logins > 20 {
		t.Errorf("exit status %d, %d logins for %d commands, want 1 and at most 20; %q", got.Status, logins, asked, got.Stderr)
	}
}
