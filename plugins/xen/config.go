package main

import (
	"cmp"
	"errors"
	"path/filepath"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// config holds the parameters of external/xen.
type config struct {
	accounts       accounts
	identityFile   stonith.Text
	knownHosts     stonith.Text
	connectTimeout stonith.Duration
}

func newConfig() *config {
	return &config{connectTimeout: stonith.Duration(8 * time.Second)}
}

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
	device := &dom0s{id: call.ID}
	for _, a := range c.accounts {
		device.all = append(device.all, &dom0{
			account: a, hostKeys: hostKeys, identity: identity,
			connectLimit: time.Duration(c.connectTimeout), turn: make(chan struct{}, 1),
		})
	}
	return device, nil
}
