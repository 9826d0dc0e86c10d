//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestXL(t *testing.T) {
	program := compile(t)
	for name, test := range map[string]func(bed){
		"list": testList, "list long": testListLong, "missing": testMissing, "closed stdio": testClosedStdio,
		"create": testCreate, "bad configurations": testBadConfigs, "names": testNames,
		"background xl": testBackground, "abbreviated": testAbbreviated, "log names": testLogNames,
		"half-built": testHalfBuilt, "half-built destroyed": testHalfBuiltDestroyed, "create killed": testCreateKilled,
		"rebuilding": testRebuilding, "other ends": testOtherEnds, "two creates": testTwoCreates,
		"destroy": testDestroy, "destroy kills": testDestroyKills, "pause": testPause,
		"reboot": testReboot, "reboot without background xl": testRebootUnwatched,
		"shutdown": testShutdown, "killed from outside": testKilled,
		"crash destroy": testCrashDestroy, "crash preserve": testCrashPreserve,
		"crash restart": testCrashRestart, "crash rename-restart": testCrashRename,
		"linger": testLinger, "linger over reboot": testLingerReboot,
		"down": testDown, "host vanishes": testHostVanishes, "creator killed": testCreatorKilled,
		"faults": testFaults, "counted faults": testCountedFaults, "hang": testHang, "distorted": testDistorted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newBed(t, program))
		})
	}
}

func testList(b bed) {
	b.want(answer{stdout: header + dom0Row}, "list")
	b.create()
	b.want(answer{stdout: header + dom0Row + alphaRow(1, "-b----")}, "list")
	for _, arg := range []string{"alpha", "1", "01"} {
		b.want(answer{stdout: header + alphaRow(1, "-b----")}, "list", arg)
	}
	for _, arg := range []string{"", "0", "00", "Domain-0"} {
		b.want(answer{stdout: header + dom0Row}, "list", arg)
	}
	b.want(answer{stdout: "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label\n" +
		"Domain-0                                     0   512     1     r-----      78.8 00000000-0000-0000-0000-000000000000        -                -\n" +
		"alpha                                        1   128     1     -b----       0.0 9e8b58c8-81e2-4411-b8fc-f2ab88b5627c        -                -\n"}, "list", "-v")
	b.want(answer{stdout: listUsage, code: 1}, "list", "alpha", "beta")
	b.want(answer{stderr: "option `1' not supported.\n", code: 2}, "list", "-1")
	b.want(answer{stderr: "option `\x00' not supported.\n", code: 2}, "list", "--nosuchoption")
}

func testListLong(b bed) {
	b.create()
	b.want(answer{stdout: strings.Replace(recordedLong, "16", "1", 1)}, "list", "-l")
}

func testMissing(b bed) {
	for _, cmd := range []string{"list", "destroy", "shutdown", "reboot", "pause", "unpause"} {
		b.want(answer{stderr: "nosuch is an invalid domain identifier (rc=-6)\n", code: 1}, cmd, "nosuch")
	}
	b.want(answer{stderr: "nosuch is an invalid domain identifier (rc=-6)\n", code: 1}, "rename", "nosuch", "other")
	b.want(answer{stderr: "Can't get domid of domain name 'nosuch', maybe this domain does not exist.\n", code: 1}, "domid", "nosuch")
	b.want(answer{stderr: "Invalid domain id.\n\n", code: 1}, "domname", "nosuch")
	b.want(answer{stderr: "Error: Domain '4242' does not exist.\n", code: 1}, "list", "4242")
	b.want(answer{stderr: "libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain 4242:Non-existant domain\n" +
		"libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain 4242:Unable to destroy guest\n" +
		"libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain 4242:Destruction of domain failed\n" +
		"destroy failed (rc=-21)\n", code: 1}, "destroy", "4242")
	b.want(answer{stderr: "libxl: error: libxl_domain.c:587:libxl_domain_pause: Domain 4242:Pausing domain: No such process\n"}, "pause", "4242")
	b.want(answer{stderr: "command not implemented\n", code: 1}, "nosuchcommand")
	b.want(answer{stdout: destroyUsage, stderr: "'xl destroy' requires at least 1 argument.\n\n", code: 2}, "destroy")
}

func testClosedStdio(b bed) {
	cfg := b.config()
	b.must(exec.Command("/bin/sh", "-c", `exec "$@" <&- >&- 2>&-`, "sh", b.host.path("sbin", "xl"), "create", cfg).Run())
	b.shows(alphaRow(1, "-b----"))
}

func testCreate(b bed) {
	cfg := b.config()
	b.want(answer{stderr: "Parsing config from " + cfg + "\n"}, "create", cfg)
	b.want(answer{stderr: `libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain 2:Domain with name "alpha" already exists.
libxl: error: libxl_create.c:1296:initiate_domain_create: Domain 2:cannot make domain: -6
libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain 2:Non-existant domain
libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain 2:Unable to destroy guest
libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain 2:Destruction of domain failed
`, code: 3}, "create", "-q", cfg)
	b.want(answer{}, "destroy", "alpha")
	b.want(answer{}, "create", "-q", "-p", cfg)
	b.shows(alphaRow(3, "--p---"))
	b.read("log/xl-alpha.log.1")
}

func testBadConfigs(b bed) {
	b.want(answer{stderr: "Failed to read config file: /nosuch.cfg: No such file or directory\n", code: 3}, "create", "/nosuch.cfg")
	b.want(answer{stderr: "Config file not specified and none in save file\n", code: 6}, "create")
	file := b.host.path("x.cfg")
	b.write("x.cfg", "memory = 8\n")
	b.want(answer{stderr: "Domain name must be specified.\n", code: 1}, "create", "-q", file)
	b.write("x.cfg", `name = "x`)
	b.want(answer{stderr: file + ":1: config parsing error near `\"x': lexical error\nFailed to parse config: Invalid argument\n", code: 1}, "create", "-q", file)
	b.write("x.cfg", "name = 'x'\non_crash = 'explode'\n")
	b.want(answer{stderr: "Unknown on_crash action \"explode\" specified\n", code: 1}, "create", "-q", file)
	b.write("x.cfg", "name = 'x'\n\nmemory = 'lots' # warns\n")
	b.want(answer{stderr: file + ":3: warning: parameter `memory' is not a valid number\n"}, "create", "-q", file)
	b.shows("x                                            1    32     1     -b----       0.0\n")
}

func testNames(b bed) {
	b.create()
	b.want(answer{stdout: "1\n"}, "domid", "--", "alpha")
	b.want(answer{stdout: "alpha\n"}, "domname", "1")
	b.want(answer{stderr: "libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain 1:Domain with name \"Domain-0\" already exists.\n" +
		"Can't rename domain 'alpha'.\n", code: 1}, "rename", "alpha", "Domain-0")
	b.want(answer{}, "rename", "alpha", "--", "-f 7")
	b.want(answer{stdout: "1\n"}, "domid", "--", "-f 7")
	b.want(answer{}, "rename", "1", "7")
	b.want(answer{stdout: "1\n"}, "domid", "7")
	b.want(answer{stderr: "Error: Domain '7' does not exist.\n", code: 1}, "list", "7")
	if pid := b.xl("sim", "pid", "7"); pid.code != 0 {
		b.Errorf("sim pid after rename: %#v", pid)
	}
}

func testBackground(b bed) {
	cfg := b.create()
	pid := b.logs("Waiting for domain alpha (domid 1) to die [pid PID]")
	argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if want := b.host.path("sbin", "xl") + "\x00create\x00-q\x00" + cfg + "\x00"; string(argv) != want {
		b.Errorf("argv %q, want %q", argv, want)
	}
	for fd, want := range map[string]string{"0": "/dev/null", "1": b.host.path("log", "xl-alpha.log"), "2": b.host.path("log", "xl-alpha.log")} {
		if got, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd)); got != want {
			b.Errorf("fd %s is %s, want %s", fd, got, want)
		}
	}
	if sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0); int(sid) != pid {
		b.Errorf("session %d, want its own, %d", sid, pid)
	}
	b.want(answer{}, "destroy", "alpha")
	b.logs("Waiting for domain alpha (domid 1) to die [pid PID]", "Domain 1 has been destroyed.")
	b.eventually("its end", func() bool { return len(b.processes()) == 0 })
}

// testAbbreviated has commands by the beginnings of their names, which the
// background xl keeps in its arguments.
func testAbbreviated(b bed) {
	cfg := b.config()
	b.want(answer{}, "cr", "-q", cfg)
	pid := b.logs("Waiting for domain alpha (domid 1) to die [pid PID]")
	argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if want := b.host.path("sbin", "xl") + "\x00cr\x00-q\x00" + cfg + "\x00"; string(argv) != want {
		b.Errorf("argv %q, want %q", argv, want)
	}
	b.want(answer{stdout: header + dom0Row + alphaRow(1, "-b----")}, "li")
	for _, several := range []string{"c", "re", "l", "", "creates", "pci"} {
		b.want(answer{stderr: "command not implemented\n", code: 1}, several)
	}
	b.write("fault/destroy", "exit 5 no")
	b.want(answer{stderr: "no\n", code: 5}, "des", "alpha")
}

// testLogNames has the logs of a guest that came under another name, and of one that was created twice.
func testLogNames(b bed) {
	b.config()
	b.write("in.cfg", "name = 'alpha--incoming'\n")
	b.want(answer{}, "create", "-q", b.host.path("in.cfg"))
	b.want(answer{}, "rename", "alpha--incoming", "alpha")
	b.read("log/xl-alpha--incoming.log")
	b.write("fault/create-race", "")
	for range 2 {
		b.want(answer{}, "create", "-q", b.host.path("alpha.cfg"))
	}
	logs := map[string]bool{}
	for _, pid := range b.processes() {
		log, _ := os.Readlink("/proc/" + pid + "/fd/1")
		logs[strings.TrimPrefix(log, b.host.path("log")+"/")] = true
	}
	for _, want := range []string{"xl-alpha--incoming.log", "xl-alpha.log", "xl-alpha.log.1"} {
		if !logs[want] {
			b.Errorf("no xl has the log %s: %v", want, logs)
		}
	}
}

func testTwoCreates(b bed) {
	cfg := b.config()
	b.write("fault/create-race", "")
	codes := make(chan int)
	for range 2 {
		go func() { codes <- b.xl("create", "-q", cfg).code }()
	}
	if one, two := <-codes, <-codes; one != 0 || two != 0 {
		b.Errorf("exit %d and %d, want 0 twice", one, two)
	}
	b.shows(alphaRow(1, "-b----"), alphaRow(2, "-b----"))
	if pids := strings.Fields(b.xl("sim", "pid", "alpha").stdout); len(pids) != 2 {
		b.Errorf("pids %v, want two", pids)
	}
	b.want(answer{stdout: "1\n"}, "domid", "alpha")
	b.want(answer{}, "destroy", "alpha")
	b.shows(alphaRow(2, "-b----"))
}

func testDestroy(b bed) {
	for _, arg := range []string{"", "0", "Domain-0"} {
		b.want(answer{stderr: "Not destroying domain 0; use -f to force.\n" +
			"This can only be done when using a disaggregated hardware domain and toolstack.\n\n", code: 1}, "destroy", arg)
	}
	b.create("on_poweroff = 'restart'")
	b.want(answer{}, "destroy", "1")
	b.want(answer{code: 1}, "sim", "pid", "alpha")
	time.Sleep(b.host.gap() * 2)
	b.want(answer{stdout: header + dom0Row}, "list")
}

func testDestroyKills(b bed) {
	b.create()
	pid, _ := strconv.Atoi(strings.TrimSpace(b.xl("sim", "pid", "alpha").stdout))
	b.eventually("it ignores SIGTERM", func() bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, after, _ := strings.Cut(string(text), "SigIgn:\t")
		mask, err := strconv.ParseUint(strings.SplitN(after, "\n", 2)[0], 16, 64)
		return err == nil && mask&(1<<(syscall.SIGTERM-1)) != 0
	})
	b.must(syscall.Kill(pid, syscall.SIGTERM))
	b.must(syscall.Kill(pid, syscall.SIGHUP))
	time.Sleep(50 * time.Millisecond)
	b.want(answer{stdout: fmt.Sprintln(pid)}, "sim", "pid", "alpha")
	b.want(answer{}, "destroy", "alpha")
	if state, _ := status(pid); state != "" && state != "Z" {
		b.Errorf("process %d is in state %s after destroy", pid, state)
	}
}

func testPause(b bed) {
	b.create()
	for _, step := range []struct{ cmd, flags string }{
		{"pause", "--p---"}, {"pause", "--p---"}, {"unpause", "--p---"}, {"unpause", "-b----"},
	} {
		b.want(answer{}, step.cmd, "alpha")
		b.shows(alphaRow(1, step.flags))
	}
	b.want(answer{stderr: "libxl: error: libxl_domain.c:688:domain_unpause_done: Domain 1:Unpausing domain: Invalid argument\n"}, "unpause", "alpha")
}
