package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxLevel is the highest that Pacemaker's schema knows.
const maxLevel = 9

// levels reads the devices' levels, and checks that it is clear for each node which
// device is tried when.
func (c *checker) levels() {
	for i, d := range c.description.Devices {
		at := fmt.Sprintf("device.%d.level", i)
		switch {
		case d.Level != nil && d.With != "":
			c.mistake(at, "level or with: with says that the level is that of device %q", d.With)
		case d.Level != nil && (*d.Level < 1 || *d.Level > maxLevel):
			c.mistake(at, "level %d is none of 1 to %d", *d.Level, maxLevel)
		case d.Level != nil:
			c.plan.Devices[i].Level = *d.Level
		case d.With != "":
			c.plan.Devices[i].Level = c.levelOf(i, d.With)
		}
	}
	for _, node := range c.plan.all() {
		if !c.order(node) {
			return // the other nodes would have the same mistake
		}
	}
}

// levelOf returns the level of the device that the i-th one names in with.
func (c *checker) levelOf(i int, with string) int {
	j := slices.IndexFunc(c.description.Devices, func(d deviceDescription) bool { return d.ID == with })
	at := fmt.Sprintf("device.%d.with", i)
	switch {
	case j < 0:
		c.mistake(at, "there is no device %q", with)
	case j == i || c.description.Devices[j].Level == nil:
		c.mistake(at, "device %q must be another one, and have a level", with)
	default:
		return *c.description.Devices[j].Level
	}
	return 0
}

// order checks that each of a node's devices has a place, and none has it by accident.
func (c *checker) order(node string) bool {
	its := c.plan.devicesOf(node)
	for n, i := range its {
		device := c.plan.Devices[i]
		at := fmt.Sprintf("device.%d", i)
		if device.Level == 0 && len(its) > 1 {
			c.mistake(at, "node %q has %d devices: give each a level, or with, if both must switch it off", node, len(its))
			return false
		}
		if n == 0 {
			continue
		}
		if other := its[n-1]; device.Level == c.plan.Devices[other].Level && !c.together(i, other) {
			id := c.plan.Devices[other].ID
			c.mistake(at+".level", "level %d of node %q is that of device %q already: take another one, or with = %q if both must switch the node off",
				device.Level, node, id, id)
			return false
		}
	}
	return true
}

// together reports whether two devices are said to be of one level.
func (c *checker) together(i, j int) bool {
	leader := func(k int) string { return cmp.Or(c.description.Devices[k].With, c.description.Devices[k].ID) }
	return leader(i) == leader(j)
}

// devicesOf returns which of the devices fence a node, in the order in which they are
// tried.
func (p *Plan) devicesOf(node string) []int {
	var its []int
	for i, device := range p.Devices {
		if device.fences(node) {
			its = append(its, i)
		}
	}
	slices.SortStableFunc(its, func(a, b int) int { return cmp.Compare(p.Devices[a].Level, p.Devices[b].Level) })
	return its
}

func (d Device) fences(node string) bool {
	return slices.ContainsFunc(d.Hostlist, func(e Entry) bool { return strings.EqualFold(e.Node, node) })
}

// delayed returns which device waits before it fences First: the one that is tried
// first, since the others come after it. It is -1 if there is none.
func (p *Plan) delayed() int {
	if its := p.devicesOf(p.First); p.First != "" && len(its) > 0 {
		return its[0]
	}
	return -1
}

// Order returns a node's devices in the order in which they are tried: those of a level
// together, all of which must switch it off.
func (p *Plan) Order(node string) [][]Device {
	var order [][]Device
	for _, i := range p.devicesOf(node) {
		device := p.Devices[i]
		if n := len(order); n > 0 && order[n-1][0].Level == device.Level {
			order[n-1] = append(order[n-1], device)
			continue
		}
		order = append(order, []Device{device})
	}
	return order
}

// Waits reports whether the device waits for Delay before it fences a node.
func (p *Plan) Waits(d Device, node string) bool {
	i := p.delayed()
	return i >= 0 && node == p.First && p.Devices[i].ID == d.ID
}
