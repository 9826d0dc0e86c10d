package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/xen"
)

// With this variable, the Dom0s are real ones: Xen hosts in QEMU, on the same
// machine as the simulated ones. Its value is the directory that build.sh made.
const xenVariable = "STONITH_TEST_XEN"

// realDom0s are the Dom0s of TestXen, by their names.
var realDom0s = map[string]*realDom0{}

func runXenTests(m *testing.M, image string) int {
	must("the log", logged.listen())
	must("building", install())
	must("keys", makeKeys())
	must("hosts", writeHosts())
	must("ssh_config", writeSSHConfig())
	for i, name := range dom0Names {
		realDom0s[name] = newRealDom0(xen.Image(image), name, fmt.Sprintf("127.0.1.%d", i+1), atFirst[i])
	}
	status := m.Run()
	for _, d := range realDom0s {
		d.stop()
	}
	return status
}

// TestXen runs the scripts on real Dom0s. alpha is up in all of them, for it is in their
// parameters; beta in those that name it: an emulated host keeps a processor busy.
func TestXen(t *testing.T) {
	if os.Getenv(xenVariable) == "" {
		t.Skip("only `make test-xen` runs this test")
	}
	mark := 0
	s := &scene{
		dom0s: map[string]scriptDom0{}, folders: []string{"both", "xen"},
		log: func() ([]string, error) {
			err := logged.settled()
			lines := logged.since(mark)
			for _, name := range dom0Names {
				if d := realDom0s[name]; d.up {
					there, logErr := d.log()
					lines, err = append(lines, there...), errors.Join(err, logErr)
				}
			}
			return lines, err
		},
		env:      realEnv,
		commands: map[string]command{"link": cmdLink},
	}
	for name, d := range realDom0s {
		s.dom0s[name] = d
	}
	s.run(t, func(script string) error {
		mark = logged.mark()
		var wait sync.WaitGroup
		failed := make([]error, len(dom0Names))
		for i, name := range dom0Names {
			realDom0s[name].stop()
			if name == "alpha" || strings.Contains(script, name) {
				wait.Go(func() { failed[i] = realDom0s[name].reset() })
			}
		}
		wait.Wait()
		return errors.Join(failed...)
	})
}

// realEnv has one Dom0: scripts that need both say so. Its parameters are long enough for a
// busy machine. SHORT is for calls that are to run into it: as short as such a call can be
// today, by the time that a connection takes.
func realEnv() []string {
	short := 16 * time.Second
	for _, d := range realDom0s {
		short = max(short, 15*d.connecting)
	}
	short = min(short, time.Minute)
	return []string{fmt.Sprintf("SHORT=timeout=%d", int(short.Seconds())), "CONFIGS=" + realConfigs, "sshaccount=xen@alpha", "connect_timeout=60", "timeout=300"}
}

// A realDom0 is the Dom0 of a Xen host. Root's ssh connection to it is kept open and shared.
type realDom0 struct {
	name     string
	address  string
	guests   []string // that run when a script begins
	rootKey  string
	xen      *xen.Host
	original string // a known_hosts file with the key that the host has at first
	resumes  int
	up       bool
	// connecting is the time that the last connection took.
	connecting time.Duration
}

func newRealDom0(image xen.Image, name, address string, guests []string) *realDom0 {
	d := &realDom0{name: name, address: address, guests: guests, rootKey: image.RootKey()}
	must("files of a Dom0", makeDirs(d.file("")))
	public, err := os.ReadFile(image.HostKey())
	must("host key", err)
	d.original = d.file("original_known_hosts")
	must("known_hosts", os.WriteFile(d.original, append([]byte(name+" "), public...), 0o644))
	d.xen = xen.New(image, d.file(""), address+":22")
	return d
}

func (d *realDom0) file(name string) string { return filepath.Join(labDir, d.name, name) }

// prepare boots the Dom0, installs ours on it, starts its guests, and saves it.
func (d *realDom0) prepare() error {
	if err := d.xen.Boot(20 * time.Minute); err != nil {
		return err
	}
	if err := d.connect(); err != nil {
		return err
	}
	if err := d.install(); err != nil {
		return err
	}
	for _, guest := range d.guests {
		if _, err := d.run("xl", "create", "-q", realConfigs+"/"+guest+".cfg"); err != nil {
			return err
		}
	}
	// What is up at first: Linux guests say so.
	for _, guest := range d.guests {
		if !strings.HasPrefix(guest, "node-") {
			continue
		}
		if _, err := d.shell("timeout 600 sh -c 'until grep -q GUEST-READY /var/log/xen/console/guest-" + guest + ".log; do sleep 0.1; done'"); err != nil {
			return err
		}
	}
	if _, err := d.shell("sync; : >/var/log/syslog"); err != nil {
		return err
	}
	public, err := os.ReadFile(d.file("host_key.pub"))
	if err != nil {
		return err
	}
	d.disconnect()
	return errors.Join(makeKnown(d.name, d.address, string(public)), d.xen.Save())
}

// realConfigs is the directory of the guests' configurations on a real Dom0.
const realConfigs = "/etc/xen"

// realGuests are the guests of a real Dom0: those of the simulated ones, and some
// with odd names. node-1 and node-2 are Linux, the others stubs without an
// operating system; all are paravirtual.
var realGuests = []struct{ name, account string }{
	{"node-1", "xen"},
	{"node-2", "xen"},
	{"node-10", "xen"},
	{"other-1", "xen-b"},
	{"7", "xen"},
	{longName, "xen"},
}

// longName is as long as a guest's name may be.
var longName = strings.Repeat("long-", 12) + "end"

// realUUID is the UUID that a guest has in its configuration. The hypervisor knows a domain by it, whatever its name.
func realUUID(guest string) string {
	for i, g := range realGuests {
		if g.name == guest {
			return fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1)
		}
	}
	return ""
}

func realConfig(guest string) string {
	text := fmt.Sprintf("name = %q\nuuid = %q\ntype = \"pv\"\n", guest, realUUID(guest))
	if guest == "node-1" || guest == "node-2" {
		return text + "kernel = \"/guest/vmlinux\"\nramdisk = \"/guest/initrd.gz\"\nextra = \"console=hvc0 quiet mitigations=off\"\nmemory = 96\n"
	}
	return text + "kernel = \"/guest/stub.elf\"\nextra = \"b\"\nmemory = 8\n"
}

// install installs the helper as the README says, by its setup. The keys that setup
// would refuse, or that are of no matter to it, are added by hand.
func (d *realDom0) install() error {
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", d.file("host_key")).CombinedOutput(); err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	for _, g := range realGuests {
		if err := d.write(realConfigs+"/"+g.name+".cfg", "0644", []byte(realConfig(g.name))); err != nil {
			return err
		}
	}
	for _, file := range []struct{ from, path, mode string }{
		{"/usr/local/sbin/dom0-helper", "/usr/local/sbin/dom0-helper", "0755"},
		{d.file("host_key"), "/etc/ssh/ssh_host_ed25519_key", "0600"},
		{key("cluster") + ".pub", "/root/cluster.pub", "0644"},
	} {
		content, err := os.ReadFile(file.from)
		if err != nil {
			return err
		}
		if err := d.write(file.path, file.mode, content); err != nil {
			return err
		}
	}
	if err := errors.Join(
		d.write("/etc/hostname", "0644", []byte(d.name+"\n")),
		d.write("/etc/hosts", "0644", []byte("127.0.0.1 localhost\n127.0.1.1 "+d.name+"\n")), // or sudo complains
	); err != nil {
		return err
	}
	if _, err := d.shell("hostname " + d.name + " && kill -HUP $(cat /run/sshd.pid)"); err != nil {
		return err
	}
	for _, account := range accounts {
		if err := d.setUp(account); err != nil {
			return err
		}
	}
	_, err := d.run("dom0-helper", "check", "--as", accounts[0])
	return err
}

// setUp gives an account its guests, and to that of the cluster its key.
func (d *realDom0) setUp(account string) error {
	setup := []string{"dom0-helper", "setup", "--account", account}
	for _, g := range realGuests {
		if g.account == account {
			setup = append(setup, "--guest", g.name+"="+realConfigs+"/"+g.name+".cfg")
		}
	}
	if account == accounts[0] {
		setup = append(setup, "--key", "/root/cluster.pub", "--client", "node-9", "--allow", strings.Join(guestsOfA, ","))
	}
	if _, err := d.run(setup...); err != nil {
		return err
	}
	keys, err := authorizedKeys(account)
	if err != nil {
		return err
	}
	var others strings.Builder
	for line := range strings.Lines(keys) {
		if !strings.Contains(line, "--client node-9") {
			others.WriteString(line)
		}
	}
	home := "/home/" + account
	_, err = d.shell("install -d -m 0700 -o " + account + " -g " + account + " " + home + "/.ssh && touch " + home + "/.ssh/authorized_keys && chown " +
		account + ": " + home + "/.ssh/authorized_keys")
	if err != nil {
		return err
	}
	return d.add(home+"/.ssh/authorized_keys", others.String())
}

// add adds text to the end of a file of the Dom0.
func (d *realDom0) add(path, text string) error {
	command := d.on("sh", "-c", "cat >>"+path)
	command.Stdin = strings.NewReader(text)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("dom0 %s: %s: %w: %s", d.name, path, err, out)
	}
	return nil
}

// write writes a file of the Dom0, as root.
func (d *realDom0) write(path, mode string, content []byte) error {
	command := d.on("sh", "-c", "install -m "+mode+" /dev/null "+path+" && cat >"+path)
	command.Stdin = bytes.NewReader(content)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("dom0 %s: %s: %w: %s", d.name, path, err, out)
	}
	return nil
}

// reset starts the Dom0, in the state in which every script begins.
func (d *realDom0) reset() error {
	if d.resumes == 0 {
		if err := d.prepare(); err != nil {
			return err
		}
	}
	if err := d.xen.Resume(); err != nil {
		return err
	}
	d.resumes++
	d.up = true
	if err := d.connect(); err != nil {
		return err
	}
	_, err := d.shell("date -u -s @" + strconv.FormatInt(time.Now().Unix(), 10))
	return err
}

// stop ends the Dom0 as if its power were cut.
func (d *realDom0) stop() {
	d.disconnect()
	d.xen.Stop()
	d.up = false
}

// ssh is a call of OpenSSH's client, to root. Dom0 is emulated, so everything may take long.
func (d *realDom0) ssh(args ...string) *exec.Cmd {
	known := d.original
	if d.resumes > 0 {
		known = filepath.Join(labDir, "home/.ssh/known_hosts")
	}
	return exec.Command("ssh", append([]string{
		"-F", "none", "-i", d.rootKey, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=60",
		"-o", "UserKnownHostsFile=" + known, "-o", "GlobalKnownHostsFile=none", "-o", "HostKeyAlias=" + d.name,
		"-o", "ControlPath=" + d.file("root-"+strconv.Itoa(d.resumes)), "root@" + d.address,
	}, args...)...)
}

// connect makes the connection that all calls share. It tries again until sshd answers.
func (d *realDom0) connect() error {
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		start := time.Now()
		err := d.tryConnect()
		d.connecting = time.Since(start)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func (d *realDom0) tryConnect() error {
	master := d.ssh("-M", "-N", "-f")
	// The connection's process keeps these open: they must not be pipes that someone reads to their end.
	log, err := os.Create(d.file("ssh.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	master.Stdout, master.Stderr = log, log
	if err := master.Run(); err != nil {
		said, _ := os.ReadFile(log.Name()) // more than the status is a gift
		return fmt.Errorf("dom0 %s: ssh: %w: %s", d.name, err, said)
	}
	return nil
}

func (d *realDom0) disconnect() {
	if _, err := os.Stat(d.file("root-" + strconv.Itoa(d.resumes))); err == nil {
		_ = d.ssh("-O", "exit").Run()
	}
}

// on is a command that runs on the Dom0. XL in its environment is the path of xl there.
func (d *realDom0) on(args ...string) *exec.Cmd {
	line := "XL=" + d.xlPath() + " CONFIGS=" + realConfigs + " exec"
	for _, arg := range args {
		line += " '" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return d.ssh("--", line)
}

func (d *realDom0) run(args ...string) (string, error) {
	out, err := d.on(args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("dom0 %s: %s: %w: %s", d.name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (d *realDom0) shell(line string) (string, error) { return d.run("sh", "-c", line) }

func (d *realDom0) xlPath() string { return "/usr/sbin/xl" }

// has tells the truth about a guest: whether the hypervisor has a domain with its UUID, whatever its name and state.
func (d *realDom0) has(guest string) (bool, error) {
	if !d.up {
		return false, nil
	}
	n, err := d.domains(guest)
	return n > 0, err
}

// domains is the number of domains with the guest's UUID.
func (d *realDom0) domains(guest string) (int, error) {
	uuid := realUUID(guest)
	if uuid == "" {
		return 0, fmt.Errorf("there is no guest %q", guest)
	}
	out, err := d.run("domains")
	if err == nil && !strings.HasPrefix(out, "0 ") {
		err = fmt.Errorf("dom0 %s: the hypervisor's list has no domain 0: %s", d.name, out)
	}
	return strings.Count(out, uuid), err
}

// log is the Dom0's log since the script began, with all that was sent before the call.
func (d *realDom0) log() ([]string, error) {
	out, err := d.shell("id=$$; logger settled $id; until grep -q \"settled $id\" /var/log/syslog; do sleep 0.05; done; cat /var/log/syslog")
	return strings.Split(out, "\n"), err
}

func (d *realDom0) sshd(act string) error {
	line, ok := map[string]string{
		"stop":   "kill $(cat /run/sshd.pid) && timeout 300 sh -c 'while test -e /run/sshd.pid; do sleep 0.05; done'",
		"start":  "/usr/sbin/sshd && timeout 300 sh -c 'until test -s /run/sshd.pid; do sleep 0.05; done'", // it listens before it writes that
		"freeze": "kill -STOP $(cat /run/sshd.pid)", "thaw": "kill -CONT $(cat /run/sshd.pid)",
	}[act]
	if !ok {
		return fmt.Errorf("sshd does not %s", act)
	}
	_, err := d.shell(line)
	return err
}

func (d *realDom0) crash(guest string) error {
	_, err := d.shell("domains crash $(xl domid " + guest + ")")
	return err
}

func (d *realDom0) linger(guest string) error {
	_, err := d.shell("hold-page $(xl domid " + guest + ") >/tmp/held 2>&1 </dev/null & timeout 300 sh -c 'until grep held /tmp/held; do sleep 0.05; done'")
	return err
}

func (d *realDom0) release() error {
	_, err := d.shell("pkill -x hold-page; timeout 300 sh -c 'while xl list | grep -q \"^(null)\"; do sleep 0.05; done'")
	return err
}

// twice lets two xl create the guest at once, until two domains of it exist: that happens about every other time.
func (d *realDom0) twice(guest string) error {
	create := "xl create -q " + realConfigs + "/" + guest + ".cfg"
	for range 20 {
		_, err := d.shell("xl destroy " + guest + " >/dev/null 2>&1; " + create + " & " + create + "; wait; true")
		if err != nil {
			return err
		}
		if n, err := d.domains(guest); n == 2 || err != nil {
			return err
		}
	}
	return fmt.Errorf("dom0 %s: there are never two domains of %s", d.name, guest)
}

// cmdLink: link DOM0 down|up
func cmdLink(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(realDom0s[args[0]].xen.Link(args[1] == "up"))
}
