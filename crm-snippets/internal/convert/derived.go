package convert

import (
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// A limit is a setting of the source's cluster for a device, or for all if the draft is
// nil: how long a call may take, and for a monitor how often there is one. Both follow
// from the plan here.
type limit struct {
	draft             *draft
	name              string
	interval, timeout string
}

// spell returns an interval and a time limit as a note has them.
func spell(interval, timeout string) string {
	var words []string
	if interval != "" {
		words = append(words, "every "+interval)
	}
	if timeout != "" {
		words = append(words, "within "+timeout)
	}
	return strings.Join(words, " ")
}

// derived says what became of such settings.
func (c *converter) derived(devices []device, p *plan.Plan) {
	monitor := p.Configuration().Resources[0].Operations[0]
	for _, l := range c.limits {
		if l.draft != nil && l.draft.refused {
			continue
		}
		subject, timeout, interval := "cluster", wholeSeconds(limitOf(devices, p, l.draft)), ""
		if l.draft != nil {
			subject = l.draft.name
		}
		if l.interval != "" && l.name == "monitor" {
			interval = monitor.Interval
		}
		if same(l.timeout, timeout) && same(l.interval, interval) {
			continue
		}
		c.notes.add(changed, subject, "%s %s -> %s, which follows from timeout: set that if the device is slow", l.name, spell(l.interval, l.timeout), spell(interval, timeout))
	}
}

// same reports whether two times are, or the source has none.
func same(source, ours string) bool {
	a, _ := seconds(source)
	b, _ := seconds(ours)
	return a == b || source == ""
}

// limitOf returns the cluster's time limit for the device that was made of a draft, or
// the longest of all.
func limitOf(devices []device, p *plan.Plan, d *draft) time.Duration {
	var longest time.Duration
	for i, device := range devices {
		if d == nil || slices.ContainsFunc(device.items, func(i item) bool { return i.draft == d }) {
			longest = max(longest, p.Devices[i].Limit())
		}
	}
	return longest
}
