package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// account is what dom0-helper's documents call the account on a Dom0.
const account = "xen"

var externalXen = metadata.Agent{Plugin: metadata.Xen, Face: metadata.External}

// What is different of every device that becomes external/xen.
const (
	xenProof = "off and reset succeed only when every Dom0 of sshaccount says that the guest is gone; before, %s"
	xenKeys  = "Dom0s are trusted by their host keys: those of all of them must be in /etc/ssh/ssh_known_hosts of every node"
	xenMoves = "sshaccount must name every Dom0 that the guests may live on, or one that runs on another one is taken for off"
)

// xenOf2007 is what is different if the device is the Xen module of 2007, which had the
// name of ours and two of its parameters.
func xenOf2007(d *draft) {
	switch {
	case d.values["dom0_protocol"] != "":
		return
	case !d.heartbeat:
		if len(d.values) == 1 {
			d.note(todo, "it is taken for ours; if it is the Xen module of 2007, the Dom0s need dom0-helper, or the device dom0_protocol = 2007")
		}
		return
	}
	d.values["dom0_protocol"] = "2007"
	d.note(todo, "dom0_protocol = 2007 drives the script xen-stonith of the Dom0s: install dom0-helper there (dom0-helper setup), and take the line out when all of them have it")
	d.note(todo, xenKeys)
	d.note(todo, xenMoves)
	d.note(changed, xenProof, "the exit status of the script counted, whose reset succeeded whatever became of the guest")
	d.note(changed, "reset of a node that is off switches it on; before, it was left off, which reset_off_node = leave still does")
	d.note(changed, "status asks every Dom0 for every node; before, it was enough that a list could be read")
}

// xen0 is cluster-glue's, which logged in as root at one Dom0.
var xen0 = agent{
	its: externalXen,
	parameters: map[string]rule{
		"hostlist": structural("hostlist"),
		"dom0":     structural("dom0"),
		"run_dump": structural("run_dump"),
		"dump_dir": structural("dump_dir"),
	},
	finish: finishXen0,
	changes: []string{
		fmt.Sprintf(xenProof, "a node that did not answer a ping was off, also if the Dom0 could not be reached"),
		"a node that is not in hostlist is refused; before, off of it succeeded",
		"status asks the Dom0 for every node; before, it sent pings to the nodes",
	},
}

func finishXen0(d *draft) {
	dom0 := d.own["dom0"].Value
	if dom0 == "" {
		d.refuse("it has no dom0")
		return
	}
	user, host, found := strings.Cut(dom0, "@")
	if !found {
		user, host = "root", dom0
	}
	d.values["sshaccount"] = account + "@" + host
	d.note(changed, "dom0=%s -> sshaccount %s@%s, an account that may do nothing else, in place of %s", dom0, account, host, user)
	d.note(todo, "the Dom0 needs dom0-helper, the account %s and a key of the nodes in its authorized_keys: dom0-helper setup", account)
	d.note(todo, xenKeys)
	d.note(todo, xenMoves)
	for _, word := range splitList(d.own["hostlist"].Value) {
		node, file, given := strings.Cut(word, ":")
		if !given {
			file = "/etc/xen/" + node + ".cfg"
		}
		d.entry(node, "")
		if len(d.nodes) > 0 && !containsFold(d.nodes, node) {
			continue // never asked for
		}
		d.note(todo, "the configuration file of %s is in the Dom0's policy: guest %s account %s config %s", node, node, account, file)
		d.note(changed, "a guest is known by the node's name; before, by the name in its configuration file: if that is another one, write node:guest")
	}
	if p := d.own["run_dump"]; p.Value != "" {
		dir := "/var/lib/xen/dump"
		if p := d.own["dump_dir"]; p.Value != "" {
			dir = p.Value
		}
		d.note(gone, "run_dump: the Dom0's policy says whether a guest's memory is kept before its end, such as: dump %s size 8G time 8s", dir)
	} else if p := d.own["dump_dir"]; p.Value != "" {
		d.note(gone, "dump_dir: it did nothing without run_dump")
	}
}

// xen0HA is cluster-glue's, which asked a cluster of Dom0s to stop the guest.
var xen0HA = agent{
	its: externalXen,
	parameters: map[string]rule{
		"hostlist":        structural("hostlist"),
		"dom0_cluster_ip": structural("dom0_cluster_ip"),
		"stop_timeout":    timeLimit,
		"timeout":         timeLimit,
	},
	finish: finishXen0HA,
	changes: []string{
		fmt.Sprintf(xenProof, "the Dom0s' cluster was asked to stop its resource, and believed"),
		"the device's status was a success as soon as ssh worked; now every Dom0 must know every node",
	},
}

func finishXen0HA(d *draft) {
	ip := d.own["dom0_cluster_ip"].Value
	d.values["sshaccount"] = account + "@first-dom0.invalid " + account + "@second-dom0.invalid"
	d.note(todo, "dom0_cluster_ip %s is one Dom0 at a time, and absence from one proves nothing: write all Dom0s into sshaccount, in place of first-dom0.invalid and second-dom0.invalid", ip)
	d.note(todo, "the Dom0s need dom0-helper, the account %s and a key of the nodes in its authorized_keys, in place of root's: dom0-helper setup", account)
	d.note(todo, xenKeys)
	d.note(changed, "the guest is destroyed without its Dom0s' cluster, which then finds its resource failed and may start it again: make the fence the only one who does, or keep external/xen0-ha")
	if !slices.ContainsFunc(d.parameters, func(p cib.Parameter) bool {
		return strings.HasSuffix(p.Name, "timeout") && !strings.HasPrefix(p.Name, "pcmk_")
	}) {
		d.note(changed, "a call has %s; before, the Dom0s' cluster had 300s", d.its.Plugin.Timeout())
	}
	d.hostlist(splitList(d.own["hostlist"].Value))
}

// libvirt is cluster-glue's. Of what it switches, only Xen's guests are ours.
var libvirt = agent{
	its: externalXen,
	parameters: map[string]rule{
		"hostlist":       structural("hostlist"),
		"hypervisor_uri": structural("hypervisor_uri"),
		"reset_method":   structural("reset_method"),
		"reboot_method":  structural("reset_method"), // so in its getconfignames
	},
	finish: finishLibvirt,
	changes: []string{
		fmt.Sprintf(xenProof, "an error with the words not found in it was off, such as that of a missing program"),
	},
}

func finishLibvirt(d *draft) {
	uri, ok := parseURL(d.own["hypervisor_uri"].Value)
	if !ok {
		d.refuse("its hypervisor_uri cannot be read")
		return
	}
	scheme, transport, _ := strings.Cut(uri.scheme, "+")
	switch {
	case scheme != "xen":
		d.refuse("hypervisor_uri %s:// has no counterpart: only Xen's guests can be fenced here; keep external/libvirt for these nodes, or fence the hosts by their BMCs with external/ipmi2", uri.scheme)
		return
	case uri.host == "":
		d.refuse("hypervisor_uri names no host: write a device of plugin xen with the Dom0 in sshaccount")
		return
	}
	if transport != "ssh" {
		uri.port = "" // not that of ssh
	}
	dom0 := uri.String()
	d.values["sshaccount"] = account + "@" + dom0
	d.note(changed, "hypervisor_uri of %s -> sshaccount %s@%s: an account that may do nothing else, and no libvirt on the Dom0", dom0, account, dom0)
	d.note(todo, "the Dom0 needs dom0-helper, the account %s and a key of the nodes in its authorized_keys: dom0-helper setup", account)
	d.note(todo, xenKeys)
	d.note(todo, xenMoves)
	d.note(todo, "the Dom0's policy needs a configuration file for xl of each guest: libvirt's own definitions of guests are not read")
	if d.own["reset_method"].Value == "reboot" {
		d.note(changed, "reset_method=reboot: reset is off, seen off, and on; a reboot that the guest does itself is no fence")
	} else if d.own["reset_method"].Value != "" {
		d.note(gone, "reset_method: reset is always off, seen off, and on")
	}
	d.hostlist(splitList(d.own["hostlist"].Value))
}
