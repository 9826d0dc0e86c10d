package verify

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/live"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
)

// schemas is where Pacemaker has the schemas of a CIB.
const schemas = "/usr/share/pacemaker/"

// An asker shows a copy of the CIB to the tools.
type asker struct {
	*live.Tools
	cluster *cluster
	copy    string
	options Options
	// stranger says that an agent is not installed here.
	stranger bool
}

// askTools shows the CIB to the tools that are there.
func askTools(ctx context.Context, tools *live.Tools, c *cluster, options Options) ([]Row, error) {
	file, err := tools.Put("check.xml", c.cib.Text())
	if err != nil {
		return nil, err
	}
	a := &asker{Tools: tools, cluster: c, copy: file, options: options}
	rows := a.installed(ctx)
	rows = append(rows, a.ask(ctx, "crm_verify", "crm_verify", "-VV", "--xml-file", file)...)
	rows = append(rows, a.schema(ctx)...)
	return append(rows, a.shells(ctx)...), nil
}

// ask runs a tool, whose failure is what is wrong.
func (a *asker) ask(ctx context.Context, check, program string, args ...string) []Row {
	if row, missing := a.lacks(check, program); missing {
		return []Row{row}
	}
	if _, err := a.Run(ctx, live.Call{Program: program, Args: args, CIBFile: a.copy}); err != nil {
		return []Row{{Wrong, check, err.Error()}}
	}
	return []Row{{OK, check, "finds nothing wrong"}}
}

// lacks returns a row about a program that is not there.
func (a *asker) lacks(check, program string) (Row, bool) {
	_, found := a.Find(program)
	return Row{NotChecked, check, program + " is not installed here"}, !found
}

// installed checks the parameters by what the agents that are installed say.
func (a *asker) installed(ctx context.Context) []Row {
	const check = "agents"
	if row, missing := a.lacks(check, "stonith_admin"); missing {
		return []Row{row}
	}
	var rows []Row
	for _, agentType := range a.types() {
		known, err := a.metadataOf(ctx, agentType)
		if err != nil {
			result := NotChecked
			if a.options.Live {
				result = Wrong
			}
			a.stranger = true
			rows = append(rows, Row{result, check, fmt.Sprintf("%s is not installed here: %v", agentType, err)})
			continue
		}
		var wrong []string
		for _, d := range a.cluster.devices {
			if d.agentType == agentType {
				wrong = append(wrong, d.misfits(known)...)
			}
		}
		rows = append(rows, verdict(check, wrong, agentType+" is installed here, and knows all parameters")...)
	}
	return rows
}

// types returns those of our devices.
func (a *asker) types() []string {
	all := map[string]bool{}
	for _, d := range a.cluster.devices {
		if d.ours {
			all[d.agentType] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// metadataOf asks an agent for its parameters.
func (a *asker) metadataOf(ctx context.Context, agentType string) ([]metadata.Parameter, error) {
	text, err := a.Run(ctx, live.Call{Program: "stonith_admin", Args: []string{"--metadata", "--agent", agentType}, CIBFile: a.copy})
	if err != nil {
		return nil, err
	}
	var said struct {
		Parameters []metadata.Parameter `xml:"parameters>parameter"`
	}
	if err := xml.Unmarshal(text, &said); err != nil {
		return nil, err
	}
	if len(said.Parameters) == 0 {
		return nil, errors.New("it has no metadata")
	}
	return said.Parameters, nil
}

// schemaForm is how schemas are called.
var schemaForm = regexp.MustCompile(`^pacemaker-[0-9a-z.]+$`)

// schema checks the CIB by the schema that it names.
func (a *asker) schema(ctx context.Context) []Row {
	name := a.cluster.cib.Schema()
	file := schemas + name + ".rng"
	if !schemaForm.MatchString(name) {
		return []Row{{Wrong, "schema", fmt.Sprintf("validate-with is %q: the cluster does not check its configuration", name)}}
	}
	if _, err := os.Stat(file); err != nil {
		return []Row{{NotChecked, "schema", fmt.Sprintf("%s is not installed here", file)}}
	}
	return a.ask(ctx, "schema", "xmllint", "--noout", "--nonet", "--relaxng", file, a.copy)
}

// shown finds the devices in what a shell shows, as id and type.
var shown = map[string]*regexp.Regexp{
	"crm": regexp.MustCompile(`(?m)^primitive (\S+) stonith:(\S+)`),
	"pcs": regexp.MustCompile(`(?m)^\s*Resource: (\S+) \(class=stonith type=(\S+)\)`),
}

// shells lets crm and pcs read the CIB. They must have no complaints, and show the same.
func (a *asker) shells(ctx context.Context) []Row {
	crm := a.shell(ctx, "crm", "configure", "show")
	if crm.Result == OK && a.stranger {
		crm = Row{NotChecked, "crm", "shows the same devices, and knows no parameters of agents that are not installed here"}
	} else if crm.Result == OK {
		if _, err := a.Run(ctx, live.Call{Program: "crm", Args: []string{"configure", "verify"}, CIBFile: a.copy}); err != nil {
			crm = Row{Wrong, "crm", err.Error()}
		}
	}
	return []Row{crm, a.shell(ctx, "pcs", "-f", a.copy, "stonith", "config")}
}

// shell lets one show the devices.
func (a *asker) shell(ctx context.Context, program string, args ...string) Row {
	if row, missing := a.lacks(program, program); missing {
		return row
	}
	text, err := a.Run(ctx, live.Call{Program: program, Args: args, CIBFile: a.copy})
	if err != nil {
		return Row{Wrong, program, err.Error()}
	}
	if how := a.misread(shown[program], string(text)); how != "" {
		return Row{Wrong, program, how}
	}
	return Row{OK, program, fmt.Sprintf("reads it, and shows the same devices (%d)", len(a.cluster.devices))}
}

// misread says how the devices that a shell shows are not those of the CIB.
func (a *asker) misread(form *regexp.Regexp, text string) string {
	var has, want []string
	for _, found := range form.FindAllStringSubmatch(text, -1) {
		has = append(has, found[1]+" "+found[2])
	}
	for _, d := range a.cluster.devices {
		want = append(want, d.id+" "+d.agentType)
	}
	slices.Sort(has)
	slices.Sort(want)
	if slices.Equal(has, want) {
		return ""
	}
	return fmt.Sprintf("shows the devices %s, and the configuration has %s", strings.Join(has, ", "), strings.Join(want, ", "))
}
