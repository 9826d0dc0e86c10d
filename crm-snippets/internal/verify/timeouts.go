package verify

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
)

// What Pacemaker takes where nothing is set.
const (
	defaultFencing   = 60 * time.Second
	defaultOperation = 20 * time.Second
)

// timeouts checks that the cluster lets a call of our plugins end by itself, with what
// it has to say, and does not begin a second one that it then kills.
func timeouts(c *cluster) []Row {
	var wrong []string
	for _, d := range c.devices {
		if !d.ours {
			continue
		}
		own, isTime := seconds(d.own("timeout"), d.agent.Plugin.Timeout())
		if !isTime {
			wrong = append(wrong, fmt.Sprintf("%s: timeout is no time", d.id))
			continue
		}
		look, isTime := seconds(d.own("status_timeout"), d.agent.Plugin.StatusTimeout())
		if !isTime {
			wrong = append(wrong, fmt.Sprintf("%s: status_timeout is no time", d.id))
			continue
		}
		look = min(look, own)
		if delay, isTime := live.Seconds(d.value("delay")); isTime {
			own += delay
		}
		for _, action := range []string{"off", "on", "reboot"} {
			wrong = append(wrong, c.limit(d, "pcmk_"+action+"_timeout", own)...)
		}
		wrong = append(wrong, c.wait(d, own)...)
		for _, op := range d.operations {
			wrong = append(wrong, c.operation(d, op, look)...)
		}
	}
	return c.ofOurs("timeouts", wrong, "the cluster lets each call end by itself, and begins no second one")
}

// monitored checks that the cluster looks at each device: one that is gone would be known
// only when it is needed.
func monitored(c *cluster) []Row {
	var wrong []string
	for _, d := range c.devices {
		if !slices.ContainsFunc(d.operations, isMonitor) {
			wrong = append(wrong, fmt.Sprintf("%s: without a monitor, a device that is gone is noticed only when it is needed", d.id))
		}
	}
	return verdict("monitor", wrong, "the cluster looks at each device from time to time")
}

func isMonitor(op *live.Element) bool {
	every, isTime := live.Seconds(op.Get("interval"))
	enabled, isBool := live.Bool(op.Get("enabled"))
	return op.Get("name") == "monitor" && isTime && every > 0 && (enabled || !isBool)
}

// limit checks the cluster's time limit for fencing.
func (c *cluster) limit(d device, name string, own time.Duration) []string {
	text := d.value(name)
	if text == "" {
		name, text = name+" (not set: stonith-timeout)", c.property("fencing-timeout", "stonith-timeout")
	}
	limit, isTime := seconds(text, defaultFencing)
	switch {
	case !isTime:
		return []string{fmt.Sprintf("%s: %s is no time", d.id, name)}
	case limit <= own:
		return []string{fmt.Sprintf("%s: %s of %s ends a call that may take %s", d.id, name, limit, own)}
	case own*10 <= limit*7:
		return []string{fmt.Sprintf("%s: %s of %s is so long that a second call is begun after one that has failed in %s, and killed", d.id, name, limit, own)}
	}
	return nil
}

// wait checks that who asks for a fence does not give up before the device's delay is
// over and its call has ended. Pacemaker adds the delay to its limit since 2.1.6; before,
// it has a fifth of the limit besides.
func (c *cluster) wait(d device, own time.Duration) []string {
	if newer.MatchString(c.property("dc-version")) {
		return nil
	}
	var longest time.Duration
	for _, text := range append(baseTimes(d.value("pcmk_delay_base")), d.value("pcmk_delay_max")) {
		delay, _ := live.Seconds(text)
		longest = max(longest, delay)
	}
	var wrong []string
	for _, name := range []string{"pcmk_off_timeout", "pcmk_reboot_timeout"} {
		limit, isTime := seconds(cmp.Or(d.value(name), c.property("fencing-timeout", "stonith-timeout")), defaultFencing)
		if most := limit*6/5 - own; isTime && longest > 0 && longest > most {
			wrong = append(wrong, fmt.Sprintf("%s: its delay of %s is too long: with a call that may take %s, the cluster gives up after %s (%s), before Pacemaker 2.1.6",
				d.id, longest, own, limit*6/5, name))
		}
	}
	return wrong
}

// newer are versions of Pacemaker from 2.1.6 on.
var newer = regexp.MustCompile(`^(2\.1\.([6-9]|[1-9][0-9])|2\.[2-9]|[3-9]\.)`)

// baseTimes returns the times of a pcmk_delay_base.
func baseTimes(text string) []string {
	var all []string
	for _, item := range split(text) {
		all = append(all, item[strings.LastIndexByte(item, ':')+1:])
	}
	return all
}

// operation checks the time-out of an operation that asks the device: a look has a limit
// of its own, and no delay.
func (c *cluster) operation(d device, op *live.Element, own time.Duration) []string {
	name := op.Get("name")
	if name != "monitor" && name != "start" {
		return nil
	}
	text := d.value("pcmk_monitor_timeout")
	for _, other := range []string{op.Get("timeout"), c.defaultFor("op_defaults", "timeout")} {
		if text == "" {
			text = other
		}
	}
	limit, isTime := seconds(text, defaultOperation)
	switch {
	case !isTime:
		return []string{fmt.Sprintf("%s: the timeout of %s is no time", d.id, name)}
	case limit <= own:
		return []string{fmt.Sprintf("%s: the timeout of %s, %s, ends a call that may take %s", d.id, name, limit, own)}
	}
	return nil
}
