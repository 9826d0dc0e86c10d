package installation

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/internal/trust"
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
	report := printer{out}
	changes, err := s.carryOut(report, r.DryRun)
	if err == nil {
		s.advise()
	}
	s.finish(report, changes, r.DryRun)
	if err == nil && r.Key != nil {
		report.line("next, on a cluster node that has the private key: %s", s.trial())
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
	if err := trust.Check(s.Helper); err != nil {
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

func (s *setup) lookAtRule() (string, *change, error) {
	if err := s.checkSudoersDir(); err != nil {
		return "", nil, err
	}
	text, r, err := s.readRule()
	if err != nil {
		return "", nil, err
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
	if err := s.tryRule(text, after); err != nil {
		return "", nil, err
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
	s.advice = nil
	for _, g := range s.request.Guests {
		uuid, err := readConfig(g.Name, g.Config)
		if err != nil {
			s.warn("%v", err)
		} else if uuid == "" {
			s.advice = append(s.advice, fmt.Sprintf("guest %s cannot be told from others by its UUID, for xl makes a new one at each start: "+
				"give it a line uuid = \"...\" in %s (uuidgen prints one), and uuid ... at the end of its line of the policy", g.Name, g.Config))
		}
	}
	s.policyText = after
	if after == text {
		return s.Policy + " has what was asked for", nil, nil
	}
	return "", &change{s.Policy, text, after, func() error { return s.writePolicy(after) }}, nil
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
			_, g, _, _ := k.gate()
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
	return fmt.Sprintf("ssh %s@%s 'dom0/2 check %s try1'", s.request.Account, name, strings.Join(s.request.Key.Allow, ","))
}
