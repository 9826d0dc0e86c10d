package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// levels checks the fencing topology.
func levels(c *cluster) []Row {
	all := c.cib.Configuration().Named("fencing-level")
	var wrong []string
	var rows []Row
	for _, level := range all {
		if level.Get("target") == "" {
			rows = append(rows, Row{NotChecked, "levels", fmt.Sprintf("%s is for nodes by a pattern or an attribute", level.Get("id"))})
		}
		wrong = append(wrong, c.level(level)...)
		wrong = append(wrong, c.twice(level)...)
	}
	several := ""
	for _, node := range c.nodes {
		its, devices := c.levelsOf(node), c.fencing(node)
		wrong = append(wrong, parted(node, its)...)
		for _, d := range devices {
			if len(its) > 0 && !slices.ContainsFunc(its, func(level *live.Element) bool { return slices.Contains(devicesOf(level), d.id) }) {
				wrong = append(wrong, fmt.Sprintf("%s is in no level of %s, so it is never tried", d.id, node))
			}
		}
		if len(its) == 0 && len(devices) > 1 {
			several += " " + node
		}
	}
	if several != "" {
		rows = append(rows, Row{NotChecked, "levels", fmt.Sprintf("any device of these nodes counts as enough, since no level says otherwise:%s", several)})
	}
	if len(all) == 0 {
		return rows
	}
	return append(rows, verdict("levels", wrong, fmt.Sprintf("%d, with devices that fence their nodes", len(all)))...)
}

// level checks that the devices of a level are there, and are for its node.
func (c *cluster) level(level *live.Element) []string {
	var wrong []string
	node := level.Get("target")
	for _, id := range devicesOf(level) {
		d, known := c.device(id)
		switch {
		case !known:
			wrong = append(wrong, fmt.Sprintf("level %s of %s: there is no device %s", level.Get("index"), node, id))
		case node != "" && d.known && !contains(d.nodes, node):
			wrong = append(wrong, fmt.Sprintf("level %s of %s: %s does not fence it", level.Get("index"), node, id))
		}
	}
	return wrong
}

// twice returns what is wrong where two devices of a level are one thing to its node: the
// other power supply would go on.
func (c *cluster) twice(level *live.Element) []string {
	its := slices.DeleteFunc(c.planned(), func(d plan.Device) bool { return !slices.Contains(devicesOf(level), d.ID) })
	var wrong []string
	for _, clash := range plan.Twins(level.Get("target"), its) {
		wrong = append(wrong, fmt.Sprintf("level %s: %s", level.Get("index"), clash))
	}
	return wrong
}

// parted returns what is wrong where all devices of a level must switch a node off, and
// some of them alone are enough for another level: a node with two power supplies would
// go on running, and count as fenced.
func parted(node string, levels []*live.Element) []string {
	var wrong []string
	for _, level := range levels {
		for _, whole := range levels {
			its, all := devicesOf(level), devicesOf(whole)
			outside := func(id string) bool { return !slices.Contains(all, id) }
			if len(its) < len(all) && !slices.ContainsFunc(its, outside) {
				wrong = append(wrong, fmt.Sprintf("level %s of %s is content with %s, where level %s wants %s to switch it off",
					level.Get("index"), node, strings.Join(its, " and "), whole.Get("index"), strings.Join(all, " and ")))
			}
		}
	}
	return wrong
}

// levelsOf returns the levels of a node in their order.
func (c *cluster) levelsOf(node string) []*live.Element {
	its := slices.DeleteFunc(c.cib.Configuration().Named("fencing-level"), func(level *live.Element) bool {
		return !strings.EqualFold(level.Get("target"), node)
	})
	slices.SortStableFunc(its, func(a, b *live.Element) int { return cmp.Compare(index(a), index(b)) })
	return its
}

// index returns that of a level, or 0 if it is no number.
func index(level *live.Element) int {
	n, err := strconv.Atoi(level.Get("index"))
	if err != nil {
		return 0
	}
	return n
}

// devicesOf returns the ids of a level's devices.
func devicesOf(level *live.Element) []string { return strings.Split(level.Get("devices"), ",") }
