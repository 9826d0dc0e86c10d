// Package policy says which account may control which guest of this Dom0, and
// reads files that decide over power only where no one else can write them.
// docs/protocol.md has the grammar of the policy file.
package policy

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// maxSize is the most that a policy file may hold, in bytes.
const maxSize = 1 << 20

// A Guest is a guest that the policy knows.
type Guest struct {
	Name string
	// Accounts may control the guest. No other may.
	Accounts []string
	// Config is the toolstack's configuration file, which On starts the guest from.
	Config string
}

// A Policy is the contents of a policy file. What it does not allow is forbidden.
type Policy struct {
	// Toolstack is the path of xl or xm, empty if the file names none.
	Toolstack string
	// Locks is the directory for the guests' locks, empty if the file names none.
	Locks  string
	guests []Guest
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

// Lookup returns the guest of that name if account may control it.
func (p *Policy) Lookup(account, guest string) (Guest, bool) {
	i := slices.IndexFunc(p.guests, func(g Guest) bool { return g.Name == guest })
	if i < 0 || !slices.Contains(p.guests[i].Accounts, account) {
		return Guest{}, false
	}
	return p.guests[i], true
}

// Parse parses the text of a policy file. Its error begins with LINE:COLUMN.
func Parse(text []byte) (*Policy, error) {
	p := &Policy{}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if err := p.parseLine(tokens(string(line))); err != nil {
			return nil, fmt.Errorf("%d:%w", i+1, err)
		}
	}
	return p, nil
}

// A token is a word of a line and the column that it begins in, counted from 1.
type token struct {
	text   string
	column int
}

func (t token) errorf(format string, args ...any) error {
	return fmt.Errorf("%d: "+format, append([]any{t.column}, args...)...)
}

var wordOrComment = regexp.MustCompile(`[^ \t\r#][^ \t\r]*|#.*`)

// tokens splits a line at blanks. A # at the beginning of a word starts a comment.
func tokens(line string) []token {
	var words []token
	for _, at := range wordOrComment.FindAllStringIndex(line, -1) {
		if line[at[0]] == '#' {
			break
		}
		words = append(words, token{line[at[0]:at[1]], at[0] + 1})
	}
	return words
}

func (p *Policy) parseLine(words []token) error {
	if len(words) == 0 {
		return nil
	}
	switch directive := words[0]; directive.text {
	case "guest":
		return p.parseGuest(words)
	case "toolstack":
		return parsePath(words, &p.Toolstack)
	case "locks":
		return parsePath(words, &p.Locks)
	default:
		return directive.errorf("%q is none of guest, toolstack, locks", directive.text)
	}
}

// parseGuest parses: guest NAME account ACCOUNT[,ACCOUNT...] config PATH
func (p *Policy) parseGuest(words []token) error {
	if len(words) != 6 || words[2].text != "account" || words[4].text != "config" {
		return words[0].errorf("want: guest NAME account ACCOUNT[,ACCOUNT...] config PATH")
	}
	g := Guest{Name: words[1].text, Accounts: strings.Split(words[3].text, ",")}
	if err := wire.CheckGuest(g.Name); err != nil {
		return words[1].errorf("%w", err)
	}
	if slices.ContainsFunc(p.guests, func(other Guest) bool { return other.Name == g.Name }) {
		return words[1].errorf("guest %q is listed twice", g.Name)
	}
	for _, account := range g.Accounts {
		if len(account) > 32 || !accountName.MatchString(account) {
			return words[3].errorf("%q is not the name of an account", account)
		}
	}
	if err := parsePath(words[4:], &g.Config); err != nil {
		return err
	}
	if i := slices.IndexFunc(p.guests, func(other Guest) bool { return other.Config == g.Config }); i >= 0 {
		return words[5].errorf("%s is the configuration of guest %q already", g.Config, p.guests[i].Name)
	}
	p.guests = append(p.guests, g)
	return nil
}

var accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func parsePath(words []token, path *string) error {
	keyword := words[0]
	if len(words) != 2 {
		return keyword.errorf("want: %s PATH", keyword.text)
	}
	if *path != "" {
		return keyword.errorf("%s is given twice", keyword.text)
	}
	value := words[1]
	if !filepath.IsAbs(value.text) || filepath.Clean(value.text) != value.text {
		return value.errorf("%q is not an absolute path in its shortest form", value.text)
	}
	*path = value.text
	return nil
}
