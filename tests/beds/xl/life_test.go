//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func testReboot(b bed) {
	b.create()
	b.want(answer{stderr: "Rebooting domain 1\n"}, "reboot", "alpha")
	b.shows()
	b.want(answer{stderr: "alpha is an invalid domain identifier (rc=-6)\n", code: 1}, "destroy", "alpha")
	b.want(answer{code: 1}, "sim", "pid", "alpha")
	b.shows(alphaRow(2, "-b----"))
	if v := b.xl("list", "-v").stdout; !strings.Contains(v, alphaUUID) {
		b.Errorf("another UUID after the reboot:\n%s", v)
	}
	b.logs("Waiting for domain alpha (domid 1) to die [pid PID]",
		"Domain 1 has shut down, reason code 1 0x1",
		"Action for shutdown reason code 1 is restart",
		"Domain 1 needs to be cleaned up: destroying the domain",
		"Done. Rebooting now",
		"Waiting for domain alpha (domid 2) to die [pid PID]")
	b.want(answer{}, "destroy", "alpha")
}

// testRebootUnwatched ends the background xl in the gap: the guest stays away.
func testRebootUnwatched(b bed) {
	b.create()
	pid := b.logs("Waiting for domain alpha (domid 1) to die [pid PID]")
	b.xl("reboot", "alpha")
	b.shows()
	b.must(syscall.Kill(pid, syscall.SIGTERM))
	time.Sleep(b.host.gap() * 3)
	b.want(answer{stdout: header + dom0Row}, "list")
}

func testShutdown(b bed) {
	b.create("on_poweroff = 'preserve'")
	b.want(answer{stderr: "Shutting down domain 1\nWaiting for 1 domains\nDomain 1 has been shut down, reason code 0\n"}, "shutdown", "-w", "alpha")
	b.want(answer{code: 1}, "sim", "pid", "alpha")
	b.shows(alphaRow(1, "---s--"))
	b.want(answer{stderr: "Shutting down domain 7\nlibxl: error: libxl_dom.c:37:libxl__domain_type: unable to get domain type for domid=7\n" +
		"shutdown failed (rc=-3)\n", code: 1}, "shutdown", "7")
}

func testKilled(b bed) {
	b.create("on_poweroff = 'preserve'")
	pid, _ := strconv.Atoi(strings.TrimSpace(b.xl("sim", "pid", "alpha").stdout))
	b.must(syscall.Kill(pid, syscall.SIGKILL))
	b.shows(alphaRow(1, "---s--"))
	b.logs("Waiting for domain alpha (domid 1) to die [pid PID]",
		"Domain 1 has shut down, reason code 0 0x0",
		"Action for shutdown reason code 0 is preserve",
		"Done. Exiting now")
}

func testCrashDestroy(b bed) {
	b.create()
	b.want(answer{}, "sim", "crash", "alpha")
	b.shows()
	b.logs("Waiting for domain alpha (domid 1) to die [pid PID]",
		"Domain 1 has shut down, reason code 3 0x3",
		"Action for shutdown reason code 3 is destroy",
		"Domain 1 needs to be cleaned up: destroying the domain",
		"Done. Exiting now")
	b.eventually("the end of its xl", func() bool { return len(b.processes()) == 0 })
}

func testCrashPreserve(b bed) {
	b.create("on_crash = 'preserve'")
	b.want(answer{}, "sim", "crash", "alpha")
	b.shows(alphaRow(1, "---sc-"))
	if v := b.xl("list", "-v", "alpha").stdout; !strings.HasSuffix(v, alphaUUID+"        3                -\n") {
		b.Errorf("no reason code 3 in\n%s", v)
	}
	b.want(answer{}, "pause", "alpha")
	b.shows(alphaRow(1, "--psc-"))
	b.eventually("the end of its xl", func() bool { return len(b.processes()) == 0 })
	b.want(answer{}, "destroy", "alpha")
	b.shows()
}

func testCrashRestart(b bed) {
	b.create("on_crash = 'restart'")
	b.want(answer{}, "sim", "crash", "alpha")
	b.shows()
	b.shows(alphaRow(2, "-b----"))
	b.want(answer{}, "sim", "crash", "2")
	b.shows(alphaRow(3, "-b----"))
}

func testCrashRename(b bed) {
	b.create("on_crash = 'rename-restart'")
	b.want(answer{}, "sim", "crash", "alpha")
	b.eventually("both", func() bool { return strings.Count(b.xl("list").stdout, "\n") == 4 })
	rows := strings.SplitAfter(b.xl("list", "-v").stdout, "\n")
	if old := strings.Fields(rows[2]); !strings.HasPrefix(old[0], "alpha-2") || old[4] != "---sc-" || old[6] == alphaUUID {
		b.Errorf("the old one is %q", rows[2])
	}
	if now := strings.Fields(rows[3]); now[0] != "alpha" || now[1] != "2" || now[6] != alphaUUID {
		b.Errorf("the new one is %q", rows[3])
	}
}

func testLinger(b bed) {
	const row = "(null)                                       1     0     1     -bp--d       0.0\n"
	cfg := b.create()
	b.want(answer{}, "sim", "linger", "alpha")
	b.want(answer{}, "destroy", "alpha")
	b.want(answer{stdout: header + dom0Row + row}, "list")
	b.want(answer{stdout: header + row}, "list", "1")
	b.want(answer{code: 1}, "sim", "pid", "alpha")
	if v := b.xl("list", "-v").stdout; !strings.Contains(v, alphaUUID) {
		b.Errorf("no UUID in\n%s", v)
	}
	long := b.xl("list", "-l")
	if want := "libxl: error: libxl_domain.c:2335:retrieve_domain_configuration_lock_acquired: Domain 1:Fail to get domain configuration\n"; long.stderr != want ||
		strings.Contains(long.stdout, alphaUUID) || long.code != 0 {
		b.Errorf("list -l: %#v", long)
	}
	b.want(answer{stderr: "alpha is an invalid domain identifier (rc=-6)\n", code: 1}, "destroy", "alpha")
	b.want(answer{}, "destroy", "1")
	b.want(answer{stderr: "Can't get domain name of domain id '1', maybe this domain does not exist.\n", code: 1}, "domname", "1")
	b.want(answer{}, "create", "-q", cfg)
	b.shows(row, alphaRow(2, "-b----"))
	b.want(answer{}, "sim", "release")
	b.shows(alphaRow(2, "-b----"))
}

func testLingerReboot(b bed) {
	b.create()
	b.want(answer{}, "sim", "linger", "alpha")
	b.xl("reboot", "alpha")
	b.eventually("two of one UUID", func() bool { return strings.Count(b.xl("list", "-v").stdout, alphaUUID) == 2 })
	b.want(answer{}, "sim", "release")
	b.shows(alphaRow(2, "-b----"))
}

// testDown ends the host in the gap, when no domain record knows its xl.
func testDown(b bed) {
	b.create()
	b.write("beta.cfg", "name = 'beta'\n")
	b.want(answer{}, "create", "-q", b.host.path("beta.cfg"))
	b.xl("reboot", "alpha")
	b.eventually("the gap", func() bool { return b.xl("domid", "alpha").code == 1 })
	b.want(answer{}, "sim", "down")
	if left := b.processes(); left != nil {
		b.Errorf("left after sim down: %v", left)
	}
	b.want(answer{}, "sim", "down")
	b.want(answer{stdout: header + dom0Row}, "list")
}

func testHostVanishes(b bed) {
	b.create()
	b.must(os.Rename(b.host.path("run"), b.host.path("away")))
	b.eventually("the end of all processes", func() bool { return len(b.processes()) == 0 })
}

// testCreatorKilled has a guest whose creator died before it was recorded.
func testCreatorKilled(b bed) {
	guest := exec.Command(b.host.path("sbin", "guest"))
	guest.Args = []string{"guest", "alpha"}
	b.must(guest.Run())
}

// halfBuilt is alpha in the steps of its creation.
const (
	halfNameless  = "(null)                                       1     0     0     --p---       0.0\n"
	halfNamed     = "alpha                                        1   128     0     --p---       0.0\n"
	halfWithVCPU  = "alpha                                        1   128     1     --p---       0.0\n"
	notBuilt      = "libxl: error: libxl_create.c:2051:domcreate_destruction_cb: Domain %d:unable to destroy domain following failed creation\n"
	takenByAlpha  = "libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain %d:Domain with name \"alpha\" already exists.\n"
	noSuchConfig  = "libxl: error: libxl_domain.c:2335:retrieve_domain_configuration_lock_acquired: Domain %d:Fail to get domain configuration\n"
	invalidDomain = "%s is an invalid domain identifier (rc=-6)\n"
)

// inBackground starts a command and returns what waits for its end.
func (b bed) inBackground(args ...string) (*exec.Cmd, *bytes.Buffer) {
	b.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(b.host.path("sbin", "xl"), args...)
	cmd.Env, cmd.Stderr = []string{}, &errs
	b.must(cmd.Start())
	return cmd, &errs
}

func testHalfBuilt(b bed) {
	cfg := b.config()
	b.write("fault/build-ms", "12000")
	create, errs := b.inBackground("create", "-q", cfg)
	b.shows(halfNameless)
	b.want(answer{stderr: fmt.Sprintf(invalidDomain, "alpha"), code: 1}, "destroy", "alpha")
	b.shows(halfNamed)
	b.shows(halfWithVCPU)
	b.want(answer{code: 1}, "sim", "pid", "alpha")
	if v := b.xl("list", "-v").stdout; !strings.Contains(v, alphaUUID) {
		b.Errorf("no UUID in\n%s", v)
	}
	if long := b.xl("list", "-l"); long.stderr != fmt.Sprintf(noSuchConfig, 1) || strings.Contains(long.stdout, "alpha") || long.code != 0 {
		b.Errorf("list -l: %#v", long)
	}
	if again := b.xl("create", "-q", cfg); !strings.HasPrefix(again.stderr, fmt.Sprintf(takenByAlpha, 2)) || again.code != 3 {
		b.Errorf("a second create: %#v", again)
	}
	if err := create.Wait(); err != nil || errs.String() != "" {
		b.Errorf("create: %v, %s", err, errs)
	}
	b.shows(alphaRow(1, "-b----"))
}

func testHalfBuiltDestroyed(b bed) {
	cfg := b.config()
	b.write("fault/build-ms", "2000")
	create, errs := b.inBackground("create", "-q", cfg)
	b.shows(halfWithVCPU)
	b.want(answer{}, "destroy", "alpha")
	b.want(answer{stdout: header + dom0Row}, "list")
	if err := create.Wait(); create.ProcessState.ExitCode() != 3 || !strings.Contains(errs.String(), fmt.Sprintf(notBuilt, 1)) {
		b.Errorf("create of a guest that was destroyed: %v, %s", err, errs)
	}
	b.want(answer{stdout: header + dom0Row}, "list")
	b.want(answer{code: 1}, "sim", "pid", "alpha")
}

// testCreateKilled leaves a paused domain with the name behind, which nothing finishes.
func testCreateKilled(b bed) {
	cfg := b.config()
	b.write("fault/build-ms", "12000")
	create, _ := b.inBackground("create", "-q", cfg)
	b.shows(halfWithVCPU)
	b.must(create.Process.Kill())
	_ = create.Wait()
	b.write("fault/build-ms", "0")
	if again := b.xl("create", "-q", cfg); !strings.HasPrefix(again.stderr, fmt.Sprintf(takenByAlpha, 2)) || again.code != 3 {
		b.Errorf("a second create: %#v", again)
	}
	b.want(answer{stdout: header + dom0Row + halfWithVCPU}, "list")
	if left := b.processes(); left != nil {
		b.Errorf("processes %v", left)
	}
	b.want(answer{}, "destroy", "alpha")
	b.want(answer{}, "create", "-q", cfg)
	b.shows(alphaRow(3, "-b----"))
}

// testRebuilding destroys a guest while its background xl creates it again: that is final.
func testRebuilding(b bed) {
	b.create()
	b.write("fault/build-ms", "12000")
	b.xl("reboot", "alpha")
	b.shows(strings.Replace(halfNameless, " 1 ", " 2 ", 1))
	b.shows(strings.Replace(halfWithVCPU, " 1 ", " 2 ", 1))
	b.want(answer{}, "destroy", "alpha")
	b.eventually("the end of its xl", func() bool { return len(b.processes()) == 0 })
	b.want(answer{stdout: header + dom0Row}, "list")
	if log := b.read("log/xl-alpha.log"); !strings.Contains(log, fmt.Sprintf(notBuilt, 2)) {
		b.Errorf("log:\n%s", log)
	}
}

// testOtherEnds has the rarer reasons of a shutdown.
func testOtherEnds(b bed) {
	b.create("on_watchdog = 'preserve'", "on_soft_reset = 'preserve'")
	b.want(answer{}, "sim", "watchdog", "alpha")
	b.shows(alphaRow(1, "---sw-"))
	b.want(answer{}, "destroy", "alpha")
	b.create()
	b.want(answer{}, "sim", "soft-reset", "alpha")
	b.shows(alphaRow(2, "---sS-"))
	b.want(answer{}, "destroy", "alpha")
	b.create()
	b.want(answer{}, "sim", "watchdog", "alpha")
	b.shows()
}
