package stonith

import (
	"io/fs"
	"path/filepath"
	"strings"
)

// maxSecret is the length that no secret has, in bytes.
const maxSecret = 4 << 10

// A Secret is a Value that shows itself to nobody.
type Secret struct{ text string }

// Set takes any text. It is checked when it is used, so that no message has it.
func (s *Secret) Set(text string) error { s.text = text; return nil }

// String returns nothing.
func (s *Secret) String() string { return "" }

// GoString returns nothing.
func (s *Secret) GoString() string { return "secret" }

// Type is string.
func (s *Secret) Type() string { return "string" }

// Reveal returns the secret.
func (s *Secret) Reveal() string { return s.text }

// CheckSecret says what is wrong with a secret without showing it: it is empty, has
// several lines, or is longer than any. origin says where it is from.
func CheckSecret(origin, text string) error {
	switch {
	case text == "":
		return Errorf(BadConfig, "%s: no secret in it", origin)
	case strings.ContainsAny(text, "\r\n"):
		return Errorf(BadConfig, "%s: more than one line, want the secret alone", origin)
	case len(text) > maxSecret:
		return Errorf(BadConfig, "%s: longer than %d bytes, want the secret alone", origin, maxSecret)
	}
	return nil
}

// ReadSecret returns the only line of a file that no one but its owner can read. The
// file is the value of the parameter param. No error has what is in it.
func ReadSecret(param, path string) (string, error) {
	if !filepath.IsAbs(path) { // it is not shown: it may be the secret itself
		return "", Errorf(BadConfig, "%s: not an absolute path", param).WithHint("%s names a file, by a path that begins with /", param)
	}
	text, err := ReadFile(param, path, maxSecret+3, func(perm fs.FileMode) error {
		if perm&0o077 == 0 {
			return nil
		}
		return Errorf(BadConfig, "%s: %s has mode %04o, so that others than its owner can use the secret", param, path, perm).
			WithHint("chmod 600 %s, and change the secret if others may have read it", path)
	})
	if err != nil {
		return "", err
	}
	secret := FirstLine(string(text))
	return secret, CheckSecret(param+": "+path, secret)
}

// FirstLine takes away one line end.
func FirstLine(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}
