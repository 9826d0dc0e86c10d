package tests

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/xenhost"
)

// A dom0 is a machine with a real sshd and sudo, the shipped helper and drop-in,
// and a simulated xl. Its files are below labDir/NAME; the directories that a
// real one has are there under their usual names.
type dom0 struct {
	name    string
	address string
	init    int // its first process, as this machine sees it
	host    *xenhost.Host
	guests  []string          // that run when a test begins
	etc     map[string][]byte // what /etc/stonith-plugins has when a test begins
}

// The two Dom0s, and what lives on them: guests of cluster A and one of cluster B.
var (
	dom0Names = []string{"alpha", "beta"}
	guestsOfA = []string{"node-1", "node-2", "node-10"}
	guestsOfB = []string{"other-1"}
)

// atFirst are the guests that run on each of two Dom0s when a test begins; node-10 is off.
var atFirst = [2][]string{{"node-1", "other-1"}, {"node-2"}}

func (d *dom0) dir(parts ...string) string {
	return filepath.Join(append([]string{labDir, d.name}, parts...)...)
}

// newDom0 lays out a Dom0's files, starts its machine, and on that its sshd.
func newDom0(name, address string, guests []string) (*dom0, error) {
	d := &dom0{name: name, address: address, guests: guests}
	host, err := xenhost.New(d.dir("xen"), builtXL)
	if err != nil {
		return nil, err
	}
	d.host = host
	for account, guests := range map[string][]string{"xen": guestsOfA, "xen-b": guestsOfB} {
		if err := host.Allow(account, guests); err != nil {
			return nil, err
		}
	}
	if err := d.keepEtc(); err != nil {
		return nil, err
	}
	if err := makeDirs(d.dir("etc"), d.dir("run/sshd")); err != nil {
		return nil, err
	}
	if err := d.writeSSHD(); err != nil {
		return nil, err
	}
	if err := d.boot(); err != nil {
		return nil, err
	}
	return d, d.startSSHD()
}

// ofXen are the directories and the file that each Dom0 has for itself where images of
// guests are saved and restored, by the names that they have there.
var ofXen = map[string]string{
	"save": "/var/lib/xen/save", "libvirt": "/var/lib/libvirt/libxl/save", "sysconfig": "/etc/sysconfig", "xendomains": xendomains,
}

// xendomains is the one file.
const xendomains = "/etc/default/xendomains"

// makeOfXen makes them, and what they are mounted on.
func (d *dom0) makeOfXen() error {
	for name, path := range ofXen {
		if path != xendomains {
			if err := makeDirs(d.dir(name), path); err != nil {
				return err
			}
			continue
		}
		if err := errors.Join(os.WriteFile(d.dir(name), nil, 0o644), os.WriteFile(path, nil, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// emptyOfXen removes what is in them.
func (d *dom0) emptyOfXen() error {
	err := os.WriteFile(d.dir("xendomains"), nil, 0o644)
	for name := range ofXen {
		left, globErr := filepath.Glob(d.dir(name, "*"))
		hidden, _ := filepath.Glob(d.dir(name, ".*.fenced-*"))
		for _, path := range append(left, hidden...) {
			err = errors.Join(err, os.RemoveAll(path))
		}
		err = errors.Join(err, globErr)
	}
	return err
}

// boot starts the Dom0's first process, in namespaces for its processes and mounts.
func (d *dom0) boot() error {
	if err := d.makeOfXen(); err != nil {
		return err
	}
	machine := again(roleDom0, syscall.CLONE_NEWNS|syscall.CLONE_NEWPID, "STONITH_TEST_DOM0="+d.name)
	machine.Stdout = nil
	out, err := machine.StdoutPipe()
	if err != nil {
		return err
	}
	if err := machine.Start(); err != nil {
		return err
	}
	d.init = machine.Process.Pid
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("dom0 %s did not start: %q, %w", d.name, line, err)
	}
	return nil
}

// setUpDom0 runs as the first process of a Dom0.
func setUpDom0(name string) error {
	d := &dom0{name: name}
	if err := mount("proc", "/proc", "proc", ""); err != nil {
		return err
	}
	if err := syscall.Mount(d.dir("run"), "/run", "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	if err := os.Chmod("/run", 0o755); err != nil {
		return err
	}
	for name, path := range ofXen {
		if err := syscall.Mount(d.dir(name), path, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
	}
	return syscall.Mount(d.dir("xen/etc"), "/etc/stonith-plugins", "", syscall.MS_BIND, "")
}

// end ends the Dom0 with all its processes, its guests' among them.
func (d *dom0) end() {
	must("the end of dom0 "+d.name, syscall.Kill(d.init, syscall.SIGKILL))
}

// keepEtc remembers the policy and the guests' configurations.
func (d *dom0) keepEtc() error {
	files, err := filepath.Glob(d.dir("xen/etc/*"))
	if err != nil {
		return err
	}
	d.etc = map[string][]byte{}
	for _, file := range files {
		if d.etc[file], err = os.ReadFile(file); err != nil {
			return err
		}
	}
	return nil
}

// restoreEtc makes them anew, whatever became of them and their directory.
func (d *dom0) restoreEtc() error {
	dir := d.dir("xen/etc")
	left, err := filepath.Glob(dir + "/*")
	if err != nil {
		return err
	}
	for _, file := range left {
		if err := os.RemoveAll(file); err != nil {
			return err
		}
	}
	for file, text := range d.etc {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
	}
	return errors.Join(os.Chown(dir, 0, 0), os.Chmod(dir, 0o755))
}

// writeSSHD writes sshd's configuration. It is more open than Debian's: clients
// may send any environment, so that it is not sshd that keeps it from the helper.
func (d *dom0) writeSSHD() error {
	key := d.dir("etc/host_key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	config := fmt.Sprintf(`ListenAddress %s:22
HostKey %s
PidFile /run/sshd.pid
UsePAM yes
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile /etc/ssh/authorized_keys/%%u
Subsystem sftp internal-sftp
MaxStartups 100:30:200
AcceptEnv *
LogLevel VERBOSE
`, d.address, key)
	return os.WriteFile(d.dir("etc/sshd_config"), []byte(config), 0o644)
}

// on is a command that runs on the Dom0. XL in its environment is the path of xl there.
func (d *dom0) on(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", strconv.Itoa(d.init), "-m", "-p", "--", "env", "XL=" + d.xlPath()}, args...)...)
}

func (d *dom0) xlPath() string { return d.dir("xen/sbin/xl") }

func (d *dom0) run(args ...string) (string, error) {
	out, err := d.on(args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("dom0 %s: %s: %w: %s", d.name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (d *dom0) xl(args ...string) (string, error) {
	return d.run(append([]string{d.xlPath()}, args...)...)
}

// startSSHD returns when sshd accepts connections.
func (d *dom0) startSSHD() error {
	if out, err := d.run("/usr/sbin/sshd", "-t", "-f", d.dir("etc/sshd_config")); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if _, err := d.run("/usr/sbin/sshd", "-f", d.dir("etc/sshd_config")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(d.dir("run/sshd.pid")); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sshd of dom0 %s does not start", d.name)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// signalSSHD sends a signal to the listening sshd.
func (d *dom0) signalSSHD(signal string) error {
	pid, err := os.ReadFile(d.dir("run/sshd.pid"))
	if err != nil {
		return err
	}
	_, err = d.run("kill", "-"+signal, strings.TrimSpace(string(pid)))
	return err
}

func (d *dom0) stopSSHD() error {
	if err := d.signalSSHD("KILL"); err != nil {
		return err
	}
	return os.Remove(d.dir("run/sshd.pid"))
}

// sshd acts on the listening sshd.
func (d *dom0) sshd(act string) error {
	switch act {
	case "stop":
		return d.stopSSHD()
	case "start":
		return d.startSSHD()
	case "freeze":
		return d.signalSSHD("STOP")
	case "thaw":
		return d.signalSSHD("CONT")
	}
	return fmt.Errorf("sshd does not %s", act)
}

// crash, linger, release and twice are the simulation's. docs/testing.md says what they do.

func (d *dom0) crash(guest string) error {
	_, err := d.xl("sim", "crash", guest)
	return err
}

func (d *dom0) linger(guest string) error {
	_, err := d.xl("sim", "linger", guest)
	return err
}

func (d *dom0) release() error {
	_, err := d.xl("sim", "release")
	return err
}

func (d *dom0) twice(guest string) error {
	if err := d.host.Fault("create-race", "yes"); err != nil {
		return err
	}
	_, err := d.xl("create", "-q", d.host.Config(guest))
	return err
}

// reset gives the Dom0 the state in which every script begins.
func (d *dom0) reset() error {
	if _, err := os.Stat(d.dir("run/sshd.pid")); err != nil {
		if err := d.startSSHD(); err != nil {
			return err
		}
	}
	if err := errors.Join(d.signalSSHD("CONT"), d.restoreEtc()); err != nil {
		return err
	}
	faults, err := filepath.Glob(d.dir("xen/fault/*"))
	if err != nil {
		return err
	}
	for _, fault := range faults {
		if err := os.Remove(fault); err != nil {
			return err
		}
	}
	if err := d.endRequests(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(d.dir("xen/state")), d.emptyOfXen()); err != nil {
		return err
	}
	if _, err := d.xl("sim", "down"); err != nil {
		return err
	}
	for _, guest := range d.guests {
		if _, err := d.xl("create", "-q", d.host.Config(guest)); err != nil {
			return err
		}
	}
	return nil
}

// endRequests ends what still runs for an earlier script: it would hold locks, or carry
// out what was asked for then. What a session has just begun is found the next time.
func (d *dom0) endRequests() error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		left := d.ofRequests()
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: requests do not end: %s", d.name, left)
		}
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// has tells the truth about a guest: whether its process exists, under whichever name.
func (d *dom0) has(guest string) (bool, error) { return d.runs(guest), nil }

func (d *dom0) runs(guest string) bool {
	for _, ending := range []string{"", "--incoming", "--migratedaway"} {
		if out, err := d.xl("sim", "pid", guest+ending); err == nil && strings.TrimSpace(out) != "" {
			return true
		}
	}
	return false
}
