package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// minTimeout leaves a plugin time to connect, ask and observe.
const minTimeout = 10 * time.Second

// device reads the i-th device.
func (c *checker) device(i int, d deviceDescription) Device {
	key := func(name string) string { return fmt.Sprintf("device.%d.%s", i, name) }
	device := Device{ID: d.ID, Shared: d.Shared}
	if d.Face == "" {
		d.Face = string(metadata.External)
	}
	device.Agent = metadata.Agent{Plugin: metadata.Plugin(d.Plugin), Face: metadata.Face(d.Face)}
	switch {
	case !slices.Contains([]string{"xen", "xenapi", "ipmi"}, d.Plugin):
		c.mistake(key("plugin"), "plugin %q is none of xen, xenapi, ipmi", d.Plugin)
		return device
	case device.Agent.Type() == "":
		c.mistake(key("face"), "face %q is none of external, agent", d.Face)
		return device
	}
	device.Hostlist = c.hostlist(key("hostlist"), d.Hostlist)
	device.Timeout = device.Agent.Plugin.Timeout()
	if d.Timeout != "" {
		device.TimeoutGiven = true
		device.Timeout = c.seconds(key("timeout"), d.Timeout, minTimeout)
	}
	device.Parameters = c.parameters(key("parameters"), device.Agent.Plugin, d.Parameters)
	c.required(key("parameters"), device)
	c.perNode(key("parameters"), device)
	return device
}

// hostlist reads entries node or node:plug, separated by blanks, commas or semicolons.
func (c *checker) hostlist(key, text string) []Entry {
	var entries []Entry
	for _, word := range splitList(text) {
		node, plug, mapped := strings.Cut(word, ":")
		if err := checkNode(node); err != nil {
			c.mistake(key, "%v", err)
			continue
		}
		if mapped && plug == "" {
			c.mistake(key, "node %q: nothing is behind the colon", node)
		}
		if !survives(plug) {
			c.mistake(key, "node %q: behind the colon is "+notKept, node)
		}
		for _, other := range entries {
			if strings.EqualFold(other.Node, node) {
				c.mistake(key, "node %q is listed twice", node)
			}
		}
		entries = append(entries, Entry{Node: node, Plug: plug})
	}
	if len(entries) == 0 {
		c.mistake(key, "hostlist names no node")
	}
	return entries
}

// derived are names that a device's parameters cannot have, and what to write instead.
var derived = map[string]string{
	"hostlist": "it is a key of the device itself",
	"timeout":  "it is a key of the device itself",
	"hostname": "the device's hostlist says which node it fences",
	"delay":    "first and delay of the description say which node is to win",
	"action":   "the cluster says what to do",
	"plug":     "the device's hostlist says by what it knows the nodes",
}

// parameters reads a device's parameters, in the order of the plugin's metadata.
func (c *checker) parameters(key string, plugin metadata.Plugin, given map[string]any) []Parameter {
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at := key + "." + name
		own, known := plugin.Own(name)
		reason, isDerived := derived[name]
		switch {
		case strings.HasPrefix(name, "pcmk_"):
			c.mistake(at, "%s is Pacemaker's, and derived from the description", name)
		case isDerived:
			c.mistake(at, "%s is no parameter here: %s", name, reason)
		case !known:
			c.mistake(at, "unknown parameter %q, %s has %s", name, plugin, strings.Join(names(plugin), ", "))
		case values[own.Name] != "":
			c.mistake(at, "%s is given twice, by two names", own.Name)
		default:
			values[own.Name] = c.value(at, own, given[name])
		}
	}
	var parameters []Parameter
	for _, p := range (metadata.Agent{Plugin: plugin, Face: metadata.External}).Parameters() {
		if values[p.Name] != "" {
			parameters = append(parameters, Parameter{p.Name, values[p.Name]})
		}
	}
	return parameters
}

// names returns the names of a plugin's parameters, but those that are derived.
func names(plugin metadata.Plugin) []string {
	var all []string
	for _, p := range (metadata.Agent{Plugin: plugin, Face: metadata.External}).Parameters() {
		if derived[p.Name] == "" {
			all = append(all, p.Name)
		}
	}
	return all
}

// value returns the text of a parameter's value, which is never quoted in an error: it
// may be a secret.
func (c *checker) value(key string, p metadata.Parameter, value any) string {
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case bool, int64:
		text = fmt.Sprint(v)
	default:
		c.mistake(key, "%s must be a text, a whole number, true or false", p.Name)
		return ""
	}
	if text == "" {
		c.mistake(key, "%s is empty", p.Name)
	}
	if !survives(text) {
		c.mistake(key, "%s has "+notKept, p.Name)
	}
	if want := mismatch(p.Content, text); want != "" {
		c.mistake(key, "%s is no %s", p.Name, want)
	}
	return text
}

// notKept is what is wrong with a value that does not survive.
const notKept = `what a cluster's tools do not keep: want ASCII without control characters, '&', '<' and '>', and no '\' at its end or before '"'`

// survives reports whether a value is the same after its way into the cluster. Pacemaker
// writes '&' and '<' as they are into its XML, which it cannot read again then; crm
// takes other letters than ASCII for references, and loses count of quotes at "\\" and
// behind it.
func survives(value string) bool {
	odd := func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune("&<>", r) }
	return !strings.ContainsFunc(value, odd) && !strings.HasSuffix(value, `\`) && !strings.Contains(value, `\"`)
}

// mismatch returns what a value should be, and "" if it is.
func mismatch(content metadata.Content, text string) string {
	switch content.Type {
	case "integer":
		if _, err := strconv.Atoi(text); err != nil {
			return "whole number"
		}
	case "time":
		if _, err := parseDuration(text); err != nil {
			return "time, such as 40, 40s or 2min"
		}
	case "boolean":
		if !slices.Contains([]string{"true", "yes", "on", "1", "y", "false", "no", "off", "0", "n"}, strings.ToLower(text)) {
			return "true or false"
		}
	case "select":
		var words []string
		for _, option := range content.Options {
			words = append(words, option.Value)
		}
		if !slices.Contains(words, text) {
			return "one of " + strings.Join(words, ", ")
		}
	}
	return ""
}

// required checks that nothing is missing that the plugin cannot work without, and
// that secrets are in files.
func (c *checker) required(key string, d Device) {
	plugin := d.Agent.Plugin
	for _, p := range (metadata.Agent{Plugin: plugin, Face: metadata.External}).Parameters() {
		if _, has := d.Parameter(p.Name); p.Required && !has && derived[p.Name] == "" {
			c.mistake(key, "%s is missing: %s", p.Name, p.Title)
		}
	}
	c.secrets(key, d)
	if plugin == metadata.IPMI {
		c.bmcs(key, d)
	}
}

// secrets checks that the plugin can log in, and by a file.
func (c *checker) secrets(key string, d Device) {
	credentials := d.Agent.Plugin.Credentials()
	if len(credentials) > 0 && !slices.ContainsFunc(credentials, d.has) {
		c.mistake(key, "the secret is missing: give %s", credentials[0])
	}
	if c.options.AllowSecrets {
		return
	}
	for _, name := range d.Secrets() {
		c.mistake(key+"."+name, "%s would stand in the cluster's configuration, where many can read it: "+
			"put it into a file and give %s_file (--allow-secret lets it pass in a description file)", name, name)
	}
}

// Secrets returns the names of the device's parameters that are secrets by themselves.
func (d Device) Secrets() []string {
	// By another passwd_method, passwd says where the password is.
	method, _ := d.Parameter("passwd_method")
	var all []string
	for _, p := range d.Parameters {
		elsewhere := p.Name == "passwd" && method != "" && method != "param"
		if metadata.Secret(p.Name) && !elsewhere {
			all = append(all, p.Name)
		}
	}
	return all
}

// bmcs checks that each node has a BMC.
func (c *checker) bmcs(key string, d Device) {
	if d.has("ipaddr") && len(d.Hostlist) > 1 {
		c.mistake(key+".ipaddr", "ipaddr is of one BMC, and hostlist has %d nodes: give them as node:address", len(d.Hostlist))
	}
	for _, entry := range d.Hostlist {
		if entry.Plug == "" && !d.has("ipaddr") && !d.has("nodes_file") {
			c.mistake(strings.TrimSuffix(key, "parameters")+"hostlist", "node %q has no BMC, want node:address", entry.Node)
		}
	}
}

// Parameter returns the value of one of the device's parameters, by the plugin's own
// name for it.
func (d Device) Parameter(own string) (string, bool) {
	for _, p := range d.Parameters {
		if p.Name == own {
			return p.Value, true
		}
	}
	return "", false
}

func (d Device) has(own string) bool {
	_, has := d.Parameter(own)
	return has
}
