package installation

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// sshdSettings are what sshd would do for one account: by keyword, in lower
// case, the values of each of its lines.
type sshdSettings map[string][]string

// sshd asks sshd what it would do for the account.
func (l Layout) sshd(name string) (sshdSettings, error) {
	args := []string{"-T", "-C", "user=" + name + ",host=localhost,addr=127.0.0.1"}
	if l.SSHDConfig != "" {
		args = append(args, "-f", l.SSHDConfig)
	}
	out, err := l.run("sshd", args...)
	if err != nil {
		return nil, err
	}
	settings := sshdSettings{}
	for _, line := range strings.Split(out, "\n") {
		keyword, value, _ := strings.Cut(line, " ")
		settings[keyword] = append(settings[keyword], value)
	}
	if settings["authorizedkeysfile"] == nil {
		return nil, fmt.Errorf("the output of sshd -T has no authorizedkeysfile")
	}
	return settings, nil
}

// first returns the value of a setting that has one.
func (s sshdSettings) first(keyword string) string {
	if len(s[keyword]) == 0 {
		return ""
	}
	return s[keyword][0]
}

// refusal says which settings keep sshd from running the gate for the account.
func (s sshdSettings) refusal(name string, groups []string) error {
	switch {
	case s.first("pubkeyauthentication") == "no":
		return fmt.Errorf("sshd has PubkeyAuthentication no")
	case s.first("forcecommand") != "" && s.first("forcecommand") != "none":
		return fmt.Errorf("sshd has ForceCommand %s for account %s, in place of the key's own", s.first("forcecommand"), name)
	case s.first("chrootdirectory") != "" && s.first("chrootdirectory") != "none":
		return fmt.Errorf("sshd has ChrootDirectory %s for account %s", s.first("chrootdirectory"), name)
	case s.first("maxsessions") == "0":
		return fmt.Errorf("sshd has MaxSessions 0: it runs no command")
	case !s.keyIsEnough():
		return fmt.Errorf("sshd has AuthenticationMethods %s: a key alone is not enough", s.first("authenticationmethods"))
	}
	for _, list := range []struct {
		keyword, means string
		names          []string
		denies         bool
	}{
		{"denyusers", "DenyUsers", []string{name}, true},
		{"allowusers", "AllowUsers", []string{name}, false},
		{"denygroups", "DenyGroups", groups, true},
		{"allowgroups", "AllowGroups", groups, false},
	} {
		patterns := s[list.keyword]
		if len(patterns) == 0 {
			continue
		}
		if matchesAny(patterns, list.names, list.denies) == list.denies {
			return fmt.Errorf("sshd has %s %s, which keeps account %s out", list.means, strings.Join(patterns, " "), name)
		}
	}
	return nil
}

func (s sshdSettings) keyIsEnough() bool {
	methods := s.first("authenticationmethods")
	if methods == "" || methods == "any" {
		return true
	}
	for _, alternative := range strings.Fields(methods) {
		if alternative == "publickey" {
			return true
		}
	}
	return false
}

// matchesAny reports whether a pattern of sshd fits one of the names. Where the
// pattern is for some hosts only, all that is known is that it may: it then does
// not count in a list that denies.
func matchesAny(patterns, names []string, denies bool) bool {
	for _, pattern := range patterns {
		user, host, hosted := strings.Cut(pattern, "@")
		if hosted && host != "*" && denies {
			continue
		}
		for _, name := range names {
			if matches(user, name) {
				return true
			}
		}
	}
	return false
}

// matches reports whether a pattern with * and ? fits, PATTERNS in ssh_config(5).
func matches(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		for i := 0; i <= len(text); i++ {
			if matches(pattern[1:], text[i:]) {
				return true
			}
		}
		return false
	}
	return text != "" && (pattern[0] == '?' || pattern[0] == text[0]) && matches(pattern[1:], text[1:])
}

// keyPaths are the files that sshd looks at for the account's keys.
func (s sshdSettings) keyPaths(a account) ([]string, error) {
	var files []string
	for _, pattern := range strings.Fields(s.first("authorizedkeysfile")) {
		if pattern == "none" {
			continue
		}
		path, err := expand(pattern, a)
		if err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("sshd has AuthorizedKeysFile %s: it looks at no file", s.first("authorizedkeysfile"))
	}
	return files, nil
}

// keyFilesOf are these files. There is one at least.
func (s sshdSettings) keyFilesOf(a account) ([]keyFile, error) {
	paths, err := s.keyPaths(a)
	if err != nil {
		return nil, err
	}
	files := make([]keyFile, len(paths))
	for i, path := range paths {
		if files[i], err = keyFileOf(path, a); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// expand replaces the tokens of AuthorizedKeysFile, sshd_config(5).
func expand(pattern string, a account) (string, error) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			b.WriteByte(pattern[i])
			continue
		}
		i++
		token := ""
		if i < len(pattern) {
			token = pattern[i : i+1]
		}
		switch {
		case token == "%":
			b.WriteString("%")
		case token == "h":
			b.WriteString(a.home)
		case token == "u":
			b.WriteString(a.name)
		case token == "U" && a.exists:
			b.WriteString(strconv.Itoa(a.uid))
		case token == "U":
			return "", fmt.Errorf("AuthorizedKeysFile %s has the user id, which account %s gets when it is made: make the account first", pattern, a.name)
		default:
			return "", fmt.Errorf("AuthorizedKeysFile %s: token %%%s is unknown", pattern, token)
		}
	}
	path := b.String()
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.home, path)
	}
	return filepath.Clean(path), nil
}

// wantedStartups is the number of connections that may log in at once on a Dom0
// whose guests are all fenced at the same time.
const wantedStartups = 64

// startupsAdvice is what to set where sshd would drop connections when many
// nodes are fenced at once, or "".
func (s sshdSettings) startupsAdvice(calls int) string {
	value := s.first("maxstartups")
	begin, _, _ := strings.Cut(value, ":")
	if n, err := strconv.Atoi(begin); err != nil || n >= max(wantedStartups, calls) {
		return ""
	}
	wanted := max(100, calls)
	return fmt.Sprintf("sshd has MaxStartups %s: beyond that many logins at once it drops some, as when many nodes are fenced together: set MaxStartups %d:30:%d in its configuration",
		value, wanted, 2*wanted)
}
