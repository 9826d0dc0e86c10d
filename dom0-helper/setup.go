package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/gateline"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/installation"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/options"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

const setupUsage = `usage: dom0-helper setup --account ACCOUNT [--guest NAME=CONFIG]...
           [--key FILE.pub --client NAME --allow GUEST[,GUEST...]
            [--from PATTERN[,PATTERN...]] [--replace]] [--dry-run] [PATHS]
Lets an account, and a key of it, control guests of this Dom0: makes the account if
it is missing, and adds the sudo rule, the guests' lines of the policy, and the key.
What is there is kept; what would weaken it is refused, before the first change. A
second run changes nothing.
  --account ACCOUNT  the account of the cluster
  --guest NAME=CONFIG  a guest, and its configuration file; may be repeated
  --key FILE.pub     the cluster's public key
  --client NAME      the key's name in the log
  --allow GUESTS     the guests that the key may control
  --from PATTERNS    the addresses that the key may come from
  --replace          exchange the line of this key that says something else
  --dry-run          say what would be done, and change nothing
`

const checkUsage = `usage: dom0-helper check [--as ACCOUNT [--key CLIENT]] [PATHS]
Says of each part of the installation whether it is ok, and what to do if not. The
exit status is 1 if anything is wrong. It changes nothing.
  --as ACCOUNT       say which guests this account may control instead, and which line decides that
  --key CLIENT       the same for the account's key of that name
`

const removeUsage = `usage: dom0-helper remove --account ACCOUNT [--delete-account] [--dry-run] [PATHS]
Takes the sudo rule, its keys and its guests from an account. All else stays.
  --delete-account   delete the account and its home too, if it is used for nothing else
  --dry-run          say what would be done, and change nothing
`

const pathsUsage = `PATHS, where they are not the usual ones:
  --policy FILE           (` + defaultPolicy + `)
  --sudoers FILE          (` + installation.DefaultSudoers + `)
  --authorized-keys FILE  (the one that sshd looks at)
  --sshd-config FILE      (sshd's own)
  --sshd, --visudo, --sudo, --ssh-keygen, --useradd, --userdel, --getent, --id PATH
                          (searched in /usr/sbin, /usr/bin, /sbin, /bin)
`

// guestList is the option --guest.
type guestList []installation.Guest

func (l *guestList) String() string { return fmt.Sprint(*l) }

func (l *guestList) Set(text string) error {
	name, config, ok := strings.Cut(text, "=")
	if !ok || config == "" {
		return fmt.Errorf("want NAME=CONFIG")
	}
	*l = append(*l, installation.Guest{Name: name, Config: config})
	return wire.CheckGuest(name)
}

// wordList is an option with a list separated by commas.
type wordList []string

func (l *wordList) String() string { return strings.Join(*l, ",") }

func (l *wordList) Set(text string) error {
	*l = append(*l, strings.Split(text, ",")...)
	return nil
}

// layoutFlags defines the options for paths. The layout holds once they are parsed.
func layoutFlags(flags *flag.FlagSet) *installation.Layout {
	l := &installation.Layout{DefaultPolicy: defaultPolicy, Programs: map[string]string{}}
	flags.StringVar(&l.Policy, "policy", defaultPolicy, "")
	flags.StringVar(&l.Sudoers, "sudoers", installation.DefaultSudoers, "")
	flags.StringVar(&l.AuthorizedKeys, "authorized-keys", "", "")
	flags.StringVar(&l.SSHDConfig, "sshd-config", "", "")
	for _, name := range installation.ProgramNames() {
		flags.Func(name, "", func(path string) error {
			l.Programs[name] = path
			return nil
		})
	}
	return l
}

// administer parses the options of a command for the administrator, and carries
// it out as root. It returns the exit status.
func administer(flags *flag.FlagSet, usage string, args []string, l *installation.Layout, carryOut func() error) int {
	err := options.Parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage + pathsUsage)
		return 0
	}
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("run it as root")
	}
	syscall.Umask(0o022) // sshd reads keys as the account
	if err == nil {
		l.Helper, err = os.Executable()
	}
	if err == nil {
		err = carryOut()
	}
	if err == nil {
		return 0
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(os.Stderr, "dom0-helper: error: %s: %s\n", flags.Name(), printable.Line(line))
	}
	return 1
}

func runSetup(args []string) int {
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	layout := layoutFlags(flags)
	var r installation.SetupRequest
	var key installation.KeyRequest
	var allow gateline.GuestSet
	flags.StringVar(&r.Account, "account", "", "")
	flags.Var((*guestList)(&r.Guests), "guest", "")
	flags.BoolVar(&r.DryRun, "dry-run", false, "")
	flags.StringVar(&key.File, "key", "", "")
	flags.StringVar(&key.Client, "client", "", "")
	flags.Var(&allow, "allow", "")
	flags.Var((*wordList)(&key.From), "from", "")
	flags.BoolVar(&key.Replace, "replace", false, "")
	return administer(flags, setupUsage, args, layout, func() error {
		key.Allow = allow
		if key.File != "" {
			r.Key = &key
		} else if key.Client != "" || key.Allow != nil || key.From != nil || key.Replace {
			return errors.New("option --key is missing, to which --client, --allow, --from and --replace belong")
		}
		return installation.Setup(*layout, r, os.Stdout)
	})
}

func runRemove(args []string) int {
	flags := flag.NewFlagSet("remove", flag.ContinueOnError)
	layout := layoutFlags(flags)
	var r installation.RemoveRequest
	flags.StringVar(&r.Account, "account", "", "")
	flags.BoolVar(&r.DeleteAccount, "delete-account", false, "")
	flags.BoolVar(&r.DryRun, "dry-run", false, "")
	return administer(flags, removeUsage, args, layout, func() error {
		return installation.Remove(*layout, r, os.Stdout)
	})
}

func runCheck(args []string) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	layout := layoutFlags(flags)
	account := flags.String("as", "", "")
	client := flags.String("key", "", "")
	return administer(flags, checkUsage, args, layout, func() error {
		switch {
		case *account != "":
			return installation.Explain(*layout, *account, *client, os.Stdout)
		case *client != "":
			return errors.New("option --as is missing, to which --key belongs")
		}
		return installation.Check(*layout, probe, os.Stdout)
	})
}
