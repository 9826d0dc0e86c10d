package installation

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// A Probe asks the toolstack that the policy means, and looks at the guests.
type Probe func(*policy.Policy) (Probed, error)

// Probed is what a Probe found, up to an error.
type Probed struct {
	Said     string // by the toolstack
	StateDir string // that the policy means
	Findings []Finding
}

// An examination is one run of Check.
type examination struct {
	Layout
	findings
	rules *policy.Policy
	rule  rule
	// calls are the requests that may come at once, and startups what to do if they are too many.
	calls    int
	startups string
}

// Check says of each part of the installation whether it will work, and whether
// it gives more than it should. It changes nothing. An error says that something
// is wrong.
func Check(l Layout, probe Probe, out io.Writer) error {
	if err := l.check(); err != nil {
		return err
	}
	e := &examination{Layout: l, findings: findings{printer: printer{out}}}
	e.checkProgram()
	e.checkPolicy()
	e.checkHost(probe)
	e.checkRule()
	for _, name := range e.accounts() {
		e.checkAccount(name)
	}
	if e.startups != "" {
		e.add(Warning, "sshd", "%s", e.startups)
	}
	e.checkLog()
	e.whoMay()
	if e.wrongs > 0 {
		return fmt.Errorf("%d wrong", e.wrongs)
	}
	return nil
}

func (e *examination) checkProgram() {
	err := trust.Check(e.Helper)
	if info, statErr := os.Stat(e.Helper); err == nil && statErr == nil && info.Mode()&0o001 == 0 {
		err = fmt.Errorf("%s: mode %04o lets no account run it: chmod 0755", e.Helper, info.Mode().Perm())
	}
	e.judge("program", err, "%s is root's alone", e.Helper)
}

// lifeSetting is what becomes of a guest that ends by itself, xl.cfg(5).
var lifeSetting = pattern.Lazy(`(?m)^[ \t]*on_(?:reboot|crash)[ \t]*=[ \t]*["'][a-z-]+["']`)

func (e *examination) checkPolicy() {
	e.rules = &policy.Policy{}
	rules, err := policy.Load(e.Policy)
	if err != nil {
		e.add(Wrong, "policy", "%v: every request is refused", err)
		return
	}
	e.rules = rules
	e.add(Fine, "policy", "%s has %d guests", e.Policy, len(rules.Guests))
	for _, g := range rules.Guests {
		err := checkConfig(g.Name, g.Config)
		switch {
		case errors.Is(err, errConfig):
			e.add(Wrong, "configuration", "%v", err)
		case err != nil:
			e.add(Warning, "configuration", "%v", err)
		default:
			e.add(Fine, "configuration", "guest %s: %s%s", g.Name, g.Config, lifeSettings(g.Config))
		}
	}
}

func lifeSettings(config string) string {
	text, err := bounded.ReadLinked(config, guestconfig.MaxSize)
	if err != nil {
		return ""
	}
	settings := ""
	for _, setting := range lifeSetting().FindAllString(string(text), -1) {
		settings += ", " + strings.Join(strings.Fields(setting), " ")
	}
	return settings
}

func (e *examination) checkHost(probe Probe) {
	probed, err := probe(e.rules)
	e.judge("domains", err, "%s", probed.Said)
	if dir := probed.StateDir; dir != "" {
		e.judge("state", trustedDir(dir), "%s is root's alone, or will be when it is made", dir)
	}
	for _, f := range probed.Findings {
		e.add(f.Level, f.Subject, "%s", f.Text)
	}
}

func (e *examination) checkRule() {
	_, err := e.run("visudo", "-c")
	e.judge("sudoers", err, "visudo -c finds no mistake")
	text, r, err := e.readRule()
	switch {
	case err == nil && text == "":
		err = fmt.Errorf("%s is not there: no account may run the root half: dom0-helper setup", e.Sudoers)
	case err == nil && r.command != e.rootHalf():
		err = fmt.Errorf("%s is for the command line %q, not %q", e.Sudoers, r.command, e.rootHalf())
	}
	e.rule = r
	e.judge("sudo rule", err, "%s is the shipped one, for %s", e.Sudoers, strings.Join(r.accounts, ", "))
}

// accounts are those of the sudo rule and of the policy.
func (e *examination) accounts() []string {
	names := slices.Clone(e.rule.accounts)
	for _, g := range e.rules.Guests {
		names = append(names, g.Accounts...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (e *examination) checkAccount(name string) {
	subject := "account " + name
	a, err := e.lookUp(name)
	if err == nil && !a.exists {
		err = fmt.Errorf("does not exist: dom0-helper setup makes it")
	}
	if err != nil {
		e.add(Wrong, subject, "%v", err)
		return
	}
	settings, err := e.sshd(name)
	if err != nil {
		e.add(Wrong, subject, "%v", err)
		return
	}
	groups, err := e.groups(a)
	err = errors.Join(err, e.usable(a, settings.first("usepam") == "yes"), settings.refusal(name, groups))
	e.judge(subject, err, "sshd lets it in, shell %s", a.shell)
	e.judge(subject, e.shows(name), "may run %s, and nothing else by sudo", e.rootHalf())
	e.checkSSHD(subject, settings)
	files, err := settings.keyFilesOf(a)
	if err != nil {
		e.add(Wrong, subject, "%v", err)
		return
	}
	if given := e.AuthorizedKeys; given != "" && find(files, func(f keyFile) bool { return f.path() == given }) == nil {
		e.add(Wrong, subject, "sshd does not look at %s, but at %s", given, settings.first("authorizedkeysfile"))
	}
	keys := 0
	for _, f := range files {
		keys += e.checkKeyFile(a, f)
	}
	if keys == 0 {
		e.add(Warning, subject, "has no key that runs the gate: no cluster can use it")
	}
	e.calls += callsAtOnce(files)
	e.startups = settings.startupsAdvice(e.calls)
}

// checkSSHD warns of settings by which more may come in than the keys say.
func (e *examination) checkSSHD(subject string, settings sshdSettings) {
	for _, setting := range []struct{ keyword, harmless, text string }{
		{"permituserenvironment", "no", "PermitUserEnvironment %s: the account can set the environment of the gate"},
		{"authorizedkeyscommand", "none", "AuthorizedKeysCommand %s: keys that it gives are not looked at here"},
		{"trustedusercakeys", "none", "TrustedUserCAKeys %s: a certificate can let into the account without a forced command"},
	} {
		if value := settings.first(setting.keyword); value != "" && value != setting.harmless {
			e.add(Warning, subject, "sshd has "+setting.text, value)
		}
	}
}

// checkKeyFile judges every line of a file, and returns the number of those that run the gate.
func (e *examination) checkKeyFile(a account, f keyFile) int {
	subject := "keys of " + a.name
	text, err := f.read()
	if err != nil {
		e.add(Wrong, subject, "%v", err)
		return 0
	}
	if text == "" {
		return 0
	}
	if f.isRoots() {
		e.add(Fine, subject, "%s is root's alone", f.path())
	} else {
		e.add(Warning, subject, "%s is the account's, which can change it: AuthorizedKeysFile /etc/ssh/authorized_keys/%%u in sshd's configuration prevents that", f.path())
	}
	keys, odd := parseKeys(text)
	for _, number := range odd {
		e.add(Warning, subject, "%s:%d is not understood; sshd passes over what it does not understand", f.path(), number)
	}
	gates := 0
	for _, k := range keys {
		place := fmt.Sprintf("%s:%d", f.path(), k.number)
		_, g, isGate, _ := k.gate() // judgeKey has the error
		if isGate {
			gates++
		}
		e.judge(subject, prefix(place, e.judgeKey(a, k)), "%s: client %s, for %s", place, g.Client, strings.Join(g.Allow, ","))
	}
	return gates
}

// judgeKey says what is wrong with a line.
func (e *examination) judgeKey(a account, k keyLine) error {
	helper, g, isGate, err := k.gate()
	command, count := k.option("command")
	switch {
	case count == 0:
		return errors.New("has no forced command: it is a shell of the account")
	case !isGate:
		return fmt.Errorf("runs %q and not the gate: an account of a cluster is for nothing else", command)
	}
	errs := []error{err}
	if _, restricted := k.option("restrict"); restricted == 0 {
		errs = append(errs, errors.New("lacks restrict: the key can forward ports and have a terminal"))
	}
	if helper != e.Helper {
		errs = append(errs, fmt.Errorf("runs %s, and the sudo rule is for %s", helper, e.Helper))
	}
	if err != nil {
		return errors.Join(errs...)
	}
	if want := strings.TrimPrefix(e.policyOption(), " --policy "); g.Policy != want {
		errs = append(errs, fmt.Errorf("has --policy %q, and the sudo rule has %q", g.Policy, want))
	}
	if _, err := os.Stat(g.Sudo); err != nil {
		errs = append(errs, fmt.Errorf("runs sudo by a path that is not there: %w", err))
	}
	for _, guest := range g.Allow {
		_, err := e.rules.Lookup(a.name, g.Client, guest)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// logSocket is where the audit goes.
const logSocket = "/dev/log"

func (e *examination) checkLog() {
	info, err := os.Stat(logSocket)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		e.add(Warning, "log", "%s is no socket: the audit is lost: start a log daemon", logSocket)
		return
	}
	e.add(Fine, "log", "%s is there", logSocket)
}

// whoMay shows which account may control which guest.
func (e *examination) whoMay() {
	accounts := e.accounts()
	if len(accounts) == 0 || len(e.rules.Guests) == 0 {
		return
	}
	rows := [][]string{append([]string{"guest"}, accounts...)}
	for _, g := range e.rules.Guests {
		row := []string{g.Name}
		for _, name := range accounts {
			mark := "-"
			if slices.Contains(g.Accounts, name) {
				mark = "may"
			}
			row = append(row, mark)
		}
		rows = append(rows, append(row, fmt.Sprintf("%s:%d", filepath.Base(e.Policy), g.Line)))
	}
	e.line("")
	e.table(rows)
}
