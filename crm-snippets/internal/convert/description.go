package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A description is a description file on its way.
type description struct {
	// name is the source's, and notes are about what was made of it.
	name          string
	notes         []string
	nodes, remote []string
	pacemaker     string
	first, delay  string
	priorityDelay string
	devices       []device
}

// A device is one of a description.
type device struct {
	id     string
	agent  metadata.Agent
	shared bool
	level  int
	// with is the id of the device that has the level, if that is another one, and leader
	// its place among the devices, else -1.
	with    string
	leader  int
	entries []plan.Entry
	timeout string
	// values are the parameters, by the plugin's own names.
	values map[string]string
	// items are what the device was made of.
	items []item
}

// has reports whether a device was made of a draft.
func (d description) has(its *draft) bool {
	return slices.ContainsFunc(d.devices, func(device device) bool {
		return slices.ContainsFunc(device.items, func(i item) bool { return i.draft == its })
	})
}

// text returns the file.
func (d description) text() string {
	var t strings.Builder
	if d.name != "" {
		fmt.Fprintf(&t, "# Converted from %s by crm-snippets convert.\n\n", printable.Line(d.name))
	}
	for _, line := range d.notes {
		t.WriteString("# " + line + "\n")
	}
	if len(d.notes) > 0 {
		t.WriteString("\n")
	}
	list(&t, "nodes", d.nodes)
	list(&t, "remote", d.remote)
	pair(&t, "pacemaker", d.pacemaker)
	pair(&t, "first", d.first)
	pair(&t, "delay", d.delay)
	pair(&t, "priority-delay", d.priorityDelay)
	for _, device := range d.devices {
		device.write(&t)
	}
	return strings.TrimLeft(strings.ReplaceAll(t.String(), "\n\n\n", "\n\n"), "\n")
}

// plan returns what the description says. Errors are without the places, which are in a
// text that nobody has seen.
func (d description) plan() (*plan.Plan, error) {
	p, err := plan.Parse("", []byte(d.text()), plan.Options{})
	if err == nil {
		return p, nil
	}
	var reasons []string
	for line := range strings.Lines(err.Error()) {
		parts := strings.SplitN(strings.TrimSpace(line), ": ", 2)
		reasons = append(reasons, parts[len(parts)-1])
	}
	return nil, errors.New(strings.Join(reasons, "; "))
}

func (d device) write(t *strings.Builder) {
	t.WriteString("\n[[device]]\n")
	pair(t, "id", d.id)
	pair(t, "plugin", string(d.agent.Plugin))
	if d.agent.Face != metadata.External {
		pair(t, "face", string(d.agent.Face))
	}
	if d.shared {
		t.WriteString("shared = true\n")
	}
	switch {
	case d.with != "":
		pair(t, "with", d.with)
	case d.level > 0:
		fmt.Fprintf(t, "level = %d\n", d.level)
	}
	var words []string
	for _, entry := range d.entries {
		words = append(words, entry.String())
	}
	pair(t, "hostlist", strings.Join(words, " "))
	pair(t, "timeout", d.timeout)
	if len(d.values) == 0 {
		return
	}
	t.WriteString("\n[device.parameters]\n")
	for _, p := range (metadata.Agent{Plugin: d.agent.Plugin, Face: metadata.External}).Parameters() {
		pair(t, p.Name, d.values[p.Name])
	}
}

// pair writes a key with a text, unless that is empty.
func pair(t *strings.Builder, key, value string) {
	if value != "" {
		fmt.Fprintf(t, "%s = %s\n", key, quote(value))
	}
}

// list writes a key with texts, unless there are none.
func list(t *strings.Builder, key string, values []string) {
	var quoted []string
	for _, value := range values {
		quoted = append(quoted, quote(value))
	}
	if len(quoted) > 0 {
		fmt.Fprintf(t, "%s = [%s]\n", key, strings.Join(quoted, ", "))
	}
}

// quote returns a text as a string of TOML.
func quote(text string) string {
	var t strings.Builder
	t.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			t.WriteRune('\\')
			t.WriteRune(r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&t, `\U%08X`, r)
		default:
			t.WriteRune(r)
		}
	}
	t.WriteByte('"')
	return t.String()
}
