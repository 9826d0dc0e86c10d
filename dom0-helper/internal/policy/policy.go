// Package policy says which account may control which guest of this Dom0, and
// reads files that decide over power only where no one else can write them.
// docs/protocol.md has the grammar of the policy file.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxSize is the most that a policy file may hold, in bytes.
const maxSize = 1 << 20

// A Policy is the contents of a policy file. What it does not allow is forbidden.
type Policy struct {
	// Guests are the guests that somebody may control, in the order of the file.
	Guests []Guest
	// Clients narrow what the clients of an account may do. The clients of an
	// account that none of them names may control all guests of the account.
	Clients []Client
	// Starts bounds how often a guest is started, if it is not zero.
	Starts Starts
	// Dump says where the memory of a guest is kept before its end, if it is not zero.
	Dump Dump
	// Toolstack is the path of xl or xm, empty if the file names none.
	Toolstack string
	// State is the directory of locks and notes, empty if the file names none.
	State string
	// Images are directories that guests are restored from, besides the usual ones.
	Images []string
}

// A Guest is a guest that the policy knows.
type Guest struct {
	Name string
	// Accounts may control the guest. No other may.
	Accounts []string
	// Config is the toolstack's configuration file, which On starts the guest from.
	Config string
	// UUID tells the guest from another machine that has its name, and finds it
	// under another name. Empty if the file gives none.
	UUID string
	// Line is where the file says so, counted from 1.
	Line int
}

// String returns the line of the policy file.
func (g Guest) String() string {
	line := "guest " + g.Name + " account " + strings.Join(g.Accounts, ",") + " config " + g.Config
	if g.UUID != "" {
		line += " uuid " + g.UUID
	}
	return line
}

// A Client is what the key of that name in authorized_keys may do at most.
type Client struct {
	Name    string
	Account string
	Guests  []string
	Line    int
}

// String returns the line of the policy file.
func (c Client) String() string {
	return "client " + c.Name + " account " + c.Account + " guests " + strings.Join(c.Guests, ",")
}

// Starts is how many starts of one guest are allowed in any time of that length.
// A guest that may not be started stays off: off itself is never refused for
// being frequent.
type Starts struct {
	Number int
	Within time.Duration
}

// A Dump is what may be spent on keeping the memory of a guest that is fenced.
type Dump struct {
	Dir string
	// Size is the most that one dump may take, in bytes.
	Size int64
	// Time is how long a fence may wait for its dump.
	Time time.Duration
}

// Load reads the policy file at an absolute path, which no one but root and the
// caller may be able to change.
func Load(path string) (*Policy, error) {
	text, err := ReadTrusted(path, maxSize)
	if err != nil {
		return nil, err
	}
	p, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return p, nil
}

// Guest returns the guest of that name.
func (p *Policy) Guest(name string) (Guest, bool) {
	i := slices.IndexFunc(p.Guests, func(g Guest) bool { return g.Name == name })
	if i < 0 {
		return Guest{}, false
	}
	return p.Guests[i], true
}

// Lookup returns the guest of that name if the client of the account may control
// it. The error says who may not. It does not tell whether the policy knows the
// guest: that is nothing to those who may not control it.
func (p *Policy) Lookup(account, client, guest string) (Guest, error) {
	g, ok := p.Guest(guest)
	if !ok || !slices.Contains(g.Accounts, account) {
		return Guest{}, fmt.Errorf("account %s may not control guest %s", account, guest)
	}
	rule, restricted := p.Client(account, client)
	if restricted && !slices.Contains(rule.Guests, guest) {
		return Guest{}, fmt.Errorf("client %s of account %s may not control guest %s", client, account, guest)
	}
	return g, nil
}

// Client returns the rule for a client of the account. It reports whether the
// clients of that account are restricted; then one that has no rule of its own
// may control nothing.
func (p *Policy) Client(account, name string) (rule Client, restricted bool) {
	for _, c := range p.Clients {
		if c.Account != account {
			continue
		}
		restricted = true
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, restricted
}
