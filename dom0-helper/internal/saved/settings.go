package saved

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Settings are what the settings file of the script xendomains says of guests
// that it saves when the Dom0 shuts down, and restores when it starts.
type Settings struct {
	// Save is the directory that it saves to. It is empty if the file names none.
	Save string
	// Migrate is where it migrates guests to before it saves any, empty for nowhere.
	Migrate string
}

// maxSettings is the most that a settings file may hold, in bytes.
const maxSettings = 1 << 20

// readSettings reads a settings file, which the script runs as a part of itself.
// We never run it. A file that is missing sets nothing.
func readSettings(path string) (Settings, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, nil
	}
	if err != nil {
		return Settings{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxSettings+1))
	if err == nil && len(text) > maxSettings {
		err = fmt.Errorf("%s: more than %d bytes", path, maxSettings)
	}
	if err != nil {
		return Settings{}, err
	}
	settings, err := parseSettings(string(text))
	if err != nil {
		return Settings{}, fmt.Errorf("%s:%w", path, err)
	}
	return settings, nil
}

// The variables of xendomains that count here.
const (
	saveVariable    = "XENDOMAINS_SAVE"
	migrateVariable = "XENDOMAINS_MIGRATE"
)

// parseSettings takes the value of each variable that is written out, the last
// one of several. Where the directory would have to be computed it is an error,
// which begins with the line: so is a file that has anything but assignments, as
// that may set or unset every variable.
func parseSettings(text string) (Settings, error) {
	var s Settings
	for i, line := range strings.Split(text, "\n") {
		words, ok := shellWords(line)
		for _, word := range words {
			ok = ok && s.take(word)
		}
		if !ok {
			return Settings{}, fmt.Errorf("%d: %q is no assignment of a value that is written out, so %s cannot be told",
				i+1, strings.Trim(line, " \t"), saveVariable)
		}
	}
	return s, nil
}

// take takes an assignment. It reports whether it understood the word.
func (s *Settings) take(word shellWord) bool {
	name, value, assigns := strings.Cut(word.text, "=")
	switch {
	case word.text == "export":
		return word.first
	case !isName(name), !assigns:
		return word.exported && isName(word.text)
	case name == migrateVariable:
		s.Migrate = value
	case name != saveVariable:
		return !strings.Contains(value, saveVariable) // ${NAME:=VALUE} assigns too
	case value == "":
		s.Save = ""
	case word.computed, !filepath.IsAbs(value), strings.Contains(value, "/.."): // what is above a link, only the link tells
		return false
	default:
		s.Save = filepath.Clean(value)
	}
	return true
}

func isName(text string) bool {
	for i, c := range []byte(text) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// A shellWord is a word of a line of shell, without its quotes.
type shellWord struct {
	text     string
	first    bool // of a command
	exported bool // behind the word export
	computed bool // the shell would make something else of it
}

// shellWords splits a line as the shell would (POSIX, Shell Command Language,
// 2.2 and 2.3), as far as assignments need it. It reports whether it understood
// all of the line; one that goes on in the next line it does not.
func shellWords(line string) (words []shellWord, ok bool) {
	next := shellWord{first: true}
	word, inWord := next, false
	end := func() {
		if inWord {
			words = append(words, word)
			next = shellWord{exported: next.exported || word.first && word.text == "export"}
		}
		word, inWord = next, false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t':
			end()
		case ';':
			end()
			next = shellWord{first: true}
			word = next
		case '\'', '"':
			length := strings.IndexByte(line[i+1:], c)
			if length < 0 {
				return words, false
			}
			quoted := line[i+1 : i+1+length]
			word.computed = word.computed || c == '"' && strings.ContainsAny(quoted, "$`\\")
			if c == '"' && strings.HasSuffix(quoted, `\`) {
				return words, false
			}
			word.text, inWord = word.text+quoted, true
			i += 1 + length
		case '\\', '&', '|', '<', '>', '(', ')', '\r': // to the shell, the last is a letter as any other
			return words, false
		default:
			if c == '#' && !inWord {
				return words, true
			}
			word.computed = word.computed || strings.IndexByte("$`~*?[{", c) >= 0
			word.text, inWord = word.text+line[i:i+1], true
		}
	}
	end()
	return words, true
}
