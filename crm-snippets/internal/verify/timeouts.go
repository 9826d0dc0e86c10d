package verify

import (
	"fmt"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
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
		if delay, isTime := live.Seconds(d.value("delay")); isTime {
			own += delay
		}
		for _, action := range []string{"off", "on", "reboot"} {
			wrong = append(wrong, c.limit(d, "pcmk_"+action+"_timeout", own)...)
		}
		for _, op := range d.operations {
			wrong = append(wrong, c.operation(d, op, own)...)
		}
	}
	return verdict("timeouts", wrong, "the cluster lets each call end by itself, and begins no second one")
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

// operation checks the time-out of an operation that asks the device.
func (c *cluster) operation(d device, op *cib.Element, own time.Duration) []string {
	name := op.Get("name")
	if name != "monitor" && name != "start" {
		return nil
	}
	text := d.value("pcmk_monitor_timeout")
	for _, other := range []string{op.Get("timeout"), c.operationDefault()} {
		if text == "" {
			text = other
		}
	}
	limit, isTime := seconds(text, defaultOperation)
	switch {
	case !isTime:
		return []string{fmt.Sprintf("%s: the timeout of %s is no time", d.id, name)}
	case limit < own:
		return []string{fmt.Sprintf("%s: the timeout of %s, %s, ends a call that may take %s", d.id, name, limit, own)}
	}
	return nil
}

// operationDefault returns the timeout that operations have where they say none.
func (c *cluster) operationDefault() string {
	for _, defaults := range c.cib.All("op_defaults") {
		for _, pair := range live.Within(defaults, "nvpair") {
			if pair.Get("name") == "timeout" {
				return pair.Get("value")
			}
		}
	}
	return ""
}
