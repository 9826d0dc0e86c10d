package policy

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// Parse parses the text of a policy file. Its error begins with LINE:COLUMN.
func Parse(text []byte) (*Policy, error) {
	p := parser{policy: &Policy{}, given: map[string]bool{}}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if err := p.parseLine(tokens(string(line), i+1)); err != nil {
			return nil, err
		}
	}
	if err := p.checkClients(); err != nil {
		return nil, err
	}
	return p.policy, nil
}

// A token is a word and where it begins, counted from 1.
type token struct {
	text         string
	line, column int
}

func (t token) errorf(format string, args ...any) error {
	return fmt.Errorf("%d:%d: "+format, append([]any{t.line, t.column}, args...)...)
}

var wordOrComment = pattern.Lazy(`[^ \t\r#][^ \t\r]*|#.*`)

// tokens splits a line at blanks. A # at the beginning of a word starts a comment.
func tokens(line string, number int) []token {
	var words []token
	for _, at := range wordOrComment().FindAllStringIndex(line, -1) {
		if line[at[0]] == '#' {
			break
		}
		words = append(words, token{line[at[0]:at[1]], number, at[0] + 1})
	}
	return words
}

// list splits a word at its commas, into words that know where they stand.
func (t token) list() []token {
	var parts []token
	column := t.column
	for _, text := range strings.Split(t.text, ",") {
		parts = append(parts, token{text, t.line, column})
		column += len(text) + 1
	}
	return parts
}

// A directive is a line of the policy file: words that are its own, and the
// values between them.
type directive struct {
	form  string
	parse func(p *parser, values []token) error
	once  bool
}

var directives = map[string]directive{
	"guest":     {form: "guest NAME account ACCOUNT[,ACCOUNT...] config PATH [uuid UUID]", parse: (*parser).parseGuest},
	"client":    {form: "client NAME account ACCOUNT guests GUEST[,GUEST...]", parse: (*parser).parseClient},
	"starts":    {form: "starts NUMBER within TIME", parse: (*parser).parseStarts, once: true},
	"dump":      {form: "dump PATH size SIZE time TIME", parse: (*parser).parseDump, once: true},
	"toolstack": {form: "toolstack PATH", parse: (*parser).parseToolstack, once: true},
	"state":     {form: "state PATH", parse: (*parser).parseState, once: true},
	"images":    {form: "images DIRECTORY[,DIRECTORY...]", parse: (*parser).parseImages},
}

// match returns the values of a line that has the form of the directive: what is
// in lower case there stands for itself, and what is in brackets may be missing.
func (d directive) match(words []token) ([]token, bool) {
	short, optional, _ := strings.Cut(d.form, " [")
	form := strings.Fields(short)
	if len(words) > len(form) {
		form = append(form, strings.Fields(strings.TrimSuffix(optional, "]"))...)
	}
	if len(words) != len(form) {
		return nil, false
	}
	var values []token
	for i, word := range words {
		switch {
		case form[i] != strings.ToLower(form[i]):
			values = append(values, word)
		case form[i] != word.text:
			return nil, false
		}
	}
	return values, true
}

// A parser is a policy file on its way into a Policy.
type parser struct {
	policy *Policy
	given  map[string]bool // directives
	claims [][]token       // the guests of each client
}

func (p *parser) parseLine(words []token) error {
	if len(words) == 0 {
		return nil
	}
	keyword := words[0]
	d, ok := directives[keyword.text]
	if !ok {
		names := slices.Sorted(maps.Keys(directives))
		return keyword.errorf("%q is none of %s", keyword.text, strings.Join(names, ", "))
	}
	values, ok := d.match(words)
	if !ok {
		return keyword.errorf("want: %s", d.form)
	}
	if d.once && p.given[keyword.text] {
		return keyword.errorf("%s is given twice", keyword.text)
	}
	p.given[keyword.text] = true
	return d.parse(p, values)
}

func (p *parser) parseGuest(values []token) error {
	name, accounts, config := values[0], values[1].list(), values[2]
	g := Guest{Name: name.text, Config: config.text, Line: name.line}
	if err := wire.CheckGuest(g.Name); err != nil {
		return name.errorf("%w", err)
	}
	if _, twice := p.policy.Guest(g.Name); twice {
		return name.errorf("guest %q is listed twice", g.Name)
	}
	for _, account := range accounts {
		if err := account.checkAccount(); err != nil {
			return err
		}
		g.Accounts = append(g.Accounts, account.text)
	}
	if err := config.checkPath(); err != nil {
		return err
	}
	if i := slices.IndexFunc(p.policy.Guests, func(other Guest) bool { return other.Config == g.Config }); i >= 0 {
		return config.errorf("%s is the configuration of guest %q already", g.Config, p.policy.Guests[i].Name)
	}
	if len(values) > 3 {
		if err := p.parseUUID(values[3], &g); err != nil {
			return err
		}
	}
	p.policy.Guests = append(p.policy.Guests, g)
	return nil
}

var uuidForm = pattern.Lazy(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// controlUUID is that of domain 0.
const controlUUID = "00000000-0000-0000-0000-000000000000"

func (p *parser) parseUUID(value token, g *Guest) error {
	if !uuidForm().MatchString(value.text) || value.text == controlUUID {
		return value.errorf("%q is not the UUID of a guest in lower case, as in xl list -v", value.text)
	}
	if i := slices.IndexFunc(p.policy.Guests, func(other Guest) bool { return other.UUID == value.text }); i >= 0 {
		return value.errorf("%s is the UUID of guest %q already", value.text, p.policy.Guests[i].Name)
	}
	g.UUID = value.text
	return nil
}

func (p *parser) parseClient(values []token) error {
	name, account, guests := values[0], values[1], values[2].list()
	c := Client{Name: name.text, Account: account.text, Line: name.line}
	if err := wire.CheckWord(c.Name); err != nil {
		return name.errorf("%w", err)
	}
	if err := account.checkAccount(); err != nil {
		return err
	}
	for _, other := range p.policy.Clients {
		if other.Name == c.Name && other.Account == c.Account {
			return name.errorf("client %q of account %s is listed twice", c.Name, c.Account)
		}
	}
	for _, g := range guests {
		c.Guests = append(c.Guests, g.text)
	}
	p.policy.Clients = append(p.policy.Clients, c)
	p.claims = append(p.claims, guests)
	return nil
}

// checkClients wants each guest of a client to be one of the client's account.
func (p *parser) checkClients() error {
	for i, c := range p.policy.Clients {
		for j, claim := range p.claims[i] {
			if g, ok := p.policy.Guest(claim.text); !ok || !slices.Contains(g.Accounts, c.Account) {
				return claim.errorf("%q is no guest of account %s", claim.text, c.Account)
			}
			if slices.Contains(c.Guests[:j], claim.text) {
				return claim.errorf("guest %q is named twice", claim.text)
			}
		}
	}
	return nil
}

// The longest time over which starts are counted, and the most that are.
const (
	maxStarts       = 1000
	maxStartsWithin = 7 * 24 * time.Hour
)

func (p *parser) parseStarts(values []token) error {
	number, err := strconv.Atoi(values[0].text)
	if err != nil || number < 1 || number > maxStarts || values[0].text != strconv.Itoa(number) {
		return values[0].errorf("%q is not a number from 1 to %d", values[0].text, maxStarts)
	}
	within, err := values[1].duration(maxStartsWithin)
	p.policy.Starts = Starts{Number: number, Within: within}
	return err
}

// maxDumpTime leaves a fence the time that it needs itself: a plugin waits 20 s
// for the answer to off.
const maxDumpTime = 8 * time.Second

func (p *parser) parseDump(values []token) error {
	dir, size, limit := values[0], values[1], values[2]
	if err := dir.checkPath(); err != nil {
		return err
	}
	bytes, err := size.size()
	if err != nil {
		return err
	}
	within, err := limit.duration(maxDumpTime)
	p.policy.Dump = Dump{Dir: dir.text, Size: bytes, Time: within}
	return err
}

func (p *parser) parseToolstack(values []token) error {
	p.policy.Toolstack = values[0].text
	return values[0].checkPath()
}

func (p *parser) parseState(values []token) error {
	p.policy.State = values[0].text
	return values[0].checkPath()
}

func (p *parser) parseImages(values []token) error {
	for _, dir := range values[0].list() {
		if err := dir.checkPath(); err != nil {
			return err
		}
		if slices.Contains(p.policy.Images, dir.text) {
			return dir.errorf("directory %s is named twice", dir.text)
		}
		p.policy.Images = append(p.policy.Images, dir.text)
	}
	return nil
}

var accountName = pattern.Lazy(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// CheckAccount says what is wrong with the name of an account.
func CheckAccount(name string) error {
	if len(name) > 32 || !accountName().MatchString(name) {
		return fmt.Errorf("%q is not the name of an account", name)
	}
	return nil
}

func (t token) checkAccount() error {
	if err := CheckAccount(t.text); err != nil {
		return t.errorf("%w", err)
	}
	return nil
}

func (t token) checkPath() error {
	if !filepath.IsAbs(t.text) || filepath.Clean(t.text) != t.text {
		return t.errorf("%q is not an absolute path in its shortest form", t.text)
	}
	return nil
}

// duration returns a time as Go writes it, from 1 s to most.
func (t token) duration(most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(t.text)
	if err != nil || d < time.Second || d > most {
		return 0, t.errorf("%q is not a time from 1s to %s", t.text, most)
	}
	return d, nil
}

var sizeForm = pattern.Lazy(`^([1-9][0-9]{0,3})([KMGT])$`)

// size returns a number of bytes that is given in powers of 1024.
func (t token) size() (int64, error) {
	parts := sizeForm().FindStringSubmatch(t.text)
	if parts == nil {
		return 0, t.errorf("%q is not a size, want a number and one of K, M, G, T", t.text)
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return 0, t.errorf("%w", err)
	}
	return number << (10 * (1 + strings.Index("KMGT", parts[2]))), nil
}
