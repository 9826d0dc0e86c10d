package convert

import (
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// What is different of every device that becomes ours.
const (
	ipmiGuard    = "only the nodes of hostlist are fenced; before, any name switched this BMC"
	ipmiOffTwice = "a node that is off at first sight counts as off after cycle_time (6s), since it may be in a power cycle"
	ipmiLanplus  = "interface lan -> lanplus, which is the default here: a BMC without IPMI 2.0 needs interface = lan"
	ipmiPriv     = "privilege ADMINISTRATOR -> OPERATOR, which is the default here and enough to fence"
)

// glueIPMI is cluster-glue's external/ipmi, one device for each node.
var glueIPMI = agent{
	its: metadata.Agent{Plugin: metadata.IPMI, Face: metadata.External},
	parameters: map[string]rule{
		"hostname":      structural("hostname"),
		"ipaddr":        structural("ip"),
		"ipport":        structural("ipport"),
		"userid":        to("userid"),
		"passwd":        gluePassword,
		"passwd_method": structural("passwd_method"),
		"interface":     structural("interface"),
		"priv":          structural("priv"),
		"ipmitool":      builtIn,
	},
	finish: func(d *draft) {
		d.hostname()
		if len(d.nodes) > 0 {
			d.bmc(d.nodes)
		}
		d.interfaceOf(d.own["interface"].Value)
		d.privilege(d.own["priv"])
	},
	changes: []string{
		"off and reset succeed only when the BMC reports the power off; before, when it had accepted the request",
		"reset is off, seen off, and on; before, it was a hard reset",
		ipmiOffTwice, ipmiGuard,
	},
}

// hostname makes the device's own name for its node the node, unless the cluster asked
// it for others: it did not look at the name that it was asked for.
func (d *draft) hostname() {
	name := d.own["hostname"].Value
	switch {
	case name == "" || len(d.nodes) == 1 && strings.EqualFold(d.nodes[0], name):
	case len(d.nodes) == 0:
		d.nodes = []string{name}
	case containsFold(d.nodes, name):
		d.note(changed, "pcmk_host_list has %s, but the BMC is that of %s: the others are not fenced by it any more", strings.Join(d.nodes, " "), name)
		d.nodes = []string{name}
	default:
		d.note(todo, "the cluster asked it for %s, but its hostname is %s: it is taken for that of %s", strings.Join(d.nodes, " "), name, strings.Join(d.nodes, " "))
	}
}

// gluePassword is the password, or with passwd_method=file the file that has it.
func gluePassword(d *draft, p cib.Parameter) {
	for _, other := range d.parameters {
		if other.Name == "passwd_method" && other.Value == "file" {
			d.values["passwd_file"] = p.Value
			d.note(todo, "passwd_method=file -> passwd_file: only its owner may be able to read the file")
			return
		}
	}
	secretFile("passwd_file")(d, p)
}

func builtIn(d *draft, p cib.Parameter) {
	d.note(changed, "%s: the built-in client is used; ipmitool = %s would have that program do it, several times slower", p.Name, p.Value)
}

// ipmilan is fence_ipmilan, or one of its other names, whose defaults may be lanplus.
func ipmilan(plusByDefault bool) agent {
	return agent{
		its: metadata.Agent{Plugin: metadata.IPMI, Face: metadata.FenceAgent},
		parameters: map[string]rule{
			"ip":              structural("ip"),
			"ipaddr":          structural("ip"),
			"ipport":          structural("ipport"),
			"login":           to("userid"),
			"username":        to("userid"),
			"passwd":          secretFile("passwd_file"),
			"password":        secretFile("passwd_file"),
			"passwd_script":   secretScript,
			"password_script": secretScript,
			"hexadecimal_kg":  secretFile("kg_file"),
			"lanplus":         structural("lanplus"),
			"privlvl":         structural("priv"),
			"cipher":          structural("cipher"),
			"auth":            structural("auth"),
			"method":          ipmiMethod,
			"ipmitool_path":   builtIn,
			"plug":            structural("plug"),
			"port":            structural("plug"),
			"target":          structural("target"),
			"port_as_ip":      structural("port_as_ip"),
			"use_sudo":        nothing("no program is run"),
			"sudo":            nothing("no program is run"),
			"sudo_path":       nothing("no program is run"),
		},
		finish: func(d *draft) { finishIPMILAN(d, plusByDefault) },
		changes: []string{
			"off must be read in an answer to a question asked after the request",
			ipmiOffTwice, ipmiGuard,
		},
	}
}

func finishIPMILAN(d *draft, plus bool) {
	switch {
	case d.own["target"].Value != "":
		d.refuse("target: there is no bridging to another controller behind the BMC, and without it the wrong one would be switched")
		return
	case isTrue(d.own["port_as_ip"].Value):
		d.refuse("port_as_ip: write the address of each node's BMC into hostlist, as node:address")
		return
	case d.own["port_as_ip"].Value != "":
		d.note(gone, "port_as_ip: it was not in force")
	}
	if d.own["plug"].Value != "" {
		d.note(gone, "%s: the agent did not look at it", d.own["plug"].Name)
	}
	nodes := d.nodes
	if len(nodes) == 0 {
		nodes = d.c.topologyNodes(d.source)
	}
	if len(nodes) == 0 {
		d.refuse("it does not say which node has the BMC %s, want pcmk_host_list: write a device of plugin ipmi with node:address in hostlist", d.own["ip"].Value)
		return
	}
	d.bmc(nodes)
	switch {
	case d.own["lanplus"].Value != "":
		plus = isTrue(d.own["lanplus"].Value)
		fallthrough
	case plus:
		d.interfaceOf(map[bool]string{true: "lanplus", false: "lan"}[plus])
	default:
		d.interfaceOf("")
	}
	d.privilege(d.own["priv"])
	if d.values["interface"] == "lan" {
		d.authentication(d.own["auth"])
		d.useless("cipher", "it has no meaning over lan")
	} else {
		d.cipher(d.own["cipher"])
		d.useless("auth", "it has no meaning over lanplus")
	}
}

// useless notes a parameter that is not carried over.
func (d *draft) useless(name, why string) {
	if d.own[name].Value != "" {
		d.note(gone, "%s: %s", name, why)
	}
}

const (
	// ipmiAnyone is what a BMC's answers without a proof come to.
	ipmiAnyone = "does not sign the BMC's answers: anyone on the way can say that the node is off which is not, and each call warns of it"
	// ipmiSigned is what answers with a proof come to.
	ipmiSigned = "an answer of the BMC counts only with its authentication code"
)

// cipher keeps a suite that is known here. One that does not sign packets is taken by its
// name, alone.
func (d *draft) cipher(p cib.Parameter) {
	switch given := strings.TrimSpace(p.Value); given {
	case "":
	case "17", "3", "16", "2":
		d.values["cipher"] = given
	case "15", "1", "0":
		d.values["cipher"] = given
		d.note(todo, "cipher=%s is kept, and %s; take it out if the BMC has suite 17 or 3", given, ipmiAnyone)
		return
	default:
		d.note(changed, "cipher=%s -> 17 3, which is the default here: suites with MD5 or RC4 are not known", given)
	}
	d.note(changed, ipmiSigned)
}

// authentication keeps that of lan. One that does not prove packets is taken by its name.
func (d *draft) authentication(p cib.Parameter) {
	switch given := strings.ToLower(strings.TrimSpace(p.Value)); given {
	case "", "md5":
	case "password", "none":
		d.values["auth"] = given
		d.note(todo, "auth=%s is kept, and %s; take it out if the BMC has MD5", given, ipmiAnyone)
		return
	default:
		d.note(changed, "auth=%s -> md5, which is the default here: others are not known", given)
	}
	d.note(changed, ipmiSigned)
}

// lanplus is the parameter of a device that is ours already.
func lanplus(d *draft, p cib.Parameter) {
	d.values["interface"] = map[bool]string{true: "lanplus", false: "lan"}[isTrue(p.Value)]
}

// bmc makes the entry of the only node that a BMC can be of.
func (d *draft) bmc(nodes []string) {
	address := bmcAddress(d.own["ip"].Value, d.own["ipport"].Value)
	switch {
	case address == "":
		d.refuse("it has no address of a BMC")
	case len(nodes) > 1:
		d.refuse("the BMC %s is said to be that of %d nodes (%s): each of them would have been fenced by switching that one off", address, len(nodes), strings.Join(nodes, " "))
	default:
		d.entry(nodes[0], address)
	}
}

// interfaceOf sets the interface; without one it was lan.
func (d *draft) interfaceOf(given string) {
	switch given {
	case "":
		d.note(changed, ipmiLanplus)
		return
	case "lanplus":
	case "lan":
		d.note(todo, "interface lan is kept: lanplus proves more and hides what is sent, if the BMC has it")
	default:
		d.refuse("interface %s has no counterpart: BMCs are reached by lanplus or lan", given)
		return
	}
	d.values["interface"] = given
}

// privilege sets the privilege; without one it was ADMINISTRATOR.
func (d *draft) privilege(p cib.Parameter) {
	switch given := strings.ToUpper(p.Value); given {
	case "":
		d.note(changed, ipmiPriv)
	case "OPERATOR", "ADMINISTRATOR":
		d.values["priv"] = given
	default:
		d.note(changed, "%s=%s -> OPERATOR: a lower privilege cannot switch a node", p.Name, p.Value)
	}
}

// ipmiMethod is how a reset is done, which is onoff unless an administrator who knows
// the BMCs says otherwise.
func ipmiMethod(d *draft, p cib.Parameter) {
	if p.Value != "onoff" {
		d.note(changed, "method=%s -> onoff: reset is off, seen off, and on; method = cycle fails with a BMC whose cycle is too short to be seen", p.Value)
	}
}
