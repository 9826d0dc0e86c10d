package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// shippedRule is the drop-in as sudoers/stonith-plugins has it; a test compares both.
const shippedRule = `# Lets the accounts of clusters run the root half of dom0-helper, and nothing else.
#
# Install on each Dom0, after ` + "`visudo -cf`" + ` of it, as /etc/sudoers.d/stonith-plugins,
# owner root, mode 0440. Edit STONITH_ACCOUNTS: one account for each cluster.
# The path must be that of dom0-helper here, and the file must be root's alone.
#
# The command line is exact: without a wildcard there is nothing to choose. The
# request comes on standard input, and dom0-helper decides by its own policy what
# the account may do. sudo tells it the account in SUDO_USER.
#
# There is never a terminal, so none is asked for (requiretty) or made (use_pty).
# Shown by tests/testdata/script/sudo-*.txtar with this very file.

User_Alias STONITH_ACCOUNTS = xen
Cmnd_Alias STONITH_ROOT_HALF = /usr/local/sbin/dom0-helper root

Defaults!STONITH_ROOT_HALF !requiretty, !use_pty, env_reset
STONITH_ACCOUNTS ALL = (root) NOPASSWD: NOSETENV: STONITH_ROOT_HALF
`

// The beginnings of the two lines that differ between installations.
const (
	accountsLine = "User_Alias STONITH_ACCOUNTS = "
	commandLine  = "Cmnd_Alias STONITH_ROOT_HALF = "
)

// ruleText is the drop-in for one command line and these accounts.
func ruleText(command string, accounts []string) string {
	return editLines(shippedRule, func(line string) (string, bool) {
		switch {
		case strings.HasPrefix(line, accountsLine):
			return accountsLine + strings.Join(accounts, ", "), true
		case strings.HasPrefix(line, commandLine):
			return commandLine + command, true
		}
		return line, true
	})
}

// editLines applies edit to every line of text; those it does not keep are left out.
func editLines(text string, edit func(line string) (string, bool)) string {
	var edited strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		content, ended := strings.CutSuffix(line, "\n")
		if line == "" {
			continue
		}
		if content, keep := edit(content); keep {
			edited.WriteString(content)
			if ended {
				edited.WriteString("\n")
			}
		}
	}
	return edited.String()
}

// A rule is what our drop-in says.
type rule struct {
	accounts []string
	command  string
}

// parseRule reads a drop-in that differs from the shipped one in its accounts,
// its command line and comments only.
func parseRule(text string) (rule, error) {
	var r rule
	got, want := significant(text), significant(shippedRule)
	for i, line := range got {
		accounts, isAccounts := strings.CutPrefix(line, accountsLine)
		command, isCommand := strings.CutPrefix(line, commandLine)
		switch {
		case isAccounts && r.accounts == nil:
			for _, name := range strings.Split(accounts, ",") {
				name = strings.TrimSpace(name)
				if err := checkAccountName(name); err != nil {
					return rule{}, fmt.Errorf("line %q: %w", line, err)
				}
				r.accounts = append(r.accounts, name)
			}
			got[i] = want[0]
		case isCommand && r.command == "":
			r.command = command
			got[i] = want[1]
		case i >= len(want) || line != want[i]:
			return rule{}, fmt.Errorf("line %q is not of the shipped file", line)
		}
	}
	if !slices.Equal(got, want) {
		return rule{}, fmt.Errorf("%d lines, want the %d of the shipped file", len(got), len(want))
	}
	return r, nil
}

// significant are the lines that are neither empty nor comments, sudoers(5).
func significant(text string) []string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || comment().MatchString(line) {
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// comment is a line that begins with # and is neither a user id nor an old #include.
var comment = pattern.Lazy(`^#($|[^0-9-i]|i($|[^n]|n($|[^c])))`)

// withAccounts returns text with other accounts and all else as it was.
func withAccounts(text string, accounts []string) string {
	return editLines(text, func(line string) (string, bool) {
		if strings.HasPrefix(strings.TrimSpace(line), accountsLine) {
			return accountsLine + strings.Join(accounts, ", "), true
		}
		return line, true
	})
}

// A right is a command that sudo lets an account run.
type right struct {
	runAs   string
	tags    []string
	command string
	// asksRoot says that it wants the password of the user that it gives the rights of.
	asksRoot bool
}

func (r right) String() string {
	return "(" + r.runAs + ") " + strings.Join(append(slices.Clone(r.tags), r.command), " ")
}

// isOurs reports whether r is our rule for that command line.
func (r right) isOurs(command string) bool {
	foreign := func(tag string) bool { return tag != "NOPASSWD:" && tag != "NOSETENV:" }
	return r.runAs == "root" && r.command == command && slices.Contains(r.tags, "NOPASSWD:") && !slices.ContainsFunc(r.tags, foreign)
}

// rights asks sudo what the account may do.
func (l Layout) rights(name string) ([]right, error) {
	out, err := l.run("sudo", "-n", "-l", "-U", name)
	rights, parseErr := parseRights(out)
	if parseErr != nil && err != nil {
		return nil, err // old versions end with 1 if there are no rights
	}
	return rights, parseErr
}

var (
	rightsFollow = pattern.Lazy(`(?m)^User \S+ may run the following commands on [^\n]*:$`)
	noRights     = pattern.Lazy(`(?m)^User \S+ is not allowed to run sudo on `)
	rightLine    = pattern.Lazy(`^\(([^()]*)\) (.+)$`)
	rightTags    = pattern.Lazy(`^(?:[A-Z_]+: )*`)
	// targetPassword is a default of sudoers(5) by which a user's own password is no use.
	targetPassword = pattern.Lazy(`[ ,](targetpw|rootpw)(,|\n)`)
	noPassword     = pattern.Lazy(`!(targetpw|rootpw|authenticate)`)
	unescaped      = pattern.Lazy(`[^\\], `)
)

// parseRights parses the output of `sudo -l -U`. What it does not understand is an error.
func parseRights(out string) ([]right, error) {
	at := rightsFollow().FindStringIndex(out)
	if at == nil {
		if noRights().MatchString(out) {
			return nil, nil
		}
		return nil, fmt.Errorf("the output of sudo -l is not understood: %q", oneLine(out))
	}
	var entries []string
	for _, line := range strings.Split(out[at[1]:], "\n") {
		text := strings.TrimSpace(line)
		switch {
		case text == "":
		case strings.HasPrefix(text, "("):
			entries = append(entries, text)
		case len(entries) == 0:
			return nil, fmt.Errorf("line %q of sudo -l is not understood", text)
		default: // the former line goes on
			entries[len(entries)-1] += " " + text
		}
	}
	asksRoot := targetPassword().MatchString(out[:at[0]]) && !noPassword().MatchString(out[:at[0]])
	var rights []right
	for _, entry := range entries {
		parts := rightLine().FindStringSubmatch(entry)
		if parts == nil {
			return nil, fmt.Errorf("line %q of sudo -l is not understood", entry)
		}
		var tags []string // hold for the commands that follow, too
		for _, command := range splitCommands(parts[2]) {
			own := rightTags().FindString(command)
			tags = append(slices.Clone(tags), strings.Fields(own)...)
			guarded := asksRoot && !slices.Contains(tags, "NOPASSWD:")
			rights = append(rights, right{parts[1], tags, strings.TrimPrefix(command, own), guarded})
		}
	}
	return rights, nil
}

// splitCommands splits at commas that sudo did not escape.
func splitCommands(list string) []string {
	var commands []string
	for {
		at := unescaped().FindStringIndex(list)
		if at == nil {
			return append(commands, list)
		}
		commands, list = append(commands, list[:at[0]+1]), list[at[1]:]
	}
}

// others returns an error that quotes every right but ours. What asks for root's
// password, as SUSE's "ALL ALL = (ALL) ALL" with targetpw, gives nothing to others.
func others(account string, rights []right, command string) error {
	var quoted []string
	for _, r := range rights {
		if !r.isOurs(command) && !r.asksRoot {
			quoted = append(quoted, r.String())
		}
	}
	if len(quoted) == 0 {
		return nil
	}
	return fmt.Errorf("account %s has other rights: %s: whoever breaks the account has them too: take them away, or choose another account", account, strings.Join(quoted, "; "))
}

// maxSudoers is the most that a drop-in may hold, in bytes.
const maxSudoers = 64 << 10

// readRule reads the drop-in. One that is missing is empty.
func (l Layout) readRule() (text string, r rule, err error) {
	content, err := trust.Read(l.Sudoers, maxSudoers)
	if errors.Is(err, fs.ErrNotExist) {
		return "", rule{}, nil
	}
	if err != nil {
		return "", rule{}, err
	}
	r, err = parseRule(string(content))
	if err != nil {
		err = fmt.Errorf("%s was edited by hand: %w: edit its STONITH_ACCOUNTS by hand, too", l.Sudoers, err)
	}
	return string(content), r, err
}

// checkSudoersDir says what is wrong with the directory of the drop-in. It is not
// made: sudo reads no other than it is told to.
func (l Layout) checkSudoersDir() error {
	dir := filepath.Dir(l.Sudoers)
	if _, err := os.Lstat(dir); err != nil {
		return fmt.Errorf("%w: where does sudo read drop-ins? say so by --sudoers FILE", err)
	}
	return trust.MakeDir(dir)
}

// mainSudoers is the first line of what visudo -c says.
var mainSudoers = pattern.Lazy(`^(/\S+): parsed OK\n`)

// tryRule asks visudo whether all of sudoers are right, and would be with a new
// drop-in. Once that is in its place, they are asked for again.
func (l Layout) tryRule(former, text string) error {
	said, err := l.run("visudo", "-c")
	if err != nil {
		return fmt.Errorf("sudoers are broken before any change: %w", err)
	}
	path := mainSudoers().FindStringSubmatch(said)
	if former != "" || path == nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "dom0-helper-")
	if err != nil {
		return err
	}
	dropIn, all := filepath.Join(dir, "stonith-plugins"), filepath.Join(dir, "sudoers")
	err = errors.Join(os.WriteFile(dropIn, []byte(text), 0o440),
		os.WriteFile(all, []byte("#include "+path[1]+"\n#include "+dropIn+"\n"), 0o440))
	if err == nil {
		_, err = l.run("visudo", "-cf", all)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// installRule puts text in the drop-in's place (or removes that, if text is empty)
// once visudo has accepted it, and puts the former one back if accepted says no.
func (l Layout) installRule(former, text string, accepted func() error) error {
	if err := l.replaceRule(text); err != nil {
		return err
	}
	_, err := l.run("visudo", "-c")
	if err == nil {
		err = accepted()
	}
	if err == nil {
		return nil
	}
	if back := l.replaceRule(former); back != nil {
		return fmt.Errorf("%w; and the former state of %s could not be put back: %w", err, l.Sudoers, back)
	}
	return fmt.Errorf("%w; the former state of %s was put back", err, l.Sudoers)
}

func (l Layout) replaceRule(text string) error {
	if text == "" {
		return removeFile(l.Sudoers)
	}
	staged, err := stage(l.Sudoers, text, 0o440)
	if err != nil {
		return err
	}
	if _, err := l.run("visudo", "-cf", staged); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return install(staged, l.Sudoers)
}

// shows says that sudo does not show our rule for the account, and why that may be.
func (l Layout) shows(name string) error {
	rights, err := l.rights(name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(rights, func(r right) bool { return r.isOurs(l.rootHalf()) }) {
		return fmt.Errorf("sudo -l -U %s does not show %q: does sudo read %s? sudoers wants the line \"@includedir %s\" (\"#includedir\" before sudo 1.9.1)",
			name, l.rootHalf(), l.Sudoers, filepath.Dir(l.Sudoers))
	}
	return others(name, rights, l.rootHalf())
}
