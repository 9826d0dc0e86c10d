package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// A Guest is a guest that an account is to control.
type Guest struct{ Name, Config string }

// maxPolicy is the most that a policy file may hold, in bytes.
const maxPolicy = 1 << 20

// readPolicy reads the policy file. One that is missing is empty.
func (l Layout) readPolicy() (text string, err error) {
	content, err := trust.Read(l.Policy, maxPolicy)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if _, err := policy.Parse(content); err != nil {
		return "", fmt.Errorf("%s:%w", l.Policy, err)
	}
	return string(content), nil
}

var policyWord = pattern.Lazy(`[^ \t\r]+`)

// policyWords returns the words of a line before its comment, and where they are.
func policyWords(line string) (words []string, at [][]int) {
	for _, place := range policyWord().FindAllStringIndex(line, -1) {
		if line[place[0]] == '#' {
			break
		}
		words = append(words, line[place[0]:place[1]])
		at = append(at, place)
	}
	return words, at
}

// valueOf returns the word behind a keyword of a line, and its number, or -1.
func valueOf(words []string, keyword string) (value string, at int) {
	for i := 2; i+1 < len(words); i += 2 {
		if words[i] == keyword {
			return words[i+1], i + 1
		}
	}
	return "", -1
}

// addGuests returns the policy's text with a line for each guest that is not there.
func addGuests(text, account string, guests []Guest) (string, error) {
	rules, err := policy.Parse([]byte(text))
	if err != nil {
		return "", err
	}
	var errs []error
	for _, g := range guests {
		there, ok := rules.Guest(g.Name)
		switch {
		case !ok:
			added := policy.Guest{Name: g.Name, Accounts: []string{account}, Config: g.Config}
			added.UUID, _ = readConfig(g.Name, g.Config) // what is wrong with it is said elsewhere
			text = endLine(text) + added.String() + "\n"
		case !slices.Contains(there.Accounts, account):
			errs = append(errs, fmt.Errorf("line %d gives guest %s to account %s: edit it if account %s is to have it too",
				there.Line, g.Name, strings.Join(there.Accounts, ","), account))
		case there.Config != g.Config:
			errs = append(errs, fmt.Errorf("line %d has the configuration %s for guest %s, not %s", there.Line, there.Config, g.Name, g.Config))
		}
	}
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	if rules, err = policy.Parse([]byte(text)); err != nil {
		return "", fmt.Errorf("with the new lines, %w", err)
	}
	for _, g := range guests {
		if read, _ := rules.Guest(g.Name); read.Config != g.Config {
			return "", fmt.Errorf("configuration %q is read as %q: want a path without blanks", g.Config, read.Config)
		}
	}
	return text, nil
}

// endLine returns text, ended by a line end if it is not empty.
func endLine(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

// withoutAccount returns the policy's text without what it gives to the account:
// lines that are for it alone, and its name in others.
func withoutAccount(text, account string) string {
	return editLines(text, func(line string) (string, bool) {
		words, places := policyWords(line)
		accounts, at := valueOf(words, "account")
		if at < 0 || words[0] != "guest" && words[0] != "client" {
			return line, true
		}
		all := strings.Split(accounts, ",")
		left := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == account })
		if len(left) == len(all) {
			return line, true
		}
		return line[:places[at][0]] + strings.Join(left, ",") + line[places[at][1]:], len(left) > 0
	})
}

// errConfig is the error of a configuration that is there and must not be used.
var errConfig = errors.New("on is refused, and status too while the guest has no domain")

// checkConfig says why the guest could not be started here. A configuration that
// is missing is no mistake: the guest may have its place on another Dom0.
func checkConfig(name, config string) error {
	_, err := readConfig(name, config)
	return err
}

// readConfig returns the UUID that a configuration which is none of these mistakes gives its
// guest, if it gives one.
func readConfig(name, config string) (uuid string, err error) {
	text, err := bounded.ReadLinked(config, guestconfig.MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("guest %s: %s is not there: this Dom0 cannot start the guest, which is well if another one does", name, config)
	case err != nil:
		return "", fmt.Errorf("guest %s: %w: %w", name, err, errConfig)
	}
	if got := guestconfig.Name(text); got != name {
		return "", fmt.Errorf("guest %s: %s has the name %q, want one line name = %q: %w", name, config, got, name, errConfig)
	}
	return guestconfig.UUID(text), nil
}

// writePolicy writes the policy, or removes it if nothing is left in it.
func (l Layout) writePolicy(text string) error {
	if text == "" {
		return removeFile(l.Policy)
	}
	if _, err := policy.Parse([]byte(text)); err != nil {
		return fmt.Errorf("%s:%w", l.Policy, err)
	}
	if err := makeDir(filepath.Dir(l.Policy)); err != nil {
		return err
	}
	return replace(l.Policy, text, 0o600)
}
