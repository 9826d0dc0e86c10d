package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// legacyAccount is that of a cluster whose Dom0s still have the Xen module of 2007:
// its key has no forced command, and sudo lets it run the script.
const legacyAccount = "xen-2007"

// legacyScript is in the place of the module's script on a Dom0, with its forms and
// its weaknesses: it knows a fixed list of nodes, finds them by the beginning of
// their names, and exits with the status of its echo. It was written for these tests.
const legacyScript = `#!/bin/sh
nodes="node-1 node-2 node-10"
xl=%[1]s
config=%[2]s/$2.cfg

if [ "$1" = list ]; then
	$xl list
	exit 0
fi
case " $nodes " in
*" $2 "*) ;;
*)
	echo "Invalid node $2" >&2
	exit 1
	;;
esac
case $1 in
on)
	$xl list | grep -q "^$2" || $xl create "$config"
	echo "Started $2"
	;;
off)
	$xl shutdown "$2"
	sleep 2
	if $xl destroy "$2"; then
		echo "Stopped $2"
	else
		echo "Failed to stop $2"
		exit 1
	fi
	;;
reset)
	if ! $xl list | grep -q "^$2"; then
		echo "$2 not running - OK"
		exit 0
	fi
	$xl shutdown "$2"
	sleep 2
	$xl destroy "$2"
	$xl create "$config"
	echo "Successfully rebooted $2"
	;;
*)
	echo "Invalid operation $1" >&2
	exit 1
	;;
esac
`

// installLegacy makes the account, its key, and the sudo rule of 2007. All Dom0s have
// one /usr/local, so what is there leads to each one's own script.
func installLegacy() error {
	for _, command := range [][]string{
		{"useradd", "-m", "-s", "/bin/sh", "-p", "*", legacyAccount},
		{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", legacyAccount, "-f", key("legacy")},
		{"cp", key("legacy") + ".pub", "/etc/ssh/authorized_keys/" + legacyAccount},
		{"ln", "-s", "/run/xen-stonith", "/usr/local/sbin/xen-stonith"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, out)
		}
	}
	rule := legacyAccount + " ALL=NOPASSWD:/usr/local/sbin/xen-stonith\n"
	return os.WriteFile("/etc/sudoers.d/xen-stonith", []byte(rule), 0o440)
}

// resetLegacy ends what still runs of the Dom0's script, and puts it there anew.
func (d *dom0) resetLegacy() error {
	_, _ = d.run("pkill", "-KILL", "-x", "xen-stonith") // mostly there is none
	script, text := d.dir("run/xen-stonith"), fmt.Sprintf(legacyScript, d.dir("xen/sbin/xl"), filepath.Dir(d.host.Policy))
	return program.Write(script, text, 0o755)
}
