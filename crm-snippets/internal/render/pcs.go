package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// A Command is one of pcs: its arguments, in groups that belong together.
type Command struct{ groups [][]string }

// Args returns the arguments behind pcs.
func (c Command) Args() []string {
	var args []string
	for _, group := range c.groups {
		args = append(args, group...)
	}
	return args
}

// String returns the command as a shell reads it: it changes the copy alone.
func (c Command) String() string {
	var lines []string
	for i, group := range c.groups {
		var words []string
		if i == 0 {
			words = []string{"pcs", "-f", pcsCopy}
		}
		for _, arg := range group {
			words = append(words, shellQuote(arg))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, " \\\n\t")
}

// PCSCommands returns the commands that set up the configuration, in order.
func PCSCommands(c plan.Configuration) []Command {
	var commands []Command
	if len(c.Properties) > 0 {
		commands = append(commands, Command{[][]string{append([]string{"property", "set"}, pairs(c.Properties)...)}})
	}
	for _, resource := range c.Resources {
		commands = append(commands, pcsResource(resource))
		for _, l := range locationsOf(c, resource.ID) {
			commands = append(commands, Command{[][]string{{"constraint", "location", "add", l.ID, l.Resource, l.Node, "--", "-INFINITY"}}})
		}
	}
	for _, level := range c.Levels {
		args := append([]string{"stonith", "level", "add", strconv.Itoa(level.Index), level.Node}, level.Resources...)
		commands = append(commands, Command{[][]string{args}})
	}
	return commands
}

func pcsResource(r plan.Resource) Command {
	groups := [][]string{{"stonith", "create", r.ID, r.Type}, pairs(r.Parameters)}
	for _, op := range r.Operations {
		groups = append(groups, []string{"op", op.Name, "interval=" + op.Interval, "timeout=" + op.Timeout})
	}
	return Command{groups}
}

// The copies that pcs works on: what the cluster has, and what it is to have.
const pcsBefore, pcsCopy = "cib-before.xml", "cib-after.xml"

// pcs returns the commands for a shell, with a comment before each resource. They
// change a copy, and the cluster takes it as a whole: one power supply of two must
// never be enough because the second command failed. Everybody can see the arguments of
// pcs, so it is not for secrets.
func pcs(p *plan.Plan) (Output, error) {
	for _, device := range p.Devices {
		if names := device.Secrets(); len(names) > 0 {
			return Output{}, fmt.Errorf("device %q: pcs would show %s in the list of processes: take another format, or a file for the secret",
				device.ID, strings.Join(names, ", "))
		}
	}
	c := p.Configuration()
	about := map[string]string{}
	for _, resource := range c.Resources {
		about[resource.ID] = resource.Comment
	}
	var text strings.Builder
	text.WriteString(comments("#", p.Comment))
	text.WriteString("set -e\numask 077\npcs cluster cib " + pcsBefore + "\ncp " + pcsBefore + " " + pcsCopy + "\n")
	for _, command := range PCSCommands(c) {
		if args := command.Args(); args[1] == "create" {
			text.WriteString("\n# " + about[args[2]] + "\n")
		}
		text.WriteString(command.String() + "\n")
	}
	text.WriteString("\n# all of it at once\npcs cluster cib-push " + pcsCopy + " diff-against=" + pcsBefore + "\n")
	return Output{Text: text.String()}, nil
}

// pairs returns name=value of each.
func pairs(parameters []plan.Parameter) []string {
	var all []string
	for _, p := range parameters {
		all = append(all, p.Name+"="+p.Value)
	}
	return all
}

func shellQuote(arg string) string {
	if plainWord(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
