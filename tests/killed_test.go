package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// killStages is how many pairs of Dom0s TestKilled has, and the number of their first.
const (
	killStages     = 12
	firstKillStage = 100
)

// TestKilled holds a call at a moment of its course, ends one process of it or
// its connection, and lets the rest go on. Whatever the call then says must be
// true, and the call, made again, must find nothing in its way and succeed.
func TestKilled(t *testing.T) {
	var pairs []*stage
	var cables []*cable
	for i := firstKillStage; i < firstKillStage+killStages; i++ {
		s, err := newStage(i)
		must("a stage", err)
		defer s.end()
		c, err := newCable(s.alpha, fmt.Sprintf("127.0.%d.3", i+2))
		must("a cable", err)
		pairs, cables = append(pairs, s), append(cables, c)
	}
	kills := make(chan kill)
	var workers sync.WaitGroup
	for i := range pairs {
		workers.Go(func() {
			for k := range kills {
				t.Run(k.String(), func(t *testing.T) { k.check(t, pairs[i], cables[i]) })
			}
		})
	}
	for _, verb := range []string{"off", "reset", "on"} {
		for _, m := range moments(verb) {
			for _, v := range m.victims {
				kills <- kill{verb, m, v}
			}
		}
	}
	close(kills)
	workers.Wait()
}

// A kill is one case: a victim at a moment of a verb.
type kill struct {
	verb   string
	moment moment
	victim victim
}

func (k kill) String() string {
	return strings.ReplaceAll(k.verb+"/"+k.moment.name+"/"+k.victim.name, " ", "_")
}

// A moment is one in the course of a call at which the call can be held.
type moment struct {
	name string
	// hold arranges, before the call, that it comes to a halt; arrive waits for that; release undoes it.
	hold, arrive, release func(*heldCall) error
	// What must be so at the moment, else it is not the one that is meant: whether
	// the guest runs, and whether the request has the guest's lock.
	on, locked bool
	victims    []victim
}

// moments are those of a verb. The numbers are those of the calls of `xl list` on
// alpha: two for each look, one look for each request, and two rounds of requests
// for what is off.
func moments(verb string) []moment {
	early := func(on bool) []moment {
		return []moment{
			frozen(on),
			following(lastLook(verb), atGate(on)),
			following(lastLook(verb), atLock()),
			atToolstack("first look, list -v", "list", 0, on, false),
			atToolstack("first look, list -l", "list", 1, on, false),
		}
	}
	switch verb {
	case "off":
		return append(early(true),
			atToolstack("look of the request", "list", 2, true, true),
			bySignals(atToolstack("destroy", "destroy", 0, true, true)),
			atToolstack("look after destroy", "list", 4, false, true))
	case "reset": // which begins as off does
		return []moment{
			bySignals(atToolstack("destroy", "destroy", 0, true, true)),
			atToolstack("look after destroy", "list", 4, false, true),
			atToolstack("look that proves off", "list", 6, false, false),
			bySignals(atToolstack("create", "create", 0, false, true)),
			atToolstack("look after create", "list", 20, true, true),
		}
	default:
		return append(early(false),
			atToolstack("look of the request", "list", 8, false, true),
			bySignals(atToolstack("create", "create", 0, false, true)),
			atToolstack("look after create", "list", 10, true, true))
	}
}

// bySignals adds the ways in which people, and those who shut down, end a plugin.
func bySignals(m moment) moment {
	m.victims = append([]victim{
		{"plugin TERM", signalPlugin(syscall.SIGTERM)},
		{"plugin HUP", signalPlugin(syscall.SIGHUP)},
		{pluginStopped, signalPlugin(syscall.SIGSTOP)},
	}, m.victims...)
	return m
}

// pluginStopped is the victim that stays until the call has been repeated, and is killed then.
const pluginStopped = "plugin STOP"

// lastLook is the last call of `xl list` before the verb's first request to change the guest.
func lastLook(verb string) moment {
	if verb == "on" {
		return atToolstack("", "list", 7, false, false)
	}
	return atToolstack("", "list", 1, true, false)
}

// frozen is before the first request is sent: sshd is silent.
func frozen(on bool) moment {
	return moment{
		name:    "before the request",
		hold:    func(s *heldCall) error { return s.alpha.signalSSHD("STOP") },
		arrive:  func(s *heldCall) error { return s.until("a connection", func() bool { return s.cable.used() }) },
		release: func(s *heldCall) error { return s.alpha.signalSSHD("CONT") },
		on:      on, victims: slices.Concat(callers, connections),
	}
}

// atToolstack is in the call after n calls of a command of the toolstack.
func atToolstack(name, command string, n int, on, locked bool) moment {
	return moment{
		name: name,
		hold: func(s *heldCall) error {
			return errors.Join(s.forgetCalls(command), s.alpha.host.Fault(command, fmt.Sprintf("after %d hold", n)))
		},
		arrive: func(s *heldCall) error {
			return s.until("xl "+command, func() bool { return s.calls(command) > n && len(s.find(isXL)) > 0 })
		},
		release: func(s *heldCall) error { return s.alpha.host.Fault(command, "") },
		on:      on, locked: locked, victims: slices.Concat(callers, connections, sessions, rootHalf, toolstack),
	}
}

// atGate is when the gate has become sudo, and sudo has not yet begun.
func atGate(on bool) moment {
	return moment{
		name:    "gate",
		hold:    (*heldCall).barSudo,
		arrive:  func(s *heldCall) error { return s.until("the gate", func() bool { return len(s.find(isGate)) > 0 }) },
		release: (*heldCall).unbarSudo,
		on:      on, victims: slices.Concat(callers, connections, sessions, gate),
	}
}

// atLock is when the root half waits for the guest's lock. Off ends the guest meanwhile.
func atLock() moment {
	return moment{
		name:    "lock",
		hold:    (*heldCall).takeLock,
		arrive:  func(s *heldCall) error { return s.until("a root half without the lock", s.waitsForLock) },
		release: (*heldCall).dropLock,
		on:      false, locked: true, victims: slices.Concat(callers, connections, sessions, rootHalf),
	}
}

// following holds the call at first, and from there on at next.
func following(first, next moment) moment {
	m := next
	m.hold = first.hold
	m.arrive = func(s *heldCall) error {
		if err := first.arrive(s); err != nil {
			return err
		}
		return errors.Join(next.hold(s), first.release(s), next.arrive(s))
	}
	return m
}

// A victim is what ends.
type victim struct {
	name   string
	strike func(*heldCall) error
}

// The victims, by what they belong to.
var (
	callers     = []victim{{"plugin KILL", signalPlugin(syscall.SIGKILL)}}
	connections = []victim{
		{"connection cut", func(s *heldCall) error { return s.cable.cut() }},
		{"connection dead", func(s *heldCall) error { return s.cable.die() }},
	}
	sessions = []victim{
		{"session", signalAll(isSession, syscall.SIGKILL)},
		{"session monitor", signalAll(isMonitor, syscall.SIGKILL)},
		{"account shell", signalAll(isShell, syscall.SIGKILL)},
	}
	gate     = []victim{{"gate", signalAll(isGate, syscall.SIGKILL)}}
	rootHalf = []victim{
		{"sudo KILL", signalAll(isSudo, syscall.SIGKILL)},
		{"sudo TERM", signalAll(isSudo, syscall.SIGTERM)},
		{"root half KILL", killRootHalf},
	}
	toolstack = []victim{{"xl", signalAll(isXL, syscall.SIGKILL)}}
)

func signalPlugin(signal syscall.Signal) func(*heldCall) error {
	return func(s *heldCall) error { return s.plugin.Process.Signal(signal) }
}

func signalAll(is func(process, []process) bool, signal syscall.Signal) func(*heldCall) error {
	return func(s *heldCall) error {
		struck := false
		for _, p := range s.find(is) {
			// One of an earlier connection may have ended by itself meanwhile.
			err := syscall.Kill(p.pid, signal)
			if err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
			struck = struck || err == nil
		}
		if !struck {
			return errors.New("the victim is not there")
		}
		return nil
	}
}

// killRootHalf wants the toolstack's command to end with the root half: it would
// go on without the guest's lock.
func killRootHalf(s *heldCall) error {
	commands := s.find(isXL)
	if err := signalAll(isRootHalf, syscall.SIGKILL)(s); err != nil {
		return err
	}
	return s.until("the end of the root half's xl", func() bool {
		return !slices.ContainsFunc(s.alpha.processes(), func(p process) bool {
			return slices.ContainsFunc(commands, func(c process) bool { return c.pid == p.pid })
		})
	})
}

// A heldCall is one case under way.
type heldCall struct {
	*stage
	cable  *cable
	plugin *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
	lock   *os.File
	barred bool
}

const killedGuest = "node-1"

// check runs one case.
func (k kill) check(t *testing.T, on *stage, c *cable) {
	s := &heldCall{stage: on, cable: c, ended: make(chan struct{})}
	defer s.clear(t)
	before, err := s.arrange(k.verb)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.moment.hold(s), s.start(k.verb)); err != nil {
		t.Fatal(err)
	}
	if err := k.moment.arrive(s); err != nil {
		t.Fatalf("%v; %s", err, s.told())
	}
	if runs, locked := s.alpha.runs(killedGuest), s.locked(); runs != k.moment.on || locked != k.moment.locked {
		t.Fatalf("not the moment that is meant: guest runs %t, want %t; locked %t, want %t", runs, k.moment.on, locked, k.moment.locked)
	}
	if err := errors.Join(k.victim.strike(s), k.moment.release(s)); err != nil {
		t.Fatal(err)
	}
	stopped := k.victim.name == pluginStopped
	if !stopped {
		s.judgeFirst(t, k.verb, before)
	}
	s.repeat(t, k.verb)
	if stopped {
		must("the plugin", s.plugin.Process.Kill())
		<-s.ended
	}
	s.nothingLeft(t)
	s.judgeTruth(t, k.verb)
}

// arrange gives the Dom0s the state in which the verb has something to do, and
// returns the processes of the guest.
func (s *heldCall) arrange(verb string) ([]string, error) {
	if err := errors.Join(s.both((*dom0).reset), os.MkdirAll(s.alpha.dir("xen/state"), 0o700)); err != nil {
		return nil, err
	}
	if verb != "on" {
		return s.guests(), nil
	}
	_, err := s.alpha.xl("destroy", killedGuest)
	return nil, err
}

// start starts the call. The connection to alpha goes by the cable.
func (s *heldCall) start(verb string) error {
	s.plugin = pluginCommand(verb, killedGuest, "sshaccount=xen@"+s.cable.address+" xen@"+s.beta.name, "timeout=24s")
	s.plugin.Stdout, s.plugin.Stderr = &s.output, &s.output
	s.cable.renew()
	if err := s.plugin.Start(); err != nil {
		return err
	}
	go func() {
		_ = s.plugin.Wait() // the exit status says it
		close(s.ended)
	}()
	return nil
}

// told is what the first call has said, once it has ended.
func (s *heldCall) told() string {
	select {
	case <-s.ended:
		return fmt.Sprintf("exit status %d; %s", s.plugin.ProcessState.ExitCode(), s.output.String())
	default:
		return "the call goes on"
	}
}

// judgeFirst waits for the end of the call and compares a success with the truth.
func (s *heldCall) judgeFirst(t *testing.T, verb string, before []string) {
	if err := s.until("the end of the first call", func() bool { return s.told() != "the call goes on" }); err != nil {
		t.Fatal(err)
	}
	if s.plugin.ProcessState.ExitCode() != 0 {
		return
	}
	now := s.guests()
	switch verb {
	case "off":
		if len(now) > 0 {
			t.Errorf("FALSE SUCCESS: off exits 0 and the guest runs; %s", s.told())
		}
	case "reset":
		if slices.ContainsFunc(before, func(pid string) bool { return slices.Contains(now, pid) }) {
			t.Errorf("FALSE SUCCESS: reset exits 0 and the guest runs that did before; %s", s.told())
		}
	case "on":
		if len(now) != 1 {
			t.Errorf("FALSE SUCCESS: on exits 0 and the guest has the processes %v; %s", now, s.told())
		}
	}
}

// repeat makes the call again, as anyone would, and wants it to succeed.
func (s *heldCall) repeat(t *testing.T, verb string) {
	status, out := callPlugin(verb, killedGuest, "sshaccount=xen@"+s.alpha.name+" xen@"+s.beta.name)
	if status != 0 {
		t.Errorf("the repeated call: exit status %d; %s", status, out)
	}
	s.judgeTruth(t, verb)
}

// judgeTruth wants the guest to be as the verb leaves it.
func (s *heldCall) judgeTruth(t *testing.T, verb string) {
	want := 1
	if verb == "off" {
		want = 0
	}
	if got := s.guests(); len(got) != want {
		t.Errorf("after the repeated %s the guest has %d processes, want %d", verb, len(got), want)
	}
}

// guests are the processes of the guest on both Dom0s: what is true.
func (s *heldCall) guests() []string {
	var pids []string
	for _, d := range []*dom0{s.alpha, s.beta} {
		out, _ := d.xl("sim", "pid", killedGuest) // fails if there is none
		for _, pid := range strings.Fields(out) {
			pids = append(pids, d.name+" "+pid)
		}
	}
	return pids
}

// nothingLeft wants all processes of requests to end by themselves, soon, the
// lock to be free, and no file to be left.
func (s *heldCall) nothingLeft(t *testing.T) {
	for _, d := range []*dom0{s.alpha, s.beta} {
		if err := s.until("the end of all requests", func() bool { return len(d.ofRequests()) == 0 }); err != nil {
			t.Errorf("dom0 %s: %v: %v", d.name, err, d.ofRequests())
		}
	}
	if s.locked() {
		t.Error("the guest's lock is held")
	}
	for _, name := range s.alpha.files() {
		t.Errorf("dom0 %s: %s is left", s.alpha.name, name)
	}
}

// files are those below the Dom0's directories that no test expects there.
func (d *dom0) files() []string {
	var found []string
	for _, pattern := range []string{"xen/state/*", "xen/etc/*", "run/*"} {
		paths, err := filepath.Glob(d.dir(pattern))
		must(pattern, err)
		for _, path := range paths {
			_, known := d.etc[path]
			if !known && !slices.Contains([]string{".lock", ".note", ".seen"}, filepath.Ext(path)) && !slices.Contains([]string{"sshd", "sshd.pid", "motd.dynamic", "sudo", "mount"}, filepath.Base(path)) {
				found = append(found, path)
			}
		}
	}
	return found
}

// clear ends what a failed case may have left.
func (s *heldCall) clear(t *testing.T) {
	if s.plugin != nil {
		_ = s.plugin.Process.Kill() // mostly it has ended
		<-s.ended
	}
	if err := errors.Join(s.dropLock(), s.unbarSudo(), s.alpha.signalSSHD("CONT")); err != nil {
		t.Error(err)
	}
}

// until waits for what is awaited, longer than any call lasts.
func (s *heldCall) until(what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not come", what)
		case <-time.After(40 * time.Millisecond):
		}
	}
	return nil
}

// callsFile is where the simulated xl counts the calls of a command that has a counted fault.
func (s *heldCall) callsFile(command string) string { return s.alpha.dir("xen/run/calls-" + command) }

func (s *heldCall) forgetCalls(command string) error {
	if err := os.Remove(s.callsFile(command)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (s *heldCall) calls(command string) int {
	var tally struct{ Calls int }
	text, err := os.ReadFile(s.callsFile(command))
	if err != nil || json.Unmarshal(text, &tally) != nil {
		return 0
	}
	return tally.Calls
}

func (s *heldCall) lockFile() string { return s.alpha.dir("xen/state", killedGuest+".lock") }

// openLock locks the guest as a request would; it returns no file if one has it locked.
func (s *heldCall) openLock() *os.File {
	file, err := os.OpenFile(s.lockFile(), os.O_RDONLY|os.O_CREATE, 0o600)
	must("the lock", err)
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return file
	}
	_ = file.Close() // it was never locked
	return nil
}

// locked reports whether a request, or this heldCall, has the guest's lock.
func (s *heldCall) locked() bool {
	if s.lock != nil {
		return true
	}
	file := s.openLock()
	if file == nil {
		return true
	}
	_ = file.Close() // unlocks
	return false
}

func (s *heldCall) takeLock() error {
	if s.lock = s.openLock(); s.lock == nil {
		return errors.New("the guest's lock is held")
	}
	return nil
}

func (s *heldCall) dropLock() error {
	if s.lock == nil {
		return nil
	}
	defer func() { s.lock = nil }()
	return s.lock.Close()
}

// waitsForLock reports whether a root half keeps the lock's file open, and the
// guest is gone, as it is before on and after off.
func (s *heldCall) waitsForLock() bool {
	waiting := s.find(func(p process, all []process) bool { return isRootHalf(p, all) && p.hasOpen(s.lockFile()) })
	return len(waiting) > 0 && !s.alpha.runs(killedGuest) && slices.Equal(pids(waiting), pids(s.find(isRootHalf)))
}

// The bar is a program in sudo's place on the Dom0, which waits before it becomes sudo.
const sudoPath = "/usr/bin/sudo"

func (s *heldCall) barSudo() error {
	dir := s.alpha.dir("bar")
	script := fmt.Sprintf("#!/bin/sh\nwhile test -e %[1]s/closed; do sleep 0.02; done\nexec %[1]s/sudo \"$@\"\n", dir)
	if err := errors.Join(makeDirs(dir), os.WriteFile(dir+"/closed", nil, 0o644), os.WriteFile(dir+"/sudo", nil, 0o755),
		program.Write(dir+"/bar", script, 0o755)); err != nil {
		return err
	}
	if _, err := s.alpha.run("mount", "--bind", sudoPath, dir+"/sudo"); err != nil {
		return err
	}
	s.barred = true
	_, err := s.alpha.run("mount", "--bind", dir+"/bar", sudoPath)
	return err
}

func (s *heldCall) unbarSudo() error {
	if !s.barred {
		return nil
	}
	s.barred = false
	_, err := s.alpha.run("umount", "--lazy", sudoPath) // what waits there still has it open
	return errors.Join(err, os.Remove(s.alpha.dir("bar/closed")))
}

// find returns the processes on alpha that are so.
func (s *heldCall) find(is func(p process, all []process) bool) []process {
	all := s.alpha.processes()
	var found []process
	for _, p := range all {
		if is(p, all) {
			found = append(found, p)
		}
	}
	return found
}
