package installation

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/gateline"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// A keyLine is a line of an authorized keys file that has a key, sshd(8).
type keyLine struct {
	number  int
	options []keyOption
	key     publicKey
}

// A publicKey is one as ssh-keygen writes it. Equal keys have equal blobs, however
// they were written.
type publicKey struct{ kind, blob, comment string }

// A keyOption is one word before a key. Names are in lower case, since case does not count.
type keyOption struct {
	name, value string
	valued      bool
}

func (o keyOption) String() string {
	if !o.valued {
		return o.name
	}
	return o.name + `="` + strings.ReplaceAll(o.value, `"`, `\"`) + `"`
}

// String is the line as sshd reads it.
func (k keyLine) String() string {
	options := make([]string, len(k.options))
	for i, o := range k.options {
		options[i] = o.String()
	}
	return strings.Trim(strings.Join(options, ",")+" "+k.key.String(), " ")
}

func (p publicKey) String() string {
	return strings.Trim(p.kind+" "+p.blob+" "+p.comment, " ")
}

// parseKeys returns the lines that have a key, and the numbers of those that are
// neither that nor empty nor a comment: sshd passes over them.
func parseKeys(text string) (keys []keyLine, odd []int) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.Trim(line, " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := parseKeyLine(line)
		if err != nil {
			odd = append(odd, i+1)
			continue
		}
		key.number = i + 1
		keys = append(keys, key)
	}
	return keys, odd
}

func parseKeyLine(line string) (keyLine, error) {
	if key, err := parsePublicKey(line); err == nil {
		return keyLine{key: key}, nil
	}
	end := optionsEnd(line)
	options, err := parseOptions(line[:end])
	if err != nil {
		return keyLine{}, err
	}
	key, err := parsePublicKey(strings.TrimLeft(line[end:], " \t"))
	return keyLine{options: options, key: key}, err
}

// optionsEnd is where the options end: at the first blank outside of quotes. In
// and out of quotes, \" is no quote (auth2-pubkeyfile.c of OpenSSH).
func optionsEnd(line string) int {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case !quoted && (line[i] == ' ' || line[i] == '\t'):
			return i
		case line[i] == '\\' && i+1 < len(line) && line[i+1] == '"':
			i++
		case line[i] == '"':
			quoted = !quoted
		}
	}
	return len(line)
}

var optionName = pattern.Lazy(`^[A-Za-z0-9-]+`)

// parseOptions splits options at the commas outside of quotes.
func parseOptions(text string) ([]keyOption, error) {
	var options []keyOption
	for {
		name := optionName().FindString(text)
		if name == "" {
			return nil, fmt.Errorf("%q is not an option", text)
		}
		option := keyOption{name: strings.ToLower(name)}
		text = text[len(name):]
		if rest, ok := strings.CutPrefix(text, `="`); ok {
			value, after, err := unquote(rest)
			if err != nil {
				return nil, fmt.Errorf("option %s: %w", name, err)
			}
			option.value, option.valued, text = value, true, after
		}
		options = append(options, option)
		if text == "" {
			return options, nil
		}
		rest, ok := strings.CutPrefix(text, ",")
		if !ok {
			return nil, fmt.Errorf("option %s is followed by %q", name, text)
		}
		text = rest
	}
}

// unquote returns what is before the next quote, in which \" is a quote, and what is behind it.
func unquote(text string) (value, after string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '"':
			i++
			b.WriteByte('"')
		case text[i] == '"':
			return b.String(), text[i+1:], nil
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", errors.New("missing quote")
}

// parsePublicKey parses TYPE BLOB [COMMENT]. The blob says its type once more, RFC 4253.
func parsePublicKey(text string) (publicKey, error) {
	kind, rest := cutBlank(text)
	blob, comment := cutBlank(rest)
	inner, err := base64.StdEncoding.DecodeString(blob)
	if err != nil || len(inner) < 4 {
		return publicKey{}, fmt.Errorf("%.40q is not a public key", text)
	}
	n := int64(binary.BigEndian.Uint32(inner))
	if kind == "" || n != int64(len(kind)) || int64(len(inner)) <= 4+n || string(inner[4:4+n]) != kind {
		return publicKey{}, fmt.Errorf("%.40q is not a public key", text)
	}
	return publicKey{kind, base64.StdEncoding.EncodeToString(inner), strings.TrimRight(comment, " \t\r")}, nil
}

// cutBlank cuts text at its first run of blanks or tabs.
func cutBlank(text string) (word, rest string) {
	at := strings.IndexAny(text, " \t")
	if at < 0 {
		return text, ""
	}
	return text[:at], strings.TrimLeft(text[at:], " \t")
}

// option returns the value of an option and how often the line has it.
func (k keyLine) option(name string) (value string, count int) {
	for _, o := range k.options {
		if o.name == name {
			value = o.value
			count++
		}
	}
	return value, count
}

// gate returns what the forced command says, if it is that of our gate. An error says why the
// gate refuses every request: then it says nothing.
func (k keyLine) gate() (helper string, g gateline.Options, ok bool, err error) {
	command, count := k.option("command")
	words := strings.Fields(command)
	if count != 1 || len(words) < 2 || filepath.Base(words[0]) != "dom0-helper" || words[1] != "gate" {
		return "", g, false, nil
	}
	if g, err = gateline.Parse(words[2:]); err != nil {
		return words[0], gateline.Options{}, true, err
	}
	return words[0], g, true, nil
}

// A KeyRequest asks for a line of authorized keys.
type KeyRequest struct {
	// File has the public key.
	File string
	// Client names the key's owner in the log.
	Client string
	// Allow are the guests that the key may control.
	Allow gateline.GuestSet
	// From are the addresses that the key may come from, as sshd's patterns. None means any.
	From []string
	// Replace lets our line of the same key be replaced by one that says something else.
	Replace bool
}

// fromPattern is a pattern for addresses or host names, ssh_config(5), that needs no quoting.
var fromPattern = pattern.Lazy(`^!?[A-Za-z0-9.:*?/_%\[\]-]+$`)

func (r *KeyRequest) validate() error {
	if err := (gateline.Options{Allow: r.Allow, Client: r.Client}).Check(); err != nil {
		return err
	}
	admits := len(r.From) == 0
	for _, pattern := range r.From {
		if !fromPattern().MatchString(pattern) {
			return fmt.Errorf("option --from: %q is not a pattern of letters, digits and . : * ? / _ %% [ ] - only", pattern)
		}
		admits = admits || pattern[0] != '!'
	}
	if !admits {
		return fmt.Errorf("option --from: %s admits no address: a pattern without ! is missing", strings.Join(r.From, ","))
	}
	return nil
}

// line is the line of authorized keys that r asks for.
func (r *KeyRequest) line(helper string, g gateline.Options, key publicKey) keyLine {
	options := []keyOption{{name: "restrict"}}
	if len(r.From) > 0 {
		options = append(options, keyOption{"from", strings.Join(r.From, ","), true})
	}
	return keyLine{options: append(options, keyOption{"command", g.Command(helper), true}), key: key}
}

// maxPublicKey is the most that a file with one public key may hold, in bytes.
const maxPublicKey = 16 << 10

// readPublicKey reads a file that has one public key and nothing else.
func (l Layout) readPublicKey(path string) (publicKey, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return publicKey{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return publicKey{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPublicKey {
		return publicKey{}, fmt.Errorf("%s: not a file with a public key", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return publicKey{}, err
	}
	key, err := onlyKey(string(text))
	if err != nil {
		return publicKey{}, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := l.run("ssh-keygen", "-lf", path); err != nil {
		return publicKey{}, err
	}
	return key, nil
}

// onlyKey parses text that has one key. Its errors quote nothing: it may be a secret.
func onlyKey(text string) (publicKey, error) {
	if strings.Contains(text, "PRIVATE KEY") || strings.HasPrefix(text, "PuTTY-User-Key-File") {
		return publicKey{}, errors.New("this is a private key, which must stay where it is: give the public one, FILE.pub")
	}
	keys, odd := parseKeys(text)
	switch {
	case len(odd) > 0:
		return publicKey{}, fmt.Errorf("line %d is not a public key", odd[0])
	case len(keys) != 1:
		return publicKey{}, fmt.Errorf("%d public keys, want one", len(keys))
	case len(keys[0].options) > 0:
		return publicKey{}, errors.New("the key has options before it: give the key alone")
	case strings.Contains(keys[0].key.kind, "-cert-"):
		return publicKey{}, errors.New("this is a certificate, want a public key")
	case strings.ContainsFunc(keys[0].key.comment, isControl):
		return publicKey{}, errors.New("the key's comment has control characters")
	}
	return keys[0].key, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
