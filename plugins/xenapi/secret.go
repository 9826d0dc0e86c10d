package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/xenapi/rpc"
)

const (
	// scriptLimit is the time that passwd_script has.
	scriptLimit = 5 * time.Second
	// maxSecret is the length that no password has.
	maxSecret = 4 << 10
)

// A secret is a Value that shows itself to nobody.
type secret struct{ text string }

// Set takes any text. It is checked when it is used, so that no message has it.
func (s *secret) Set(text string) error { s.text = text; return nil }

// String returns nothing.
func (s *secret) String() string { return "" }

// GoString returns nothing.
func (s *secret) GoString() string { return "secret" }

// Type is string.
func (s *secret) Type() string { return "string" }

// A password is where the password comes from: one of the three.
type password struct {
	passwd secret
	file   stonith.Text
	script stonith.Text
}

// source returns a function that returns the password. The file is read at once,
// the script is run when the function is called. Errors never have the password.
func (p *password) source() (func(context.Context) (string, error), error) {
	given := 0
	for _, text := range []string{p.passwd.text, string(p.file), string(p.script)} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		return nil, stonith.Errorf(stonith.BadConfig, "%d of passwd, passwd_file and passwd_script are set, want one", given).
			WithHint("passwd_file names a file with the password, which only root can read; password and password_script count as passwd and passwd_script")
	}
	var text string
	var err error
	switch {
	case p.script != "":
		return p.runScript, checkScript(string(p.script))
	case p.file != "":
		text, err = readSecret(string(p.file))
	default:
		text, err = usable("passwd", p.passwd.text)
	}
	return func(context.Context) (string, error) { return text, nil }, err
}

// usable refuses what cannot be a password, or would be another one on the wire.
func usable(origin, text string) (string, error) {
	switch {
	case text == "":
		return "", stonith.Errorf(stonith.BadConfig, "%s: no password in it", origin)
	case strings.ContainsAny(text, "\r\n"):
		return "", stonith.Errorf(stonith.BadConfig, "%s: more than one line, want the password alone", origin)
	case len(text) > maxSecret:
		return "", stonith.Errorf(stonith.BadConfig, "%s: longer than %d bytes, want the password alone", origin, maxSecret)
	case !rpc.Carries(text):
		return "", stonith.Errorf(stonith.BadConfig, "%s: the password has a character that XML cannot carry, so xapi cannot be sent it", origin)
	}
	return text, nil
}

// firstLine takes away one line end.
func firstLine(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

// readSecret reads a file that no one else can read.
func readSecret(path string) (string, error) {
	// A pipe without a writer would otherwise never open.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", stonith.Errorf(stonith.BadConfig, "passwd_file: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return "", stonith.Errorf(stonith.BadConfig, "passwd_file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", stonith.Errorf(stonith.BadConfig, "passwd_file: %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", stonith.Errorf(stonith.BadConfig, "passwd_file: %s has mode %04o, so that others than its owner can use the password", path, mode).
			WithHint("chmod 600 %s, and change the password if others may have read it", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+3))
	if err != nil {
		return "", stonith.Errorf(stonith.BadConfig, "passwd_file: %w", err)
	}
	return usable("passwd_file: "+path, firstLine(string(text)))
}

// checkScript looks at the file, and does not run it.
func checkScript(path string) error {
	if !filepath.IsAbs(path) {
		return stonith.Errorf(stonith.BadConfig, "passwd_script: %q is not an absolute path", path).
			WithHint("passwd_script is one program without arguments; no shell reads it")
	}
	info, err := os.Stat(path)
	if err != nil {
		return stonith.Errorf(stonith.BadConfig, "passwd_script: %w", err).
			WithHint("passwd_script is one program without arguments; no shell reads it")
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular() || mode.Perm()&0o111 == 0:
		return stonith.Errorf(stonith.BadConfig, "passwd_script: %s is not an executable file", path)
	case mode.Perm()&0o022 != 0:
		return stonith.Errorf(stonith.BadConfig, "passwd_script: %s has mode %04o, so that others than its owner can change it", path, mode.Perm()).
			WithHint("chmod go-w %s", path)
	}
	return nil
}

// runScript runs the program and returns what it printed.
func (p *password) runScript(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, scriptLimit)
	defer cancel()
	var stdout, stderr head
	stdout.limit, stderr.limit = maxSecret+3, 300
	command := exec.CommandContext(ctx, string(p.script))
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	command.Dir = "/"
	command.Stdout, command.Stderr = &stdout, &stderr
	command.WaitDelay = time.Second
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return "", stonith.Errorf(stonith.TimedOut, "passwd_script: %s printed no password in time: %w", p.script, ctx.Err())
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return "", stonith.Errorf(stonith.BadConfig, "passwd_script: %s: %w%s", p.script, err, complaint(&stdout, &stderr))
	}
	return usable(fmt.Sprintf("passwd_script: %s", p.script), firstLine(stdout.String()))
}

// complaint is what a script that failed said, unless the password may be in it:
// a shell script that shows what it does (set -x) prints there what it prints.
func complaint(stdout, stderr *head) string {
	if stdout.String() != "" {
		return ", and what it said is not shown, since it printed something as the password"
	}
	return fmt.Sprintf(", stderr %q", stderr.String())
}

// head keeps the beginning of what is written to it.
type head struct {
	limit int
	kept  strings.Builder
}

func (h *head) Write(p []byte) (int, error) {
	if room := h.limit - h.kept.Len(); room > 0 {
		h.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (h *head) String() string { return h.kept.String() }
