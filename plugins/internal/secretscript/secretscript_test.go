package secretscript

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// script writes a shell script below dir and returns its path.
func script(t *testing.T, dir, lines string) string {
	t.Helper()
	path := filepath.Join(dir, "script")
	if err := program.Write(path, "#!/bin/sh\n"+lines+"\n", 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	t.Parallel()
	const secret = "pass wörd "
	for _, tt := range []struct {
		name, lines string
		says        string // of the error
	}{
		{"a line", "printf '" + secret + "\\n'", ""},
		{"no line end", "printf '" + secret + "'", ""},
		{"something is left behind", "printf '" + secret + "'; sleep 5 &", ""},
		{"fails", "echo vault is sealed >&2; exit 3", `x: PATH: exit status 3, stderr "vault is sealed`},
		{"fails, having printed", "echo '" + secret + "'; echo '" + secret + "' >&2; exit 3", "exit status 3, and what it said is not shown"},
		{"silent", ":", "x: PATH: no secret in it"},
		{"two lines", "echo '" + secret + "'; echo b", "more than one line"},
		{"endless line", "yes | tr -d '\\n' | head -c 100000", "longer than 4096 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := script(t, t.TempDir(), tt.lines)
			got, err := Run(t.Context(), "x", path)
			switch {
			case tt.says == "" && (err != nil || got != secret):
				t.Errorf("%q, %v, want %q", got, err, secret)
			case tt.says != "" && (err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), path, "PATH"), tt.says)):
				t.Errorf("%q, %v, want an error with %q", got, err, tt.says)
			case err != nil && (got != "" || strings.Contains(err.Error(), "wörd") || stonith.ReasonOf(err) != stonith.BadConfig):
				t.Errorf("%q, %v (%s)", got, err, stonith.ReasonOf(err))
			}
		})
	}
}

// A program that hangs is killed, with what it has started.
func TestHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Run(t.Context(), "x", script(t, dir, "sleep 1000 & echo $! >'"+dir+"/child'; sleep 1000"))
	if stonith.ReasonOf(err) != stonith.TimedOut || !strings.Contains(err.Error(), "printed no secret in time") {
		t.Errorf("err = %v", err)
	}
	child, err := os.ReadFile(dir + "/child")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); lives(strings.TrimSpace(string(child))); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what it has started lives on")
		}
	}
}

// lives tells whether the process is there, and not just waited for by nobody.
func lives(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// The program has neither our environment nor our arguments, and no shell reads its path.
func TestIsAlone(t *testing.T) {
	t.Setenv("SECRET_OF_THE_CLUSTER", "x")
	dir := filepath.Join(t.TempDir(), "a b;c")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := script(t, dir, `echo "$SECRET_OF_THE_CLUSTER$# $PWD"`)
	if got, err := Run(t.Context(), "x", path); err != nil || got != "0 /" {
		t.Errorf("it prints %q, %v, want %q", got, err, "0 /")
	}
}
