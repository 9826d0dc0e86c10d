//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A toolstack is one run of xl.
type toolstack struct {
	host   host
	stdout io.Writer
	stderr io.Writer
}

// A command is a subcommand: what it does, the option letters it knows, of which
// those with a colon behind them have a value, and the least number of arguments.
type command struct {
	run     func(toolstack, call) int
	options string
	needs   int
}

// A call is a command's options, as letters, those with a value, and arguments.
type call struct {
	options string
	values  map[byte]string
	args    []string
}

func (c call) has(option byte) bool { return strings.IndexByte(c.options, option) >= 0 }

func commands() map[string]command {
	return map[string]command{
		"create":          {toolstack.create, "f:qpe", 0},
		"destroy":         {toolstack.destroy, "f", 1},
		"dump-core":       {toolstack.dumpCore, "", 2},
		"domid":           {toolstack.domid, "", 1},
		"domname":         {toolstack.domname, "", 1},
		"info":            {toolstack.info, "", 0},
		"list":            {toolstack.list, "lv", 0},
		"migrate":         {toolstack.migrate, "s:", 2},
		"migrate-receive": {toolstack.receive, "ep", 0},
		"pause":           {toolstack.pause, "", 1},
		"reboot":          {toolstack.reboot, "wF", 0},
		"rename":          {toolstack.rename, "", 2},
		"restore":         {toolstack.restore, "pe", 1},
		"save":            {toolstack.save, "cp", 2},
		"shutdown":        {toolstack.shutdown, "wF", 0},
		"unpause":         {toolstack.unpause, "", 1},
	}
}

// main runs the subcommand named by the first argument.
func (x toolstack) main(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(x.stdout, "Usage xl [-vfNtT] <subcommand> [args]\n")
		return 1
	}
	if err := x.host.prepare(); err != nil {
		return x.fail(err, 1)
	}
	if args[0] == "sim" {
		return x.sim(args[1:])
	}
	name := fullName(args[0])
	cmd, ok := commands()[name]
	if !ok {
		return x.refuse(1, "command not implemented\n")
	}
	return x.underFaults(name, func(x toolstack) int { return x.dispatch(name, cmd, args[1:]) })
}

// fullName returns the subcommand that a word names, or abbreviates as the only one.
func fullName(word string) string {
	var found []string
	for _, name := range strings.Fields(subcommands) {
		if name == word {
			return name
		}
		if strings.HasPrefix(name, word) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

func (x toolstack) dispatch(name string, cmd command, args []string) int {
	c, odd := parse(args, cmd.options)
	if odd != "" {
		return x.refuse(2, "option `%s' not supported.\n", odd)
	}
	if len(c.args) < cmd.needs {
		fmt.Fprint(x.stdout, usage(name))
		return x.refuse(2, "'xl %s' requires at least %s.\n\n", name, arguments(cmd.needs))
	}
	return cmd.run(x, c)
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// parse takes options from anywhere before "--", as getopt_long does. Odd is
// the first option that is not known; a long one has no letter but NUL.
func parse(args []string, known string) (c call, odd string) {
	c.values = map[byte]string{}
	long := []string{"long", "verbose", "quiet", "pause", "wait"}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			c.args = append(c.args, args...)
			return c, ""
		case len(arg) < 2 || arg[0] != '-':
			c.args = append(c.args, arg)
			continue
		case strings.HasPrefix(arg, "--defconfig="):
			arg = "-f" + strings.TrimPrefix(arg, "--defconfig=")
		case strings.HasPrefix(arg, "--") && slices.Contains(long, arg[2:]):
			arg = arg[1:3]
		case strings.HasPrefix(arg, "--"):
			return c, "\x00"
		}
		for i := 1; i < len(arg); i++ {
			place := strings.IndexByte(known, arg[i])
			if place < 0 || arg[i] == ':' {
				return c, arg[i : i+1]
			}
			if !strings.HasPrefix(known[place+1:], ":") {
				c.options += arg[i : i+1]
				continue
			}
			c.values[arg[i]] = arg[i+1:]
			if i+1 == len(arg) && len(args) > 0 {
				c.values[arg[i]], args = args[0], args[1:]
			}
			break
		}
	}
	return c, ""
}

// resolve turns an argument into a domain id. Digits are an id, listed or not,
// and so is the empty word: strtoul makes it 0.
func (x toolstack) resolve(arg string) (id int, ok bool) {
	if strings.Trim(arg, "0123456789") == "" {
		id, _ := strconv.Atoi("0" + arg) // one that is too large is the largest
		return id, true
	}
	s, err := x.host.load()
	if err == nil {
		if d := s.named(arg); d != nil {
			return d.ID, true
		}
	}
	fmt.Fprintf(x.stderr, "%s is an invalid domain identifier (rc=-6)\n", arg)
	return 0, false
}

// refuse writes to stderr and returns code.
func (x toolstack) refuse(code int, format string, args ...any) int {
	fmt.Fprintf(x.stderr, format, args...)
	return code
}

// fail reports an error with its own exit code, or with code if it has none.
func (x toolstack) fail(err error, code int) int {
	if r, ok := errors.AsType[refusal](err); ok {
		return x.refuse(r.code, "%s", r.text)
	}
	if errors.Is(err, os.ErrPermission) {
		return x.refuse(1, `xencall: error: Could not obtain handle on privileged command interface: Permission denied
libxl: error: libxl.c:102:libxl_ctx_alloc: cannot open libxc handle: Permission denied
cannot init xl context
`)
	}
	return x.refuse(code, "xl: %v\n", err)
}
