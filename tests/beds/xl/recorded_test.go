//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recordingDir has what the real xl 4.17 did, a session a file, a command a line.
const recordingDir = "../../../dom0-helper/internal/toolstack/testdata/xen-4.17"

// A recording is a command of the real xl, and what it did.
type recording struct {
	N      int
	Cmd    string
	Stdout string
	Stderr string
	Exit   int
}

func recordings(t *testing.T, session string) map[int]recording {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordingDir, session+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]recording{}
	for line := range strings.Lines(string(text)) {
		var r recording
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %.60q: %v", session, line, err)
		}
		all[r.N] = r
	}
	return all
}

// A replay is a recorded session: the numbers of its commands that are given to
// the simulation too, and, before some of them, what makes its state that of the
// real host: shell commands, and what the configuration tmp/n.cfg has as name.
type replay struct {
	numbers string
	before  map[int]string
	names   map[int]string
}

// gone waits until a guest is not listed any more.
func gone(guest string) string {
	return "while xl domid " + guest + " >/dev/null 2>&1; do sleep 0.02; done"
}

// none ends all guests.
const none = `for id in $(xl list -l | sed -n 's/^        "domid": \([1-9][0-9]*\),/\1/p'); do xl destroy $id; done`

func replays() map[string]replay {
	return map[string]replay{
		"01-list": {
			numbers: "1-3 5-14 18-31 33-53 56-60",
			before: map[int]string{
				31: "xl sim crash crashed-kept",
				35: "xl sim crash faulted-kept",
				37: "xl shutdown off-kept",
				40: "xl sim watchdog wd-kept",
				42: "xl reboot rb-kept",
				43: `for n in 39 40 41 80; do echo "name = '$(printf %${n}s | tr " " n)'" >n; echo memory = 8 >>n; xl create -q n; done`,
				44: none,
				45: "next 29",
				46: "xl sim linger zombie",
				60: "xl sim release",
			},
		},
		"02-missing": {
			numbers: "1-10 16 19-26 28-29 31-37 39-54 59-60",
			before:  map[int]string{1: "xl create -q /etc/xen/guests/alpha.cfg"},
		},
		"03-create": {
			numbers: "1-13 16 21-23 25 27-30 32 35 37 39 42 47-50",
			before: map[int]string{
				6:  "xl create -q /tmp/kept.cfg; xl sim crash kept",
				37: none,
				39: "xl create -q /etc/xen/guests/alpha.cfg",
				47: "xl create -q /tmp/big.cfg",
			},
		},
		"04-control": {
			numbers: "2-3 5 8 10 13 19-20 22 24-25 29-41 43 45 48-49",
			before: map[int]string{
				2:  "xl create -q /etc/xen/guests/alpha.cfg",
				3:  gone("alpha"),
				8:  "xl create -q /tmp/deaf.cfg",
				13: "xl create -q /tmp/stub.cfg",
				22: "xl create -q /etc/xen/guests/alpha.cfg; xl pause alpha",
				25: "xl shutdown alpha; " + gone("alpha") + "; xl create -q /etc/xen/guests/alpha.cfg",
				29: "xl create -q /tmp/kept.cfg; xl sim crash kept",
				35: "xl create -q /tmp/p.cfg",
				49: gone("alpha"),
			},
		},
		"05-crash": {
			numbers: "1-7 11-15 16-17 21-24 32 35",
			before: map[int]string{
				2:  "xl sim crash c-destroy; " + gone("c-destroy"),
				5:  "until grep -q Exiting /var/log/xen/xl-c-destroy.log; do sleep 0.02; done",
				11: none,
				12: "xl sim crash c-preserve",
				15: "until grep -q Exiting /var/log/xen/xl-c-preserve.log; do sleep 0.02; done",
				16: none,
				21: none,
				23: none,
				32: "xl create -q /tmp/panic.cfg",
				35: "xl create -q /etc/xen/guests/alpha.cfg",
			},
		},
		"06-race": {
			numbers: "1-6 10-12 16-18 22-26 27 29 42-44 67 69 80-82 92-100 102",
			before: map[int]string{
				4:   none + "; touch /fault/create-race",
				10:  none + "; rm /fault/create-race",
				16:  none + "; touch /fault/create-race",
				22:  none + "; rm /fault/create-race",
				27:  none + "; xl create -q /tmp/r.cfg",
				42:  "xl create -q /tmp/r.cfg",
				67:  none + "; xl create -q /etc/xen/guests/alpha.cfg",
				69:  gone("alpha"),
				92:  none + "; touch /fault/create-race",
				102: "rm /fault/create-race; xl create -q /etc/xen/guests/alpha.cfg; xl pause alpha",
			},
		},
		"08-names": {
			numbers: "1-17 19-25 27-37",
			before:  map[int]string{1: "next 102", 37: none},
			names: map[int]string{
				1: `"with space"`, 2: `"two  spaces and r-----      1.0"`, 3: `"single"`, 4: `"dot.ted-under_score"`,
				5: `"gr` + "\u00fc\u00df" + `e"`, 6: `"7"`, 7: `"0"`, 8: `"Domain-0"`, 9: `"a/b"`, 10: `"../x"`, 11: `"-f"`,
				12: "\"tab\there\"", 13: `"new\nline"`, 14: `""`, 15: "unquoted", 16: `"(null)"`,
			},
		},
		"99-broken": {
			numbers: "11 13-16 19-20 35-36",
			before: map[int]string{
				11: "xl create -q /etc/xen/guests/alpha.cfg",
			},
		},
	}
}

// The simulation does what the real xl did, but for ids, UUIDs, times and memory.
func TestRecorded(t *testing.T) {
	program := compile(t)
	for session, r := range replays() {
		t.Run(session, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, program)
			b.write("fault/gap-ms", "60000")
			b.writeConfigs()
			all := recordings(t, session)
			for _, n := range numbers(t, r.numbers) {
				if name, ok := r.names[n]; ok {
					b.write("tmp/n.cfg", "name = "+name+"\nmemory = 8\n")
				}
				b.prepare(r.before[n])
				b.repeat(all[n])
			}
		})
	}
}

// numbers reads a list such as "1-3 5".
func numbers(t *testing.T, list string) (all []int) {
	t.Helper()
	for _, word := range strings.Fields(list) {
		from, to, several := strings.Cut(word, "-")
		first, err := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if !several {
			last, err2 = first, nil
		}
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		for n := first; n <= last; n++ {
			all = append(all, n)
		}
	}
	return all
}

// writeConfigs writes the configurations of the recorded sessions.
func (b bed) writeConfigs() {
	b.Helper()
	b.must(os.MkdirAll(b.host.path("etc/xen/guests"), 0o755))
	b.must(os.Mkdir(b.host.path("tmp"), 0o755))
	for _, name := range []string{"alpha", "beta"} {
		b.write("etc/xen/guests/"+name+".cfg", fmt.Sprintf("name = %q\nmemory = 128\n", name))
	}
	more := map[string]string{
		"crashed-kept": "on_crash", "faulted-kept": "on_crash", "off-kept": "on_poweroff", "wd-kept": "on_watchdog",
		"rb-kept": "on_reboot", "kept": "on_crash", "c-preserve": "on_crash",
	}
	for _, name := range strings.Fields("spin born-paused zombie r q1 q2 q3 q4 p deaf stub panic big c-destroy c-restart " +
		"c-rename-restart c-coredump-destroy crashed-kept faulted-kept off-kept wd-kept rb-kept kept c-preserve") {
		text := fmt.Sprintf("name = %q\nmemory = 8\n", name)
		if policy, ok := more[name]; ok {
			text += policy + " = 'preserve'\n"
		}
		b.write("tmp/"+name+".cfg", text)
	}
	for name, text := range map[string]string{
		"r-copy": "name = 'r'\nmemory = 8\n", "empty": "", "quote": "name = \"x\n", "words": "this is no config\n",
		"noname": "type = 'pv'\nmemory = 8\n", "mem": "name = 'x'\ntype = 'pv'\nmemory = \"lots\"\n",
		"uk": "name = 'x'\nmemory = 8\nnosuchkey = 1\n",
	} {
		b.write("tmp/"+name+".cfg", text)
	}
}

// ours turns the paths of the real host into ours.
func (b bed) ours(command string) string {
	dir := string(b.host)
	return strings.NewReplacer("/etc/xen/guests/", dir+"/etc/xen/guests/", "/tmp", dir+"/tmp", "/fault/", dir+"/fault/",
		"/var/log/xen/", dir+"/log/", "/usr/sbin/xl", dir+"/sbin/xl").Replace(command)
}

// theirs turns our paths into those of the real host.
func (b bed) theirs(text string) string {
	dir := string(b.host)
	return strings.NewReplacer(dir+"/etc/", "/etc/", dir+"/tmp", "/tmp", dir+"/log/", "/var/log/xen/").Replace(text)
}

// shell runs a recorded line, in which xl is ours.
func (b bed) shell(line string) answer {
	b.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command("bash", "-c", b.ours(line))
	cmd.Dir = b.host.path("tmp")
	cmd.Env = []string{"PATH=" + b.host.path("sbin") + ":" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		b.Fatal(err)
	}
	return answer{b.theirs(out.String()), b.theirs(errs.String()), cmd.ProcessState.ExitCode()}
}

// prepare brings the host into the state of the next recording. "next ID" is the id of the next domain.
func (b bed) prepare(line string) {
	b.Helper()
	if id, ok := strings.CutPrefix(line, "next "); ok {
		b.must(b.host.update(func(s *state) (err error) { s.Next, err = strconv.Atoi(id); return err }))
		return
	}
	if got := b.shell(line); got.code != 0 {
		b.Fatalf("%s: %#v", line, got)
	}
}

// repeat runs a recorded command, and demands that it does the same.
func (b bed) repeat(r recording) {
	b.Helper()
	got := b.shell(strings.Replace(r.Cmd, "sleep ", "sleep 0.0", 1))
	text := func(stdout, stderr string, exit int) string {
		return alike(stdout) + "--- stderr\n" + alike(stderr) + "--- exit " + strconv.Itoa(exit) + "\n"
	}
	if diff := cmp.Diff(text(r.Stdout, r.Stderr, r.Exit), text(got.stdout, got.stderr, got.code)); diff != "" {
		b.Errorf("%d: %s (-recorded +simulated):\n%s", r.N, r.Cmd, diff)
	}
}

var (
	tableEnd = regexp.MustCompile(`(?m)( +\d+ +\d+)( +\d+ {5})(\S{6})( +\d+\.\d)( |$)`)
	ids      = regexp.MustCompile(`((?i:domain) |domid=|\(domid |pid |child \[)\d+`)
	uuid     = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	number   = regexp.MustCompile(`(?m)^()( ?\d+x?$| ?\d+x? is)|("domid": |memkb": )\d+`)
)

// alike takes out of an output what differs from one host and moment to another:
// ids, memory, times, UUIDs, and whether a guest that runs is on a CPU. The
// columns of a table keep their widths.
func alike(text string) string {
	text = tableEnd.ReplaceAllStringFunc(text, func(end string) string {
		parts := tableEnd.FindStringSubmatch(end)
		if marks := parts[3]; marks == "r-----" || marks == "-b----" || marks == "------" {
			parts[3] = "(runs)"
		}
		hash := func(s string) string { return strings.Repeat("#", len(s)) }
		return hash(parts[1]) + parts[2] + parts[3] + hash(parts[4]) + parts[5]
	})
	text = ids.ReplaceAllString(text, "${1}#")
	text = uuid.ReplaceAllString(text, "UUID")
	return number.ReplaceAllString(text, "${3}#")
}

// Two destroys of one guest at once, which both find it and then wait for the
// other: one of them fails, in the words of the real one.
func TestRecordedTwoDestroys(t *testing.T) {
	b := newBed(t, compile(t))
	b.writeConfigs()
	b.prepare("xl create -q /tmp/r.cfg")
	unlock, err := b.host.lock()
	b.must(err)
	ends := map[int]string{}
	first, firstErrs := b.inBackground("destroy", "r")
	second, secondErrs := b.inBackground("destroy", "r")
	b.eventually("both wait", func() bool {
		locks, _ := os.ReadFile("/proc/locks")
		waits := func(pid int) bool { return regexp.MustCompile(fmt.Sprintf(`-> .* %d `, pid)).Match(locks) }
		return waits(first.Process.Pid) && waits(second.Process.Pid)
	})
	unlock()
	_, _ = first.Wait(), second.Wait()
	for cmd, errs := range map[*exec.Cmd]*bytes.Buffer{first: firstErrs, second: secondErrs} {
		ends[cmd.ProcessState.ExitCode()] = alike(errs.String())
	}
	all := recordings(t, "06-race")
	want := map[int]string{all[33].Exit: alike(all[33].Stderr), all[34].Exit: alike(all[34].Stderr)}
	if diff := cmp.Diff(want, ends); diff != "" {
		t.Errorf("two destroys, by exit status (-recorded +simulated):\n%s", diff)
	}
	b.want(answer{code: 1}, "sim", "pid", "r")
}
