package stonith

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const (
	// maxInput is more than the input of any agent, in bytes.
	maxInput = 1 << 20
	// inputLimit is the time that standard input has to end. A cluster writes all of it
	// right after it has started us, so this is much for a busy machine, and less than
	// the time-out that any operation has.
	inputLimit = 10 * time.Second
)

// readAgent returns what was given, by names with underscores: by options, or by
// standard input if there are none. answered says that help or the version was asked
// for, and printed.
func (p Plugin) readAgent(ctx context.Context, proc Process) (values map[string]string, answered bool, err error) {
	if len(proc.Args) > 0 {
		return p.readOptions(proc)
	}
	limited, cancel := context.WithTimeout(ctx, inputLimit)
	defer cancel()
	values, err = within(limited, func() (map[string]string, error) { return readPairs(proc.Stdin) })
	switch {
	case err == nil || limited.Err() == nil:
		return values, false, err
	case ctx.Err() != nil:
		return nil, false, Errorf(TimedOut, "interrupted before the end of standard input")
	}
	return nil, false, Errorf(BadConfig, "standard input: has not ended within %s", inputLimit).
		WithHint("close it behind the last line name=value, or give options: %s --help shows them", p.Agent.Name)
}

// agentName is what the names of all agents' parameters are made of.
var agentName = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)

// readPairs reads lines name=value; the last one of a name wins. Empty lines and those
// that begin with # do not count. No error shows a line: it may be a secret. Lines that
// are not of this form are refused: with its name unknown, an action would be another one.
func readPairs(input io.Reader) (map[string]string, error) {
	values := map[string]string{}
	limited := &io.LimitedReader{R: input, N: maxInput}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxInput)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = normalName(name)
		if limited.N == 0 {
			break // the line may be cut off
		}
		if !ok || !agentName.MatchString(name) || strings.ContainsAny(value, "\r\x00") {
			return nil, Errorf(BadConfig, "standard input: line %d of %d bytes is not of the form name=value", number, len(line))
		}
		values[name] = strings.TrimSpace(value)
	}
	if err := lines.Err(); err != nil {
		return nil, Errorf(BadConfig, "standard input: %w", err)
	}
	if limited.N == 0 {
		return nil, Errorf(BadConfig, "standard input: more than %d bytes", maxInput-1)
	}
	return values, nil
}

// normalName makes a name one with underscores. Capitals stay, and make a name unknown,
// as to other agents: Plug, set for good, must not count for the plug that a cluster gives.
func normalName(name string) string {
	return strings.ReplaceAll(strings.TrimSpace(name), "-", "_")
}

// readOptions reads options, long and short.
func (p Plugin) readOptions(proc Process) (values map[string]string, answered bool, err error) {
	values = map[string]string{}
	flags := pflag.NewFlagSet(p.Agent.Name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for _, o := range p.options() {
		flag := flags.VarPF(optionValue{o.name, values, flags}, o.name, o.letter, "")
		if o.isSwitch {
			flag.NoOptDefVal = "1"
		}
	}
	help := flags.BoolP("help", "h", false, "")
	version := flags.BoolP("version", "V", false, "")
	err = flags.Parse(proc.Args)
	switch {
	case *help:
		_, err = fmt.Fprintln(proc.Stdout, p.agentHelp())
		return nil, err == nil, err
	case *version:
		_, err = fmt.Fprintln(proc.Stdout, p.Agent.Name, proc.Version)
		return nil, err == nil, err
	case err != nil:
		return nil, false, Errorf(BadConfig, "%s", p.blameOption(err)).WithHint("%s --help shows the options", p.Agent.Name)
	case flags.NArg() > 0:
		return nil, false, Errorf(BadConfig, "%d words that are no options", flags.NArg()).
			WithHint("%s --help shows the options; without any, parameters are read from standard input", p.Agent.Name)
	}
	return values, false, nil
}

// blameOption says which option is wrong, and shows no value.
func (p Plugin) blameOption(err error) string {
	var unknown *pflag.NotExistError
	var lacking *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return fmt.Sprintf("there is no option -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return fmt.Sprintf("there is no option --%s", unknown.GetSpecifiedName())
	case errors.As(err, &lacking):
		return fmt.Sprintf("option %s has no value", lacking.GetSpecifiedName())
	}
	return "an option is not of the form --name=value or -n value"
}

// An optionValue notes an option.
type optionValue struct {
	name   string
	values map[string]string
	flags  *pflag.FlagSet // all options
}

// Set notes the value as a line of standard input has it; the last one wins. The next
// option is no value: a script has left the value out, and would lose that option.
func (o optionValue) Set(value string) error {
	if next, isOption := strings.CutPrefix(value, "--"); isOption {
		next, _, _ = strings.Cut(next, "=")
		if o.flags.Lookup(next) != nil {
			return errors.New("no value")
		}
	}
	o.values[normalName(o.name)] = strings.TrimSpace(value)
	return nil
}

// String returns nothing: there is no default.
func (o optionValue) String() string { return "" }

// Type is what pflag calls it in texts of its own.
func (o optionValue) Type() string { return "value" }
