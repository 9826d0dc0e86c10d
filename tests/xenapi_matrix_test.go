package tests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// A poolFault is something wrong with a pool at the time of a call, most of them a way
// in which a guest that looks off goes on all the same. The guest node-1 runs on the
// third of three members, the first of which is the master.
type poolFault struct {
	name    string
	options pool.Options
	arrange func(*pool.Pool, pool.VM)
	params  []string // of the call, besides the usual ones
	// want is the exit status of off, reset, on and status.
	want [4]int
	// later is how long after off the truth is compared once more.
	later time.Duration
}

func longAgo(minutes int) time.Time { return time.Now().Add(time.Duration(minutes-60) * time.Minute) }

// writeHalted lets the master's database call the guest Halted, which goes on.
func writeHalted(p *pool.Pool, v pool.VM) { v.WriteIn(p.Member(0), pool.Halted) }

func poolFaults() []poolFault {
	short, ha, trust := shortLimit, "unheard_hosts=ha", "unheard_hosts=trust"
	usual, withHA := pool.Options{}, pool.Options{HA: true}
	offOnly := [4]int{1, 1, 0, 0} // of a guest that runs as far as its master knows
	doing := func(acts ...func(*pool.Pool, pool.VM)) func(*pool.Pool, pool.VM) {
		return func(p *pool.Pool, v pool.VM) {
			for _, act := range acts {
				act(p, v)
			}
		}
	}
	die := func(member int) func(*pool.Pool, pool.VM) {
		return func(p *pool.Pool, _ pool.VM) { must("die", p.Member(member).Die()) }
	}
	anotherDead := func(p *pool.Pool, _ pool.VM) { must("power off", p.Member(1).PowerOff()) }
	halt := func(_ *pool.Pool, v pool.VM) { v.Halt() }
	suspend := func(_ *pool.Pool, v pool.VM) { v.Suspend() }
	split := func(p *pool.Pool, v pool.VM) {
		p.Member(1).Split()
		p.Member(1).SetStarted(longAgo(0))
		p.Member(2).SlaveOf(p.Member(1).IP())
	}
	youngerMaster := func(p *pool.Pool, _ pool.VM) { p.Member(0).SetStarted(longAgo(30)) }
	return []poolFault{
		{"none", usual, doing(), nil, allWell, 0},
		{"the guest is off", usual, halt, nil, allWell, 0},
		{"the guest is paused", usual, func(_ *pool.Pool, v pool.VM) { v.Write(pool.Paused) }, nil, allWell, 0},
		{"the guest is suspended", usual, suspend, []string{short}, [4]int{0, 0, 1, 0}, 0},
		{"the guest is suspended, says an old database: it runs, and its host is out of reach", usual, doing(die(2), func(p *pool.Pool, v pool.VM) { v.WriteIn(p.Member(0), pool.Suspended) }), []string{short}, onlyCheck, 0},
		{"the guest is being resumed", usual, doing(suspend, func(p *pool.Pool, v pool.VM) { v.Resume(p.Member(1), 2*time.Second) }), nil, [4]int{0, 0, 1, 0}, time.Second},
		{"the guest is being resumed, for longer than the call", usual, doing(suspend, func(p *pool.Pool, v pool.VM) { v.Resume(p.Member(1), time.Hour) }), []string{short}, onlyCheck, 0},
		{"a checkpoint of the guest is under way", usual, func(_ *pool.Pool, v pool.VM) { v.Checkpoint(3 * time.Second) }, nil, allWell, 2 * time.Second},
		{"a checkpoint of the guest is under way, for longer than the call", usual, func(_ *pool.Pool, v pool.VM) { v.Checkpoint(time.Hour) }, []string{short}, offOnly, 0},
		{"an operation that nobody knows resumes the guest, and somebody writes Halted", usual, doing(suspend, func(p *pool.Pool, v pool.VM) {
			v.ResumeAs("defrost", p.Member(1), time.Hour)
			p.Member(0).DoAt(pool.Before("VM.get_record").Nth(3), func() { v.WriteIn(p.Member(0), pool.Halted) })
		}), []string{short}, onlyCheck, 0},
		{"the guest is being started by somebody", usual, doing(halt, func(p *pool.Pool, v pool.VM) { v.StartSlowly(p.Member(1), 2*time.Second) }), nil, allWell, time.Second},
		{"the guest is being migrated, which hard_shutdown ends", usual, func(_ *pool.Pool, v pool.VM) { v.Busy("pool_migrate") }, nil, allWell, 0},
		{"the guest is being moved to another pool", usual, func(_ *pool.Pool, v pool.VM) { v.Busy("migrate_send") }, []string{short}, offOnly, 0},
		{"another pool has a guest of that UUID, and the record is left Halted", usual, halt, []string{short, "OTHERPOOL"}, noneWell, 0},
		{"hard_shutdown lies", usual, func(_ *pool.Pool, v pool.VM) { v.Lie(pool.LieDone) }, []string{short}, offOnly, 0},
		{"hard_shutdown is blocked", usual, func(_ *pool.Pool, v pool.VM) { v.Block("hard_shutdown", "x") }, []string{short}, [4]int{1, 1, 0, 1}, 0},
		{"xenopsd has forgotten the guest", usual, func(_ *pool.Pool, v pool.VM) { v.Forget() }, []string{short}, offOnly, 0},
		{"the answer comes long after the deed", usual, func(_ *pool.Pool, v pool.VM) { v.SetShutdownDelay(time.Hour) }, nil, allWell, 0},

		{"old master, Halted; its other members have another one", usual, doing(split, writeHalted), []string{short, "pool=FIRST"}, onlyCheck, 0},
		{"old master, Running; its other members have another one", usual, split, []string{short, "pool=FIRST"}, offOnly, 0},
		{"two masters: both know it, one cannot reach its host", usual, func(p *pool.Pool, _ pool.VM) {
			p.Member(1).Split()
			p.Member(0).FailAt(pool.Before("session.login_with_password"), pool.Slow) // the other one is known first: else off need not know it
		}, []string{short}, [4]int{1, 1, 0, 1}, 0},
		{"new master and its slave out of reach, Halted", usual, doing(split, writeHalted, die(1), die(2)), []string{short}, onlyCheck, 0},
		{"the host out of reach, Halted", usual, doing(die(2), writeHalted), []string{short}, onlyCheck, 0},
		{"the host out of reach and dead by the database, Halted", usual, doing(die(2), writeHalted, func(p *pool.Pool, _ pool.VM) { p.Member(2).SetLive(false) }), []string{short}, onlyCheck, 0},
		{"the host has lost its master, Halted", usual, doing(func(p *pool.Pool, _ pool.VM) { p.Member(2).Cut() }, writeHalted), []string{short}, onlyCheck, 0},
		{"the host is booting, Halted", usual, doing(func(p *pool.Pool, _ pool.VM) { p.Member(2).Boot() }, writeHalted), []string{short}, onlyCheck, 0},
		{"the host's certificate is not trusted, Halted", usual, doing(func(p *pool.Pool, _ pool.VM) { must("certificate", p.Member(2).Show(pool.CertExpired)) }, writeHalted), []string{short}, onlyCheck, 0},
		{"the host was forgotten, and has lost its master", usual, func(p *pool.Pool, _ pool.VM) { p.Member(2).Cut(); p.Member(2).Forget() }, []string{short}, onlyCheck, 0},
		{"the master came back with an old database, Halted", usual, doing(youngerMaster, writeHalted), []string{short}, onlyCheck, 0},
		{"the same, and the host's clock is fast by 45 minutes", usual, doing(youngerMaster, writeHalted, func(p *pool.Pool, _ pool.VM) {
			p.Member(1).SetStarted(longAgo(35))
			p.Member(2).SetClock(45 * time.Minute)
		}), []string{short}, onlyCheck, 0},
		{"the same, and HA was switched on since", withHA, doing(youngerMaster, writeHalted), []string{short}, onlyCheck, 0},
		{"the master came back with an old database, Running", usual, youngerMaster, []string{short}, [4]int{0, 0, 0, 0}, 0},
		{"the master is young, Halted", usual, doing(func(p *pool.Pool, _ pool.VM) { p.Member(0).SetStarted(time.Now()) }, writeHalted), []string{short}, onlyCheck, 0},
		{"the host has just started its toolstack, Halted", usual, doing(func(p *pool.Pool, _ pool.VM) { p.Member(2).SetStarted(time.Now()) }, writeHalted), []string{short}, onlyCheck, 0},
		{"somebody writes Halted while our request hangs at a host that is cut off", pool.Options{ContactTime: time.Hour}, func(p *pool.Pool, v pool.VM) {
			p.Member(2).Cut()
			p.Member(0).DoAt(pool.Before("VM.hard_shutdown").Nth(1), func() { time.AfterFunc(500*time.Millisecond, func() { v.WriteIn(p.Member(0), pool.Halted) }) })
		}, []string{short}, offOnly, 0},

		{"another host is dead, the guest off", usual, doing(halt, anotherDead), []string{short}, onlyCheck, 0},
		{"another host is dead, the guest off; unheard_hosts=trust", usual, doing(halt, anotherDead), []string{trust}, allWell, 0},
		{"another host is dead, the guest off; unheard_hosts=ha, without HA", usual, doing(halt, anotherDead), []string{short, ha}, onlyCheck, 0},
		{"another host is dead, the guest off; unheard_hosts=ha, with HA", withHA, doing(halt, anotherDead), []string{ha}, allWell, 0},
		{"another host has HA switched off, Halted; unheard_hosts=ha", withHA, doing(writeHalted, func(p *pool.Pool, _ pool.VM) {
			p.Member(1).Emergency("HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED")
		}), []string{short, ha}, onlyCheck, 0},
		{"another host is dead, the guest runs", usual, anotherDead, []string{short}, allWell, 0},
		{"the guest's host is dead, as the pool knows", usual, func(p *pool.Pool, _ pool.VM) {
			must("power off", p.Member(2).PowerOff())
			p.Member(2).SetLive(false)
		}, []string{short}, offOnly, 0},
		{"the master is dead, and nobody takes over", usual, die(0), []string{short}, noneWell, 0},
		{"HA starts the guest anew when it is off", withHA, func(p *pool.Pool, v pool.VM) {
			v.Protect("best-effort")
			p.Member(0).DoAt(pool.Before("session.logout").Nth(1), v.Reboot)
		}, nil, allWell, time.Second},
		{"a host that boots starts the guest (auto_poweron)", usual, doing(halt, func(p *pool.Pool, v pool.VM) {
			p.Member(0).DoAt(pool.Before("session.logout").Nth(1), v.Reboot)
		}), nil, allWell, time.Second},
	}
}

// TestXenAPIFaultMatrix runs every verb in every fault of a pool and compares the exit
// status with the boots of the guest that run. docs/faults.md is what it saw.
func TestXenAPIFaultMatrix(t *testing.T) {
	t.Parallel()
	faultMatrix(t, "external/xenapi", poolFaults(), func(f poolFault) string { return f.name },
		func(t *testing.T, f poolFault, verb int) string { return f.check(t, verbs[verb], f.want[verb]) })
}

// check runs one call in the fault and returns its cell of the table.
func (f poolFault) check(t *testing.T, verb string, want int) string {
	options := f.options
	options.Guests = []pool.Guest{{Name: "node-1", Member: 2}}
	p, err := pool.New(options)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	v := p.VM("node-1")
	parameters := poolParameters(p, t.TempDir(), "node-1")
	f.arrange(p, v)
	lost := v.Boots()
	args := []string{verb}
	if verb != "status" {
		args = append(args, "node-1")
	}
	for _, param := range f.params {
		name, text, _ := strings.Cut(param, "=")
		switch {
		case name == "OTHERPOOL":
			other, err := pool.New(pool.Options{Members: 1, Network: "127.0.1", Guests: []pool.Guest{{Name: "moved", UUID: v.UUID()}}})
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			parameters["pool"] += " " + other.Member(0).Address()
			delete(parameters, "ca_file")
			parameters["tls_insecure"] = "true"
		case text == "FIRST":
			parameters[name] = p.Member(0).Address()
		default:
			parameters[name] = text
		}
	}
	status, out := callXenAPI(parameters, args...)
	if status != want {
		t.Errorf("%s: exit status %d, want %d; %s", verb, status, want, out)
	}
	truth := bootsOf(v, lost)
	if verb == "off" && status == 0 {
		time.Sleep(f.later)
	}
	if left := bootsOf(v, lost); (verb == "off" || verb == "reset") && status == 0 && left != "off" && left != "runs anew" {
		t.Errorf("FALSE SUCCESS: %s exits 0, and the guest runs as it was; %s", verb, out)
	}
	return cell("xenapi", status, out, truth)
}

// bootsOf tells whether the guest runs, and whether with a memory that it had before the
// call, or whether that is in an image.
func bootsOf(v pool.VM, lost int) string {
	for boot := 1; boot <= lost; boot++ {
		if v.RunsBoot(boot) {
			return "runs"
		}
	}
	switch {
	case v.HasImage():
		return "in an image"
	case v.Runs():
		return "runs anew"
	}
	return "off"
}

func callXenAPI(parameters map[string]string, args ...string) (status int, out string) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, xenapiProgram, args...)
	command.Env = append(os.Environ(), "HA_LOGFACILITY=none")
	for name, value := range parameters {
		command.Env = append(command.Env, name+"="+value)
	}
	var text bytes.Buffer
	command.Stdout, command.Stderr = &text, &text
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), text.String()
}
