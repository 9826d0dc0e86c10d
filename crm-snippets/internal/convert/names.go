package convert

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// named gives the devices ids. The ids of their resources are none of the source's, so
// that the old ones can stay until the new ones are started.
func (c *converter) named(devices []device) []device {
	for i := range devices {
		devices[i].id = c.id(devices[:i], devices[i])
	}
	for i, device := range devices {
		if device.leader >= 0 {
			devices[i].with = devices[device.leader].id
		}
		c.replaced(devices[i])
	}
	return devices
}

var idForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// id returns the id of the source if there is one source and it does not have the
// node's name in it, else the name of the plugin, with a number if that is taken. What
// is ours already keeps its id.
func (c *converter) id(others []device, d device) string {
	if id := d.ownID(); idForm.MatchString(id) && !c.isTaken(others, d, id) {
		return id
	}
	name := string(d.agent.Plugin)
	source := d.items[0].draft.source
	if d.oneSource() && idForm.MatchString(source) && !strings.Contains(strings.ToLower(source), strings.ToLower(d.entries[0].Node)) {
		name = source
	}
	id := name
	for n := 2; c.isTaken(others, d, id); n++ {
		id = fmt.Sprintf("%s-%d", name, n)
	}
	return id
}

// ownID returns the id by which the device's resources are those of the source, if they
// are ours and there is such an id.
func (d device) ownID() string {
	id := ""
	for _, i := range d.items {
		source := i.draft.source
		if !d.shared {
			var found bool
			if source, found = strings.CutSuffix(source, "-"+i.entry.Node); !found {
				return ""
			}
		}
		if !i.draft.isOurs() || id != "" && id != source {
			return ""
		}
		id = source
	}
	return id
}

// resource returns the id of the resource that an item becomes.
func (d device) resource(i item) string {
	if d.shared {
		return d.id
	}
	return d.id + "-" + i.entry.Node
}

// replaced says what is to become of the resources of the source, and of their rules.
func (c *converter) replaced(d device) {
	for _, i := range d.items {
		if len(c.taken) == 0 || d.resource(i) == i.draft.source {
			continue
		}
		c.notes.add(todo, i.draft.name, "the description makes resources with other ids: take these away once the new ones are started")
		if len(i.draft.avoids) > 0 {
			c.notes.add(changed, i.draft.name, "the rules that keep it from its own node are written anew, with the new resources")
		}
	}
}

func (d device) oneSource() bool {
	for _, item := range d.items {
		if item.draft.source != d.items[0].draft.source {
			return false
		}
	}
	return true
}

// isTaken reports whether a device of that id would have something that is there already.
func (c *converter) isTaken(others []device, d device, id string) bool {
	if slices.ContainsFunc(others, func(other device) bool { return other.id == id }) {
		return true
	}
	d.id = id
	return slices.ContainsFunc(d.items, func(i item) bool {
		resource := d.resource(i)
		itself := resource == i.draft.source && i.draft.isOurs()
		return !itself && slices.Contains(c.taken, resource)
	})
}

// secrets puts secrets into files, and says which.
func (c *converter) secrets(devices []device) {
	for i, d := range devices {
		for _, own := range slices.Sorted(maps.Keys(d.items[0].draft.secrets)) {
			file := "/etc/stonith-plugins/" + d.id + "." + strings.TrimSuffix(own, "_file")
			devices[i].values[own] = file
			var places []string
			for _, item := range d.items {
				if place := item.draft.secrets[own].place(item.draft.source); !slices.Contains(places, place) {
					places = append(places, place)
				}
			}
			c.notes.add(todo, d.id, "write the %s into %s on every node, a single line that only root can read (mode 0600)", strings.Join(places, ", "), file)
		}
	}
}

// place says where the secret is, which is never shown.
func (s secret) place(source string) string {
	switch {
	case s.isPacemakers():
		return fmt.Sprintf("%s of /var/lib/pacemaker/lrm/secrets/%s/%s", s.name, source, s.name)
	case s.name == "hexadecimal_kg":
		return fmt.Sprintf("%s of line %d with 0x before it", s.name, s.line)
	default:
		return fmt.Sprintf("%s of line %d", s.name, s.line)
	}
}
