package live

import (
	"context"
	"fmt"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/render"
)

// A Tool is a way to change a CIB.
type Tool string

// The tools, the one to be preferred first: those that know the agents' parameters.
const (
	CRM      Tool = "crm"
	PCS      Tool = "pcs"
	Cibadmin Tool = "cibadmin"
)

// ToolNames returns all tools.
func ToolNames() []Tool { return []Tool{CRM, PCS, Cibadmin} }

// choose returns the tool to work with: the one that is asked for, or the first that
// is there. Only pcs takes all values as arguments, which everybody can see, so it is
// not for a configuration with secrets.
func (t *Tools) choose(asked Tool, secret bool) (Tool, error) {
	if asked == PCS && secret {
		return "", fmt.Errorf("pcs would show the secret in the list of processes: take --tool cibadmin, or a file for the secret")
	}
	for _, tool := range ToolNames() {
		_, found := t.Find(string(tool))
		switch {
		case asked == tool && !found:
			return "", fmt.Errorf("%s: not found in %s", tool, strings.Join(dirs, ", "))
		case asked == tool, asked == "" && found && (tool != PCS || !secret):
			return tool, nil
		}
	}
	if asked != "" {
		return "", fmt.Errorf("unknown tool %q, want crm, pcs or cibadmin", asked)
	}
	return "", fmt.Errorf("none of crm, pcs and cibadmin is in %s", strings.Join(dirs, ", "))
}

// An editor changes a copy of a CIB by a tool. A tool that fails in the middle has
// changed nothing but the copy.
type editor struct {
	tools *Tools
	tool  Tool
	copy  string
}

// install adds a configuration to the copy.
func (e *editor) install(ctx context.Context, wanted plan.Configuration) error {
	switch e.tool {
	case CRM:
		return e.installByCRM(ctx, wanted)
	case PCS:
		for _, command := range render.PCSCommands(wanted) {
			if err := e.pcs(ctx, command.Args()...); err != nil {
				return err
			}
		}
		return nil
	case Cibadmin:
	}
	for _, p := range wanted.Properties {
		args := []string{"--type", "crm_config", "--name", p.Name, "--update", p.Value}
		if err := e.run(ctx, "crm_attribute", nil, args...); err != nil {
			return err
		}
	}
	wanted.Properties = nil
	return e.addElements(ctx, wanted)
}

// installByCRM lets crm add everything but levels: it would replace those of other nodes.
func (e *editor) installByCRM(ctx context.Context, wanted plan.Configuration) error {
	statements, err := e.tools.Put("statements.crm", []byte(render.Statements(wanted)))
	if err != nil {
		return err
	}
	if err := e.run(ctx, "crm", nil, "configure", "load", "update", statements); err != nil {
		return err
	}
	return e.addElements(ctx, plan.Configuration{Levels: wanted.Levels})
}

// addElements lets cibadmin add what a configuration has.
func (e *editor) addElements(ctx context.Context, wanted plan.Configuration) error {
	if len(wanted.Resources) == 0 && len(wanted.Locations) == 0 && len(wanted.Levels) == 0 {
		return nil
	}
	return e.run(ctx, "cibadmin", []byte(render.Elements(wanted)), "--modify", "--allow-create", "--xml-pipe")
}

// remove takes parts away from the copy: levels first, then locations, and then the
// resources that they speak of.
func (e *editor) remove(ctx context.Context, parts []part) error {
	var levels, locations, resources []*Element
	for _, p := range parts {
		switch p.there.Name {
		case "fencing-level":
			levels = append(levels, p.there)
		case "rsc_location":
			locations = append(locations, p.there)
		default:
			resources = append(resources, p.there)
		}
	}
	all := append(append(levels, locations...), resources...)
	if e.tool == CRM {
		if err := e.deleteElements(ctx, levels); err != nil {
			return err
		}
		return e.run(ctx, "crm", nil, append([]string{"-F", "configure", "delete"}, ids(all[len(levels):])...)...)
	}
	if e.tool == Cibadmin {
		return e.deleteElements(ctx, all)
	}
	for _, level := range levels {
		if err := e.pcs(ctx, "stonith", "level", "delete", level.Get("index"), "target", level.Get("target")); err != nil {
			return err
		}
	}
	if len(locations) > 0 {
		if err := e.pcs(ctx, append([]string{"constraint", "delete"}, ids(locations)...)...); err != nil {
			return err
		}
	}
	for _, resource := range resources {
		if err := e.pcs(ctx, "stonith", "delete", resource.Get("id")); err != nil {
			return err
		}
	}
	return nil
}

func (e *editor) deleteElements(ctx context.Context, all []*Element) error {
	for _, element := range all {
		text := fmt.Sprintf(`<%s id="%s"/>`, element.Name, render.Escape(element.Get("id")))
		if err := e.run(ctx, "cibadmin", []byte(text), "--delete", "--xml-pipe"); err != nil {
			return err
		}
	}
	return nil
}

// pcs runs pcs on the copy.
func (e *editor) pcs(ctx context.Context, args ...string) error {
	return e.run(ctx, "pcs", nil, append([]string{"-f", e.copy}, args...)...)
}

func (e *editor) run(ctx context.Context, program string, stdin []byte, args ...string) error {
	_, err := e.tools.Run(ctx, Call{Program: program, Args: args, Stdin: stdin, CIBFile: e.copy})
	return err
}

func ids(all []*Element) []string {
	var its []string
	for _, e := range all {
		its = append(its, e.Get("id"))
	}
	return its
}
