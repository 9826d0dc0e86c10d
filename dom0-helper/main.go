// Dom0-helper lets clusters control their own guests of a Xen host, and nothing else.
//
//	dom0-helper gate --allow GUEST[,GUEST...] --client NAME
//
// is the forced command of a key in authorized_keys. It runs as the account,
// refuses what is no request or not for these guests, and hands the rest to
//
//	dom0-helper root
//
// which sudo runs as root, with the request on its standard input. It enforces
// the policy, carries the request out, and answers with one line.
//
// Exit status: 0 if the answer is ok, else 1. docs/security.md says who runs as whom.
package main

import (
	"fmt"
	"os"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// version is set by the linker.
var version = "dev"

// Where a Dom0's policy is, and where locks and notes are if it does not say so.
const (
	defaultPolicy = "/etc/stonith-plugins/dom0.policy"
	defaultState  = "/run/dom0-helper"
)

const usage = `usage:
  dom0-helper gate --allow GUEST[,GUEST...] --client NAME [--sudo PATH] [--policy FILE]
      the forced command of an ssh key: lets the client control these guests
  dom0-helper root [--policy FILE]
      the root half, run by sudo: reads one request from its standard input
  dom0-helper list [--policy FILE] [GUEST...]
      for administrators: the states of the guests, and who fenced each last
  dom0-helper setup | check | remove
      for a Dom0's administrator, as root; -h behind each tells its options
  dom0-helper --version | --help
`

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 1
	}
	switch args[0] {
	case "gate":
		return runGate(args[1:])
	case "root":
		return runRoot(args[1:], os.Getenv("SUDO_USER"))
	case "list":
		return runList(args[1:])
	case "setup":
		return runSetup(args[1:])
	case "check":
		return runCheck(args[1:])
	case "remove":
		return runRemove(args[1:])
	case "--version":
		fmt.Println("dom0-helper", version)
		return 0
	case "--help", "-h", "help":
		fmt.Print(usage)
		return 0
	default:
		fmt.Fprintf(os.Stderr, "dom0-helper: error: %q is none of gate, root, list, setup, check, remove\n%s", args[0], usage)
		return 1
	}
}

// send writes the answer and returns the exit status that goes with it.
func send(a wire.Answer) int {
	fmt.Println(a)
	if a.Status != wire.OK {
		return 1
	}
	return 0
}

// refuse is the answer to a request that is not carried out.
func refuse(id, reason, format string, args ...any) wire.Answer {
	if id == "" {
		id = "-"
	}
	return wire.Answer{ID: id, Status: wire.Refused, Reason: reason, Text: wire.Clean(fmt.Sprintf(format, args...))}
}
