package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// config holds the parameters of external/xen.
type config struct {
	accounts       accounts
	identityFile   stonith.Text
	knownHosts     stonith.Text
	connectTimeout stonith.Duration
	protocol       stonith.Choice
	// In the protocol of 2007, for how long a guest must be absent: at least, and as a share of a look.
	restartGap   time.Duration
	restartShare float64
}

func newConfig() *config {
	return &config{
		connectTimeout: stonith.Duration(8 * time.Second),
		protocol:       stonith.Choice{Chosen: "1", Words: []string{"1", protocol2007}},
		restartGap:     restartGap,
		restartShare:   restartShare,
	}
}

// protocol2007 is the dom0_protocol of Dom0s with the script of 2007.
const protocol2007 = "2007"

// Params lists the parameters; hostlist and sshaccount are those of 2007.
func (c *config) Params() []stonith.Param {
	return []stonith.Param{{
		Name: "sshaccount", Value: &c.accounts, Required: true,
		Short: "Accounts on the Dom0s",
		Long: "The account on each Dom0 that the nodes may live on, as user@dom0 or user@dom0:port, separated by blanks, " +
			"commas or semicolons. A node counts as off only if all of these Dom0s say so.",
	}, {
		Name: "identity_file", Value: &c.identityFile,
		Short: "File with the private ssh key",
		Long: "The private key that the Dom0s know. Without it, the ssh agent of SSH_AUTH_SOCK and the usual files " +
			"in .ssh of the user who runs the plugin are tried.",
	}, {
		Name: "known_hosts", Value: &c.knownHosts,
		Short: "File with the Dom0s' host keys",
		Long: "The public keys of the Dom0s, in the format of OpenSSH. Without it, .ssh/known_hosts of the user who runs " +
			"the plugin and /etc/ssh/ssh_known_hosts are read. A Dom0 whose key is not there is not trusted.",
	}, {
		Name: "connect_timeout", Value: &c.connectTimeout,
		Short: "Time limit of connecting to a Dom0",
		Long:  "The time within which a Dom0 must accept a connection and prove who it is.",
	}, {
		Name: "dom0_protocol", Value: &c.protocol,
		Short: "Protocol of the Dom0s: 1, or 2007 for the old script",
		Long: "1 is for Dom0s with dom0-helper. 2007 is for Dom0s with the xen-stonith script of the Xen module of 2007, " +
			"until they have dom0-helper: a node then counts as off when it has been absent from the lists of all Dom0s for " +
			"a sixth of timeout, at least four seconds. That is no proof against saved images, restores and migrations, which the old script cannot see: " +
			"each call warns of it.",
	}}
}

// Open reads the keys. It reports all that is wrong with the files at once.
func (c *config) Open(call stonith.Call) (stonith.Device, error) {
	// Cluster software runs as root, some of it without HOME.
	sshDir := filepath.Join(cmp.Or(call.Getenv("HOME"), "/root"), ".ssh")
	hostKeys, hostKeysErr := readKnownHosts(string(c.knownHosts), sshDir)
	identity, identityErr := readIdentity(string(c.identityFile), sshDir, call.Getenv("SSH_AUTH_SOCK"))
	if err := errors.Join(hostKeysErr, identityErr); err != nil {
		return nil, err
	}
	device := &dom0s{mayTouch: call.MayTouch, warn: call.Warn}
	if c.protocol.Chosen == protocol2007 {
		device.gap.least, device.gap.share = c.restartGap, c.restartShare
	}
	speak := c.dialect(call.ID, device.warn)
	for _, a := range c.accounts {
		device.all = append(device.all, speak(&dom0{
			account: a, hostKeys: hostKeys, identity: identity,
			connectLimit: time.Duration(c.connectTimeout), turn: make(chan struct{}, 1),
		}))
	}
	return device, nil
}

// dialect returns what makes a Dom0 be spoken to as dom0_protocol says. The ids of
// requests are that of the call and a number.
func (c *config) dialect(id string, tell func(text string)) func(*dom0) dialect {
	if c.protocol.Chosen == protocol2007 {
		return func(d *dom0) dialect { return &script{dom0: d, tell: tell} }
	}
	var count atomic.Int64
	nextID := func() string { return fmt.Sprintf("%s-%d", id, count.Add(1)) }
	return func(d *dom0) dialect { return &gate{dom0: d, nextID: nextID, tell: tell} }
}
