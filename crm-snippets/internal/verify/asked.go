package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// asked checks what the cluster asks a device for: the node that is to be fenced, and an
// action that fences it.
func (d device) asked() []string {
	wrong := d.actions()
	switch check := d.value("pcmk_host_check"); {
	case check == "dynamic-list" && d.value("pcmk_host_list")+d.value("pcmk_host_map") != "":
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
	for _, pair := range pairs(d.value("pcmk_host_map")) {
		node, name, _ := strings.Cut(pair, ":")
		if d.own("hostlist") != "" && !strings.EqualFold(node, name) {
			wrong = append(wrong, fmt.Sprintf("%s: pcmk_host_map calls %s %s, and hostlist maps by itself: leave pcmk_host_map out", d.id, node, name))
		}
	}
	return wrong
}

// actions checks that the cluster asks for what it wants. A device that succeeds with
// another action has fenced nobody.
func (d device) actions() []string {
	var wrong []string
	for name, good := range map[string][]string{
		"pcmk_off_action": {"off"}, "pcmk_reboot_action": {"reboot", "off"}, "action": {"reboot", "off"}, "option": {"reboot", "off"},
	} {
		value := strings.ToLower(d.value(name))
		harmless := !d.ours && !slices.Contains([]string{"on", "status", "monitor", "list", "metadata"}, value)
		if value != "" && !harmless && !slices.Contains(good, value) {
			wrong = append(wrong, fmt.Sprintf("%s: %s is %s: a node counts as fenced that is not", d.id, name, value))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// planned returns what our devices fence, as far as the CIB says it.
func (c *cluster) planned() []plan.Device {
	var all []plan.Device
	for _, d := range c.devices {
		if !d.ours {
			continue
		}
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
		all = append(all, its)
	}
	return all
}
