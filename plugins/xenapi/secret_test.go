package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// writeMode writes a file with that mode and returns its path.
func writeMode(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := program.Write(path, text, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func script(t *testing.T, lines string) string {
	return writeMode(t, 0o700, "#!/bin/sh\n"+lines+"\n")
}

func TestPassword(t *testing.T) {
	const given = "pass wörd "
	tests := []struct {
		name               string
		passwd, file, prog string
		says               string // of the error
	}{
		{name: "itself", passwd: given},
		{name: "file", file: writeMode(t, 0o400, given)},
		{name: "file with a line end", file: writeMode(t, 0o600, given+"\n")},
		{name: "file with a foreign line end", file: writeMode(t, 0o600, given+"\r\n")},
		{name: "script", prog: script(t, "printf '"+given+"\\n'")},
		{name: "none", says: "0 of passwd, passwd_file and passwd_script are set"},
		{name: "two", passwd: given, file: "/x", says: "2 of passwd, passwd_file and passwd_script are set"},
		{name: "no file", file: "/nowhere", says: "passwd_file: open /nowhere: no such file"},
		{name: "empty file", file: writeMode(t, 0o600, "\n"), says: "no secret in it"},
		{name: "file with two lines", file: writeMode(t, 0o600, given+"\n"+given), says: "more than one line"},
		{name: "long file", file: writeMode(t, 0o600, strings.Repeat(given, 1000)), says: "longer than 4096 bytes"},
		{name: "file that others can read", file: writeMode(t, 0o640, given), says: "has mode 0640"},
		{name: "directory", file: t.TempDir(), says: "is not a regular file"},
		{name: "a character that XML has not", file: writeMode(t, 0o600, given+"\x07"), says: "a character that XML cannot carry"},
		{name: "bytes that are no text", file: writeMode(t, 0o600, given+"\xff"), says: "a character that XML cannot carry"},
		{name: "script by name", prog: "pass", says: `passwd_script: not an absolute path`},
		{name: "script with arguments", prog: "/bin/echo secret", says: "no such file"},
		{name: "script that is none", prog: writeMode(t, 0o600, given), says: "is not an executable file"},
		{name: "script that others can change", prog: writeMode(t, 0o722, given), says: "mode 0722"},
		{name: "script that fails", prog: script(t, "echo vault is sealed >&2; exit 3"), says: `exit status 3, stderr "vault is sealed`},
		{name: "script that shows what it does", prog: script(t, "set -x; echo "+given+"; exit 3"), says: "exit status 3"},
		{name: "script with a character that XML has not", prog: script(t, "printf '"+given+"\\007'"), says: "a character that XML cannot carry"},
	}
	for _, tt := range tests {
		p := password{file: stonith.Text(tt.file), script: stonith.Text(tt.prog)}
		_ = p.passwd.Set(tt.passwd)
		source, err := p.source()
		got := ""
		if err == nil {
			got, err = source(t.Context())
		}
		switch {
		case tt.says == "" && (err != nil || got != given):
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, given)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %q, %v, want an error with %q", tt.name, got, err, tt.says)
		case err != nil && (strings.Contains(err.Error(), "wörd") || stonith.ReasonOf(err) != stonith.BadConfig):
			t.Errorf("%s: %v (%s)", tt.name, err, stonith.ReasonOf(err))
		}
	}
}
