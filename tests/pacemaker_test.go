package tests

import "testing"

// TestPacemaker lets Pacemaker's fencer switch nodes by each of the names, and fail
// where the device lies or is silent.
func TestPacemaker(t *testing.T) {
	eachName(t, fenceNames(), func(s *fenceScene) {
		s.registerNodes()
		s.monitors(true)
		s.obeys(fenceOff, "node-1")
		s.is("node-1", false)
		s.obeys(fenceOff, "node-1")
		s.is("node-1", false)
		s.obeys(fenceOn, "node-1")
		s.is("node-1", true)
		life := s.life()
		s.obeys(fenceReboot, "node-1")
		s.rebooted(life)

		s.registerNodes("timeout=5s", "pcmk_off_retries=1", "pcmk_monitor_retries=1")
		life = s.life()
		s.must(s.bed.silence())
		s.fails(fenceOff, silentReason)
		s.untouched(life)
		s.monitors(false)
		s.must(s.bed.mend())
		s.must(s.bed.lie())
		s.registerNodes("timeout=12s", "pcmk_reboot_retries=1")
		s.fails(fenceReboot, "(still-on|timed-out)") // the latter on a busy machine
		s.untouched(life)
		s.must(s.bed.mend())
		s.obeys(fenceOff, "node-1")
		s.is("node-1", false)
		s.is("node-2", true)
	})
}
