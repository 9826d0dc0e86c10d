package tests

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// A bmcFault is something wrong with a BMC, or with what we know of it, at the time of
// a call. The node is on, unless arrange turns it off.
type bmcFault struct {
	name    string
	options bmc.Options
	arrange func(*bmc.BMC) error
	params  []string // of the call, besides the usual ones
	// want is the exit status of off, reset, on and status.
	want [4]int
}

// fails lets a BMC have faults from the beginning.
func fails(faults ...bmc.Fault) func(*bmc.BMC) error {
	return func(b *bmc.BMC) error {
		var err error
		for _, f := range faults {
			err = errors.Join(err, b.Fail(f))
		}
		return err
	}
}

// failsOnce lets the first message of a step fail.
func failsOnce(step bmc.Step, fault bmc.Fault) func(*bmc.BMC) error {
	return does(func(b *bmc.BMC) { b.FailAt(bmc.At(step).Nth(1), fault) })
}

// failsAt lets all messages of a step fail.
func failsAt(step bmc.Step, fault bmc.Fault) func(*bmc.BMC) error {
	return does(func(b *bmc.BMC) { b.FailAt(bmc.At(step), fault) })
}

// refuses answers a step with a completion code.
func refuses(step bmc.Step, code byte) func(*bmc.BMC) error {
	return does(func(b *bmc.BMC) { b.RefuseAt(bmc.At(step), code) })
}

func does(act func(*bmc.BMC)) func(*bmc.BMC) error {
	return func(b *bmc.BMC) error {
		act(b)
		return nil
	}
}

// steps are those of a call over lanplus, each once, as our client does them.
var steps = []bmc.Step{bmc.OpenSession, bmc.RAKP1, bmc.RAKP3, bmc.SetPrivilege, bmc.ChassisStatus, bmc.ChassisControl, bmc.CloseSession}

func bmcFaults() []bmcFault {
	short, lan := shortLimit, "interface=lan"
	none, usual := does(func(*bmc.BMC) {}), bmc.Options{}
	off := bmc.Options{Off: true}
	slow := bmc.Options{OffTime: 1500 * time.Millisecond, OnTime: 1500 * time.Millisecond}
	all := []bmcFault{
		{"none", usual, none, nil, allWell},
		{"none, over lan", usual, none, []string{lan}, allWell},
		{"the node is off", off, none, nil, allWell},
		{"the node takes 1.5 s to go off or on", slow, none, nil, allWell},
		{"someone else is cycling the node: off at the first look, on at the second", usual, does(func(b *bmc.BMC) {
			b.DoAt(bmc.At(bmc.ChassisStatus).Nth(1), func() { b.SetPower(false) })
			b.DoAt(bmc.At(bmc.ChassisStatus).Nth(2), func() { b.SetPower(true) })
		}), nil, allWell},
		{"off is accepted, and nothing happens", usual, fails(bmc.IgnoreOff), []string{short}, [4]int{1, 1, 0, 0}},
		{"on is accepted, and nothing happens; the node is off", off, fails(bmc.IgnoreOn), []string{short}, [4]int{0, 0, 1, 0}},
		{"off and on are refused (FFh)", usual, fails(bmc.RefuseSet), []string{short}, [4]int{1, 1, 0, 0}},
		{"the state cannot be read (FFh)", usual, fails(bmc.RefuseGet), []string{short}, noneWell},
		{"the state cannot be read once", usual, refusesOnce(bmc.ChassisStatus), nil, [4]int{0, 0, 0, 1}},
		{"the state is always on", usual, fails(bmc.SaysOn), []string{short}, [4]int{1, 1, 0, 0}},

		{"nothing listens at the BMC's port", usual, fails(bmc.Refused), []string{short}, noneWell},
		{"nothing listens, over lan", usual, fails(bmc.Refused), []string{short, lan}, noneWell},
		{"the BMC is silent", usual, fails(bmc.Silent), []string{short}, noneWell},
		{"the BMC is silent, over lan", usual, fails(bmc.Silent), []string{short, lan}, noneWell},
		{"the BMC answers after 2 s", bmc.Options{}, does(func(b *bmc.BMC) {
			_ = b.Fail(bmc.Silent) // never fails
			time.AfterFunc(2*time.Second, func() { _ = b.Mend() })
		}), nil, allWell},
		{"the BMC dies when it is asked to switch", usual, failsAt(bmc.ChassisControl, bmc.Refused), []string{short}, [4]int{1, 1, 0, 0}},
		{"the BMC switches, and dies", usual, does(func(b *bmc.BMC) {
			b.FailAt(bmc.At(bmc.ChassisControl), bmc.LoseAnswer)
			b.FailAt(bmc.At(bmc.ChassisStatus).Nth(2), bmc.Refused)
			b.FailAt(bmc.At(bmc.ChassisControl).Nth(2), bmc.Refused)
		}), []string{short}, [4]int{1, 1, 0, 0}},
		{"the BMC forgets its sessions when it is asked to switch", usual, failsOnce(bmc.ChassisControl, bmc.Restarts), nil, allWell},
		{"the BMC forgets its sessions when it is asked for the state", usual, failsOnce(bmc.ChassisStatus, bmc.Restarts), nil, allWell},
		{"the first of two addresses is dead", usual, none, []string{"hostlist=", "hostname=node-1", "ipaddr=127.0.0.99 BMC"}, allWell},
		{"the name of the BMC is unknown", usual, none, []string{"hostlist=node-1:bmc.invalid", short}, noneWell},
	}
	for _, step := range steps {
		all = append(all, bmcFault{"the answer to " + string(step) + " is lost", usual, failsOnce(step, bmc.LoseAnswer), nil, allWell})
	}
	return append(all, []bmcFault{
		{"each answer comes 300 ms late", bmc.Options{SlowTime: 300 * time.Millisecond}, fails(bmc.Slow), nil, allWell},
		{"each answer comes after the one before it", usual, fails(bmc.Replay), nil, allWell},
		{"each answer is half", usual, fails(bmc.Truncated), []string{short}, noneWell},
		{"each answer is random", usual, fails(bmc.Garbage), []string{short}, noneWell},
		{"each state is half", usual, failsAt(bmc.ChassisStatus, bmc.Truncated), []string{short}, noneWell},
		{"each state is wrongly signed", usual, failsAt(bmc.ChassisStatus, bmc.Corrupt), []string{short}, noneWell},
		{"each state is success without data", usual, failsAt(bmc.ChassisStatus, bmc.Empty), []string{short}, noneWell},

		{"the password is wrong", usual, none, []string{"passwd=wrong"}, noneWell},
		{"the password is wrong, over lan", usual, none, []string{"passwd=wrong", lan}, noneWell},
		{"the user is unknown", usual, none, []string{"userid=nobody"}, noneWell},
		{"the user may only look", usual, none, []string{"userid=viewer", "passwd=Secret-3"}, noneWell},
		{"the user may log in, and switch nothing (D4h)", usual, refuses(bmc.ChassisControl, 0xd4), []string{short}, [4]int{1, 1, 0, 0}},
		{"K_g is missing", bmc.Options{Key: []byte(peerKey)}, none, nil, noneWell},
		{"K_g is wrong", usual, none, []string{"kg=wrong"}, noneWell},
		{"there is no common cipher suite", bmc.Options{Suites: []int{0, 1, 2}}, none, []string{short}, noneWell},
		{"the BMC answers with another cipher suite", usual, fails(bmc.OtherSuite), []string{short}, noneWell},
		{"the BMC does not know the password", usual, failsAt(bmc.RAKP1, bmc.Corrupt), []string{short}, noneWell},
		{"no session is free", usual, fails(bmc.Full), []string{short}, noneWell},
		{"no session is free at first", usual, failsOnce(bmc.OpenSession, bmc.Full), nil, [4]int{0, 0, 0, 1}},
		{"it is the BMC of another node, by bmc_guid", usual, none, []string{"bmc_guid=node-1=" + strings.Repeat("0", 32)}, noneWell},
	}...)
}

// refusesOnce answers the first message of a step with FFh.
func refusesOnce(step bmc.Step) func(*bmc.BMC) error {
	return does(func(b *bmc.BMC) { b.RefuseAt(bmc.At(step).Nth(1), 0xff) })
}

// TestIPMIFaultMatrix runs every verb in every fault of a BMC and compares the exit
// status with the node's power. docs/faults.md is what it saw.
func TestIPMIFaultMatrix(t *testing.T) {
	t.Parallel()
	all := bmcFaults()
	cells := make([][len(verbs)]string, len(all))
	t.Run("faults", func(t *testing.T) {
		for i, f := range all {
			for j, verb := range verbs {
				t.Run(f.name+"/"+verb, func(t *testing.T) {
					t.Parallel()
					cells[i][j] = f.check(t, verb, f.want[j])
				})
			}
		}
	})
	var table strings.Builder
	for i, f := range all {
		fmt.Fprintf(&table, "| %s | %s |\n", f.name, strings.Join(cells[i][:], " | "))
	}
	compareFaults(t, "external/ipmi2", table.String())
}

// check runs one call in the fault and returns its cell of the table.
func (f bmcFault) check(t *testing.T, verb string, want int) string {
	b, err := bmc.Start(f.options)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := f.arrange(b); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("%s:%d", b.Host(), b.Port())
	var params []string
	for _, p := range f.params {
		params = append(params, strings.Replace(p, "BMC", address, 1))
	}
	status, out := newIPMIPeer(t, b, params...).call(verb)
	if status != want {
		t.Errorf("%s: exit status %d, want %d; %s", verb, status, want, out)
	}
	return cell("ipmi2", status, out, powerWord(b.Power()))
}
