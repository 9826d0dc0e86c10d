package convert

import (
	"fmt"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// An agent is one that the source may have, and what becomes of it.
type agent struct {
	its metadata.Agent
	// parameters are those that the agent knows; others are in common.
	parameters map[string]rule
	// finish makes the entries of the hostlist, when all parameters have been read.
	finish func(*draft)
	// changes are what is different with each device of this kind.
	changes []string
}

// A rule says what becomes of a parameter.
type rule func(*draft, cib.Parameter)

var agents = map[string]agent{
	"external/xen0":    xen0,
	"external/xen0-ha": xen0HA,
	"external/libvirt": libvirt,
	"external/ipmi":    glueIPMI,
	"fence_xenapi":     fenceXenapi,
	"fence_cxs":        fenceCXS,
	"fence_cxs_redhat": fenceCXS,
	"fence_ipmilan":    ipmilan(false),
	// These are fence_ipmilan with other defaults.
	"fence_ipmilanplus": ipmilan(true),
	"fence_idrac":       ipmilan(true),
	"fence_imm":         ipmilan(true),
	"fence_ilo3":        ipmilan(true),
	"fence_ilo4":        ipmilan(true),
	"fence_ilo5":        ipmilan(true),
	"fence_na":          nodeAssassin,
}

// nodeAssassin is an Arduino board that pressed the buttons of servers.
var nodeAssassin = agent{finish: func(d *draft) {
	d.refuse("a Node Assassin has no counterpart: none has been made for years, and its agent left fence-agents in 2013; give its nodes another device, such as their BMCs by fence_ipmi")
}, parameters: map[string]rule{
	"ipaddr": ignored, "login": ignored, "passwd": ignored, "port": ignored,
	"ip": ignored, "username": ignored, "password": ignored, "plug": ignored,
}}

// ignored is for parameters of a device that is refused as a whole.
func ignored(*draft, cib.Parameter) {}

// ours returns what becomes of a device that is one of ours already.
func ours(agentType string) (agent, bool) {
	its, known := metadata.FindAgent(agentType)
	if !known {
		return agent{}, false
	}
	a := agent{its: its, parameters: map[string]rule{
		"hostlist": structural("hostlist"), "hostname": structural("hostname"), "timeout": timeLimit,
		"power_timeout": timeLimit, "plug": structural("plug"), "port": structural("plug"),
	}, finish: ourHostlist}
	own := ""
	for _, p := range its.Parameters() {
		if _, isOwn := (metadata.Agent{Plugin: its.Plugin, Face: metadata.External}).Find(p.Name); isOwn || !p.Deprecated {
			own = ownName(its.Plugin, p.Name)
		}
		if _, special := a.parameters[p.Name]; special || own == "" {
			continue
		}
		switch {
		case metadata.Secret(own):
			a.parameters[p.Name] = secretFile(own + "_file")
		default:
			a.parameters[p.Name] = to(own)
		}
	}
	if its.Plugin == metadata.IPMI {
		a.parameters["passwd"], a.parameters["password"] = gluePassword, gluePassword
		a.parameters["passwd_method"] = structural("passwd_method")
		a.parameters["lanplus"] = lanplus
	}
	if agentType == "external/xen" {
		finish := a.finish
		a.finish = func(d *draft) {
			finish(d)
			xenOf2007(d)
		}
	}
	return a, true
}

// ownName returns the plugin's own name of a parameter, or "" if it has none.
func ownName(plugin metadata.Plugin, name string) string {
	own, known := plugin.Own(name)
	if !known {
		return ""
	}
	return own.Name
}

// ourHostlist takes the hostlist as it is.
func ourHostlist(d *draft) {
	words := splitList(d.own["hostlist"].Value)
	if host := d.own["hostname"].Value; len(words) == 0 && host != "" {
		words = []string{host}
	}
	if plug := d.own["plug"].Value; len(words) == 0 && d.its.Plugin != metadata.IPMI {
		d.guests(plug)
		return
	}
	if len(words) == 0 {
		words = d.nodes
	}
	d.hostlist(words)
}

// to is for a parameter that is the same here, by that name.
func to(own string) rule {
	return func(d *draft, p cib.Parameter) {
		if p.Value != "" {
			d.values[own] = p.Value
		}
	}
}

// structural is for a parameter that finish needs.
func structural(name string) rule {
	return func(d *draft, p cib.Parameter) {
		if p.Value != "" {
			d.own[name] = p
		}
	}
}

// nothing is for a parameter that has no counterpart, and why.
func nothing(why string) rule {
	return func(d *draft, p cib.Parameter) { d.note(gone, "%s: %s", p.Name, why) }
}

// secretFile is for a secret, which is in a file here. One that Pacemaker keeps apart
// is in a file of Pacemaker's.
func secretFile(own string) rule {
	return func(d *draft, p cib.Parameter) {
		if p.Value != "" {
			s := secret{name: p.Name, value: p.Value, line: p.Place.Line}
			if s.isPacemakers() {
				s.value += d.source // it may be another one for each device
			}
			d.secrets[own] = s
		}
	}
}

// secretScript is for a program that prints the password, where we know none.
func secretScript(d *draft, p cib.Parameter) {
	d.secrets["passwd_file"] = secret{name: "output of " + p.Name, value: p.Value, line: p.Place.Line}
	d.note(gone, "%s: the password is read from a file", p.Name)
}

// timeLimit is for the time limit of the call as a whole, or something like it. The
// plugin's own is enough for less.
func timeLimit(d *draft, p cib.Parameter) {
	limit, ok := seconds(p.Value)
	least := d.its.Plugin.Timeout()
	switch {
	case !ok:
		d.note(gone, "%s: it is no number of seconds", p.Name)
	case p.Name == "timeout" && d.isOurs():
		d.timeout = limit
	case limit > least:
		d.timeout = max(d.timeout, limit)
		d.note(changed, "%s=%s -> timeout, which is the limit of the whole call", p.Name, p.Value)
	default:
		d.note(changed, "%s=%s -> a call as a whole has %s", p.Name, p.Value, least)
	}
}

// isOurs reports whether the source's agent is one of ours.
func (d *draft) isOurs() bool {
	_, is := metadata.FindAgent(d.agent)
	return is
}

// seconds reads a time: 20, 20s or 2min.
func seconds(text string) (time.Duration, bool) {
	goText := strings.TrimSuffix(strings.TrimSuffix(text, "in"), "ec")
	if text != "" && strings.Trim(text, "0123456789") == "" {
		goText = text + "s"
	}
	limit, err := time.ParseDuration(goText)
	return limit.Round(time.Second), err == nil && limit >= 0
}

// wholeSeconds writes a time as the cluster does.
func wholeSeconds(d time.Duration) string { return fmt.Sprintf("%ds", d/time.Second) }

// common are parameters that many fence agents have.
var common = map[string]rule{
	"action":        verb,
	"option":        verb,
	"delay":         func(d *draft, p cib.Parameter) { d.delayed("", p) },
	"power_timeout": timeLimit,

	"power_wait":           repeated,
	"shell_timeout":        repeated,
	"login_timeout":        repeated,
	"stonith_status_sleep": repeated,
	"retry_on":             repeated,
	"disable_timeout":      repeated,
	"timeout":              repeated,
	"ipmitool_timeout":     repeated,

	"quiet":          talk,
	"verbose":        talk,
	"verbose_level":  talk,
	"debug":          talk,
	"debug_file":     talk,
	"version":        talk,
	"help":           talk,
	"separator":      talk,
	"plug_separator": talk,

	"stonith_timeout": func(d *draft, p cib.Parameter) {
		d.c.limits = append(d.c.limits, limit{draft: d, name: p.Name, timeout: p.Value})
	},
	"missing_as_off": nothing("a node that is not found is not off"),
	"priority":       nothing("levels say in which order devices are tried"),
	"provides":       nothing("it is no unfencing device"),
}

func verb(d *draft, p cib.Parameter) {
	d.note(changed, "%s=%s: the cluster says what to do, by its property stonith-action (fencing-action)", p.Name, p.Value)
}

func repeated(d *draft, p cib.Parameter) {
	d.note(gone, "%s: requests are repeated within timeout, and what counts is what is seen", p.Name)
}

func talk(d *draft, p cib.Parameter) { d.note(gone, "%s: it changed no verdict", p.Name) }
