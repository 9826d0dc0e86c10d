package tests

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// TestIPMISecrets looks for the password and K_g at each message that comes to the BMC,
// in the arguments and the environment of every process, and afterwards in what was
// written. With ipmitool as the transport, K_g is in that program's environment alone.
func TestIPMISecrets(t *testing.T) {
	for _, c := range []struct {
		name string
		tool bool
		has  []string // programs that may have K_g in their environment
	}{
		{"native", false, nil},
		{"ipmitool", true, []string{"ipmitool"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			user := bmc.User{Name: "oper", Password: "pw-" + rand.Text()[:12], Limit: bmc.Operator}
			kg := "kg-" + rand.Text()[:12]
			b, err := bmc.Start(bmc.Options{Users: []bmc.User{user}, Key: []byte(kg)})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := b.Fail(bmc.SlowOff); err != nil {
				t.Fatal(err)
			}
			var words []string
			said := filepath.Join(t.TempDir(), "said")
			if c.tool {
				words = append(words, "ipmitool="+recordedTool(t, said))
			}
			scan := &secretScan{password: user.Password, kg: kg, programs: map[string]bool{}, shown: map[string]bool{}, environment: map[string]bool{}}
			b.DoAt(bmc.At(bmc.AnyStep), scan.look)
			mark, files := logged.mark(), filesOf(t)
			p := newIPMIPeer(t, b, append(words, "kg_file="+secretFile(t, kg), "passwd_file="+secretFile(t, user.Password))...)
			status, out := p.call("off")
			if status != 0 || b.Power() {
				t.Errorf("exit status %d, the node is %s; %s", status, powerWord(b.Power()), out)
			}
			scan.judge(t, c.has)
			if err := logged.settled(); err != nil {
				t.Fatal(err)
			}
			arguments, err := os.ReadFile(said)
			if c.tool && err != nil {
				t.Error(err)
			}
			written := out + strings.Join(logged.since(mark), "\n") + string(arguments)
			if strings.Contains(written, user.Password) || strings.Contains(written, kg) {
				t.Errorf("a secret was written: %s", written)
			}
			if left := filesOf(t); left != files {
				t.Errorf("a file is left: %s\nbefore: %s", left, files)
			}
		})
	}
}

// recordedTool is ipmitool behind a program that writes its arguments to a file: soon
// after its start ipmitool overwrites some of them.
func recordedTool(t *testing.T, file string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recorded")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\nexec %s \"$@\"\n", file, foreignProgram(t, "ipmitool"))
	if err := program.Write(path, script, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// filesOf are the names in the directories for temporary files.
func filesOf(t *testing.T) string {
	t.Helper()
	var names []string
	for _, dir := range []string{"/run", "/dev/shm", "/var/tmp"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, filepath.Join(dir, entry.Name()))
		}
	}
	return strings.Join(names, " ")
}

// A secretScan collects who has the secrets.
type secretScan struct {
	password, kg string

	mu          sync.Mutex
	looks       int
	programs    map[string]bool // that ran
	shown       map[string]bool // that have a secret in their arguments, or the password in their environment
	environment map[string]bool // that have K_g in their environment
}

// look scans all processes of the machine.
func (s *secretScan) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	for _, dir := range dirs {
		program, err := os.Readlink(dir + "/exe")
		if err != nil {
			continue // it has ended
		}
		program = filepath.Base(program)
		words, _ := os.ReadFile(dir + "/cmdline") // as above
		environment, _ := os.ReadFile(dir + "/environ")
		s.programs[program] = true
		if holds(words, s.password) || holds(words, s.kg) || holds(environment, s.password) {
			s.shown[program] = true
		}
		if holds(environment, s.kg) {
			s.environment[program] = true
		}
	}
}

// judge wants the programs that may have K_g to have it, and nobody else any secret.
func (s *secretScan) judge(t *testing.T, may []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks < 5 || !s.programs["ipmi2"] {
		t.Errorf("%d looks saw %v", s.looks, s.programs)
	}
	if len(s.shown) > 0 {
		t.Errorf("a secret was shown by %v", s.shown)
	}
	if has := slices.Sorted(maps.Keys(s.environment)); !slices.Equal(has, may) {
		t.Errorf("K_g was in the environment of %v, want %v", has, may)
	}
}

func holds(text []byte, secret string) bool { return bytes.Contains(text, []byte(secret)) }
