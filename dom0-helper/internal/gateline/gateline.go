// Package gateline reads and writes the command line of the gate, as the forced command of an
// ssh key has it. It is pure.
package gateline

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/options"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// DefaultSudo is the sudo that the gate runs if it is told no other.
const DefaultSudo = "/usr/bin/sudo"

// MaxAllow is the longest allow-list, in bytes: list names all of it in one request.
const MaxAllow = wire.MaxRequest - 256

// Options are what a forced command says of its key.
type Options struct {
	Allow  GuestSet // that the client may control
	Client string   // its name in the log
	Sudo   string   // the path of sudo
	Policy string   // the policy file, if the sudo rule names one
}

// Parse reads the arguments of the gate. It refuses what [Options.Check] does.
func Parse(args []string) (Options, error) {
	var o Options
	flags := flag.NewFlagSet("gate", flag.ContinueOnError)
	flags.Var(&o.Allow, "allow", "guests that the client may control")
	flags.StringVar(&o.Client, "client", "", "name of the client, for the log")
	flags.StringVar(&o.Sudo, "sudo", DefaultSudo, "path of sudo")
	flags.StringVar(&o.Policy, "policy", "", "policy file, if the sudo rule names one")
	if err := options.Parse(flags, args); err != nil {
		return o, err
	}
	return o, o.Check()
}

// Check returns an error if the gate would refuse every request of the key.
func (o Options) Check() error {
	if len(o.Allow) == 0 {
		return errors.New("option --allow is missing: the guests that the key may control")
	}
	if n := len(o.Allow.String()); n > MaxAllow {
		return fmt.Errorf("option --allow has %d bytes, at most %d are allowed", n, MaxAllow)
	}
	if o.Client == "" {
		return errors.New("option --client is missing: the key's name in the log")
	}
	if err := wire.CheckWord(o.Client); err != nil {
		return fmt.Errorf("option --client: %w", err)
	}
	return nil
}

// Command is the forced command, which runs that helper.
func (o Options) Command(helper string) string {
	command := helper + " gate --allow " + o.Allow.String() + " --client " + o.Client
	if o.Sudo != DefaultSudo {
		command += " --sudo " + o.Sudo
	}
	if o.Policy != "" {
		command += " --policy " + o.Policy
	}
	return command
}

// Same reports whether both let the same client control the same guests.
func (o Options) Same(other Options) bool {
	return o.Client == other.Client && o.Sudo == other.Sudo && o.Policy == other.Policy &&
		slices.Equal(slices.Sorted(slices.Values(o.Allow)), slices.Sorted(slices.Values(other.Allow)))
}

// A GuestSet is the option --allow: names of guests with commas between, each once. It is a
// [flag.Value].
type GuestSet []string

// String returns the names, with commas between.
func (g *GuestSet) String() string { return strings.Join(*g, ",") }

// Set adds names. It refuses one that no guest can have, and one that is there.
func (g *GuestSet) Set(text string) error {
	for _, name := range strings.Split(text, ",") {
		if err := wire.CheckGuest(name); err != nil {
			return err
		}
		if slices.Contains(*g, name) {
			return fmt.Errorf("guest %q is named twice", name)
		}
		*g = append(*g, name)
	}
	return nil
}
