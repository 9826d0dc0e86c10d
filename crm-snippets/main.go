// Crm-snippets writes the fencing part of a cluster's configuration: from one small
// description, for each tool that loads it.
//
// Exit status: 0 if all is well, else 1. README.md documents the description.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// version is set by the linker.
var version = "dev"

// commandLine is the grammar of the arguments.
type commandLine struct {
	Version kong.VersionFlag `help:"Print the version."`

	Render  renderCommand  `cmd:"" help:"Print the configuration, for one of the tools."`
	Install installCommand `cmd:"" help:"Give the cluster the configuration, and show first what that adds."`
	Remove  removeCommand  `cmd:"" help:"Take the configuration from the cluster, and show first what that takes away."`
	Check   checkCommand   `cmd:"" help:"Look at the fencing of the cluster, and whether it has what is described."`
	Convert convertCommand `cmd:"" help:"Print a description of what a cluster had before, and what is different with it."`
}

// A session is what a command has to do with the rest of the world.
type session struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], &session{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// run carries out a command line, and returns the exit status.
func run(args []string, s *session) int {
	answered := false
	parser, err := kong.New(&commandLine{},
		kong.Name("crm-snippets"),
		kong.Description("The fencing part of a cluster's configuration, from one small description.\n\nExit status: 0 if all is well, else 1."),
		kong.Vars{"version": "crm-snippets " + version},
		kong.Writers(s.stdout, s.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(int) { answered = true }))
	if err != nil {
		s.say("error", fmt.Sprintf("command line grammar: %v", err))
		return 1
	}
	ctx, err := parser.Parse(args)
	switch {
	case answered:
		return 0
	case err != nil:
		s.say("error", err.Error())
		s.say("hint", "crm-snippets --help shows the commands")
		return 1
	}
	if err := ctx.Run(s); err != nil {
		s.say("error", err.Error())
		return 1
	}
	return 0
}

// say writes a text to standard error, with the program's name and the kind of text
// before each line.
func (s *session) say(kind, text string) {
	for line := range strings.Lines(text) {
		// There is nobody to tell that it cannot be told.
		_, _ = fmt.Fprintf(s.stderr, "crm-snippets: %s: %s\n", kind, printable.Text(strings.TrimSuffix(line, "\n")))
	}
}
