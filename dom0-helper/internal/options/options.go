// Package options reads the options of a command that has no operands.
package options

import (
	"flag"
	"fmt"
	"io"
)

// Parse parses the arguments, and refuses operands. It prints nothing.
func Parse(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}
