package tests

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/lossy"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/realbmc"
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
		{"no session is free at first", usual, does(func(b *bmc.BMC) {
			b.FailAt(bmc.At(bmc.OpenSession).Nth(1), bmc.Full) // with one suite
			b.FailAt(bmc.At(bmc.OpenSession).Nth(2), bmc.Full) // with the other
		}), nil, [4]int{0, 0, 0, 1}},
		{"it is the BMC of another node, by bmc_guid", usual, none, []string{"bmc_guid=node-1=" + strings.Repeat("1", 32)}, noneWell},
	}...)
}

// A networkFault is a bmcFault, and a network between external/ipmi2 and the BMC that
// is not what it should be.
type networkFault struct {
	bmcFault
	network *lossy.Options // nil is a direct way
}

// waysBack are the faults by which a node that looks off goes on, and those that keep a
// fence from its proof in the same places.
func waysBack() []networkFault {
	short, lan := shortLimit, "interface=lan"
	none, usual := does(func(*bmc.BMC) {}), bmc.Options{}
	everything := bmc.Options{Auth: []bmc.Auth{bmc.AuthMD5, bmc.AuthStraight, bmc.AuthNone}}
	mostWell, notOff := [4]int{0, 0, 1, 0}, [4]int{1, 1, 0, 0}
	sleeps := does((*bmc.BMC).Sleep)
	var all []networkFault
	direct := func(faults ...bmcFault) {
		for _, f := range faults {
			all = append(all, networkFault{f, nil})
		}
	}
	direct(
		bmcFault{"the node sleeps (S3): the chassis says off", usual, sleeps, nil, allWell},
		bmcFault{"the node sleeps (S3), and off is ignored", usual, does(func(b *bmc.BMC) { b.Sleep(); _ = b.Fail(bmc.IgnoreOff) }), []string{short}, notOff},
		bmcFault{"the node sleeps (S3), off is ignored, and the BMC tells it once", usual, does(func(b *bmc.BMC) {
			b.Sleep()
			_ = b.Fail(bmc.IgnoreOff)
			b.RefuseAt(bmc.At(bmc.ACPIState).After(1), 0xd5)
		}), []string{short}, notOff},
		bmcFault{"off lets the node sleep (S3)", usual, fails(bmc.Suspends), []string{short}, notOff},
		bmcFault{"the node hibernates (S4)", bmc.Options{Off: true}, does(func(b *bmc.BMC) { b.SetACPI(0x04) }), nil, mostWell},
		bmcFault{"the BMC has just started, and says off", usual, fails(bmc.Starts, bmc.SaysOff, bmc.IgnoreOff), []string{short}, [4]int{1, 1, 1, 0}},
		bmcFault{"the BMC wants no proof of packets, over lan", usual, fails(bmc.Unsigned), []string{short, lan}, noneWell},
		bmcFault{"a suite without integrity behind others", usual, none, []string{"cipher=17 3 1"}, noneWell},
		bmcFault{"a suite without integrity before others", usual, none, []string{"cipher=0 17"}, noneWell},
	)
	for _, refusal := range []byte{0x01, 0x02, 0x09, 0x0b, 0x0f, 0x12, 0x1f} {
		direct(bmcFault{fmt.Sprintf("suite 17 is refused as %02Xh", refusal), usual, does(func(b *bmc.BMC) {
			b.RefuseAt(bmc.At(bmc.OpenSession).Suite(17), refusal)
		}), nil, allWell})
	}
	atSuite := func(step bmc.Step, fault bmc.Fault) func(*bmc.BMC) error {
		return does(func(b *bmc.BMC) { b.FailAt(bmc.At(step).Suite(17), fault) })
	}
	direct(
		bmcFault{"Open Session with suite 17 is met by silence", usual, atSuite(bmc.OpenSession, bmc.Silent), nil, allWell},
		bmcFault{"RAKP 1 with suite 17 is met by silence", usual, atSuite(bmc.RAKP1, bmc.Silent), nil, allWell},
		bmcFault{"the code of RAKP 2 with suite 17 is one of SHA-1", usual, atSuite(bmc.RAKP1, bmc.OtherHash), nil, allWell},
		bmcFault{"both suites are refused as 12h", usual, refuses(bmc.OpenSession, 0x12), []string{short}, noneWell},
	)
	for _, step := range []bmc.Step{bmc.SetPrivilege, bmc.DeviceGUID, bmc.ChassisStatus} {
		params := []string{"bmc_guid=GUID"}
		direct(bmcFault{"the session dies at " + string(step), usual, failsOnce(step, bmc.Dies), params, allWell},
			bmcFault{"the session dies at " + string(step) + ", over lan", usual, failsOnce(step, bmc.Dies), append(params, lan), allWell})
	}
	for _, face := range []string{"lanplus", "lan"} {
		for _, quirk := range []bmc.Fault{"", bmc.OneLogin} {
			arrange, name := none, face
			if quirk != "" {
				arrange, name = fails(quirk), face+", one login at a time"
			}
			doubled := bmcFault{"each datagram arrives twice, " + name, usual, arrange, []string{"interface=" + face}, allWell}
			all = append(all, networkFault{doubled, &lossy.Options{RequestCopies: 1, ReplyCopies: 1}})
			doubled.name = "each request arrives once more 40 ms later, " + name
			all = append(all, networkFault{doubled, &lossy.Options{RequestCopies: 1, CopyDelay: 40 * time.Millisecond}})
		}
	}
	for _, params := range []string{"cipher=17", "cipher=3", "cipher=2", lan} {
		all = append(all, networkFault{
			bmcFault{"someone on the way says off, " + params, everything, none, []string{params, short}, spoofed(params)},
			&lossy.Options{Forge: &lossy.Spoofer{Bold: true}},
		})
	}
	return all
}

// spoofed are the exit statuses where someone changes what can be read: what is encrypted
// cannot, and passes.
func spoofed(params string) [4]int {
	if params == "cipher=17" || params == "cipher=3" {
		return allWell
	}
	return [4]int{1, 1, 0, 0}
}

// refusesOnce answers the first message of a step with FFh.
func refusesOnce(step bmc.Step) func(*bmc.BMC) error {
	return does(func(b *bmc.BMC) { b.RefuseAt(bmc.At(step).Nth(1), 0xff) })
}

// TestIPMIFaultMatrix runs every verb in every fault of a BMC and compares the exit
// status with the node's power. docs/faults.md is what it saw.
func TestIPMIFaultMatrix(t *testing.T) {
	t.Parallel()
	var all []networkFault
	for _, f := range bmcFaults() {
		all = append(all, networkFault{f, nil})
	}
	all = append(all, waysBack()...)
	faultMatrix(t, "external/ipmi2", all, func(f networkFault) string { return f.name },
		func(t *testing.T, f networkFault, verb int) string { return f.check(t, verbs[verb], f.want[verb]) })
}

// check runs one call in the fault and returns its cell of the table.
func (f networkFault) check(t *testing.T, verb string, want int) string {
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
		params = append(params, strings.NewReplacer("BMC", address, "GUID", fmt.Sprintf("node-1=%x", b.GUID())).Replace(p))
	}
	var server realbmc.Server = b
	if f.network != nil {
		network := *f.network
		if network.Forge != nil {
			network.Forge = &lossy.Spoofer{Bold: true}
		}
		server = throughProxy{b, startProxy(t, b, network)}
	}
	status, out := newIPMIPeer(t, server, params...).call(verb)
	if status != want {
		t.Errorf("%s: exit status %d, want %d; %s", verb, status, want, out)
	}
	return cell("ipmi2", status, out, powerWord(b.Power()))
}
