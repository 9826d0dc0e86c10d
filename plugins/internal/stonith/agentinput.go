package stonith

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// maxInput is more than the input of any agent, in bytes.
const maxInput = 1 << 20

// An agentInput is what a fence agent was given.
type agentInput struct {
	plugin   Plugin
	action   action
	delay    time.Duration
	plug     string
	nodename string            // that Pacemaker has for the plug
	values   map[string]string // of all else, by names with underscores
	warnings []string
}

// what names the request in reports.
func (in *agentInput) what() string {
	if node := in.node(); node != "" {
		return string(in.action) + " " + quoteOdd(node)
	}
	return string(in.action)
}

// node is the node that the action is for, "" if it is for none.
func (in *agentInput) node() string {
	switch in.action {
	case actionOn, actionOff, actionReboot, actionStatus:
		return in.plug
	}
	return ""
}

// lookup returns what was given under the name of a parameter.
func (in *agentInput) lookup(name string) string { return in.values[name] }

// errAnswered says that nothing is left to do: help or the version was asked for.
var errAnswered = errors.New("answered")

// readAgent reads options, or standard input if there are none.
func (p Plugin) readAgent(proc Process) (*agentInput, error) {
	pairs, err := readPairs(proc.Stdin)
	if len(proc.Args) > 0 {
		pairs, err = p.readOptions(proc)
	}
	if err != nil {
		return nil, err
	}
	in := &agentInput{plugin: p, action: actionReboot, values: map[string]string{}}
	for _, pair := range pairs { // the last one wins
		if err := in.take(pair); err != nil {
			return nil, err
		}
	}
	return in, in.turn()
}

// A pair is one parameter as it was given.
type pair struct{ name, value string }

// readPairs reads lines name=value. Empty lines and those that begin with # do not count.
func readPairs(input io.Reader) ([]pair, error) {
	var pairs []pair
	lines := bufio.NewScanner(io.LimitReader(input, maxInput))
	lines.Buffer(nil, maxInput)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok { // it is not shown: it may be a secret whose name was lost
			return nil, Errorf(BadConfig, "standard input: line %d of %d characters is not of the form name=value", len(pairs)+1, len(line))
		}
		pairs = append(pairs, pair{normalName(name), strings.TrimSpace(value)})
	}
	if err := lines.Err(); err != nil {
		return nil, Errorf(BadConfig, "standard input: %w", err)
	}
	return pairs, nil
}

// normalName makes a name one with underscores.
func normalName(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")
}

// readOptions reads options, long and short.
func (p Plugin) readOptions(proc Process) ([]pair, error) {
	flags := pflag.NewFlagSet(p.Agent.Name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	var pairs []pair
	for _, o := range p.options() {
		flag := flags.VarPF(optionValue{o.name, &pairs}, o.name, o.letter, "")
		if o.isSwitch {
			flag.NoOptDefVal = "1"
		}
	}
	help := flags.BoolP("help", "h", false, "")
	version := flags.BoolP("version", "V", false, "")
	err := flags.Parse(proc.Args)
	switch {
	case *help:
		fmt.Fprintln(proc.Stdout, p.agentHelp())
		return nil, errAnswered
	case *version:
		fmt.Fprintln(proc.Stdout, p.Agent.Name, proc.Version)
		return nil, errAnswered
	case err != nil:
		return nil, Errorf(BadConfig, "%s", wordValue.ReplaceAllString(err.Error(), "=...")).WithHint("%s --help shows the options", p.Agent.Name)
	case flags.NArg() > 0:
		return nil, Errorf(BadConfig, "%d words that are no options", flags.NArg()).WithHint("%s --help shows the options; without any, parameters are read from standard input", p.Agent.Name)
	}
	return pairs, nil
}

// An optionValue notes an option.
type optionValue struct {
	name  string
	pairs *[]pair
}

func (o optionValue) Set(value string) error {
	*o.pairs = append(*o.pairs, pair{normalName(o.name), value})
	return nil
}
func (o optionValue) String() string { return "" }
func (o optionValue) Type() string   { return "value" }

// take notes one pair.
func (in *agentInput) take(given pair) error {
	switch name := given.name; name {
	case "action", "option": // the latter is of old RHCS
		in.action = actionOf(given.value)
	case "plug", "port":
		in.plug = given.value
	case "nodename":
		in.nodename = given.value
	case "delay":
		return in.setDelay(given.value)
	case "missing_as_off":
		if truth(given.value) {
			return Errorf(BadConfig, "missing_as_off: a node that is not found is not off")
		}
	default:
		in.values[name] = given.value
	}
	return nil
}

// actionOf returns the action that a word means; fence-agents takes some old words.
func actionOf(word string) action {
	word = strings.ToLower(word)
	old := map[string]action{"enable": actionOn, "disable": actionOff, "reset": actionReboot, "meta-data": actionMetadata, "devstatus": actionStatus}
	if a, ok := old[word]; ok {
		return a
	}
	return action(word)
}

func (in *agentInput) setDelay(text string) error {
	var d Duration
	if text == "" || text == "0" || text == "0s" {
		in.delay = 0
		return nil
	}
	if err := d.Set(text); err != nil {
		return Errorf(BadConfig, "delay: %w", err)
	}
	if time.Duration(d) > maxDelay {
		return Errorf(BadConfig, "delay: %s is more than %s", &d, maxDelay)
	}
	in.delay = time.Duration(d)
	return nil
}

// turn makes what other agents have what we have, and warns of what nobody knows.
func (in *agentInput) turn() error {
	mistakes := []error{in.setPlug()}
	if combine := in.plugin.Agent.Combine; combine != nil {
		mistakes = append(mistakes, combine(in.values))
	}
	for _, f := range in.plugin.foreign() {
		value, given := in.values[f.Name]
		if !given {
			continue
		}
		delete(in.values, f.Name)
		var err error
		if f.Turn != nil {
			value, err = f.Turn(value)
		}
		switch {
		case err != nil:
			mistakes = append(mistakes, Errorf(BadConfig, "%s: %w", f.Name, err))
		case f.Becomes != "" && value != "":
			mistakes = append(mistakes, in.become(f, value))
		}
	}
	known := in.plugin.parameterNames()
	for _, name := range slices.Sorted(maps.Keys(in.values)) {
		if !slices.Contains(known, name) {
			in.warnings = append(in.warnings, fmt.Sprintf("%s is no parameter, and ignored", quoteOdd(name)))
		}
	}
	return errors.Join(append(mistakes, in.check())...)
}

// setPlug takes the plug from where it is: under the names that agents for such devices
// have for it, or in what Pacemaker calls the node.
func (in *agentInput) setPlug() error {
	for _, name := range in.plugin.Plug.Names {
		switch given := in.values[name]; {
		case given == "" || given == in.plug:
		case in.plug == "":
			in.plug = given
		default:
			return Errorf(BadConfig, "plug is %q and %s is %q, want one", in.plug, name, given)
		}
		delete(in.values, name)
	}
	if in.plug == "" {
		in.plug = in.nodename
	}
	return nil
}

func (in *agentInput) become(f Foreign, value string) error {
	if other := in.values[f.Becomes]; other != "" && other != value {
		return Errorf(BadConfig, "%s and %s are both set, and differ", f.Name, f.Becomes)
	}
	in.values[f.Becomes] = value
	return nil
}

// check refuses actions that there are not, and those that need a node without one.
func (in *agentInput) check() error {
	switch in.action {
	case actionOn, actionOff, actionReboot, actionStatus:
		if in.plug == "" {
			return Errorf(BadConfig, "%s: no plug", in.action).WithHint("set plug to the node")
		}
	case actionMonitor, actionList, actionListStatus, actionValidate, actionMetadata, actionManpage:
	default:
		return Errorf(BadConfig, "action: %q is none", string(in.action)).
			WithHint("there are on, off, reboot, status, monitor, list, list-status, validate-all, metadata and manpage")
	}
	return nil
}

// truth reads a boolean as fence-agents does.
func truth(text string) bool {
	return slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(text))
}
