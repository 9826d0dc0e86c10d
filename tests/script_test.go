package tests

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// scriptLimit is what the longest script may take, many times over.
const scriptLimit = 20 * time.Minute

// logPatience is for a line that is to come to the log.
const logPatience = time.Minute

// A scriptDom0 is a Dom0 as the scripts know it: a simulated or a real one.
// docs/testing.md says what their commands do.
type scriptDom0 interface {
	reset() error
	on(args ...string) *exec.Cmd
	xlPath() string
	has(guest string) (bool, error)
	sshd(act string) error
	crash(guest string) error
	linger(guest string) error
	release() error
	twice(guest string) error
}

// A scene is where scripts run: one after the other, for the Dom0s are the same for all.
type scene struct {
	dom0s    map[string]scriptDom0
	folders  []string // of testdata, with the scripts
	log      func() ([]string, error)
	env      func() []string    // when a script begins
	commands map[string]command // that only this scene has
}

type command = func(ts *testscript.TestScript, neg bool, args []string)

// TestScripts runs the scripts on the simulated Dom0s.
func TestScripts(t *testing.T) {
	var begun logMark
	s := &scene{
		dom0s: map[string]scriptDom0{}, folders: []string{"script", "both"},
		log: begun.lines,
		env: func() []string { return []string{"SHORT=timeout=5s", "CONFIGS=/etc/stonith-plugins"} },
	}
	s.commands = map[string]command{"fault": s.cmdFault, "bare": s.cmdBare, "snapshot": s.cmdSnapshot}
	for _, name := range dom0Names {
		s.dom0s[name] = dom0s[name]
	}
	s.run(t, func(string) error {
		for _, name := range dom0Names {
			if err := errors.Join(dom0s[name].resetLegacy(), dom0s[name].reset()); err != nil {
				return err
			}
		}
		begun.set()
		return nil
	})
}

// A logMark is where a script's part of the machine's log begins.
type logMark int

func (m *logMark) set() { *m = logMark(logged.mark()) }

func (m *logMark) lines() ([]string, error) {
	err := logged.settled()
	return logged.since(int(*m)), err
}

// shardVariable says which scripts a run is for: "2/3" is the second third of them. Without
// it, a run is for all of them.
const shardVariable = "STONITH_TEST_SHARD"

// shard returns the number of this run and that of all runs, which share the scripts.
func shard(t *testing.T) (number, of int) {
	t.Helper()
	value, set := os.LookupEnv(shardVariable)
	if !set {
		return 1, 1
	}
	first, second, _ := strings.Cut(value, "/")
	number, err := strconv.Atoi(first)
	of, ofErr := strconv.Atoi(second)
	if err != nil || ofErr != nil || number < 1 || number > of {
		t.Fatalf("%s=%s: want a number, a slash and the number of shards, as in 1/2", shardVariable, value)
	}
	return number, of
}

// run runs the scripts of the scene's folders that are this shard's, each after begin with its text.
func (s *scene) run(t *testing.T, begin func(script string) error) {
	commands := map[string]command{
		"exits": cmdExits, "xl": s.cmdXL, "on": s.cmdOn, "sshd": s.cmdSSHD, "guest": s.cmdGuest, "logged": s.cmdLogged,
		"crash": s.cmdCrash, "linger": s.cmdLinger, "release": s.cmdRelease, "twice": s.cmdTwice,
	}
	maps.Copy(commands, s.commands)
	number, of := shard(t)
	count := 0
	for _, folder := range s.folders {
		scripts, err := filepath.Glob("testdata/" + folder + "/*.txtar")
		if err != nil || len(scripts) == 0 {
			t.Fatalf("no scripts in %s: %v", folder, err)
		}
		for _, script := range scripts {
			if count++; count%of != number-1 {
				continue
			}
			text, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
				testscript.Run(t, testscript.Params{
					Files: []string{script}, RequireExplicitExec: true, Deadline: time.Now().Add(scriptLimit), Cmds: commands,
					Setup: func(env *testscript.Env) error {
						err := begin(string(text))
						s.setUp(env)
						return errors.Join(err, program.Renew(env.WorkDir)) // a script may run its files
					},
				})
			})
		}
	}
}

// setUp gives a script its variables.
func (s *scene) setUp(env *testscript.Env) {
	env.Vars = append(env.Vars, parameters()...)
	env.Vars = append(env.Vars, s.env()...)
	env.Vars = append(env.Vars,
		"HOME="+filepath.Join(labDir, "home"),
		"KEYS="+filepath.Join(labDir, "keys"),
		"KNOWN="+filepath.Join(labDir, "home/.ssh/known_hosts"),
		"SSH="+sshConfig,
		"DAYS="+theseDays(time.Now()),
		"PLUGINS=/usr/lib/stonith/plugins/external",
		"PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
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

func (s *scene) theDom0(ts *testscript.TestScript, args []string) scriptDom0 {
	if len(args) == 0 || s.dom0s[args[0]] == nil {
		ts.Fatalf("the first argument must be a Dom0")
	}
	return s.dom0s[args[0]]
}

// cmdXL: [!] xl DOM0 [ARGUMENT...]
func (s *scene) cmdXL(ts *testscript.TestScript, neg bool, args []string) {
	d := s.theDom0(ts, args)
	runOn(ts, neg, d, append([]string{d.xlPath()}, args[1:]...))
}

// cmdOn: [!] on DOM0 PROGRAM [ARGUMENT...]
func (s *scene) cmdOn(ts *testscript.TestScript, neg bool, args []string) {
	runOn(ts, neg, s.theDom0(ts, args), args[1:])
}

func runOn(ts *testscript.TestScript, neg bool, d scriptDom0, args []string) {
	command := d.on(args...).Args
	if err := ts.Exec(command[0], command[1:]...); (err != nil) != neg {
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
}

// cmdFault: fault DOM0 COMMAND [TEXT], where no text ends the fault
func (s *scene) cmdFault(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.theDom0(ts, args).(*dom0).host.Fault(args[1], strings.Join(args[2:], " ")))
}

// cmdSSHD: sshd DOM0 stop|start|freeze|thaw
func (s *scene) cmdSSHD(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.theDom0(ts, args).sshd(args[1]))
}

// cmdCrash: crash DOM0 NAME
func (s *scene) cmdCrash(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.theDom0(ts, args).crash(args[1]))
}

// cmdLinger: linger DOM0 NAME
func (s *scene) cmdLinger(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.theDom0(ts, args).linger(args[1]))
}

// cmdRelease: release DOM0
func (s *scene) cmdRelease(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.theDom0(ts, args).release())
}

// cmdTwice: twice DOM0 NAME
func (s *scene) cmdTwice(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.theDom0(ts, args).twice(args[1]))
}

// cmdGuest: guest NAME gone|on DOM0...
func (s *scene) cmdGuest(ts *testscript.TestScript, _ bool, args []string) {
	want := strings.TrimPrefix(strings.Join(args[1:], " "), "on ")
	got := "gone"
	for _, name := range dom0Names {
		has, err := s.dom0s[name].has(args[0])
		ts.Check(err)
		if has {
			got = strings.TrimPrefix(got+" "+name, "gone ")
		}
	}
	if got != want {
		ts.Fatalf("the truth: guest %s is on %s, want %s", args[0], got, want)
	}
}

// cmdLogged: [!] logged [-count=N] REGEXP...: there is a line, or are N lines, in
// the system's log that all of them fit
func (s *scene) cmdLogged(ts *testscript.TestScript, neg bool, args []string) {
	want, counted := 0, neg
	if number, ok := strings.CutPrefix(args[0], "-count="); ok {
		n, err := strconv.Atoi(number)
		ts.Check(err)
		want, counted, args = n, true, args[1:]
	}
	unfit := func(line string) bool {
		return slices.ContainsFunc(args, func(arg string) bool { return !regexp.MustCompile(arg).MatchString(line) })
	}
	for deadline := time.Now().Add(logPatience); ; time.Sleep(20 * time.Millisecond) {
		lines, err := s.log()
		ts.Check(err)
		got := len(slices.DeleteFunc(slices.Clone(lines), unfit))
		switch late := time.Now().After(deadline); {
		case counted && got > want, late && counted && got < want:
			ts.Fatalf("logged %d times, want %d; the log has\n%s", got, want, strings.Join(lines, "\n"))
		case counted && got == want, !counted && got > 0:
			return
		case late:
			ts.Fatalf("not logged; the log has\n%s", strings.Join(lines, "\n"))
		}
	}
}
