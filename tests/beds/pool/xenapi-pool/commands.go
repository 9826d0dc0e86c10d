package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// A memberCommand acts on a member. Its words are what follows the member's name.
type memberCommand struct {
	name, words, help string
	do                func(m *pool.Member, words []string) error
}

var memberCommands = []memberCommand{
	{"fail", "FAULT", "fails towards its clients: " + faultNames(), failWith},
	{"mend", "", "ends the fault", func(m *pool.Member, _ []string) error { return m.Mend() }},
	{"die", "", "its xapi ends; the guests go on", func(m *pool.Member, _ []string) error { return m.Die() }},
	{"power-off", "", "its power fails; the guests are dead, and still Running in the database", func(m *pool.Member, _ []string) error { return m.PowerOff() }},
	{"cut", "", "the other members cannot reach it; its clients can", quietly((*pool.Member).Cut)},
	{"dead", "", "the database says that it is not live", func(m *pool.Member, _ []string) error { m.SetLive(false); return nil }},
	{"promote", "", "becomes the master", quietly((*pool.Member).Promote)},
	{"elect", "TIME", "becomes the master after that time without one", elect},
	{"split", "", "becomes a second master", quietly((*pool.Member).Split)},
	{"eject", "", "becomes a pool of its own", quietly((*pool.Member).Eject)},
	{"boot", "", "answers HOST_STILL_BOOTING", quietly((*pool.Member).Boot)},
	{"slave", "ADDRESS", "becomes a slave that names this master", func(m *pool.Member, words []string) error { m.SlaveOf(words[0]); return nil }},
	{"forget", "", "loses all sessions", quietly((*pool.Member).LoseSessions)},
	{"show", "CERTIFICATE", "shows another one: good, expired, wrong-name, no-address, self-signed, other-ca", func(m *pool.Member, words []string) error {
		return m.Show(pool.Certificate(words[0]))
	}},
}

// A guestCommand acts on a guest.
type guestCommand struct {
	name, words, help string
	do                func(v pool.VM, words []string) error
}

var guestCommands = []guestCommand{
	{"lie", "LIE", "hard_shutdown does nothing and says: done, off (the database too), failed; or honest", lie},
	{"write", "STATE", "the database says that power state", func(v pool.VM, words []string) error { v.Write(words[0]); return nil }},
	{"end", "", "the guest ends, and the database knows nothing of it", func(v pool.VM, _ []string) error { v.End(); return nil }},
	{"block", "OPERATION", "blocks an operation", func(v pool.VM, words []string) error { v.Block(words[0], "blocked"); return nil }},
	{"occupy", "OPERATION", "an operation is in progress", func(v pool.VM, words []string) error { v.Busy(words[0]); return nil }},
	{"stick", "OPERATION", "an operation is in progress that cannot be cancelled", func(v pool.VM, words []string) error { v.Stick(words[0]); return nil }},
	{"idle", "", "no operation is in progress", func(v pool.VM, _ []string) error { v.Idle(); return nil }},
	{"delay", "TIME", "hard_shutdown answers that time after the end", delay},
}

func faultNames() string {
	var names []string
	for _, f := range pool.Faults() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func quietly(do func(*pool.Member)) func(*pool.Member, []string) error {
	return func(m *pool.Member, _ []string) error {
		do(m)
		return nil
	}
}

func failWith(m *pool.Member, words []string) error {
	f := pool.Fault(words[0])
	if !slices.Contains(pool.Faults(), f) {
		return fmt.Errorf("%q: no such fault; there are %s", words[0], faultNames())
	}
	return m.Fail(f)
}

func elect(m *pool.Member, words []string) error {
	d, err := time.ParseDuration(words[0])
	if err == nil {
		m.Elect(d)
	}
	return err
}

func lie(v pool.VM, words []string) error {
	lies := map[string]pool.Lie{"honest": pool.Honest, "done": pool.LieDone, "off": pool.LieOff, "failed": pool.LieFailed}
	l, ok := lies[words[0]]
	if !ok {
		return fmt.Errorf("%q: no such lie", words[0])
	}
	v.Lie(l)
	return nil
}

func delay(v pool.VM, words []string) error {
	d, err := time.ParseDuration(words[0])
	if err == nil {
		v.SetShutdownDelay(d)
	}
	return err
}

func commandHelp() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, c := range memberCommands {
		fmt.Fprintf(table, "  %s\t%s\n", strings.TrimSpace(c.name+" MEMBER "+c.words), c.help)
	}
	for _, c := range guestCommands {
		fmt.Fprintf(table, "  %s\t%s\n", strings.TrimSpace(c.name+" GUEST "+c.words), c.help)
	}
	fmt.Fprint(table, "  truth\tprints which guests run, and what the database says\n")
	fmt.Fprint(table, "  calls\tprints the calls so far\n")
	fmt.Fprint(table, "  sessions\tprints the sessions so far\n")
	fmt.Fprint(table, "  quit\tends the pool\n")
	_ = table.Flush() // a Builder takes everything
	return b.String()
}

// command carries out a line.
func command(out io.Writer, p *pool.Pool, words []string) error {
	switch words[0] {
	case "help":
		fmt.Fprint(out, commandHelp())
	case "truth":
		truth(out, p)
	case "calls":
		calls(out, p)
	case "sessions":
		sessions(out, p)
	default:
		return change(p, words)
	}
	return nil
}

// change carries out a command on a member or a guest.
func change(p *pool.Pool, words []string) error {
	for _, c := range memberCommands {
		if c.name == words[0] {
			m, rest, err := takeMember(p, words[1:], c.words)
			if err != nil {
				return err
			}
			return c.do(m, rest)
		}
	}
	for _, c := range guestCommands {
		if c.name == words[0] {
			v, rest, err := takeGuest(p, words[1:], c.words)
			if err != nil {
				return err
			}
			return c.do(v, rest)
		}
	}
	return fmt.Errorf("%q: no such command; try help", words[0])
}

func enough(words []string, wanted string) error {
	if want := 1 + len(strings.Fields(wanted)); len(words) != want {
		return fmt.Errorf("takes %d words after the command", want)
	}
	return nil
}

func takeMember(p *pool.Pool, words []string, wanted string) (*pool.Member, []string, error) {
	if err := enough(words, wanted); err != nil {
		return nil, nil, err
	}
	for _, m := range p.Members() {
		if m.Name() == words[0] {
			return m, words[1:], nil
		}
	}
	return nil, nil, fmt.Errorf("%q: no such member", words[0])
}

func takeGuest(p *pool.Pool, words []string, wanted string) (pool.VM, []string, error) {
	if err := enough(words, wanted); err != nil {
		return pool.VM{}, nil, err
	}
	for _, v := range p.VMs() {
		if v.Name() == words[0] {
			return v, words[1:], nil
		}
	}
	return pool.VM{}, nil, fmt.Errorf("%q: no such guest", words[0])
}

func truth(out io.Writer, p *pool.Pool) {
	for _, v := range p.VMs() {
		runs := "dead"
		if v.Runs() {
			runs = "runs"
		}
		fmt.Fprintf(out, "%s %s, says %s\n", v.Name(), runs, v.Says())
	}
}

func calls(out io.Writer, p *pool.Pool) {
	for _, c := range p.Calls() {
		end := "unanswered"
		switch {
		case c.Error != nil:
			end = strings.Join(c.Error, " ")
		case c.Ended:
			end = "done"
		}
		fmt.Fprintf(out, "%s %s %s %q: %s\n", c.At.Format(time.TimeOnly), p.Member(c.Member).Name(), c.Method, c.Params, end)
	}
}

func sessions(out io.Writer, p *pool.Pool) {
	for _, s := range p.Sessions() {
		end := "closed"
		switch {
		case s.Open:
			end = "open"
		case s.Lost:
			end = "lost"
		}
		fmt.Fprintf(out, "%s %s %q: %s\n", p.Member(s.Member).Name(), s.User, s.Originator, end)
	}
}
