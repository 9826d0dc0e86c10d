//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A bed is one simulated host of a test.
type bed struct {
	*testing.T
	host host
}

// answer is what one xl command did.
type answer struct {
	stdout, stderr string
	code           int
}

// compile builds the program once for all beds.
func compile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "xl")
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

// newBed installs the program on a host of its own. Its reboot gap is short, and long enough
// for a busy machine to look into it.
func newBed(t *testing.T, program string) bed {
	t.Helper()
	b := bed{t, host(t.TempDir())}
	b.must(os.Mkdir(b.host.path("sbin"), 0o755))
	for _, name := range []string{"xl", "guest", "libxl-save-helper"} {
		b.must(exec.Command("cp", program, b.host.path("sbin", name)).Run())
	}
	b.xl("list")
	b.write("fault/gap-ms", "1000")
	t.Cleanup(func() { b.xl("sim", "down") })
	return b
}

func (b bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b bed) write(file, text string) {
	b.Helper()
	b.must(os.WriteFile(b.host.path(file), []byte(text), 0o644))
}

func (b bed) read(file string) string {
	b.Helper()
	text, err := os.ReadFile(b.host.path(file))
	b.must(err)
	return string(text)
}

// xl runs one command with an empty environment.
func (b bed) xl(args ...string) answer {
	b.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(b.host.path("sbin", "xl"), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{}, &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// want runs one command and compares all it did.
func (b bed) want(want answer, args ...string) {
	b.Helper()
	if got := b.xl(args...); got != want {
		b.Errorf("xl %q:\n got %#v\nwant %#v", args, got, want)
	}
}

// config writes a configuration of guest alpha and returns its path.
func (b bed) config(lines ...string) string {
	b.Helper()
	lines = append([]string{`name = "alpha"`, `uuid = "` + alphaUUID + `"`, "memory = 128"}, lines...)
	b.write("alpha.cfg", strings.Join(lines, "\n")+"\n")
	return b.host.path("alpha.cfg")
}

const alphaUUID = "9e8b58c8-81e2-4411-b8fc-f2ab88b5627c"

// create starts alpha and returns its configuration's path.
func (b bed) create(lines ...string) string {
	b.Helper()
	cfg := b.config(lines...)
	b.want(answer{}, "create", "-q", cfg)
	return cfg
}

// eventually waits for a condition that another process brings about.
func (b bed) eventually(what string, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not seen in 5 s: %s\n%s", what, b.xl("list", "-v").stdout)
		}
	}
}

// shows waits until list has exactly these guest rows.
func (b bed) shows(rows ...string) {
	b.Helper()
	want := header + dom0Row + strings.Join(rows, "")
	b.eventually(want, func() bool { return b.xl("list").stdout == want })
}

// logs waits until the log of alpha's background xl is this; PID stands for its
// pid, which is returned.
func (b bed) logs(want ...string) (pid int) {
	b.Helper()
	text := strings.Join(want, "\n") + "\n"
	b.eventually(text, func() bool {
		log, _ := os.ReadFile(b.host.path("log", "xl-alpha.log"))
		_, after, _ := strings.Cut(string(log), "[pid ")
		digits, _, _ := strings.Cut(after, "]")
		pid, _ = strconv.Atoi(digits)
		return string(log) == strings.ReplaceAll(text, "PID", digits)
	})
	return pid
}

// processes lists the pids that run a program of this host.
func (b bed) processes() (pids []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if exe, _ := os.Readlink(link); strings.HasPrefix(exe, string(b.host)+"/") {
			pids = append(pids, strings.Split(link, "/")[2])
		}
	}
	return pids
}

const (
	header  = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
	dom0Row = "Domain-0                                     0   512     1     r-----      78.8\n"
)

// alphaRow is alpha in xl list.
func alphaRow(id int, flags string) string {
	return fmt.Sprintf("alpha                                    %5d   128     1     %s       0.0\n", id, flags)
}
