package installation

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
)

// A SetupRequest is what Setup brings about.
type SetupRequest struct {
	Account string
	Guests  []Guest
	// Key is the line of a key, nil for none.
	Key    *KeyRequest
	DryRun bool
}

// A setup is one run of Setup.
type setup struct {
	Layout
	plan
	request SetupRequest
	// policyText is the policy as it will be.
	policyText string
}

// Setup lets an account control guests. What is so already is left as it is; what
// must not be done is refused before the first change.
func Setup(l Layout, r SetupRequest, out io.Writer) error {
	if err := errors.Join(l.check(), checkAccountName(r.Account)); err != nil {
		return err
	}
	if r.Key != nil {
		if err := r.Key.validate(); err != nil {
			return err
		}
	}
	unlock, err := lock(l.Helper)
	if err != nil {
		return err
	}
	defer unlock()
	s := &setup{Layout: l, request: r}
	s.steps = []step{
		{"program", s.lookAtProgram},
		{"account", s.lookAtAccount},
		{"sudo rule", s.lookAtRule},
		{"policy", s.lookAtPolicy},
	}
	if r.Key != nil {
		s.steps = append(s.steps, step{"key", s.lookAtKey})
	}
	changes, err := s.carryOut(out, r.DryRun)
	if err == nil {
		s.advise()
	}
	s.finish(out, changes, r.DryRun)
	if err == nil && r.Key != nil {
		fmt.Fprintln(out, "next, on a cluster node that has the private key:", s.trial())
	}
	return err
}

// check refuses a layout that cannot be written into sudoers and authorized_keys.
func (l Layout) check() error {
	for name, path := range map[string]string{"this program": l.Helper, "--policy": l.Policy, "--sudoers": l.Sudoers} {
		if err := checkPlain(path); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if name := filepath.Base(l.Sudoers); strings.ContainsAny(name, ".~") {
		return fmt.Errorf("--sudoers: sudo reads no drop-in whose name has a dot or a tilde: %s", l.Sudoers)
	}
	return nil
}

func (s *setup) lookAtProgram() (string, *change, error) {
	if err := policy.CheckTrusted(s.Helper); err != nil {
		return "", nil, fmt.Errorf("%w: root runs it, so install it first where only root writes, as make install-dom0 does", err)
	}
	if filepath.Base(s.Helper) != "dom0-helper" {
		return "", nil, fmt.Errorf("%s: its name must be dom0-helper", s.Helper)
	}
	return s.Helper + " is root's alone", nil, nil
}

func (s *setup) lookAtAccount() (string, *change, error) {
	a, err := s.lookUp(s.request.Account)
	if err != nil {
		return "", nil, err
	}
	settings, err := s.sshd(a.name)
	if err != nil {
		return "", nil, err
	}
	groups, err := s.groups(a)
	if err != nil {
		return "", nil, err
	}
	refusal := settings.refusal(a.name, groups)
	if !a.exists {
		path, err := s.find("useradd")
		args := useraddArgs(a.name)
		command := path + " " + strings.Join(slices.Replace(slices.Clone(args), 5, 6, "'*'"), " ")
		return "", &change{what: command, apply: func() error {
			_, err := s.run("useradd", args...)
			return err
		}}, errors.Join(refusal, err)
	}
	refusal = errors.Join(refusal, s.usable(a, settings.first("usepam") == "yes"))
	return fmt.Sprintf("%s (uid %d, home %s, shell %s)", a.name, a.uid, a.home, a.shell), nil, refusal
}

// lookAtRule looks at sudoers. If they are broken now, nothing that is done to
// them can be checked.
func (s *setup) lookAtRule() (string, *change, error) {
	if _, err := s.run("visudo", "-c"); err != nil {
		return "", nil, fmt.Errorf("sudoers are broken before any change: %w", err)
	}
	if err := policy.MakeTrustedDir(filepath.Dir(s.Sudoers)); err != nil {
		return "", nil, err
	}
	text, r, err := s.readRule()
	if err != nil {
		return "", nil, fmt.Errorf("%w: add %s to STONITH_ACCOUNTS by hand", err, s.request.Account)
	}
	if text != "" && r.command != s.rootHalf() {
		return "", nil, fmt.Errorf("%s is for the command line %q, not %q: remove the one or run the other", s.Sudoers, r.command, s.rootHalf())
	}
	a, err := s.lookUp(s.request.Account)
	if err != nil {
		return "", nil, err
	}
	if a.exists {
		rights, err := s.rights(a.name)
		if err != nil {
			return "", nil, err
		}
		if err := others(a.name, rights, s.rootHalf()); err != nil {
			return "", nil, err
		}
	}
	if slices.Contains(r.accounts, a.name) {
		if !a.exists { // it had been set up, and was deleted since
			return "in " + s.Sudoers, nil, nil
		}
		return fmt.Sprintf("%s lets %s run: %s", s.Sudoers, a.name, s.rootHalf()), nil, s.shows(a.name)
	}
	after := ruleText(s.rootHalf(), []string{a.name})
	if text != "" {
		after = withAccounts(text, append(slices.Clone(r.accounts), a.name))
	}
	return "", &change{s.Sudoers, text, after, func() error {
		return s.installRule(text, after, func() error { return s.shows(a.name) })
	}}, nil
}

func (s *setup) lookAtPolicy() (string, *change, error) {
	text, err := s.readPolicy()
	if err != nil {
		return "", nil, err
	}
	if err := trustedDir(filepath.Dir(s.Policy)); err != nil {
		return "", nil, err
	}
	after, err := addGuests(text, s.request.Account, s.request.Guests)
	if err != nil {
		return "", nil, prefix(s.Policy, err)
	}
	for _, g := range s.request.Guests {
		if err := checkConfig(g.Name, g.Config); err != nil {
			s.warn("%v", err)
		}
	}
	s.policyText = after
	if after == text {
		return s.Policy + " has what was asked for", nil, nil
	}
	return "", &change{s.Policy, text, after, func() error { return s.writePolicy(after) }}, nil
}

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
	for _, f := range files {
		state, missing, err := s.lookIn(f, wanted, gate)
		if err != nil || state != "" || missing != nil {
			return state, missing, err
		}
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
func (s *setup) gateOf(r *KeyRequest) (Gate, error) {
	sudo, err := s.find("sudo")
	if err == nil {
		err = checkPlain(sudo)
	}
	g := Gate{Allow: r.Allow, Client: r.Client, sudo: sudo}
	if s.Policy != s.DefaultPolicy {
		g.policy = s.Policy
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

// lookIn looks for the key in a file. It returns nothing if the key is not there.
func (s *setup) lookIn(f keyFile, wanted keyLine, gate Gate) (state string, missing *change, err error) {
	before, err := f.read()
	if err != nil {
		return "", nil, err
	}
	keys, _ := parseKeys(before)
	for _, k := range keys {
		place := fmt.Sprintf("%s:%d", f.path(), k.number)
		if k.key.blob != wanted.key.blob {
			if _, _, ok := k.gate(); !ok {
				s.warn("%s: another key of account %s runs no gate: see dom0-helper check", place, s.request.Account)
			}
			continue
		}
		state, missing, err = s.compare(f, before, k, wanted, gate)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", place, err)
		}
	}
	return state, missing, nil
}

// compare judges a line that has the key already.
func (s *setup) compare(f keyFile, before string, k, wanted keyLine, gate Gate) (string, *change, error) {
	helper, there, ok := k.gate()
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
	if helper == s.Helper && there.same(gate) && from == wantedFrom && restricted > 0 {
		return fmt.Sprintf("%s:%d has the key, for %s", f.path(), k.number, strings.Join(there.Allow, ",")), nil, nil
	}
	if !s.request.Key.Replace {
		return "", nil, fmt.Errorf("the key is there with other options: %s; want: %s; say --replace to exchange the line", joinOptions(k.options), joinOptions(wanted.options))
	}
	number := 0
	after := editLines(before, func(line string) (string, bool) {
		if number++; number == k.number {
			return wanted.String(), true
		}
		return line, true
	})
	return "", &change{f.path(), before, after, func() error { return f.replace(after) }}, nil
}

func joinOptions(options []keyOption) string {
	texts := make([]string, len(options))
	for i, o := range options {
		texts[i] = o.String()
	}
	return strings.Join(texts, ",")
}

// advise warns of what would let fencing fail later. Nothing of it is an error here.
func (s *setup) advise() {
	a, err := s.lookUp(s.request.Account)
	if err != nil {
		return
	}
	settings, err := s.sshd(a.name)
	if err != nil {
		return
	}
	calls := 0
	if s.request.Key != nil {
		calls = len(s.request.Key.Allow)
	}
	files, _ := settings.keyFilesOf(a)
	calls = max(calls, callsAtOnce(files))
	if advice := settings.startupsAdvice(calls); advice != "" {
		s.warn("%s", advice)
	}
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil && find(files, keyFile.isRoots) == nil {
		s.warn("SELinux is on: if sshd does not take the key, restorecon -R -v %s/.ssh", a.home)
	}
}

// callsAtOnce are the requests that come if every key fences all its guests at the same time.
func callsAtOnce(files []keyFile) int {
	calls := 0
	for _, f := range files {
		text, err := f.read()
		if err != nil {
			continue
		}
		keys, _ := parseKeys(text)
		for _, k := range keys {
			_, g, _ := k.gate()
			calls += len(g.Allow)
		}
	}
	return calls
}

// trial is a command that shows whether all of it works, and touches no guest.
func (s *setup) trial() string {
	name, err := os.Hostname()
	if err != nil {
		name = "DOM0"
	}
	return fmt.Sprintf("ssh %s@%s 'dom0/1 check %s try1'", s.request.Account, name, strings.Join(s.request.Key.Allow, ","))
}
