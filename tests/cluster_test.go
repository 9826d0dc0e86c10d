package tests

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The machine is the cluster node thisNode. The other nodes are guests of the Dom0s.
const thisNode = "node-9"

// What runTests leaves for the tests: there is one machine, and it is shared.
var (
	dom0s     = map[string]*dom0{}
	builtXL   = filepath.Join(labDir, "xl")
	builtPeak = filepath.Join(labDir, "peak")
	logged    systemLog
)

// parameters are those of the device, by which every script begins.
func parameters() []string {
	return []string{
		"hostlist=node-1, node-2 node-10",
		"sshaccount=xen@alpha xen@beta",
		"identity_file=" + key("cluster"),
	}
}

func key(owner string) string { return filepath.Join(labDir, "keys", owner) }

// personas are the owners of keys: the account, and what authorized_keys says of the key.
var personas = []struct{ owner, account, options string }{
	{"cluster", "xen", `restrict,command="/usr/local/sbin/dom0-helper gate --allow node-1,node-2,node-10 --client node-9"`},
	// May only control one of the cluster's guests.
	{"half", "xen", `restrict,command="/usr/local/sbin/dom0-helper gate --allow node-1 --client half"`},
	// Another cluster, whose key allows a guest that the policy does not.
	{"other", "xen-b", `restrict,command="/usr/local/sbin/dom0-helper gate --allow other-1,node-1 --client other"`},
	// What an administrator gets who forgot the forced command: a shell of the account.
	{"shell", "xen", `restrict`},
	// May control guests with odd names, which only the real Dom0s have.
	{"odd", "xen", `restrict,command="/usr/local/sbin/dom0-helper gate --allow 7,` + longName + ` --client odd"`},
	// Known nowhere.
	{"stranger", "", ``},
}

func runTests(m *testing.M) int {
	must("the log", logged.listen())
	must("building", install())
	must("keys", makeKeys())
	must("accounts", makeAccounts())
	must("the module of 2007", installLegacy())
	must("sudo", installSudoers())
	for i, name := range dom0Names {
		d, err := newDom0(name, fmt.Sprintf("127.0.1.%d", i+1), atFirst[i])
		must("dom0 "+name, err)
		dom0s[name] = d
	}
	must("hosts", writeHosts())
	must("a network", makeLAN())
	for _, name := range dom0Names {
		must("known_hosts", dom0s[name].makeKnown())
	}
	must("ssh_config", writeSSHConfig())
	must("parallel", flag.Set("test.parallel", "32")) // what takes time here is waiting
	return m.Run()
}

// install builds everything and installs it as the README says.
func install() error {
	if err := makeDirs(filepath.Join(labDir, "tmp"), filepath.Join(labDir, "home/.ssh"), filepath.Join(labDir, "keys"),
		"/etc/stonith-plugins", "/etc/ssh/authorized_keys"); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"make", "-C", "..", "--no-print-directory", "-s", "install"},
		{"go", "build", "-o", builtXL, "./beds/xl"},
		{"go", "build", "-o", builtPeak, "./beds/peak"},
		{"go", "build", "-o", "/usr/local/sbin/rawssh", "./beds/rawssh"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
		}
	}
	return nil
}

// accounts are those of the Dom0s: each cluster has its own.
var accounts = []string{"xen", "xen-b"}

// makeKeys makes the keys of all personas.
func makeKeys() error {
	for _, p := range personas {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", p.owner, "-f", key(p.owner)).CombinedOutput(); err != nil {
			return fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	return nil
}

// authorizedKeys is what an account's file of that name has.
func authorizedKeys(account string) (string, error) {
	var text strings.Builder
	for _, p := range personas {
		if p.account != account {
			continue
		}
		public, err := os.ReadFile(key(p.owner) + ".pub")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "%s %s", p.options, public)
	}
	return text.String(), nil
}

// makeAccounts makes the Dom0s' accounts. /etc is one for all machines here.
func makeAccounts() error {
	for _, account := range accounts {
		if out, err := exec.Command("useradd", "-m", "-s", "/bin/sh", "-p", "*", account).CombinedOutput(); err != nil {
			return fmt.Errorf("useradd %s: %w: %s", account, err, out)
		}
		keys, err := authorizedKeys(account)
		if err != nil {
			return err
		}
		if err := os.WriteFile("/etc/ssh/authorized_keys/"+account, []byte(keys), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func appendFile(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	return file.Close()
}

// sudoers is the shipped drop-in, edited as it says: with this host's accounts.
func sudoers() ([]byte, error) {
	shipped, err := os.ReadFile("../sudoers/stonith-plugins")
	edited := strings.Replace(string(shipped), "STONITH_ACCOUNTS = xen\n", "STONITH_ACCOUNTS = "+strings.Join(accounts, ", ")+"\n", 1)
	return []byte(edited), err
}

func installSudoers() error {
	text, err := sudoers()
	if err != nil {
		return err
	}
	const path = "/etc/sudoers.d/stonith-plugins"
	if err := os.WriteFile(path, text, 0o440); err != nil {
		return err
	}
	if out, err := exec.Command("visudo", "-c").CombinedOutput(); err != nil {
		return fmt.Errorf("visudo -c: %w: %s", err, out)
	}
	return nil
}

// writeHosts makes /etc/hosts, with this machine alone.
func writeHosts() error {
	return os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost "+thisNode+"\n"), 0o644)
}

// sshConfig gives OpenSSH's client the names DOM0-PERSONA.
var sshConfig = filepath.Join(labDir, "ssh_config")

func writeSSHConfig() error {
	var text strings.Builder
	for _, name := range dom0Names {
		for _, p := range personas {
			fmt.Fprintf(&text, "Host %s-%s\n  HostName %s\n  User %s\n  IdentityFile %s\n",
				name, p.owner, name, cmp.Or(p.account, "xen"), key(p.owner))
		}
	}
	fmt.Fprintf(&text, "Host *\n  IdentitiesOnly yes\n  BatchMode yes\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile none\n",
		filepath.Join(labDir, "home/.ssh/known_hosts"))
	return os.WriteFile(sshConfig, []byte(text.String()), 0o644)
}

func (d *dom0) makeKnown() error {
	public, err := os.ReadFile(d.dir("etc/host_key.pub"))
	if err != nil {
		return err
	}
	return makeKnown(d.name, d.address, string(public))
}

// makeKnown makes a Dom0 known, by name and by key.
func makeKnown(name, address, hostKey string) error {
	return errors.Join(appendFile("/etc/hosts", address+" "+name+"\n"),
		appendFile(filepath.Join(labDir, "home/.ssh/known_hosts"), name+","+address+" "+hostKey))
}

// systemLog collects what is sent to syslog on this machine and the Dom0s.
type systemLog struct {
	mu    sync.Mutex
	lines []string
}

// listen makes the log's socket, with a queue as long as on a system with systemd.
func (l *systemLog) listen() error {
	if err := os.WriteFile("/proc/sys/net/unix/max_dgram_qlen", []byte("512"), 0); err != nil {
		return err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/dev/log", Net: "unixgram"})
	if err != nil {
		return err
	}
	go func() {
		buffer := make([]byte, 128<<10)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.lines = append(l.lines, string(buffer[:n]))
			l.mu.Unlock()
		}
	}()
	return os.Chmod("/dev/log", 0o666)
}

// mark is the number of lines that were sent before the call.
func (l *systemLog) mark() int {
	must("the log", l.settled())
	return l.length()
}

func (l *systemLog) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// settled returns when the log has all lines that were sent before the call.
func (l *systemLog) settled() error {
	mark := l.length()
	conn, err := net.Dial("unixgram", "/dev/log")
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "settled"); err != nil {
		return err
	}
	for range 6000 { // a minute
		if slices.Contains(l.since(mark), "settled") {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the log does not take lines any more")
}

func (l *systemLog) since(mark int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines[mark:]...)
}
