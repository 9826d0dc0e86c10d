package tests

import (
	"testing"
)

// TestPacemaker lets Pacemaker's fencer switch nodes by each of the names, and fail
// where the device lies or is silent.
func TestPacemaker(t *testing.T) {
	eachName(t, fenceNames(), func(t *testing.T, n fenceName, f *fencer, bed fenceBed) {
		sees := truth{t, bed}
		params := append(bed.params(), hostlist(bed, bedNodes...))
		f.register("st", n.name, params...)
		f.monitors("st", true)
		f.obeys(fenceOff, "node-1")
		sees.is("node-1", false)
		f.obeys(fenceOff, "node-1")
		sees.is("node-1", false)
		f.obeys(fenceOn, "node-1")
		sees.is("node-1", true)
		life := bed.life("node-1")
		f.obeys(fenceReboot, "node-1")
		sees.rebooted("node-1", life)

		f.register("st", n.name, append(params, "timeout=5s", "pcmk_off_retries=1", "pcmk_reboot_retries=1", "pcmk_monitor_retries=1")...)
		life = bed.life("node-1")
		sees.must(bed.silence())
		f.refuses(fenceOff, "node-1")
		sees.untouched("node-1", life)
		f.wantLog(n.errorLine("off", "node-1", silentReason))
		f.monitors("st", false)
		sees.must(bed.mend())
		sees.must(bed.lie())
		f.refuses(fenceReboot, "node-1")
		sees.untouched("node-1", life)
		f.wantLog(n.errorLine("reboot", "node-1", "still-on"))
		sees.must(bed.mend())
		f.obeys(fenceOff, "node-1")
		sees.is("node-1", false)
		sees.is("node-2", true)
	})
}
