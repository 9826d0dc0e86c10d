package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// fakeTool writes a shell script that stands for ipmitool. Its directory is $d.
func fakeTool(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ipmitool")
	if err := program.Write(path, "#!/bin/sh\nd=${0%/*}\n"+script, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func toolLogin() rmcp.Config {
	return rmcp.Config{
		Addresses: []string{"192.0.2.1:623"}, User: "oper", Password: "Secret-2", Suites: []int{17}, Privilege: rmcp.Operator,
	}
}

// onlyTool returns a chassis by way of the script, with the first address and protocol.
func onlyTool(t *testing.T, script string, login rmcp.Config) *toolChassis {
	t.Helper()
	tool := newIPMITool(fakeTool(t, script), login)
	return &toolChassis{tool, tool.addresses[0], tool.protocols[0]}
}

func readBeside(t *testing.T, c *toolChassis, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(c.tool.path), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestIPMIToolIsRun shows all that the program gets from us.
func TestIPMIToolIsRun(t *testing.T) {
	t.Parallel()
	login := func(change func(*rmcp.Config)) rmcp.Config {
		l := toolLogin()
		change(&l)
		return l
	}
	for name, c := range map[string]struct {
		login       rmcp.Config
		args        string
		environment string
	}{
		"lanplus": {
			toolLogin(), "-I lanplus -C 17 -H 192.0.2.1 -p 623 -L OPERATOR -U oper -f /proc/self/fd/3 raw 0x00 0x01", "LC_ALL=C\n",
		},
		"20 bytes, no user, IPv6": {
			login(func(l *rmcp.Config) {
				l.Addresses, l.User, l.Password = []string{"[fe80::1%eth0]:1623"}, "", "12345678 '\"$\\ \xff%67"
			}),
			"-I lanplus -C 17 -H fe80::1%eth0 -p 1623 -L OPERATOR -f /proc/self/fd/3 raw 0x00 0x01", "LC_ALL=C\n",
		},
		"K_g": {
			login(func(l *rmcp.Config) { l.Kg, l.Privilege = []byte("K g=\xff"), rmcp.Administrator }),
			"-I lanplus -C 17 -H 192.0.2.1 -p 623 -L ADMINISTRATOR -U oper -f /proc/self/fd/3 -K raw 0x00 0x01", "LC_ALL=C\nIPMI_KGKEY=K g=\xff\n",
		},
		"lan": {
			login(func(l *rmcp.Config) { l.Interface, l.AuthTypes = rmcp.Lan, []rmcp.AuthType{rmcp.Straight} }),
			"-I lan -A PASSWORD -H 192.0.2.1 -p 623 -L OPERATOR -U oper -f /proc/self/fd/3 raw 0x00 0x01", "LC_ALL=C\n",
		},
		"lan, no password": {
			login(func(l *rmcp.Config) { l.Interface, l.AuthTypes, l.Password = rmcp.Lan, []rmcp.AuthType{rmcp.None}, "" }),
			"-I lan -A NONE -H 192.0.2.1 -p 623 -L OPERATOR -U oper raw 0x00 0x01", "LC_ALL=C\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tool := onlyTool(t, `
printf '%s ' "$@" >"$d/args"
tr '\0' '\n' </proc/$$/environ >"$d/environment"
[ ! -e /proc/self/fd/3 ] || cat /proc/self/fd/3 >"$d/password"
ls /proc/$$/fd >"$d/files"
pwd >"$d/directory"
read -r word || echo empty >"$d/stdin"
echo " 41 00 00"
`, c.login)
			if _, err := tool.ChassisStatus(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := []string{readBeside(t, tool, "args"), readBeside(t, tool, "environment"), readBeside(t, tool, "directory"), readBeside(t, tool, "stdin")}
			if diff := cmp.Diff([]string{c.args + " ", c.environment, "/\n", "empty\n"}, got); diff != "" {
				t.Errorf("arguments, environment, directory, standard input (-want +got):\n%s", diff)
			}
			if c.login.Password != "" && readBeside(t, tool, "password") != c.login.Password {
				t.Errorf("the password is %q, want %q", readBeside(t, tool, "password"), c.login.Password)
			}
			open := strings.Fields(readBeside(t, tool, "files"))
			if c.login.Password == "" && slices.Contains(open, "3") {
				t.Errorf("open files %q, and there is no password", open)
			}
		})
	}
}

// TestIPMIToolHangs shows that no secret can be seen while the program runs, and that
// it ends with us.
func TestIPMIToolHangs(t *testing.T) {
	t.Parallel()
	login := toolLogin()
	login.Kg = []byte("Key-of-the-BMC")
	tool := onlyTool(t, `echo $$ >"$d/new" && mv "$d/new" "$d/pid" && exec sleep 600`, login)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := tool.ChassisStatus(ctx)
		ended <- err
	}()
	pidFile := filepath.Join(filepath.Dir(tool.tool.path), "pid")
	waitUntil(t, "the program runs", func() bool { _, err := os.Stat(pidFile); return err == nil })
	pid, err := strconv.Atoi(strings.TrimSpace(readBeside(t, tool, "pid")))
	if err != nil {
		t.Fatal(err)
	}
	// sleep has another command line than the script, which shows for an instant only
	waitUntil(t, "sleep runs", func() bool { return bytes.HasPrefix(readProc(t, pid, "cmdline"), []byte("sleep")) })
	for file, secrets := range map[string][]string{"cmdline": {login.Password, string(login.Kg)}, "environ": {login.Password}} {
		for _, secret := range secrets {
			if text := readProc(t, pid, file); bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has a secret: %q", file, text)
			}
		}
	}
	if !bytes.Contains(readProc(t, pid, "environ"), login.Kg) {
		t.Error("the environment of the program has no K_g")
	}
	if text := readProc(t, os.Getpid(), "environ"); bytes.Contains(text, login.Kg) || os.Getenv("IPMI_KGKEY") != "" {
		t.Error("K_g is in our own environment")
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != syscall.Getpgrp() {
		t.Errorf("process group %d, %v, want ours, %d", group, err, syscall.Getpgrp())
	}
	cancel()
	if err := <-ended; !errors.Is(err, rmcp.ErrNoAnswer) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want no answer", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the program is still there: %v", err)
	}
}

func readProc(t *testing.T, pid int, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never comes to this: %s", what)
		}
	}
}

// TestIPMIToolStatus shows what counts as a state, and what other words come to.
func TestIPMIToolStatus(t *testing.T) {
	t.Parallel()
	const fails = "; exit 1"
	for _, c := range []struct {
		name, script string
		on           bool
		says         string // the error, "" if there is none
		reason       stonith.Reason
	}{
		{name: "on", script: `echo " 41 00 00"`, on: true},
		{name: "off", script: `echo " 60 10 00 70"`},
		{name: "a warning beside it", script: `echo "IANA PEN registry open failed" >&2; echo " 01 00 00"`, on: true},
		{name: "nothing", script: `true`, says: `says ""`, reason: stonith.UnknownState},
		{name: "no data", script: `echo`, says: "0 bytes", reason: stonith.UnknownState},
		{name: "one byte", script: `echo " 60"`, says: "1 bytes", reason: stonith.UnknownState},
		{name: "too many bytes", script: `echo " 60 10 00 70 00"`, says: "5 bytes", reason: stonith.UnknownState},
		{name: "no line end", script: `printf " 60 10 00"`, says: `says "60 10 00"`, reason: stonith.UnknownState},
		{name: "half a byte", script: `echo " 60 10 0"`, says: `says "60 10 0"`, reason: stonith.UnknownState},
		{name: "a second line", script: `echo " 60 10 00"; echo done`, says: `says "60 10 00\ndone"`, reason: stonith.UnknownState},
		{name: "words", script: `echo "Chassis Power is off"`, says: "Chassis Power is off", reason: stonith.UnknownState},
		{name: "much", script: `head -c 100000 /dev/zero | tr '\0' x`, says: `xxx`, reason: stonith.UnknownState},
		{name: "an answer, and a failure", script: `echo " 60 10 00"` + fails, says: "exit status 1", reason: stonith.DeviceError},
		{name: "a signal", script: `echo " 60 10 00"; kill -9 $$`, says: "signal: killed", reason: stonith.DeviceError},
		{
			name: "a completion code", script: `echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x1 rsp=0xff): Unspecified error" >&2` + fails,
			says: "Get Chassis Status: unspecified error (completion code FFh)", reason: stonith.DeviceError,
		},
		{
			name: "privilege", script: `echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x1 rsp=0xd4): Insufficient privilege level" >&2` + fails,
			says: "completion code D4h", reason: stonith.NotPermitted,
		},
		{name: "the password", script: `cat /proc/self/fd/3` + fails, says: "exit status 1", reason: stonith.DeviceError},
		{name: "the password among others", script: `cat /proc/self/fd/3 >&2` + fails, says: "not shown", reason: stonith.DeviceError},
		{name: "the password as an answer", script: `cat /proc/self/fd/3`, says: "not shown", reason: stonith.UnknownState},
		{name: "K_g as an answer", script: `echo "$IPMI_KGKEY"`, says: "not shown", reason: stonith.UnknownState},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			login := toolLogin()
			login.Kg = []byte("Key-of-the-BMC")
			state, err := onlyTool(t, c.script, login).ChassisStatus(t.Context())
			if c.says == "" {
				if err != nil || state.PowerOn != c.on {
					t.Errorf("on is %v, error %v, want %v and none", state.PowerOn, err, c.on)
				}
				return
			}
			err = explain(err, false)
			if err == nil || !strings.Contains(err.Error(), c.says) || stonith.ReasonOf(err) != c.reason {
				t.Fatalf("error %v of %s, want %q of %s", err, stonith.ReasonOf(err), c.says, c.reason)
			}
			if text := err.Error(); len(text) > 2*maxQuoted || strings.ContainsAny(text, "\n") || strings.Contains(text, login.Password) || strings.Contains(text, string(login.Kg)) {
				t.Errorf("the error is long, has several lines, or a secret: %q", text)
			}
		})
	}
}

// TestIPMIToolControls shows what is sent, and that only what the program takes for
// accepted counts as accepted.
func TestIPMIToolControls(t *testing.T) {
	t.Parallel()
	for control, want := range map[rmcp.Control]string{
		rmcp.Down: " raw 0x00 0x02 0x00", rmcp.Up: " raw 0x00 0x02 0x01",
		rmcp.Cycle: " -R 1 raw 0x00 0x02 0x02", rmcp.Reset: " -R 1 raw 0x00 0x02 0x03", rmcp.Diag: " -R 1 raw 0x00 0x02 0x04",
	} {
		tool := onlyTool(t, `echo "$*" >"$d/args"; echo`, toolLogin())
		if err := tool.ChassisControl(t.Context(), control); err != nil {
			t.Errorf("%s: %v", control, err)
		}
		if _, sent, _ := strings.Cut(readBeside(t, tool, "args"), "/fd/3"); sent != want+"\n" {
			t.Errorf("%s: %q is sent, want %q", control, sent, want)
		}
	}
	for script, says := range map[string]string{
		`true`:           `says ""`,
		`echo " 00"`:     "1 bytes",
		`echo "$@"`:      "raw 0x00",
		`echo; exit 255`: "exit status 255",
		`echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x2)" >&2; exit 1`: "cmd=0x2)",
	} {
		if err := onlyTool(t, script, toolLogin()).ChassisControl(t.Context(), rmcp.Reset); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", script, err, says)
		}
	}
	err := onlyTool(t, `echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x2 rsp=0xd5): Command not supported in present state" >&2; exit 1`, toolLogin()).
		ChassisControl(t.Context(), rmcp.Cycle)
	var answer *rmcp.CompletionError
	if !errors.As(err, &answer) || answer.Code != 0xD5 {
		t.Errorf("error %v, want the completion code D5h", err)
	}
}

// TestIPMIToolKeepRestorePolicy shows what is sent for a rehearsal, and what counts as an
// answer to it.
func TestIPMIToolKeepRestorePolicy(t *testing.T) {
	t.Parallel()
	tool := onlyTool(t, `echo "$*" >"$d/args"; echo " 07"`, toolLogin())
	if err := tool.KeepRestorePolicy(t.Context()); err != nil {
		t.Error(err)
	}
	if _, sent, _ := strings.Cut(readBeside(t, tool, "args"), "/fd/3"); sent != " raw 0x00 0x06 0x03\n" {
		t.Errorf("%q is sent", sent)
	}
	refused := func(code string) string {
		return `echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x6 rsp=0x` + code + `): a word" >&2; exit 1`
	}
	for script, says := range map[string]string{
		"echo": "Set Power Restore Policy: an answer with 0 bytes of data is none", `true`: `says ""`,
		refused("d4"): "completion code D4h", refused("c1"): "completion code C1h",
	} {
		err := onlyTool(t, script, toolLogin()).KeepRestorePolicy(t.Context())
		if err == nil || !strings.Contains(err.Error(), says) || errors.Is(err, rmcp.ErrPrivilege) != strings.Contains(says, "D4h") {
			t.Errorf("%s: error %v, want %q", script, err, says)
		}
	}
}

// TestIPMIToolOpen shows in which order addresses and suites are tried, and what is
// remembered.
func TestIPMIToolOpen(t *testing.T) {
	t.Parallel()
	login := toolLogin()
	login.Addresses, login.Suites = []string{"192.0.2.1:623", "192.0.2.2:623"}, []int{17, 3}
	const refuses = `{ echo "Error: Unable to establish IPMI v2 / RMCP+ session" >&2; exit 1; }`
	for _, c := range []struct {
		name, script string
		opens        int
		tried        string
		fails        stonith.Reason
	}{
		{"the first", `echo " 01 00 00"`, 2, "1/17 1/17", ""},
		{"the last", `[ "$4$6" = 3192.0.2.2 ] || ` + refuses + `; echo " 01 00 00"`, 2, "1/17 1/3 2/17 2/3 2/3", ""},
		{"none", refuses, 1, "1/17 1/3 2/17 2/3", stonith.Unreachable},
		{"no rights", `echo "Set Session Privilege Level to OPERATOR failed: Unknown (0x81)" >&2; ` + refuses, 1, "1/17", stonith.NotPermitted},
		{"exceeds the limit", `echo "Activate Session error: Requested privilege level exceeds limit" >&2; ` + refuses, 1, "1/17", stonith.NotPermitted},
		{"a state that cannot be read", `echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x1 rsp=0xff): Unspecified error" >&2; exit 1`, 1, "1/17", ""},
		{"silence", `[ $6 = 192.0.2.2 ] || exec sleep 600; echo " 01 00 00"`, 2, "1/17 1/3 2/17 2/17", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tool := newIPMITool(fakeTool(t, `printf '%s ' "${6##*.}/$4" >>"$d/tried"; `+c.script), login)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var err error
			for range c.opens {
				_, err = tool.open(ctx)
			}
			tried, readErr := os.ReadFile(filepath.Join(filepath.Dir(tool.path), "tried"))
			if readErr != nil || strings.TrimSpace(string(tried)) != c.tried {
				t.Errorf("tried %q, %v, want %q", tried, readErr, c.tried)
			}
			if err = explain(err, false); (err == nil) != (c.fails == "") || (err != nil && stonith.ReasonOf(err) != c.fails) {
				t.Errorf("error %v, want %q", err, c.fails)
			}
		})
	}
}

// TestIPMIToolConfig shows what is refused before any contact.
func TestIPMIToolConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		params map[string]string
		says   string
	}{
		"K_g with NUL":      {map[string]string{"kg": "0x4b0067"}, "K_g"},
		"password with tab": {map[string]string{"passwd": "one\ttwo"}, "password"},
		"script with tab":   {map[string]string{"passwd_file": "", "passwd_script": script(t, "printf 'one\\ttwo'")}, "password"},
		"no suite":          {map[string]string{"cipher": ","}, "cipher suite"},
		"no program":        {map[string]string{"ipmitool": "/nonexistent/ipmitool"}, "/nonexistent/ipmitool"},
		"no path":           {map[string]string{"ipmitool": "ipmitool"}, "absolute"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newToolBed(t)
			if c.params["passwd"] != "" {
				delete(b.params, "passwd_file")
			}
			for _, verb := range [][]string{{"off", stonithtest.Node}, {"status"}} {
				got := stonithtest.Run(t.Context(), b, "elsewhere", c.params, verb...)
				if got.Status != 1 || !strings.Contains(got.Stderr, string(stonith.BadConfig)) || !strings.Contains(got.Stderr, c.says) {
					t.Errorf("%v: exit status %d, stderr %q, want 1 and %q", verb, got.Status, got.Stderr, c.says)
				}
			}
			if n := b.Contacts(); n != 0 {
				t.Errorf("ipmitool was run %d times", n)
			}
		})
	}
}

// TestIPMIToolScript shows that the program gets the password of passwd_script.
func TestIPMIToolScript(t *testing.T) {
	t.Parallel()
	b := newToolBed(t)
	path := fakeTool(t, `cat /proc/self/fd/3 >"$d/password"; echo " 41 00 00"`)
	got := stonithtest.Run(t.Context(), b, "elsewhere", map[string]string{
		"hostlist": stonithtest.Node + ":192.0.2.1", "passwd_file": "", "passwd_script": script(t, "echo Secret-4"), "ipmitool": path,
	}, "status")
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "password"))
	if got.Status != 0 || err != nil || string(text) != "Secret-4" {
		t.Errorf("exit status %d, %q, password %q, %v", got.Status, got.Stderr, text, err)
	}
}

// toolBMC is a BMC as ipmitool shows it. The file power is true of node-1; fault is a
// stonithtest.Fault; runs has a line for each run.
const toolBMC = `
echo "$*" >>"$d/runs"
nth() { grep -c " $1" "$d/runs"; }
refuse() { echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x1 rsp=$1): $2" >&2; exit 1; }
no_session() { echo "Error: Unable to establish IPMI v2 / RMCP+ session" >&2; exit 1; }
read -r fault <"$d/fault"
case $fault in
unreachable) no_session ;;
hangs) exec sleep 600 ;;
garbage) head -c 500 /dev/urandom; exit 0 ;;
empty) echo; exit 0 ;;
refuses) echo "Set Session Privilege Level to OPERATOR failed: Unknown (0x81)" >&2; no_session ;;
esac
case "$*" in
*" raw 0x00 0x01")
	case $fault$(nth "raw 0x00 0x01") in
	"fails once2" | flaps[2468]) refuse 0xc0 "Node busy" ;;
	esac
	read -r power <"$d/power"
	[ "$power" = on ] && echo " 61 00 00 70" || echo " 60 00 00 70"
	exit ;;
*" raw 0x00 0x02 0x00") [ "$fault" = lies ] || echo off >"$d/power" ;;
*" raw 0x00 0x02 0x01") [ "$fault" = lies ] || [ "$fault" = "never on" ] || echo on >"$d/power" ;;
*) refuse 0xc1 "Invalid command" ;;
esac
[ "$fault$(nth "raw 0x00 0x02")" != "loses answer1" ] || { echo "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x2)" >&2; exit 1; }
echo
`

// A toolBed is a stonithtest.Bed: toolBMC.
type toolBed struct {
	t         *testing.T
	directory string
	params    map[string]string
}

func newToolBed(t *testing.T) *toolBed {
	t.Helper()
	path := fakeTool(t, toolBMC)
	b := &toolBed{t, filepath.Dir(path), map[string]string{
		"hostlist": stonithtest.Node + ":192.0.2.1 " + stonithtest.Other + ":192.0.2.2",
		"userid":   "oper", "passwd_file": writeFile(t, "passwd", 0o600, "Secret-2\n"), "ipmitool": path,
		"cycle_time": "500ms", // looks of short calls are short
	}}
	b.SetPower(stonith.On)
	b.Break(stonithtest.Sound)
	return b
}

func (b *toolBed) write(name, text string) {
	if err := os.WriteFile(filepath.Join(b.directory, name), []byte(text+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *toolBed) read(name string) string {
	text, err := os.ReadFile(filepath.Join(b.directory, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	return string(text)
}

func (b *toolBed) Plugin() stonith.Plugin    { return plugin() }
func (b *toolBed) Params() map[string]string { return b.params }
func (b *toolBed) Contacts() int             { return strings.Count(b.read("runs"), "\n") }
func (b *toolBed) SetPower(p stonith.Power)  { b.write("power", p.String()) }
func (b *toolBed) Break(f stonithtest.Fault) { b.write("fault", f.String()) }
func (b *toolBed) Power() stonith.Power {
	return map[string]stonith.Power{"on\n": stonith.On, "off\n": stonith.Off}[b.read("power")]
}

func TestIPMIToolConforms(t *testing.T) {
	stonithtest.Conform(t, func(t *testing.T) stonithtest.Bed { return newToolBed(t) })
}
