package installation

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/gateline"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
)

// Explain says for each guest of the policy whether the account may control it,
// or the key of one client if that is not "", and which line decides that.
func Explain(l Layout, name, client string, out io.Writer) error {
	if err := checkAccountName(name); err != nil {
		return err
	}
	rules, err := policy.Load(l.Policy)
	if err != nil {
		return err
	}
	text, r, err := l.readRule()
	if err != nil {
		return err
	}
	x := explanation{Layout: l, rules: rules, account: name, client: client}
	if !slices.Contains(r.accounts, name) || r.command != l.rootHalf() {
		x.barred = fmt.Sprintf("%s does not let %s run %s", l.Sudoers, name, l.rootHalf())
	} else {
		x.rule = fmt.Sprintf("%s:%d", l.Sudoers, lineOf(text, accountsLine))
	}
	if client != "" {
		if x.keys, err = l.keysOf(name, client); err != nil {
			return err
		}
	}
	rows := [][]string{{"guest", "may", "decided by"}}
	for _, g := range rules.Guests {
		may, why := x.judge(g)
		rows = append(rows, []string{g.Name, map[bool]string{true: "yes", false: "no"}[may], why})
	}
	printer{out}.table(rows)
	return nil
}

// lineOf returns the number of the first line that begins so.
func lineOf(text, beginning string) int {
	return slices.IndexFunc(lines(text), func(line string) bool { return strings.HasPrefix(line, beginning) }) + 1
}

// A placedKey is a key of our gate and where its line is.
type placedKey struct {
	gateline.Options
	place string
}

// keysOf returns the account's keys of that client.
func (l Layout) keysOf(name, client string) ([]placedKey, error) {
	a, err := l.lookUp(name)
	if err != nil {
		return nil, err
	}
	settings, err := l.sshd(name)
	if err != nil {
		return nil, err
	}
	files, err := settings.keyFilesOf(a)
	if err != nil {
		return nil, err
	}
	var found []placedKey
	for _, f := range files {
		text, err := f.read()
		if err != nil {
			return nil, err
		}
		keys, _ := parseKeys(text)
		for _, k := range keys {
			if _, g, ok, _ := k.gate(); ok && g.Client == client {
				found = append(found, placedKey{g, fmt.Sprintf("%s:%d", f.path(), k.number)})
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("account %s has no key with --client %s", name, client)
	}
	return found, nil
}

// An explanation is one run of Explain.
type explanation struct {
	Layout
	rules           *policy.Policy
	account, client string
	barred          string // why the account may do nothing at all
	rule            string // the line of sudoers
	keys            []placedKey
}

// judge says whether the guest may be controlled, and by which lines: the first
// that refuses, else all that allow.
func (x explanation) judge(g policy.Guest) (may bool, why string) {
	line := fmt.Sprintf("%s:%d", x.Policy, g.Line)
	if x.barred != "" {
		return false, x.barred
	}
	if !slices.Contains(g.Accounts, x.account) {
		return false, fmt.Sprintf("%s gives it to %s", line, strings.Join(g.Accounts, ","))
	}
	decided := []string{x.rule, line}
	if x.client == "" {
		return true, strings.Join(decided, " ")
	}
	rule, restricted := x.rules.Client(x.account, x.client)
	switch {
	case restricted && rule.Line == 0:
		return false, fmt.Sprintf("%s has clients of account %s, and %s is none of them", x.Policy, x.account, x.client)
	case restricted && !slices.Contains(rule.Guests, g.Name):
		return false, fmt.Sprintf("%s:%d gives client %s only %s", x.Policy, rule.Line, x.client, strings.Join(rule.Guests, ","))
	case restricted:
		decided = append(decided, fmt.Sprintf("%s:%d", x.Policy, rule.Line))
	}
	i := slices.IndexFunc(x.keys, func(k placedKey) bool { return slices.Contains(k.Allow, g.Name) })
	if i < 0 {
		return false, fmt.Sprintf("%s allows only %s", x.keys[0].place, strings.Join(x.keys[0].Allow, ","))
	}
	return true, strings.Join(append(decided, x.keys[i].place), " ")
}
