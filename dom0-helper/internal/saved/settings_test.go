package saved

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSettings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, save, migrate string }{
		{"", "", ""},
		{"# XENDOMAINS_SAVE=/a\n\n \t# x\n", "", ""},
		{"XENDOMAINS_SAVE=/var/lib/xen/save\n", "/var/lib/xen/save", ""},
		{"# settings\r\nXENDOMAINS_SAVE=/a/ # x\r\n", "/a", ""},
		{"  export XENDOMAINS_SAVE=\"/a b\" # the directory\n", "/a b", ""},
		{"XENDOMAINS_SAVE='/a$b'", "/a$b", ""},
		{"XENDOMAINS_SAVE=/a'b'\"c\"#d", "/abc#d", ""},
		{"XENDOMAINS_SAVE=/a\nXENDOMAINS_SAVE=/b", "/b", ""},
		{"XENDOMAINS_SAVE=/a\nXENDOMAINS_SAVE=\"\"", "", ""},
		{"XENDOMAINS_SAVE=/a; export XENDOMAINS_SAVE; XENDOMAINS_RESTORE=false", "/a", ""},
		{"export XENDOMAINS_AUTO XENDOMAINS_SAVE=/a", "/a", ""},
		{"XENDOMAINS_CREATE_USLEEP=5000000\nXENDOMAINS_MIGRATE=\"dom0-b\"\nXENDOMAINS_AUTO=/etc/xen/auto", "", "dom0-b"},
		{"XENDOMAINS_MIGRATE=$OTHER\nXENDOMAINS_SAVE=/a", "/a", "$OTHER"},
		{"XENDOMAINS_SAVED=/a", "", ""},
	} {
		got, err := parseSettings(test.text)
		if diff := cmp.Diff(Settings{Save: test.save, Migrate: test.migrate}, got); err != nil || diff != "" {
			t.Errorf("parseSettings(%q): %v (-want +got):\n%s", test.text, err, diff)
		}
	}
}

func TestParseSettingsRefuses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"XENDOMAINS_SAVE=$HOME/save", "XENDOMAINS_SAVE=\"${DIR}\"", "XENDOMAINS_SAVE=`cat /x`", "XENDOMAINS_SAVE=$(cat /x)",
		"XENDOMAINS_SAVE=/a\r", "XENDOMAINS_SAVE=/link/../a", "\r", "XENDOMAINS_SAVE=save", "XENDOMAINS_SAVE=~/save", "XENDOMAINS_SAVE=/a\\ b", "XENDOMAINS_SAVE=\"/a", "XENDOMAINS_SAVE='/a",
		"XENDOMAINS_SAVE+=/b", "XENDOMAINS_SAVE=/a true", "XENDOMAINS_SAVE=/a && true", "XENDOMAINS_SAVE=/a \\",
		"test -n \"$XENDOMAINS_SAVE\" || XENDOMAINS_SAVE=/a", ": ${XENDOMAINS_SAVE:=/a}", "A=${XENDOMAINS_SAVE:=/a}",
		"unset XENDOMAINS_SAVE", "declare XENDOMAINS_SAVE=/a", "if true; then XENDOMAINS_SAVE=/a; fi", "XENDOMAINS_SAVE", "export A; unset XENDOMAINS_SAVE",
		". /etc/other", "source /etc/other", "eval x", "A=1 . /etc/other", "A=\"1", "}",
	} {
		text := "XENDOMAINS_SAVE=/good\n" + line + "\n"
		got, err := parseSettings(text)
		if err == nil || !strings.HasPrefix(err.Error(), "2: ") {
			t.Errorf("parseSettings(%q) = %+v, %v, want an error of line 2", text, got, err)
		}
	}
}

func TestReadSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "xendomains")
	if got, err := readSettings(path); err != nil || got != (Settings{}) {
		t.Errorf("readSettings of none = %+v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("\nXENDOMAINS_SAVE=$A\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSettings(path); err == nil || !strings.HasPrefix(err.Error(), path+":2: ") {
		t.Errorf("readSettings = %v, want an error with the place", err)
	}
	if _, err := readSettings(t.TempDir()); err == nil {
		t.Error("readSettings of a directory: no error")
	}
}
