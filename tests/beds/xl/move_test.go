//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMove(t *testing.T) {
	program := compile(t)
	for name, test := range map[string]func(bed){
		"save and restore": testSave, "save options": testSaveOptions, "save fails": testSaveFails,
		"save killed": testSaveKilled, "restore killed": testRestoreKilled, "bad files": testBadFiles,
		"migrate": testMigrate, "migrate without leave": testMigrateCut, "create by words": testCreateWords,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newBed(t, program))
		})
	}
}

// image is the path of alpha's saved file.
func (b bed) image() string { return b.host.path("alpha.save") }

func testSave(b bed) {
	cfg := b.create("on_crash = 'preserve'")
	got := b.xl("save", "alpha", b.image())
	if got.code != 0 || got.stdout != "" || !strings.HasPrefix(got.stderr, "Saving to "+b.image()+" new xl format (info 0x3/0x0/") {
		b.Errorf("save: %#v", got)
	}
	b.shows()
	text := b.read("alpha.save")
	if !strings.HasPrefix(text, "Xen saved domain, xl format\n \x00 \r\x04\x03\x02\x01\x03\x00\x00\x00\x00\x00\x00\x00") ||
		!strings.Contains(text, "}\x00LibxlFmt") || !strings.HasSuffix(text, strings.Repeat("\x00", 8)) {
		b.Errorf("saved file %.200q", text)
	}
	b.must(os.Remove(cfg))
	got = b.xl("restore", b.image())
	if got.code != 0 || !strings.HasPrefix(got.stderr, "Loading new save file "+b.image()+" (new xl fmt info 0x3/0x0/") {
		b.Errorf("restore: %#v", got)
	}
	b.shows(alphaRow(2, "-b----"))
	if v := b.xl("list", "-v").stdout; !strings.Contains(v, alphaUUID) {
		b.Errorf("another UUID after the restore:\n%s", v)
	}
	pid := b.logs("Waiting for domain alpha (domid 2) to die [pid PID]")
	argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if want := b.host.path("sbin", "xl") + "\x00restore\x00" + b.image() + "\x00"; string(argv) != want {
		b.Errorf("argv %q, want %q", argv, want)
	}
	b.want(answer{}, "sim", "crash", "alpha")
	b.shows(alphaRow(2, "---sc-"))
}

func testSaveOptions(b bed) {
	b.create()
	if got := b.xl("save", "-c", "1", b.image()); got.code != 0 {
		b.Errorf("save -c: %#v", got)
	}
	b.shows(alphaRow(1, "-b----"))
	if got := b.xl("save", "-p", "alpha", b.image()); got.code != 0 {
		b.Errorf("save -p: %#v", got)
	}
	b.shows(alphaRow(1, "--p---"))
	b.write("other.cfg", "name = 'other'\n")
	if got := b.xl("restore", "-p", "-e", b.host.path("other.cfg"), b.image()); got.code != 0 {
		b.Errorf("restore with a configuration: %#v", got)
	}
	if list := b.xl("list").stdout; !strings.Contains(list, "other ") {
		b.Errorf("list after that:\n%s", list)
	}
	b.want(answer{stderr: "nosuch is an invalid domain identifier (rc=-6)\n", code: 1}, "save", "nosuch", b.image())
	if got := b.xl("save", "7", b.image()); got.code != 1 || !strings.HasSuffix(got.stderr, "unable to retrieve domain configuration\n") {
		b.Errorf("save of no domain: %#v", got)
	}
}

// start starts an xl and returns it. It is ended with the test.
func (b bed) start(args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(b.host.path("sbin", "xl"), args...)
	b.must(cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()
	})
	return cmd
}

// helperPID waits for the helper of this host.
func (b bed) helperPID() (pid int) {
	b.Helper()
	b.eventually("a helper", func() bool {
		links, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, link := range links {
			if exe, _ := os.Readlink(link); exe == b.host.path("sbin", helperName) {
				_, err := fmt.Sscanf(link, "/proc/%d/exe", &pid)
				return err == nil
			}
		}
		return false
	})
	return pid
}

// A save that fails, since its helper is killed, lets the guest go on.
func testSaveFails(b bed) {
	b.create()
	b.write("fault/save-ms", "3000")
	cmd := b.start("save", "alpha", b.image())
	pid := b.helperPID()
	b.shows(alphaRow(1, "---s--"))
	b.want(answer{code: 1}, "sim", "pid", "alpha")
	b.must(syscall.Kill(pid, syscall.SIGKILL))
	b.shows(alphaRow(1, "-b----"))
	if err := cmd.Wait(); err == nil {
		b.Error("the save succeeded")
	}
	if pid := b.xl("sim", "pid", "alpha"); pid.code != 0 {
		b.Errorf("no guest goes on: %#v", pid)
	}
}

// One that is killed leaves guest and file as they are at that moment.
func testSaveKilled(b bed) {
	b.create()
	b.write("fault/save-ms", "6000")
	whole := func() bool {
		text, _ := os.ReadFile(b.image())
		return strings.HasSuffix(string(text), strings.Repeat("\x00", 8))
	}
	for _, step := range []struct {
		flags string
		whole bool
	}{{"-b----", false}, {"---s--", false}, {"---s--", true}} {
		_ = os.Remove(b.image()) // there may be none yet
		cmd := b.start("save", "alpha", b.image())
		pid := b.helperPID()
		if step.whole {
			b.eventually("a whole file", whole)
		} else {
			b.shows(alphaRow(1, step.flags))
		}
		b.must(cmd.Process.Kill())
		b.eventually("the helper's end", func() bool { return executable(pid) == "" })
		b.shows(alphaRow(1, step.flags))
		if whole() != step.whole {
			b.Errorf("killed at %s: whole is %t, want %t", step.flags, whole(), step.whole)
		}
		if step.flags != "-b----" {
			b.must(toolstack{b.host, nil, nil}.resume(1))
		}
	}
}

func testRestoreKilled(b bed) {
	b.create()
	b.xl("save", "alpha", b.image())
	b.write("fault/load-ms", "60000")
	cmd := b.start("restore", b.image())
	b.shows(alphaRow(2, "--p---"))
	pid := b.helperPID()
	b.must(cmd.Process.Kill())
	_ = cmd.Wait()
	b.shows(alphaRow(2, "--p---"))
	b.must(syscall.Kill(pid, syscall.SIGKILL))
	b.want(answer{}, "destroy", "alpha")
}

func testBadFiles(b bed) {
	b.create()
	b.xl("save", "alpha", b.image())
	text := b.read("alpha.save")
	b.want(answer{stderr: "Can't open restore file: No such file or directory\n", code: 1}, "restore", "/nosuch")
	b.write("bad", "nothing of the kind, but as long as the header of a saved guest is")
	b.want(answer{stderr: "File has wrong magic number - corrupt or for a different tool?\n", code: 1}, "restore", b.host.path("bad"))
	for _, length := range []int{20, 100, len(text) - 9} {
		b.write("bad", text[:length])
		if got := b.xl("restore", b.host.path("bad")); got.code != 1 {
			b.Errorf("restore of %d bytes of %d: %#v", length, len(text), got)
		}
	}
	b.shows()
}

// otherHost is a second host of the test.
func (b bed) otherHost() bed {
	other := newBed(b.T, b.host.path("sbin", "xl"))
	b.must(os.Remove(other.host.path("fault/gap-ms")))
	return other
}

func testMigrate(b bed) {
	other := b.otherHost()
	b.create()
	got := b.xl("migrate", "-s", "", "alpha", other.host.path("sbin", "xl")+" migrate-receive")
	if got.code != 0 || !strings.HasSuffix(got.stderr, "Migration successful.\n") {
		b.Errorf("migrate: %#v", got)
	}
	b.shows()
	other.shows(alphaRow(1, "-b----"))
	b.eventually("the log of what came", func() bool {
		return strings.HasPrefix(other.read("log/xl-alpha--incoming.log"), "Waiting for domain alpha")
	})
}

// What was not given leave to start is destroyed, and what sent it goes on.
func testMigrateCut(b bed) {
	other := b.otherHost()
	b.create()
	other.write("fault/load-ms", "60000")
	cmd := b.start("migrate", "-s", "", "alpha", other.host.path("sbin", "xl")+" migrate-receive")
	other.shows("alpha--incoming" + alphaRow(1, "--p---")[len("alpha--incoming"):])
	b.must(syscall.Kill(other.helperPID(), syscall.SIGKILL))
	_ = cmd.Wait()
	other.shows()
	b.shows(alphaRow(1, "-b----"))
}

func testCreateWords(b bed) {
	cfg := b.config()
	b.want(answer{}, "create", "-qf", cfg, `name="beta"`, `uuid="`+strings.Replace(alphaUUID, "9", "8", 1)+`"`)
	b.want(answer{}, "create", "-q", "--defconfig="+cfg)
	cmd := exec.Command(b.host.path("sbin", "xl"), "create", "-q", "/dev/stdin")
	cmd.Stdin = strings.NewReader("name = 'gamma'\n")
	b.must(cmd.Run())
	for _, name := range []string{"alpha", "beta", "gamma"} {
		if id := b.xl("domid", name); id.code != 0 {
			b.Errorf("no %s: %#v", name, id)
		}
	}
	if got := b.xl("create", cfg, cfg); got.code != 2 {
		b.Errorf("create of two files: %#v", got)
	}
}
