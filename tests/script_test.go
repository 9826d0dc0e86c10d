package tests

import (
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptLimit is what the longest script may take, many times over.
const scriptLimit = 2 * time.Minute

// TestScripts runs every script of testdata/script, one after the other: the
// Dom0s are the same for all. docs/testing.md lists the commands.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Files: []string{script}, Setup: setUpScript, RequireExplicitExec: true,
				Deadline: time.Now().Add(scriptLimit),
				Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
					"exits": cmdExits, "xl": cmdXL, "fault": cmdFault, "sshd": cmdSSHD, "guest": cmdGuest, "logged": cmdLogged, "on": cmdOn,
					"bare": cmdBare, "snapshot": cmdSnapshot,
				},
			})
		})
	}
}

type markKey struct{}

// setUpScript gives the Dom0s the state in which every script begins.
func setUpScript(env *testscript.Env) error {
	for _, d := range dom0s {
		if err := errors.Join(d.resetLegacy(), d.reset()); err != nil {
			return err
		}
	}
	env.Values[markKey{}] = logged.mark()
	env.Vars = append(env.Vars, parameters()...)
	env.Vars = append(env.Vars,
		"HOME="+filepath.Join(labDir, "home"),
		"KEYS="+filepath.Join(labDir, "keys"),
		"KNOWN="+filepath.Join(labDir, "home/.ssh/known_hosts"),
		"SSH="+sshConfig,
		"DAYS="+theseDays(time.Now()),
		"PLUGINS=/usr/lib/stonith/plugins/external",
		"PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
	return nil
}

// theseDays is a regular expression for the day of a line of the log. Midnight
// and a time zone may come between.
func theseDays(now time.Time) string {
	const day = 24 * time.Hour
	return "(" + now.Add(-day).Format("Jan _2") + "|" + now.Format("Jan _2") + "|" + now.Add(day).Format("Jan _2") + ")"
}

// cmdExits: exits STATUS PROGRAM [ARGUMENT...]
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func theDom0(ts *testscript.TestScript, name string) *dom0 {
	d, ok := dom0s[name]
	if !ok {
		ts.Fatalf("there is no Dom0 %q", name)
	}
	return d
}

// cmdXL: [!] xl DOM0 [ARGUMENT...]
func cmdXL(ts *testscript.TestScript, neg bool, args []string) {
	d := theDom0(ts, args[0])
	runOn(ts, neg, d, append([]string{d.dir("xen/sbin/xl")}, args[1:]...))
}

// cmdOn: [!] on DOM0 PROGRAM [ARGUMENT...]
func cmdOn(ts *testscript.TestScript, neg bool, args []string) {
	runOn(ts, neg, theDom0(ts, args[0]), args[1:])
}

func runOn(ts *testscript.TestScript, neg bool, d *dom0, args []string) {
	command := d.on(args...).Args
	if err := ts.Exec(command[0], command[1:]...); (err != nil) != neg {
		ts.Fatalf("dom0 %s: %s: %v", d.name, strings.Join(args, " "), err)
	}
}

// cmdFault: fault DOM0 COMMAND [TEXT], where no text ends the fault
func cmdFault(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(theDom0(ts, args[0]).host.Fault(args[1], strings.Join(args[2:], " ")))
}

// cmdSSHD: sshd DOM0 stop|start|freeze|thaw
func cmdSSHD(ts *testscript.TestScript, _ bool, args []string) {
	d := theDom0(ts, args[0])
	act := map[string]func() error{
		"stop": d.stopSSHD, "start": d.startSSHD,
		"freeze": func() error { return d.signalSSHD("STOP") },
		"thaw":   func() error { return d.signalSSHD("CONT") },
	}[args[1]]
	ts.Check(act())
}

// cmdGuest: guest NAME gone|on DOM0
func cmdGuest(ts *testscript.TestScript, _ bool, args []string) {
	want := strings.TrimPrefix(strings.Join(args[1:], " "), "on ")
	got := "gone"
	for _, name := range dom0Names {
		if dom0s[name].runs(args[0]) {
			got = strings.TrimPrefix(got+" "+name, "gone ")
		}
	}
	if got != want {
		ts.Fatalf("the truth: guest %s is on %s, want %s", args[0], got, want)
	}
}

// cmdLogged: [!] logged [-count=N] REGEXP...: there is a line, or are N lines, in
// the system's log that all of them fit
func cmdLogged(ts *testscript.TestScript, neg bool, args []string) {
	want, counted := 1, false
	if number, ok := strings.CutPrefix(args[0], "-count="); ok {
		n, err := strconv.Atoi(number)
		ts.Check(err)
		want, counted, args = n, true, args[1:]
	}
	fits := func(line string) bool {
		return !slices.ContainsFunc(args, func(arg string) bool { return !regexp.MustCompile(arg).MatchString(line) })
	}
	mark := ts.Value(markKey{}).(int)
	if neg {
		want, counted = 0, true
	} else if logged.waitFor(mark, fits) == "" {
		ts.Fatalf("not logged; the log has\n%s", strings.Join(logged.since(mark), "\n"))
	}
	ts.Check(logged.settled())
	unfit := func(line string) bool { return !fits(line) }
	if got := len(slices.DeleteFunc(logged.since(mark), unfit)); counted && got != want {
		ts.Fatalf("logged %d times, want %d; the log has\n%s", got, want, strings.Join(logged.since(mark), "\n"))
	}
}
