package live

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file is replaced as a whole, keeps its mode, and a link to it stays one.
func TestReplaceFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "cib.xml"), filepath.Join(dir, "link.xml")
	write(t, file, "old")
	if err := errors.Join(os.Chmod(file, 0o640), os.Symlink("cib.xml", link)); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "new" {
		t.Errorf("%q, %v, want new", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v, want 0640", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 2 {
		t.Errorf("%v, %v are left, want the file and the link", all, err)
	}
}

// What is no file keeps nobody waiting.
func TestReadFileRefuses(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, "/dev/zero", t.TempDir()} {
		c := &Cluster{File: name}
		if _, err := c.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "it is not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that somebody else has changed, or that is the cluster's own, stays.
func TestReplaceFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "cib.xml")
	write(t, file, "other")
	if err := replaceFile(file, []byte("old"), []byte("new")); !errors.Is(err, errStale) {
		t.Errorf("a file that has changed: %v, want %v", err, errStale)
	}
	write(t, file+".sig", "")
	if err := replaceFile(file, []byte("other"), []byte("new")); err == nil || !strings.Contains(err.Error(), "the cluster's own file") {
		t.Errorf("the cluster's own file: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "other" {
		t.Errorf("%q, %v, want that the file is as it was", text, err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 2 {
		t.Errorf("%v, %v are left, want two files", all, err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A tool has an environment of its own, and what it says of a failure is in one line.
func TestRun(t *testing.T) {
	t.Parallel()
	tools, err := NewTools()
	if err != nil {
		t.Fatal(err)
	}
	out, err := tools.Run(context.Background(), Call{Program: "env", CIBFile: "/x"})
	if want := "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nHOME=" + tools.home + "\nLC_ALL=C.UTF-8\nCIB_file=/x\n"; err != nil || string(out) != want {
		t.Errorf("env: %v\n%swant\n%s", err, out, want)
	}
	out, err = tools.Run(context.Background(), Call{Program: "cat", Stdin: []byte("x")})
	if err != nil || string(out) != "x" {
		t.Errorf("cat: %q, %v, want x", out, err)
	}
	_, err = tools.Run(context.Background(), Call{Program: "cat", Args: []string{"/nonexistent"}})
	if err == nil || err.Error() != "cat: exit status 1: /usr/bin/cat: /nonexistent: No such file or directory" || exitStatus(err) != 1 {
		t.Errorf("cat of nothing: %v", err)
	}
	_, err = tools.Run(context.Background(), Call{Program: "cat", Args: []string{"-", "/nonexistent"}, Stdin: []byte("error: s3cret")})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("cat of something and nothing: %v, want what it says on standard error", err)
	}
	if _, err = tools.Run(context.Background(), Call{Program: "no-such-program"}); err == nil || !strings.Contains(err.Error(), "not found in /usr/sbin") {
		t.Errorf("no program: %v", err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err = tools.Run(stopped, Call{Program: "sleep", Args: []string{"60"}}); err == nil || !strings.Contains(err.Error(), "sleep: stopped") {
		t.Errorf("a program that is stopped: %v", err)
	}
	if err := tools.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tools.home); !os.IsNotExist(err) {
		t.Errorf("the home is still there: %v", err)
	}
}

func TestSaid(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "",
		"a\n\n b\n":                             "a; b",
		"a\nError: b\nERROR: c\n":               "Error: b; ERROR: c",
		"\x1b[31mERROR\x1b[0m: st: no\nINFO: x": "ERROR: st: no",
		"1 <cib>\n2   <nvpair value=\"s3cret\"/>\n3\nCall failed: no\n": "Call failed: no",
		"<nvpair value=\"s3cret\"/>\nInit failed\n":                     "Init failed",
		"1\n2\n3\n4\n5\n6\n": "1; 2; 3; 4; 5; and more",
	} {
		if got := Said(text); got != want {
			t.Errorf("Said(%q) is %q, want %q", text, got, want)
		}
	}
}
