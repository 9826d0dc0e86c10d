package tests

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/faults.md anew")

const pluginPath = "/usr/lib/stonith/plugins/external/xen"

// A fault is something wrong with the world at the time of a call. The guest is
// node-1, which runs on alpha and may also live on beta.
type fault struct {
	name    string
	arrange func(*stage) error
	params  []string // of the call, besides the usual ones
	// want is the exit status of off, reset, on and status. A guest that is off or
	// cannot be observed is where they differ.
	want [4]int
	// later is how long after the call the guest must still be gone, if off or reset_off_node proved it so.
	later time.Duration
}

// verbs are the columns of want.
var verbs = [4]string{"off", "reset", "on", "status"}

var (
	allWell   = [4]int{0, 0, 0, 0}
	noneWell  = [4]int{1, 1, 1, 1}
	onlyCheck = [4]int{1, 1, 1, 0}
)

// stage is two Dom0s of its own, as an arrange function sees them.
type stage struct{ alpha, beta *dom0 }

// stages is how many there are, so that waiting can be done side by side.
const stages = 12

func newStage(i int) (*stage, error) {
	var pair [2]*dom0
	for j, name := range dom0Names {
		d, err := newDom0(fmt.Sprintf("%s%d", name, i), fmt.Sprintf("127.0.%d.%d", i+2, j+1), atFirst[j])
		if err != nil {
			return nil, err
		}
		if err := d.makeKnown(); err != nil {
			return nil, err
		}
		pair[j] = d
	}
	return &stage{pair[0], pair[1]}, nil
}

func (s *stage) end() {
	s.alpha.end()
	s.beta.end()
}

func (s *stage) both(act func(*dom0) error) error { return errors.Join(act(s.alpha), act(s.beta)) }

// xlFault breaks a command of xl on alpha.
func xlFault(command, text string) func(*stage) error {
	return func(s *stage) error { return s.alpha.host.Fault(command, text) }
}

// alphaXL runs commands of xl on alpha, one after the other.
func alphaXL(commands ...string) func(*stage) error {
	return func(s *stage) error {
		for _, command := range commands {
			if _, err := s.alpha.xl(strings.Fields(command)...); err != nil {
				return err
			}
		}
		return nil
	}
}

// guestOff ends node-1, and returns when its background xl has ended too.
func guestOff(s *stage) error {
	if _, err := s.alpha.xl("destroy", "node-1"); err != nil {
		return err
	}
	log := s.alpha.dir("xen/log/xl-node-1.log")
	for range 3000 { // a minute
		if !slices.ContainsFunc(s.alpha.processes(), func(p process) bool { return p.hasOpen(log) }) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("the background xl of node-1 does not end")
}

// config gives node-1 on alpha another configuration and starts it anew by it.
func config(lines string) func(*stage) error {
	return func(s *stage) error {
		path := s.alpha.host.Config("node-1")
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, append(before, lines+"\n"...), 0o644); err != nil {
			return err
		}
		err = alphaXL("destroy node-1", "create -q "+path)(s)
		return errors.Join(err, os.WriteFile(path, before, 0o644))
	}
}

// savedGuest is what becomes of a guest that is saved: on leaves it alone.
var savedGuest = [4]int{0, 0, 1, 0}

// saveTo saves node-1 to a file.
func saveTo(file string) func(*stage) error { return alphaXL("save node-1 " + file) }

// alphaRuns runs a program on alpha.
func alphaRuns(args ...string) func(*stage) error {
	return func(s *stage) error {
		_, err := s.alpha.run(args...)
		return err
	}
}

// alphaBehind starts a command of xl in the background, and returns when a process has that in
// its command line.
func alphaBehind(command, pattern string) func(*stage) error {
	return alphaRuns("sh", "-c", "$XL "+command+" >/dev/null 2>&1 </dev/null & timeout 60 sh -c 'until pgrep -f \"["+pattern[:1]+"]"+pattern[1:]+"\"; do sleep 0.02; done'")
}

// beingRestored leaves node-1 to an xl that is about to restore it, from a file where nobody looks.
func beingRestored(s *stage) error {
	image := s.alpha.dir("image")
	return and(saveTo(image), alphaBehind("restore "+image, "xl restore"))(s)
}

// restoreAll does what xendomains and libvirt do when a Dom0 starts.
func (s *stage) restoreAll() error {
	return s.both(func(d *dom0) error {
		_, err := d.run("sh", "-c", "for image in /var/lib/xen/save/* /var/lib/libvirt/libxl/save/*.save; do [ ! -f $image ] || $XL restore $image || true; done")
		return err
	})
}

// gone tells the truth about node-1, which may have been renamed.
func (s *stage) gone() bool {
	return !s.alpha.runs("node-1") && !s.beta.runs("node-1") && !s.alpha.runs("web-1")
}

// isStopped returns when node-1 is suspended, and its memory is being written.
func isStopped(s *stage) error {
	return alphaRuns("timeout", "60", "sh", "-c", "until $XL list | grep -q '^node-1 .* ---s--'; do sleep 0.02; done")(s)
}

const nodeUUID = "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a01"

// withUUID gives node-1 on alpha that UUID in its configuration, and starts it anew by it.
func withUUID(s *stage) error {
	path := s.alpha.host.Config("node-1")
	if err := appendFile(path, "uuid = \""+nodeUUID+"\"\n"); err != nil {
		return err
	}
	return alphaXL("destroy node-1", "create -q "+path)(s)
}

// pinUUID gives it that UUID in the policy of alpha.
func pinUUID(s *stage) error {
	_, err := s.alpha.run("sed", "-i", "/^guest node-1 /s/$/ uuid "+nodeUUID+"/", "/etc/stonith-plugins/dom0.policy")
	return err
}

func and(acts ...func(*stage) error) func(*stage) error {
	return func(s *stage) error {
		for _, act := range acts {
			if err := act(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// shortLimit is for calls that are to run into it. A quarter of it, which one look may take, is
// much for a busy machine too.
const shortLimit = "timeout=12s"

func faults() []fault {
	short := []string{shortLimit}
	nothing := func(*stage) error { return nil }
	return []fault{
		{"none", nothing, nil, allWell, 0},
		{"the guest is off", guestOff, nil, allWell, 0},
		{"the guest is paused", alphaXL("pause node-1"), nil, allWell, 0},
		{"the guest crashed and is kept", and(config(`on_crash = "preserve"`), alphaXL("sim crash node-1")), short, [4]int{0, 0, 1, 0}, 0},
		{"the guest crashes and restarts", and(config(`on_crash = "restart"`), alphaXL("sim crash node-1")), nil, [4]int{0, 0, 0, 0}, 3 * time.Second},
		{"the guest crashed, is kept and replaced", and(config(`on_crash = "rename-restart"`), alphaXL("sim crash node-1")), nil, [4]int{0, 0, 0, 0}, 3 * time.Second},
		{"the guest is rebooting: absent, then back", alphaXL("reboot node-1"), nil, [4]int{0, 0, 0, 0}, 3 * time.Second},
		{"two domains have the guest's name", func(s *stage) error {
			return errors.Join(s.alpha.host.Fault("create-race", "yes"), alphaXL("create -q "+s.alpha.host.Config("node-1"))(s))
		}, nil, allWell, 0},
		{"the guest runs on both Dom0s", func(s *stage) error {
			_, err := s.beta.xl("create", "-q", s.beta.host.Config("node-1"))
			return err
		}, nil, allWell, 0},
		{"the guest is migrating", func(s *stage) error {
			_, err := s.beta.xl("create", "-q", s.beta.host.Config("node-1"))
			if err == nil {
				_, err = s.beta.xl("rename", "node-1", "node-1--incoming")
			}
			return errors.Join(err, alphaXL("rename node-1 node-1--migratedaway")(s))
		}, nil, allWell, 0},
		{"the guest is gone, its domain is dying", alphaXL("sim linger node-1", "destroy node-1"), short, noneWell, 0},
		{"destroying leaves a dying domain", alphaXL("sim linger node-1"), short, [4]int{1, 1, 0, 0}, 0},

		{"the guest is saved where xendomains restores it", saveTo("/var/lib/xen/save/node-1"), nil, savedGuest, 0},
		{"the guest is saved where libvirt restores it", saveTo("/var/lib/libvirt/libxl/save/node-1.save"), nil, savedGuest, 0},
		{"the guest is saved, its image is cut short", and(saveTo("/var/lib/xen/save/node-1"), alphaRuns("truncate", "-s", "60", "/var/lib/xen/save/node-1")), nil, savedGuest, 0},
		{"an image of the guest is beside it", alphaXL("save -c node-1 /var/lib/xen/save/node-1"), nil, allWell, 0},
		{"the image cannot be moved", and(saveTo("/var/lib/xen/save/node-1"), alphaRuns("mount", "-o", "remount,bind,ro", "/var/lib/xen/save")), short, onlyCheck, 0},
		{"an image cannot be read", alphaRuns("ln", "-s", "/proc/self/mem", "/var/lib/xen/save/x"), short, [4]int{1, 1, 0, 1}, 0},
		{"where guests are saved has to be computed", alphaRuns("sh", "-c", "echo 'XENDOMAINS_SAVE=$X' > /etc/default/xendomains"), short, [4]int{1, 1, 0, 1}, 0},
		{"the guest is being saved", and(xlFault("save-ms", "60000"), alphaBehind("save node-1 /var/lib/xen/save/node-1", "save-domain"), isStopped), nil, [4]int{0, 0, 1, 0}, 3 * time.Second},
		{"the guest is being restored", and(xlFault("restore", "hold"), beingRestored), nil, [4]int{0, 0, 1, 0}, 3 * time.Second},
		{"the guest was renamed, its configuration has its UUID", and(withUUID, alphaXL("rename node-1 web-1")), short, noneWell, 0},
		{"the guest was renamed, its UUID is pinned", and(withUUID, pinUUID, alphaXL("rename node-1 web-1")), nil, allWell, 0},
		{"the guest was renamed, no UUID is known", alphaXL("rename node-1 web-1"), short, [4]int{1, 1, 1, 0}, 0},
		{"remains of another guest beside the guest", alphaXL("sim linger other-1", "destroy other-1"), nil, [4]int{0, 0, 0, 1}, 0},

		{"one Dom0 refuses connections", func(s *stage) error { return s.alpha.stopSSHD() }, short, noneWell, 0},
		{"the other Dom0 refuses connections", func(s *stage) error { return s.beta.stopSSHD() }, short, [4]int{1, 1, 0, 1}, 0},
		{"both Dom0s refuse connections", func(s *stage) error { return s.both((*dom0).stopSSHD) }, short, noneWell, 0},
		{"one Dom0 accepts and is silent", func(s *stage) error { return s.alpha.signalSSHD("STOP") }, short, noneWell, 0},
		{"one Dom0 is a black hole", nothing, []string{shortLimit, "sshaccount=xen@alpha xen@" + blackHole}, [4]int{1, 1, 0, 1}, 0},
		{"the name of one Dom0 is unknown", nothing, []string{shortLimit, "sshaccount=xen@alpha xen@gamma"}, [4]int{1, 1, 0, 1}, 0},
		{"the key is unknown", nothing, []string{"identity_file=" + key("stranger")}, noneWell, 0},
		{"the key is for other guests", nothing, []string{"identity_file=" + key("other"), "sshaccount=xen-b@beta"}, noneWell, 0},
		{"the host key is unknown", nothing, []string{"known_hosts=/dev/null"}, noneWell, 0},
		{"sudo has no rule", func(s *stage) error { return s.both(hideSudoRule) }, nil, noneWell, 0},
		{"the helper is missing", func(s *stage) error { return s.both(hideHelper) }, short, noneWell, 0},
		{"the policy is missing", func(s *stage) error { return hide(s.alpha.host.Policy) }, nil, noneWell, 0},
		{"no Dom0 knows the guest", and(guestOff, func(s *stage) error {
			return s.both(func(d *dom0) error { return hide(d.host.Config("node-1")) })
		}), nil, noneWell, 0},
		{"only one Dom0 knows the guest", and(guestOff, func(s *stage) error { return hide(s.alpha.host.Config("node-1")) }), nil, allWell, 0},
		{"the configuration is that of another name", and(guestOff, func(s *stage) error {
			return s.both(func(d *dom0) error {
				return errors.Join(hide(d.host.Config("node-1")), os.WriteFile(d.host.Config("node-1"), []byte("name = \"vm-1\"\n"), 0o644))
			})
		}), nil, noneWell, 0},
		{"the disk of the locks is full", func(s *stage) error { return s.both(fillRun) }, short, [4]int{0, 0, 0, 1}, 0},

		{"xl list hangs", xlFault("list", "hang"), short, noneWell, 0},
		{"xl list fails", xlFault("list", "exit 1 cannot init xl context"), short, noneWell, 0},
		{"xl list prints garbage", xlFault("list", "garbage"), short, noneWell, 0},
		{"xl list prints nothing", xlFault("list", "empty"), short, noneWell, 0},
		{"xl list prints half", xlFault("list", "half"), short, noneWell, 0},
		{"xl list fails once", xlFault("list", "times 1 exit 1 busy"), nil, [4]int{0, 0, 0, 1}, 0},
		{"xl list is slow", xlFault("list", "slow 300"), nil, allWell, 0},
		{"xl destroy hangs", xlFault("destroy", "hang"), short, [4]int{1, 1, 0, 0}, 0},
		{"xl destroy fails", xlFault("destroy", "exit 1 destroy failed (rc=-3)"), short, [4]int{1, 1, 0, 0}, 0},
		{"xl destroy fails three times", xlFault("destroy", "times 3 exit 1 destroy failed (rc=-3)"), nil, allWell, 0},
		{"xl destroy lies", xlFault("destroy", "lie"), short, [4]int{1, 1, 0, 0}, 0},
		{"xl create hangs, the guest is off", and(guestOff, xlFault("create", "hang")), short, [4]int{0, 0, 1, 0}, 0},
		{"xl create fails, the guest is off", and(guestOff, xlFault("create", "exit 3 out of memory")), short, [4]int{0, 0, 1, 0}, 0},
		{"xl create lies, the guest is off", and(guestOff, xlFault("create", "lie")), short, [4]int{0, 0, 1, 0}, 0},
	}
}

// blackHole is an address that swallows what is sent to it: there is a cable, and nobody at its end.
const blackHole = "10.77.0.9"

func makeBlackHole() error {
	for _, command := range []string{
		"link add hole type veth peer name end", "link set hole up", "link set end up", "addr add 10.77.0.1/24 dev hole",
		"neigh add " + blackHole + " lladdr 02:00:00:00:00:09 dev hole",
	} {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
	}
	return nil
}

// hide puts a file out of the way until unhide.
func hide(path string) error { return os.Rename(path, path+".hidden") }

// The three below lay a mount over a file of the Dom0, until unhide.

func hideSudoRule(d *dom0) error {
	_, err := d.run("mount", "--bind", "/dev/null", "/etc/sudoers.d/stonith-plugins")
	return err
}

func hideHelper(d *dom0) error {
	_, err := d.run("mount", "--bind", "/dev/null", "/usr/local/sbin/dom0-helper")
	return err
}

func fillRun(d *dom0) error {
	if err := makeDirs(d.dir("xen/state")); err != nil {
		return err
	}
	_, err := d.run("mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1,mode=0700", "full", d.dir("xen/state"))
	return err
}

// unhide undoes what was mounted on the Dom0.
func unhide(d *dom0) error {
	if _, err := d.run("mount", "-o", "remount,bind,rw", "/var/lib/xen/save"); err != nil {
		return err
	}
	for _, path := range []string{"/etc/sudoers.d/stonith-plugins", "/usr/local/sbin/dom0-helper", d.dir("xen/state")} {
		if _, err := d.run("mountpoint", "-q", path); err != nil {
			continue
		}
		if _, err := d.run("umount", path); err != nil {
			return err
		}
	}
	hidden, err := filepath.Glob(d.dir("xen/etc/*.hidden"))
	for _, path := range hidden {
		err = errors.Join(err, os.Rename(path, strings.TrimSuffix(path, ".hidden")))
	}
	return err
}

// TestFaultMatrix runs every verb in every fault and compares the exit status
// with the guest's process. docs/faults.md is what it saw.
func TestFaultMatrix(t *testing.T) {
	must("black hole", makeBlackHole())
	free := make(chan *stage, stages)
	for i := range stages {
		s, err := newStage(i)
		must("a stage", err)
		defer s.end()
		free <- s
	}
	faultMatrix(t, "external/xen", faults(), func(f fault) string { return f.name }, func(t *testing.T, f fault, verb int) string {
		s := <-free
		defer func() { free <- s }()
		return f.check(t, s, verbs[verb], f.want[verb])
	})
}

// faultMatrix makes a call for every verb in every fault, several at once, and compares the
// device's table in docs/faults.md with what they came to: check makes one, and returns its cell.
func faultMatrix[F any](t *testing.T, device string, faults []F, name func(F) string, check func(t *testing.T, f F, verb int) string) {
	t.Helper()
	cells := make([][len(verbs)]string, len(faults))
	t.Run("faults", func(t *testing.T) {
		for i, f := range faults {
			for j, verb := range verbs {
				t.Run(name(f)+"/"+verb, func(t *testing.T) {
					t.Parallel()
					cells[i][j] = check(t, f, j)
				})
			}
		}
	})
	var table strings.Builder
	for i, f := range faults {
		fmt.Fprintf(&table, "| %s | %s |\n", name(f), strings.Join(cells[i][:], " | "))
	}
	compareFaults(t, device, table.String())
}

// check runs one call in the fault and returns its cell of the table.
func (f fault) check(t *testing.T, s *stage, verb string, want int) string {
	defer func() {
		if err := s.both(unhide); err != nil {
			t.Error(err)
		}
	}()
	if err := errors.Join(s.both((*dom0).reset), f.arrange(s)); err != nil {
		t.Fatal(err)
	}
	args := []string{verb}
	if verb != "status" {
		args = append(args, "node-1")
	}
	accounts := "sshaccount=xen@" + s.alpha.name + " xen@" + s.beta.name
	status, out := callPlugin(append(append(args, accounts), f.replaced(s)...)...)
	gone := s.gone()
	if status != want {
		t.Errorf("%s: exit status %d, want %d; %s", verb, status, want, out)
	}
	if verb == "off" && status == 0 {
		time.Sleep(f.later)
		if err := s.restoreAll(); err != nil {
			t.Error(err)
		}
		if gone = gone && s.gone(); !gone {
			t.Errorf("FALSE SUCCESS: off exits 0 and the guest runs; %s", out)
		}
	}
	if verb == "reset" && status == 0 && !strings.Contains(out, "off-observed") && !strings.Contains(out, "already-off") {
		t.Errorf("reset exits 0 without having seen the node off; %s", out)
	}
	truth := "runs"
	if gone {
		truth = "off"
	}
	return cell("xen", status, out, truth)
}

// replaced returns the call's parameters with this stage's name for alpha and beta.
func (f fault) replaced(s *stage) []string {
	names := strings.NewReplacer("@alpha", "@"+s.alpha.name, "@beta", "@"+s.beta.name)
	params := make([]string, len(f.params))
	for i, p := range f.params {
		params[i] = names.Replace(p)
	}
	return params
}

// cell tells the verdict, and the truth in brackets.
func cell(program string, status int, out, truth string) string {
	verdict := regexp.MustCompile(`(?m)^` + program +
		`: (?:error: [a-z]+(?: node-1)?: ([a-z-]+):|(?:off|reset|on|status)(?: node-1)?: (?:(ready) to fence.*|([a-z, -]+)) in )`)
	code := "no word"
	if found := verdict.FindAllStringSubmatch(out, -1); found != nil {
		code = strings.Join(found[len(found)-1][1:], "")
	}
	return fmt.Sprintf("%d %s (%s)", status, code, truth)
}

// callPlugin runs the installed plugin with the usual parameters.
func callPlugin(args ...string) (status int, out string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, pluginPath, args...)
	command.Env = append(parameters(), "HOME="+filepath.Join(labDir, "home"))
	var text bytes.Buffer
	command.Stdout, command.Stderr = &text, &text
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), text.String()
}

// compareFaults compares a table with the plugin's section of docs/faults.md.
func compareFaults(t *testing.T, plugin, table string) {
	t.Helper()
	const path = "../docs/faults.md"
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, section, found := strings.Cut(string(document), "## "+plugin+"\n")
	head, _, hasTable := strings.Cut(section, tableHead)
	if !found || !hasTable {
		t.Fatalf("%s has no table of %s", path, plugin)
	}
	_, after, more := strings.Cut(section, "\n## ")
	text := before + "## " + plugin + "\n" + head + tableHead + table
	if more {
		text += "\n## " + after
	}
	compareDocument(t, path, text)
}

const tableHead = `| fault | off | reset | on | status |
| --- | --- | --- | --- | --- |
`

func compareDocument(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if t.Failed() {
		return
	}
	was, err := os.ReadFile(path)
	if err != nil || string(was) != text {
		t.Errorf("%s is not what was seen now (go test ./tests -run FaultMatrix -update writes it): %v\n%s", path, err, text)
	}
}
