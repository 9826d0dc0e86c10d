package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// A poolScene is a scene with a simulated pool, once a script has started it.
type poolScene struct {
	scene
	pool *pool.Pool
}

// TestXenAPI runs the scripts that have a simulated pool.
func TestXenAPI(t *testing.T) {
	var begun logMark
	s := &poolScene{scene: scene{
		folders: []string{"xenapi"},
		log:     begun.lines,
		env:     func() []string { return nil },
	}}
	s.commands = map[string]command{"pool": s.cmdPool, "truth": s.cmdTruth}
	s.run(t, func(string) error {
		s.pool = nil
		begun.set()
		return nil
	})
}

// cmdPool: what stands first in args
//
//	pool start GUEST...          starts a pool of three members, and sets the parameters and MASTER, its URL
//	pool member N die            ends its xapi; the guests go on
//	pool member N promote        makes it the master
//	pool member N boot           lets it answer HOST_STILL_BOOTING
//	pool member N fail FAULT     lets it fail towards its clients
//	pool member N die-at METHOD  lets it die at the first call of it, and the next member be the master
//	pool guest NAME lie          lets hard_shutdown succeed, and do nothing
//	pool guest NAME block        blocks hard_shutdown
//	pool sessions N              fails unless N sessions are open
func (s *poolScene) cmdPool(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pool start|member|guest|sessions ...")
	}
	if args[0] == "start" {
		s.start(ts, args[1:])
		return
	}
	p := s.thePool(ts)
	switch args[0] {
	case "member":
		var n int
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
		ts.Check(actOnMember(p, n-1, args[2:]))
	case "guest":
		v := p.VM(args[1])
		switch args[2] {
		case "lie":
			v.Lie(pool.LieDone)
		case "block":
			v.Block("hard_shutdown", "the books are being closed")
		default:
			ts.Fatalf("pool guest %s: %q?", args[1], args[2])
		}
	case "sessions":
		if got := fmt.Sprint(p.OpenSessions()); got != args[1] {
			ts.Fatalf("%s sessions are open, want %s: %+v", got, args[1], p.Sessions())
		}
	default:
		ts.Fatalf("pool %s?", args[0])
	}
}

func (s *poolScene) thePool(ts *testscript.TestScript) *pool.Pool {
	if s.pool == nil {
		ts.Fatalf("there is no pool yet: pool start GUEST...")
	}
	return s.pool
}

func (s *poolScene) start(ts *testscript.TestScript, guests []string) {
	o := pool.Options{ShutdownTime: 100 * time.Millisecond, StartTime: 100 * time.Millisecond, WrongPassword: 100 * time.Millisecond}
	for i, name := range guests {
		o.Guests = append(o.Guests, pool.Guest{Name: name, Member: (i + 1) % 3})
	}
	p, err := pool.New(o)
	ts.Check(err)
	ts.Defer(p.Close)
	s.pool = p
	ts.Setenv("MASTER", p.Member(0).URL())
	for name, value := range poolParameters(p, ts.MkAbs("."), strings.Join(guests, " ")) {
		ts.Setenv(name, value)
	}
}

// poolParameters writes the files and returns the parameters of external/xenapi.
func poolParameters(p *pool.Pool, dir, hostlist string) map[string]string {
	var members []string
	for _, m := range p.Members() {
		members = append(members, m.Address())
	}
	ca, passwd := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "passwd")
	must("ca.pem", os.WriteFile(ca, p.CA(), 0o644))
	must("passwd", os.WriteFile(passwd, []byte(p.Password()+"\n"), 0o600))
	return map[string]string{"pool": strings.Join(members, " "), "hostlist": hostlist, "ca_file": ca, "passwd_file": passwd}
}

func actOnMember(p *pool.Pool, n int, words []string) error {
	m, next := p.Member(n), p.Member((n+1)%3)
	switch strings.Join(words[:1], "") {
	case "die":
		return m.Die()
	case "promote":
		m.Promote()
	case "boot":
		m.Boot()
	case "fail":
		return m.Fail(pool.Fault(words[1]))
	case "die-at":
		m.DoAt(pool.Before(words[1]).Nth(1), func() {
			_ = m.Die()
			next.Promote()
		})
	default:
		return fmt.Errorf("pool member: %q?", words)
	}
	return nil
}

// cmdTruth: truth GUEST runs|dead
func (s *poolScene) cmdTruth(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truth GUEST runs|dead")
	}
	got := "dead"
	if s.thePool(ts).Truth(args[0]) {
		got = "runs"
	}
	if got != args[1] {
		ts.Fatalf("the truth: guest %s %s, want %s", args[0], got, args[1])
	}
}

// xenapiProgram is the installed plugin.
const xenapiProgram = "/usr/lib/stonith/plugins/external/xenapi"
