package tests

import (
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/xenhost"
)

// The Dom0 bare is one on which nothing of ours is set up but the program. Its
// /etc and /home are its own, and its sshd reads the usual configuration.
const (
	bareName    = "bare"
	bareAddress = "127.0.1.3"
)

// bareSetup makes it so. DIR is its directory.
const bareSetup = `set -e
cp -a /etc/. DIR/copy/etc
cp -a /home/. DIR/copy/home
mount --bind DIR/copy/etc /etc
mount --bind DIR/copy/home /home
rm -rf /etc/sudoers.d/stonith-plugins /etc/ssh/authorized_keys /etc/stonith-plugins
for account in xen xen-b; do userdel -r $account || true; done
grep -v AuthorizedKeysFile DIR/etc/sshd_config > /etc/ssh/sshd_config
ln -sf /etc/ssh/sshd_config DIR/etc/sshd_config
install -d -m 0755 /etc/stonith-plugins
install -m 0600 DIR/xen/etc/dom0.policy /etc/stonith-plugins/dom0.policy
`

// newBare makes that Dom0 anew.
func newBare() (*dom0, error) {
	d := &dom0{name: bareName, address: bareAddress}
	if err := os.RemoveAll(d.dir()); err != nil {
		return nil, err
	}
	if err := makeDirs(d.dir("etc"), d.dir("run/sshd"), d.dir("copy/etc"), d.dir("copy/home")); err != nil {
		return nil, err
	}
	host, err := xenhost.New(d.dir("xen"), builtXL)
	if err != nil {
		return nil, err
	}
	d.host = host
	for _, guest := range []string{"node-1", "node-2"} {
		if err := os.WriteFile(host.Config(guest), []byte(fmt.Sprintf("name = %q\n", guest)), 0o644); err != nil {
			return nil, err
		}
	}
	if err := d.writeSSHD(); err != nil {
		return nil, err
	}
	if err := d.boot(); err != nil {
		return nil, err
	}
	if _, err := d.run("sh", "-c", strings.ReplaceAll(bareSetup, "DIR", d.dir())); err != nil {
		return nil, err
	}
	return d, d.startSSHD()
}

// cmdBare: bare. It makes the Dom0 bare for this script. The variable CONFIGS is
// the directory of its guests' configurations, and BARE a configuration for ssh.
func (s *scene) cmdBare(ts *testscript.TestScript, _ bool, _ []string) {
	d, err := newBare()
	ts.Check(err)
	s.dom0s[bareName] = d
	ts.Defer(func() {
		delete(s.dom0s, bareName)
		d.end()
	})
	config := fmt.Sprintf("Host bare\n  HostName %s\n  User xen\n  IdentitiesOnly yes\n  BatchMode yes\n  LogLevel ERROR\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n", d.address)
	ts.Check(os.WriteFile(d.dir("ssh_config"), []byte(config), 0o644))
	ts.Setenv("BARE", d.dir("ssh_config"))
	ts.Setenv("CONFIGS", d.dir("xen/etc"))
}

// everything lists each file of a Dom0's /etc and /home: owner, mode, contents.
const everything = `cd /
find etc home -printf '%p %M %u %g %l\n' | sort
find etc home -type f -print0 | sort -z | xargs -0 sha256sum`

// cmdSnapshot: snapshot DOM0 FILE
func (s *scene) cmdSnapshot(ts *testscript.TestScript, _ bool, args []string) {
	out, err := s.theDom0(ts, args).on("sh", "-c", everything).Output()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out, 0o644))
}
