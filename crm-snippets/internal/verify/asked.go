package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// asked checks what the cluster asks a device for: the node that is to be fenced, and an
// action that fences it.
func (d device) asked() []string {
	wrong := d.actions()
	listed := d.value("pcmk_host_list")+d.value("pcmk_host_map") != ""
	switch check := d.hostCheck(); {
	case check == "static-list" && !listed:
		wrong = append(wrong, fmt.Sprintf("%s: with pcmk_host_check=%s, and neither pcmk_host_list nor pcmk_host_map, no node has this device", d.id, check))
	case check == "dynamic-list" && listed:
		wrong = append(wrong, fmt.Sprintf("%s: with pcmk_host_check=%s, pcmk_host_list does not count", d.id, check))
	case check == "none", check == "status" && d.ours: // other agents may have a status of each node
		wrong = append(wrong, fmt.Sprintf("%s: with pcmk_host_check=%s, the cluster takes it for a device of any node", d.id, check))
	}
	if !d.ours {
		return wrong
	}
	if given := d.value("pcmk_host_argument"); given != "" && given != "plug" && given != "none" {
		wrong = append(wrong, fmt.Sprintf("%s: pcmk_host_argument is %s, where %s wants plug", d.id, given, d.agentType))
	}
	for _, name := range []string{"plug", "port", "uuid", "vm_name"} {
		if given := d.value(name); given != "" && !strings.EqualFold(given, "dynamic") && len(d.nodes) > 1 {
			wrong = append(wrong, fmt.Sprintf("%s: %s is set for good, and the same for all its nodes: %s", d.id, name, strings.Join(d.nodes, ", ")))
		}
	}
	for _, pair := range pairs(d.value("pcmk_host_map")) {
		node, name := cutPair(pair)
		if d.own("hostlist") != "" && !strings.EqualFold(node, name) {
			wrong = append(wrong, fmt.Sprintf("%s: pcmk_host_map calls %s %s, and hostlist maps by itself: leave pcmk_host_map out", d.id, node, name))
		}
	}
	return wrong
}

// hostCheck returns how the cluster finds out whether a device is for a node, if that is
// set.
func (d device) hostCheck() string { return strings.ToLower(d.value("pcmk_host_check")) }

// harmless are actions that agents have, and that fence nobody.
var harmless = []string{"on", "status", "monitor", "list", "list-status", "diag", "check", "validate-all", "metadata", "meta-data", "manpage"}

// actions checks that the cluster asks for what it wants. A device that succeeds with
// another action has fenced nobody.
func (d device) actions() []string {
	var wrong []string
	for name, good := range map[string][]string{
		"pcmk_off_action": {"off"}, "pcmk_reboot_action": {"reboot", "off"}, "action": {"reboot", "off"}, "option": {"reboot", "off"},
	} {
		value := strings.ToLower(d.value(name))
		mayFence := !d.ours && !slices.Contains(harmless, value) // others know more actions
		if value != "" && !mayFence && !slices.Contains(good, value) {
			wrong = append(wrong, fmt.Sprintf("%s: %s is %s: a node counts as fenced that is not", d.id, name, value))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// planned returns what devices fence, as far as the CIB says it: ours, and others for BMCs
// of which the address is known.
func (c *cluster) planned() []plan.Device {
	var all []plan.Device
	for _, d := range c.devices {
		switch {
		case d.ours:
			all = append(all, d.planned())
		case d.agentType == "fence_ipmilan", d.agentType == "external/ipmi":
			all = append(all, d.foreignBMC())
		}
	}
	return all
}

// planned returns what one of our devices fences.
func (d device) planned() plan.Device {
	its := plan.Device{ID: d.id, Agent: d.agent}
	for _, name := range []string{"sshaccount", "pool", "ipaddr", "ipport"} {
		if value := d.own(name); value != "" {
			its.Parameters = append(its.Parameters, plan.Parameter{Name: name, Value: value})
		}
	}
	for _, word := range split(d.own("hostlist") + " " + d.own("hostname")) {
		node, plug, _ := strings.Cut(word, ":")
		its.Hostlist = append(its.Hostlist, plan.Entry{Node: node, Plug: plug})
	}
	if len(its.Hostlist) == 0 && len(d.nodes) == 1 {
		its.Hostlist = []plan.Entry{{Node: d.nodes[0]}}
	}
	return its
}

// foreignBMC returns what a device of another agent fences, whose BMC is in ip or ipaddr.
func (d device) foreignBMC() plan.Device {
	its := plan.Device{ID: d.id, Agent: metadata.Agent{Plugin: metadata.IPMI}}
	address := cmp.Or(d.value("ip"), d.value("ipaddr"))
	if address == "" || d.value("port_as_ip") != "" {
		return its
	}
	its.Parameters = []plan.Parameter{{Name: "ipaddr", Value: address}, {Name: "ipport", Value: cmp.Or(d.value("ipport"), "623")}}
	for _, node := range d.nodes {
		its.Hostlist = append(its.Hostlist, plan.Entry{Node: node})
	}
	return its
}
