package toolstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain makes the test's binary a program of another name, if it gets no flags of tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		syscall.Exit(beProgram(os.Args[1:])) // os.Exit takes a second with the race detector
	}
	os.Exit(m.Run())
}

// beProgram is the program that the tests run in place of xl and others.
func beProgram(args []string) int {
	switch args[0] {
	case "create", "hang":
		time.Sleep(time.Minute)
	case "restore": // opens the file that is its last word, and says so
		file, err := os.Open(args[len(args)-1])
		if err == nil {
			fmt.Println("open")
			time.Sleep(time.Minute)
			_ = file.Close() // it is open until then
		}
	case "list": // prints the file of that name beside it
		text, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), strings.Join(args, " ")))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		_, _ = os.Stdout.Write(text)
	case "surroundings":
		dir, err := os.Getwd()
		fmt.Printf("%q %q %v", os.Environ(), dir, err)
	case "arguments":
		fmt.Printf("%q", args)
	case "fail":
		fmt.Print("this is of no interest")
		fmt.Fprint(os.Stderr, "\nParsing config from /a\n/a:1: warning: odd\nthe first line\nthe second line\n")
		return 3
	case "much":
		text := bytes.Repeat([]byte("much\n"), muchText/5)
		_, _ = os.Stderr.Write(text)
		_, _ = os.Stdout.Write(text)
	case "leave-child":
		child := exec.Command("/proc/self/exe", "hang")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			return 1
		}
		pid := strconv.Itoa(child.Process.Pid)
		if err := os.WriteFile(os.Args[0]+".child", []byte(pid), 0o600); err != nil {
			return 1
		}
	}
	return 0
}

const muchText = 5 << 20

// fakeProgram makes a copy of the test's binary of that name, with the files
// that its command list prints beside it.
func fakeProgram(t *testing.T, name string, lists map[string]string) program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for command, text := range lists {
		if err := os.WriteFile(filepath.Join(dir, command), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, name)
	// A file that this process had written could not be run while a child of
	// another test, which is just being started, has it open.
	if out, err := exec.Command("cp", self, path).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	return program{path}
}

func TestRun(t *testing.T) {
	t.Parallel()
	p := fakeProgram(t, "xl", nil)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"surroundings"}, `[] "/" <nil>`},
		{[]string{"arguments", "a b", "", "$HOME", "*", "-f"}, `["arguments" "a b" "" "$HOME" "*" "-f"]`},
		{[]string{"much"}, strings.Repeat("much\n", muchText/5)},
		{[]string{"nothing"}, ""},
	}
	for _, test := range tests {
		t.Run(test.args[0], func(t *testing.T) {
			t.Parallel()
			got, err := p.run(t.Context(), time.Minute, test.args...)
			if err != nil {
				t.Fatalf("run(%q): %v", test.args, err)
			}
			if test.want != string(got) {
				t.Errorf("run(%q): %d bytes %.60q, want %d bytes %.60q", test.args, len(got), got, len(test.want), test.want)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	p := fakeProgram(t, "xl", nil)
	_, err := p.run(t.Context(), time.Minute, "fail", "x")
	if diff := cmp.Diff("xl fail x: exit status 3: the first line", fmt.Sprint(err)); diff != "" {
		t.Errorf("error of run (-want +got):\n%s", diff)
	}
	missing := program{filepath.Join(t.TempDir(), "xl")}
	if _, err := missing.run(t.Context(), time.Minute, "list"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("run of a missing program: %v, want %v", err, os.ErrNotExist)
	}
}

func TestCause(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                                     "",
		"\n\n":                                 "",
		"one":                                  "one",
		"one\ntwo\n":                           "one",
		"a:1: warning: b\ntwo":                 "two",
		"Parsing config from /a: warning: b\n": "Parsing config from /a: warning: b",
		"libxl: error: x.c:1:libxl_report_child_exitstatus: y\n": "libxl: error: x.c:1:libxl_report_child_exitstatus: y",
	}
	for stderr, want := range tests {
		if got := cause(stderr); got != want {
			t.Errorf("cause(%q) = %q, want %q", stderr, got, want)
		}
	}
}

// A program that hangs is ended, be it by its own limit or by that of the request.
func TestRunEndsWhatHangs(t *testing.T) {
	t.Parallel()
	x := xl{fakeProgram(t, "xl", nil)}
	config := filepath.Join(t.TempDir(), "guest.cfg")
	short := 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	for what, run := range map[string]func() error{
		"limit":   func() error { _, err := x.run(t.Context(), short, "create", config); return err },
		"context": func() error { return x.Create(ctx, config) },
	} {
		start := time.Now()
		err := run()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: the end came after %s, want %s", what, took, short)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want %v", what, err, context.DeadlineExceeded)
		}
		if got := fmt.Sprint(err); !strings.HasPrefix(got, "xl create "+config+": no answer") {
			t.Errorf("%s: error %q does not tell the command", what, got)
		}
		if left := reviverPIDs(t, "no-guest", config); len(left) > 0 {
			t.Errorf("%s: processes %v are left", what, left)
		}
	}
}

// What a program leaves in the background does not keep the helper waiting,
// even if it keeps the output open.
func TestRunLeavesChildren(t *testing.T) {
	t.Parallel()
	p := fakeProgram(t, "xl", nil)
	start := time.Now()
	_, err := p.run(t.Context(), time.Minute, "leave-child")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("run returned after %s (error: %v)", took, err)
	}
	text, err := os.ReadFile(p.path + ".child")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the child in the background: %v", err)
	}
}
