package convert

import (
	"path"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

var fenceXapi = metadata.Agent{Plugin: metadata.Xenapi, Face: metadata.FenceAgent}

// poolParameters are those of fence_xenapi and fence_cxs.
var poolParameters = map[string]rule{
	"session_url":     sessionURL,
	"login":           to("user"),
	"username":        to("user"),
	"login_timeout":   nothing("connect_timeout is that here, 8s unless it is set"),
	"passwd":          secretFile("passwd_file"),
	"password":        secretFile("passwd_file"),
	"passwd_script":   poolScript,
	"password_script": poolScript,
	"port":            structural("plug"),
	"plug":            structural("plug"),
	"vm_name":         structural("plug"),
	"uuid":            structural("uuid"),
}

// poolChanges are different with both.
var poolChanges = []string{
	"the members' certificates are verified: give tls_pins or ca_file, or have them signed by an authority of the system",
	"the pool's master is searched among all members of pool; before, a member that was not the master was the end: write all members into pool",
	"a guest on a dead host cannot be fenced by its pool: give the hosts' BMCs as the next level",
}

var fenceXenapi = agent{
	its: fenceXapi, parameters: poolParameters, finish: finishPool,
	changes: append([]string{"off must be proven: Halted counts only after this call's own hard_shutdown, or from a master that has been running for some time"}, poolChanges...),
}

// fenceCXS is what fence_xenapi was before. It printed its errors and then succeeded.
var fenceCXS = agent{
	its: fenceXapi, parameters: poolParameters, finish: finishPool,
	changes: append([]string{"off must be proven; before, errors were printed and the exit status was 0"}, poolChanges...),
}

func finishPool(d *draft) {
	guest := d.own["uuid"].Value
	if name := d.own["plug"].Value; guest == "" {
		guest = name
	} else if name != "" && name != guest {
		d.note(changed, "the guest's name beside its uuid: the UUID alone says which guest it is")
	}
	d.guests(guest)
}

// sessionURL makes members of URLs.
func sessionURL(d *draft, p cib.Parameter) {
	var members []string
	for _, text := range splitList(p.Value) {
		u, ok := parseURL(text)
		if !ok || u.host == "" || u.user != "" || u.scheme != "http" && u.scheme != "https" {
			d.refuse("%s in line %d cannot be read, want https://member", p.Name, p.Place.Line)
			return
		}
		if u.scheme == "http" {
			u.port = ""
			d.note(changed, "%s of %s was http, which shows the password to everybody: it is https now", p.Name, u)
		}
		members = append(members, u.String())
	}
	if len(members) > 0 {
		d.values["pool"] = strings.Join(members, " ")
	}
}

// poolScript is a program here, and was a command of a shell.
func poolScript(d *draft, p cib.Parameter) {
	if !path.IsAbs(p.Value) || strings.ContainsAny(p.Value, " \t'\"$`|&;<>*") {
		d.note(changed, "%s was a command of a shell, here it is the path of one program without arguments", p.Name)
		secretScript(d, p)
		return
	}
	d.values["passwd_script"] = p.Value
}
