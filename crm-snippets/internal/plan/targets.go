package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// A Clash is that two nodes are one thing to their devices, or one node is the same
// thing to two devices of a level.
type Clash struct {
	// Device is which of the devices has the second of the nodes, and Other which one has
	// the first.
	Device, Other int
	// Nodes are both, and Target is what they are: a guest, or the address of a BMC.
	Nodes  [2]string
	Target string
}

// String returns the clash in words.
func (c Clash) String() string {
	if strings.EqualFold(c.Nodes[0], c.Nodes[1]) {
		return fmt.Sprintf("node %q is %q to two devices of one level: a second power supply would not be switched", c.Nodes[1], c.Target)
	}
	return fmt.Sprintf("nodes %q and %q are both %q", c.Nodes[0], c.Nodes[1], c.Target)
}

// Clashes returns where two nodes are one thing to their devices: who fences one of them
// would switch the other off. The plugins see that only within one resource, and have
// but a part of the nodes there. A node may be one thing to its devices, but not to two
// of one level: one of them has another's address.
func Clashes(devices []Device) []Clash {
	var all []Clash
	var things []thing
	for i, device := range devices {
		for _, entry := range device.Hostlist {
			its := thing{device: i, node: entry.Node, names: device.target(entry)}
			for _, other := range things {
				if target := common(its.names, other.names); target != "" && its.clashes(other, devices) {
					all = append(all, Clash{Device: i, Other: other.device, Nodes: [2]string{other.node, its.node}, Target: target})
				}
			}
			things = append(things, its)
		}
	}
	return all
}

// Twins returns where two of these devices are one thing to a node that wants all of them
// to switch it off, as for two power supplies.
func Twins(node string, devices []Device) []Clash {
	its := slices.Clone(devices)
	for i := range its {
		its[i].Level = 1 // the same one
		its[i].Hostlist = slices.DeleteFunc(slices.Clone(its[i].Hostlist), func(e Entry) bool { return !strings.EqualFold(e.Node, node) })
	}
	return Clashes(its)
}

// A thing is what a node is to a device, by all of its names.
type thing struct {
	device int
	node   string
	names  []string
}

// clashes reports whether two things of one name must not be one.
func (t thing) clashes(other thing, devices []Device) bool {
	its, others := devices[t.device], devices[other.device]
	if strings.EqualFold(t.node, other.node) && (t.device == other.device || !its.together(others)) {
		return false
	}
	return its.meets(others)
}

// together reports whether two devices are of one level.
func (d Device) together(other Device) bool { return d.Level != 0 && d.Level == other.Level }

// meets reports whether two devices may have the same things to switch. Guests of one
// name may be several, on Dom0s or in pools that have nothing in common.
func (d Device) meets(other Device) bool {
	if d.Agent.Plugin != other.Agent.Plugin {
		return false
	}
	return d.reaches(other, "sshaccount", "22") && d.reaches(other, "pool", "443")
}

// reaches reports whether two devices have a host in common, if the other one has a list
// of them in that parameter.
func (d Device) reaches(other Device, parameter, port string) bool {
	its, _ := d.Parameter(parameter)
	others, has := other.Parameter(parameter)
	return !has || its == others || common(hosts(its, port), hosts(others, port)) != ""
}

// hosts returns the hosts of a list, in one spelling: neither the account on a host nor
// https:// says which host it is.
func hosts(list, port string) []string {
	var all []string
	for _, word := range splitList(list) {
		word = word[strings.IndexByte(word, '@')+1:]
		if scheme, host, found := strings.Cut(word, "://"); found && strings.EqualFold(scheme, "https") {
			word = strings.TrimRight(host, "/")
		}
		all = append(all, oneSpelling(word, port, port))
	}
	return all
}

// target returns what a node is to the device: the guest, or the addresses of the BMC.
func (d Device) target(e Entry) []string {
	if d.Agent.Plugin != metadata.IPMI {
		return []string{cmp.Or(e.Plug, e.Node)}
	}
	addresses := e.Plug
	if addresses == "" {
		addresses, _ = d.Parameter("ipaddr")
	}
	port, has := d.Parameter("ipport")
	if !has {
		port = bmcPort
	}
	var all []string
	for _, address := range splitList(addresses) {
		all = append(all, oneSpelling(address, port, bmcPort))
	}
	return all
}

// bmcPort is the usual one of BMCs.
const bmcPort = "623"

// oneSpelling returns an address without the port, if that is the usual one, and in
// small letters. Port is that of an address which says none.
func oneSpelling(address, port, usual string) string {
	address = strings.ToLower(address)
	host := address
	if i := strings.LastIndexByte(address, ':'); i >= 0 && (strings.Count(address, ":") == 1 || strings.HasSuffix(address[:i], "]")) {
		host, port = address[:i], address[i+1:]
	}
	host = strings.Trim(host, "[]")
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	if port == usual {
		return host
	}
	return "[" + host + "]:" + port
}

// common returns a word that is in both lists, and "" if there is none.
func common(these, those []string) string {
	for _, word := range these {
		if slices.Contains(those, word) {
			return word
		}
	}
	return ""
}

// perNode checks the lists node=value. A resource gets the items of its own nodes, so
// that one with another name would be lost without a word, and what it guards against.
func (c *checker) perNode(key string, d Device) {
	for _, p := range d.Parameters {
		if !metadata.PerNode(p.Name) {
			continue
		}
		var seen []string
		for _, item := range splitList(p.Value) {
			node, value, _ := strings.Cut(item, "=")
			node = strings.ToLower(node)
			switch {
			case value == "":
				c.mistake(key+"."+p.Name, "%q is not of the form node=value", item)
			case !d.fences(node):
				c.mistake(key+"."+p.Name, "%s has node %q, which is not in hostlist", p.Name, node)
			case slices.Contains(seen, node):
				c.mistake(key+"."+p.Name, "%s has node %q twice", p.Name, node)
			}
			seen = append(seen, node)
		}
	}
}

// alone warns of nodes that one device of a level has, and the other has not: where one
// of two power supplies is not switched, a node goes on running.
func (p *Plan) alone() []string {
	var warnings []string
	for i, device := range p.Devices {
		for j, other := range p.Devices {
			both := func(e Entry) bool { return other.fences(e.Node) }
			if i == j || !device.together(other) || !slices.ContainsFunc(device.Hostlist, both) {
				continue
			}
			for _, e := range device.Hostlist {
				if !both(e) {
					warnings = append(warnings, fmt.Sprintf("%q fences node %q alone, and other nodes only with %q: a power supply that is not switched keeps a node running",
						device.ID, e.Node, other.ID))
				}
			}
		}
	}
	return warnings
}
