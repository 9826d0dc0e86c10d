package installation

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A RemoveRequest is what Remove undoes.
type RemoveRequest struct {
	Account string
	// DeleteAccount removes the account itself and its home.
	DeleteAccount bool
	DryRun        bool
}

// A removal is one run of Remove.
type removal struct {
	Layout
	plan
	request RemoveRequest
}

// Remove takes from an account what Setup gave to it. The sudo rule goes first:
// without it the rest is powerless. What cannot be taken keeps nothing else from
// it: an account could make its own files so.
func Remove(l Layout, r RemoveRequest, out io.Writer) error {
	if err := errors.Join(l.check(), checkAccountName(r.Account)); err != nil {
		return err
	}
	unlock, err := lock(l.Helper)
	if err != nil {
		return err
	}
	defer unlock()
	m := &removal{Layout: l, request: r, plan: plan{independent: true}}
	m.steps = []step{{"sudo rule", m.lookAtRule}, {"key", m.lookAtKeys}, {"policy", m.lookAtPolicy}}
	if r.DeleteAccount {
		m.steps = append(m.steps, step{"account", m.lookAtAccount})
	}
	report := printer{out}
	changes, err := m.carryOut(report, r.DryRun)
	m.finish(report, changes, r.DryRun)
	return err
}

func (m *removal) lookAtRule() (string, *change, error) {
	text, r, err := m.readRule()
	if err != nil {
		return "", nil, err
	}
	if !slices.Contains(r.accounts, m.request.Account) {
		return fmt.Sprintf("%s does not name %s", m.Sudoers, m.request.Account), nil, nil
	}
	after := ""
	left := slices.DeleteFunc(slices.Clone(r.accounts), func(name string) bool { return name == m.request.Account })
	if len(left) > 0 {
		after = withAccounts(text, left)
	}
	// All of sudoers is not asked for: a mistake elsewhere must not keep a right alive.
	return "", &change{m.Sudoers, text, after, func() error { return m.replaceRule(after) }}, nil
}

func (m *removal) lookAtKeys() (string, *change, error) {
	a, err := m.lookUp(m.request.Account)
	if err != nil {
		return "", nil, err
	}
	files, err := m.filesOf(a)
	if err != nil {
		return "", nil, err
	}
	var changes []change
	for _, f := range files {
		before, err := f.read()
		if err != nil {
			return "", nil, err
		}
		if after := withoutGates(before); after != before {
			changes = append(changes, change{f.path(), before, after, func() error { return f.replace(after) }})
		}
	}
	if len(changes) == 0 {
		return "no key of account " + a.name + " runs the gate", nil, nil
	}
	return "", together(changes), nil
}

// filesOf are the files of the account's keys; --authorized-keys need not be one that sshd looks at.
func (m *removal) filesOf(a account) ([]keyFile, error) {
	if m.AuthorizedKeys != "" {
		f, err := keyFileOf(m.AuthorizedKeys, a)
		return []keyFile{f}, err
	}
	settings, err := m.sshd(a.name)
	if err != nil {
		return nil, err
	}
	return settings.keyFilesOf(a)
}

// together makes one change of several.
func together(changes []change) *change {
	var all change
	var paths []string
	for _, c := range changes {
		paths = append(paths, c.what)
		all.before += c.before
		all.after += c.after
	}
	all.what = strings.Join(paths, ", ")
	all.apply = func() error {
		for _, c := range changes {
			if err := c.apply(); err != nil {
				return err
			}
		}
		return nil
	}
	return &all
}

// withoutGates returns the text of authorized keys without the lines that run our gate.
func withoutGates(text string) string {
	keys, _ := parseKeys(text)
	number := 0
	return editLines(text, func(line string) (string, bool) {
		number++
		i := slices.IndexFunc(keys, func(k keyLine) bool { return k.number == number })
		if i < 0 {
			return line, true
		}
		_, _, ours, _ := keys[i].gate()
		return line, !ours
	})
}

func (m *removal) lookAtPolicy() (string, *change, error) {
	text, err := m.readPolicy()
	if err != nil {
		return "", nil, err
	}
	after := withoutAccount(text, m.request.Account)
	if after == text {
		return fmt.Sprintf("%s gives nothing to %s", m.Policy, m.request.Account), nil, nil
	}
	return "", &change{m.Policy, text, after, func() error { return m.writePolicy(after) }}, nil
}

// lookAtAccount refuses to delete an account that is used for something else.
func (m *removal) lookAtAccount() (string, *change, error) {
	a, err := m.lookUp(m.request.Account)
	if err != nil {
		return "", nil, err
	}
	if !a.exists {
		return a.name + " does not exist", nil, nil
	}
	if a.uid == 0 {
		return "", nil, fmt.Errorf("account %s is root (uid 0)", a.name)
	}
	if err := errors.Join(m.unused(a)...); err != nil {
		return "", nil, err
	}
	path, err := m.find("userdel")
	if err != nil {
		return "", nil, err
	}
	return "", &change{what: path + " --remove " + a.name, apply: func() error {
		_, err := m.run("userdel", "--remove", a.name)
		return err
	}}, nil
}

// unused says what else the account is used for.
func (m *removal) unused(a account) []error {
	var errs []error
	pids, err := processes(a)
	if len(pids) > 0 {
		err = fmt.Errorf("account %s has running processes: %s", a.name, strings.Join(pids, " "))
	}
	errs = append(errs, err)
	rights, err := m.rights(a.name)
	if err == nil {
		err = others(a.name, rights, m.rootHalf())
	}
	errs = append(errs, err)
	_, _, ruleErr := m.readRule()
	_, policyErr := m.readPolicy()
	files, err := m.filesOf(a)
	errs = append(errs, ruleErr, policyErr, err) // what cannot be read may name it still
	for _, f := range files {
		text, err := f.read()
		errs = append(errs, err)
		keys, odd := parseKeys(withoutGates(text))
		if len(keys)+len(odd) > 0 {
			errs = append(errs, fmt.Errorf("%s has keys that are not ours", f.path()))
		}
	}
	return errs
}
