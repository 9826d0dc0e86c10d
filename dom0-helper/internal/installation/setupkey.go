package installation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/gateline"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
)

// lookAtKey looks for the key in every file that sshd looks at for the account.
func (s *setup) lookAtKey() (string, *change, error) {
	request := s.request.Key
	key, err := s.readPublicKey(request.File)
	if err != nil {
		return "", nil, err
	}
	if err := s.allowed(); err != nil {
		return "", nil, err
	}
	gate, err := s.gateOf(request)
	if err != nil {
		return "", nil, err
	}
	a, err := s.lookUp(s.request.Account)
	if err != nil {
		return "", nil, err
	}
	files, chosen, err := s.choose(a)
	if err != nil {
		return "", nil, err
	}
	wanted := request.line(s.Helper, gate, key)
	there, err := s.placesOf(key, files)
	switch {
	case err != nil:
		return "", nil, err
	case len(there) == 1:
		state, missing, err := s.compare(there[0], wanted, gate)
		return state, missing, prefix(there[0].String(), err)
	}
	before, err := chosen.read()
	if err != nil {
		return "", nil, err
	}
	after := endLine(before) + wanted.String() + "\n"
	return "", &change{chosen.path(), before, after, func() error { return chosen.replace(after) }}, nil
}

// allowed says which guests of --allow the policy will not give to the account.
func (s *setup) allowed() error {
	rules, err := policy.Parse([]byte(s.policyText))
	if err != nil {
		return err
	}
	var errs []error
	for _, guest := range s.request.Key.Allow {
		if _, err := rules.Lookup(s.request.Account, s.request.Key.Client, guest); err != nil {
			errs = append(errs, fmt.Errorf("option --allow: %s: %w; --guest NAME=CONFIG gives a new guest to the account", s.Policy, err))
		}
	}
	return errors.Join(errs...)
}

// gateOf is the gate of the new key. It is told what is not where it would look.
func (s *setup) gateOf(r *KeyRequest) (gateline.Options, error) {
	sudo, err := s.find("sudo")
	if err == nil {
		err = checkPlain(sudo)
	}
	g := gateline.Options{Allow: r.Allow, Client: r.Client, Sudo: sudo}
	if s.Policy != s.DefaultPolicy {
		g.Policy = s.Policy
	}
	return g, err
}

// choose returns all files that sshd looks at for the account's keys, and the one
// for a new key: that of --authorized-keys, else one that is root's, else the first.
func (s *setup) choose(a account) (all []keyFile, chosen keyFile, err error) {
	settings, err := s.sshd(a.name)
	if err != nil {
		return nil, nil, err
	}
	if all, err = settings.keyFilesOf(a); err != nil {
		return nil, nil, err
	}
	if given := s.AuthorizedKeys; given != "" {
		chosen = find(all, func(f keyFile) bool { return f.path() == given })
		if chosen == nil {
			s.hint("to let sshd look there, add to the end of its configuration, and reload it:\n  Match User %s\n      AuthorizedKeysFile %s", a.name, given)
			return nil, nil, fmt.Errorf("sshd does not look at %s for account %s, but at %s", given, a.name, settings.first("authorizedkeysfile"))
		}
	} else if chosen = find(all, keyFile.isRoots); chosen == nil {
		chosen = all[0]
	}
	return all, chosen, s.notForRoot(chosen)
}

// find returns the first file that fits, or nil.
func find(files []keyFile, fits func(keyFile) bool) keyFile {
	if i := slices.IndexFunc(files, fits); i >= 0 {
		return files[i]
	}
	return nil
}

// notForRoot refuses a file whose keys would let into the account root as well.
func (s *setup) notForRoot(f keyFile) error {
	settings, err := s.sshd("root")
	if err != nil {
		return err
	}
	root, err := s.lookUp("root")
	if err != nil {
		return err
	}
	paths, err := settings.keyPaths(root)
	if err == nil && slices.Contains(paths, f.path()) {
		return fmt.Errorf("sshd looks at %s for root as well: a file for keys must be that of one account: AuthorizedKeysFile wants %%u or %%h", f.path())
	}
	return nil // root may have no file at all
}

// A place is a line of a file that has a key.
type place struct {
	file keyFile
	text string // of the file
	line keyLine
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file.path(), p.line.number) }

// placesOf finds a key: once at most, since of several lines sshd takes the first.
func (s *setup) placesOf(key publicKey, files []keyFile) ([]place, error) {
	var found []place
	for _, f := range files {
		text, err := f.read()
		if err != nil {
			return nil, err
		}
		keys, odd := parseKeys(text)
		for _, number := range odd {
			if strings.Contains(lines(text)[number-1], key.blob) {
				return nil, fmt.Errorf("%s:%d has the key in a line that is not understood: edit it by hand", f.path(), number)
			}
		}
		for _, k := range keys {
			p := place{f, text, k}
			_, _, runsGate, _ := k.gate()
			switch {
			case k.key.blob == key.blob:
				found = append(found, p)
			case !runsGate:
				s.warn("%s: another key of account %s runs no gate: see dom0-helper check", p, s.request.Account)
			}
		}
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("the key is there twice, in %s and %s: remove one of these lines", found[0], found[1])
	}
	return found, nil
}

// compare judges a line that has the key already.
func (s *setup) compare(p place, wanted keyLine, gate gateline.Options) (string, *change, error) {
	k := p.line
	helper, there, ok, _ := k.gate()
	if !ok {
		if _, count := k.option("command"); count == 0 {
			return "", nil, errors.New("the key is there without a forced command, which is a shell of the account: remove that line first")
		}
		return "", nil, errors.New("the key is there with another forced command: remove that line first, or use another key")
	}
	for _, o := range k.options {
		if o.name != "restrict" && o.name != "command" && o.name != "from" {
			return "", nil, fmt.Errorf("the key is there with the option %s, which setup does not know: edit the line by hand", o)
		}
	}
	from, count := k.option("from")
	if count > 0 && len(s.request.Key.From) == 0 {
		kept := *s.request.Key
		kept.From = strings.Split(from, ",")
		wanted = kept.line(s.Helper, gate, wanted.key)
	}
	wanted.key.comment = k.key.comment
	wantedFrom, _ := wanted.option("from")
	_, restricted := k.option("restrict")
	if helper == s.Helper && there.Same(gate) && from == wantedFrom && restricted > 0 {
		return fmt.Sprintf("%s has the key, for %s", p, strings.Join(there.Allow, ",")), nil, nil
	}
	if !s.request.Key.Replace {
		return "", nil, fmt.Errorf("the key is there with other options: %s; want: %s; say --replace to exchange the line", joinOptions(k.options), joinOptions(wanted.options))
	}
	number := 0
	after := editLines(p.text, func(line string) (string, bool) {
		if number++; number == k.number {
			return wanted.String(), true
		}
		return line, true
	})
	return "", &change{p.file.path(), p.text, after, func() error { return p.file.replace(after) }}, nil
}

func joinOptions(options []keyOption) string {
	texts := make([]string, len(options))
	for i, o := range options {
		texts[i] = o.String()
	}
	return strings.Join(texts, ",")
}
