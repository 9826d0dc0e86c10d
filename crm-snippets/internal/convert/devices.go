package convert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// An entry is a node of a hostlist.
type entry = plan.Entry

// An item is what a draft does for a node.
type item struct {
	draft *draft
	entry entry
	// level and place say when it is tried for the node, both from 1 on; all places of a
	// level must switch it off. They are 0 where no node has several devices.
	level, place int
}

// devices makes devices of the drafts: those that say the same are one.
func (c *converter) devices() []device {
	of := map[string][]item{}
	var nodes []string
	for _, d := range c.drafts {
		if d.refused {
			c.keptLevels(d)
			continue
		}
		for _, e := range d.entries {
			node := strings.ToLower(e.Node)
			if len(of[node]) == 0 {
				nodes = append(nodes, node)
			}
			of[node] = append(of[node], item{draft: d, entry: e})
		}
	}
	several := c.levelsLeft
	for _, node := range nodes {
		of[node] = c.members(c.ranked(of[node]))
		several = several || len(of[node]) > 1 || c.levelsLeft
	}
	var all []item
	for _, node := range nodes {
		for _, i := range of[node] {
			if !several {
				i.level, i.place = 0, 0
			}
			all = append(all, i)
		}
	}
	devices := c.grouped(all)
	for i := range devices {
		for _, left := range devices[i].divide() {
			c.notes.add(gone, devices[i].items[0].draft.name, "%s: it is of none of this device's nodes", left)
		}
	}
	return c.named(devices)
}

// divide leaves in the lists node=value what is of the device's nodes, and returns the
// rest: a source may have one list for all of its devices.
func (d *device) divide() []string {
	var left []string
	for name, value := range d.values {
		if !metadata.PerNode(name) {
			continue
		}
		ours := slices.DeleteFunc(splitList(value), func(text string) bool {
			node, _, isItem := strings.Cut(text, "=")
			foreign := isItem && !slices.ContainsFunc(d.entries, func(e entry) bool { return strings.EqualFold(e.Node, node) })
			if foreign {
				left = append(left, name+" "+text)
			}
			return foreign
		})
		d.values[name] = strings.Join(ours, " ")
		if len(ours) == 0 {
			delete(d.values, name)
		}
	}
	slices.Sort(left)
	return left
}

// members makes one item of those that are members of one pool for the same guest: one
// device knows them all. Levels and places are counted anew, without gaps.
func (c *converter) members(its []item) []item {
	var all []item
	for _, i := range its {
		first := slices.IndexFunc(all, func(other item) bool { return i.sameGuest(other) })
		if first < 0 {
			all = append(all, i)
			continue
		}
		other := all[first].draft
		for _, member := range splitList(i.draft.values["pool"]) {
			if !slices.Contains(splitList(other.values["pool"]), member) {
				other.values["pool"] += " " + member
			}
		}
		c.notes.add(changed, i.draft.name, "a device for each member of the pool -> one that knows them all, %s: they must be of one pool", other.name)
	}
	level, last, place := 0, 0, 0
	for i := range all {
		if all[i].level != last {
			last, place = all[i].level, 0
			level++
		}
		place++
		all[i].level, all[i].place = level, place
	}
	return all
}

// sameGuest reports whether two items say the same of a guest, but for the member of the
// pool.
func (i item) sameGuest(other item) bool {
	a, b := i.draft, other.draft
	return a.its.Plugin == metadata.Xenapi && i.entry == other.entry && slices.Equal(a.entries, b.entries) &&
		a.its == b.its && a.timeout == b.timeout && a.said("pool") == b.said("pool")
}

// said returns all parameters of a draft but one, with the secrets.
func (d *draft) said(but string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(d.values)) {
		if name != but {
			parts = append(parts, name, d.values[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.secrets)) {
		parts = append(parts, name, d.secrets[name].value)
	}
	return strings.Join(parts, "\x00")
}

// grouped puts items together that say the same. The first places come first, since
// the others name them.
func (c *converter) grouped(all []item) []device {
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(a.place, b.place) })
	var devices []device
	var keys []string
	leaders := map[string]int{} // the device that has the first place, by node and level
	for _, i := range all {
		at := fmt.Sprintf("%s %d", strings.ToLower(i.entry.Node), i.level)
		leader := -1
		if i.place > 1 {
			leader = leaders[at]
		}
		key := i.key(leader)
		g := slices.Index(keys, key)
		if g < 0 {
			keys = append(keys, key)
			devices = append(devices, i.device(leader))
			g = len(keys) - 1
		}
		if i.place == 1 {
			leaders[at] = g
		}
		devices[g].entries = append(devices[g].entries, i.entry)
		devices[g].items = append(devices[g].items, i)
	}
	return devices
}

// device returns the first of an item, without the node. The leader has the level, if
// that is not -1.
func (i item) device(leader int) device {
	its := i.draft.device()
	its.shared, its.level, its.leader, its.entries = i.draft.shared(), i.level, leader, nil
	return its
}

// key is the same for items that can be one device. A resource of several nodes stays
// one.
func (i item) key(leader int) string {
	d := i.draft
	parts := []string{d.its.Type(), d.timeout.String(), strconv.Itoa(i.level), strconv.Itoa(i.place), strconv.Itoa(leader), d.said("")}
	if d.shared() {
		parts = append(parts, d.source)
	}
	return strings.Join(parts, "\x00")
}
