package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// config holds the parameters of external/xenapi.
type config struct {
	pool           addresses
	user           line
	password       password
	trust          trust
	poolUUID       uuidValue
	guestUUIDs     stonith.PerNode
	originator     line
	connectTimeout stonith.Duration
	settleTime     stonith.Duration
	unheardHosts   stonith.Choice
}

// leastSettleTime is what a host needs in any case to tell its master what it runs.
const leastSettleTime = 10 * time.Second

func newConfig() *config {
	return &config{
		guestUUIDs: stonith.PerNode{Form: "uuid", Parse: asUUID},
		user:       "root", originator: "external/xenapi",
		// A member of an old release thinks about a wrong password for 5 s.
		connectTimeout: stonith.Duration(8 * time.Second),
		settleTime:     stonith.Duration(2 * time.Minute),
		unheardHosts:   stonith.Choice{Chosen: refuseUnheard, Words: []string{refuseUnheard, fencedByHA, trustUnheard}},
	}
}

// Params lists the parameters.
func (c *config) Params() []stonith.Param {
	return slices.Concat(c.poolParams(), c.loginParams(), c.trustParams(), c.limitParams())
}

func (c *config) poolParams() []stonith.Param {
	return []stonith.Param{{
		Name: "pool", Aliases: []string{"session_url"}, Agent: "session_url", Value: &c.pool, Required: true,
		Short: "Members of the pool",
		Long: "Names or addresses of the pool's members, as member or member:port, separated by blanks, commas or semicolons; an " +
			"IPv6 address with a port stands in brackets, and https:// may stand before a member. One is enough to start with; give " +
			"all of them, so that a node can be fenced while some are dead. All are asked at once, and the master among them does the work.",
	}, {
		Name: "pool_uuid", Value: &c.poolUUID,
		Short: "UUID of the pool",
		Long:  "A member of any other pool is left alone, such as one that was ejected and is a pool of its own now.",
	}, {
		Name: "vm_uuid", Value: &c.guestUUIDs,
		Short: "UUIDs that the guests must have",
		Long: "Entries node=uuid, separated by blanks, commas or semicolons. A guest that has the name of such a node and " +
			"another UUID is not touched.",
	}}
}

func (c *config) loginParams() []stonith.Param {
	return []stonith.Param{{
		Name: "user", Aliases: []string{"username", "login"}, Agent: "username", Value: &c.user,
		Short: "User of the pool",
		Long:  "The user who logs in. One other than root needs the role vm-operator.",
	}, {
		Name: "passwd_file", Value: &c.password.file,
		Short: "File with the password",
		Long: "A file whose only line is the password, and which only its owner can read. One of passwd_file, passwd_script " +
			"and passwd is needed.",
	}, {
		Name: "passwd_script", Aliases: []string{"password_script"}, Agent: "password_script", Value: &c.password.script,
		Short: "Program that prints the password",
		Long:  "The absolute path of a program, without arguments and without a shell. It has 5s, and its output is the password.",
	}, {
		Name: "passwd", Aliases: []string{"password"}, Agent: "password", Value: &c.password.passwd,
		Short: "The password itself",
		Long:  "The password, without blanks at its ends. It can be read in the cluster's configuration: passwd_file is better.",
	}, {
		Name: "originator", Value: &c.originator,
		Short: "Name that the sessions have in the pool",
		Long:  "What the pool's administrators see these sessions by. Sessions with one name share a quota.",
	}}
}

func (c *config) trustParams() []stonith.Param {
	return []stonith.Param{{
		Name: "ca_file", Value: &c.trust.caFile,
		Short: "File with certificates of authorities",
		Long: "Certificates in PEM form that the members' certificates are signed by; the member's name or address must be in its " +
			"certificate. Without ca_file, tls_pins and tls_insecure, the authorities of the system count.",
	}, {
		Name: "tls_pins", Value: &c.trust.pins,
		Short: "SHA-256 fingerprints of the members' certificates",
		Long: "The fingerprints of the certificates of all members, separated by blanks, commas or semicolons. Only they count, " +
			"whoever signed the certificate and whatever name is in it.",
	}, {
		Name: "tls_insecure", Value: &c.trust.insecure,
		Short: "Trust any certificate",
		Long: "With true, whoever is between the cluster and the pool can read the password, and can say that a node is off " +
			"which is not. Each call warns of it.",
	}}
}

func (c *config) limitParams() []stonith.Param {
	return []stonith.Param{{
		Name: "connect_timeout", Value: &c.connectTimeout,
		Short: "Time limit of logging in to a member",
		Long:  "The time within which a member must accept a connection, prove who it is and answer a login.",
	}, {
		Name: "settle_time", Value: &c.settleTime,
		Short: "Age from which a member's word counts",
		Long: "A guest that was Halted before this call asked for it, or Suspended, counts as off only if the agents of the master " +
			"and of all hosts that are heard have been running for this time: a younger master may not know what its members run. " +
			"Each call warns of less than 10s.",
	}, {
		Name: "unheard_hosts", Value: &c.unheardHosts,
		Short: "What hosts that are not heard count as",
		Long: "A guest that was Halted before this call asked for it, or Suspended, may run on a host of the pool that its master has lost. " +
			"With refuse it counts as off only if all hosts are heard as slaves of this very master. With ha, silent hosts " +
			"count as fenced by the pool's high availability, while that is on. With trust, hosts that are not heard are taken " +
			"not to run the guest, on the administrator's word: each call warns of it.",
	}}
}

// Open reads the files. It reports all that is wrong at once.
func (c *config) Open(call stonith.Call) (stonith.Device, error) {
	password, passwordErr := c.password.source()
	rules, trustErr := c.trust.config()
	pins, pinsErr := c.guestUUIDs.ByName("vm_uuid", call.Nodes)
	if err := errors.Join(passwordErr, trustErr, pinsErr); err != nil {
		return nil, err
	}
	if c.trust.insecure {
		call.Warn("tls_insecure is set: whoever is between here and the pool can read the password, and can say that a node is off which is not")
	}
	if c.unheardHosts.Chosen == trustUnheard {
		call.Warn("unheard_hosts=trust is set: a node counts as off that may run on a host which the pool's master does not hear")
	}
	if time.Duration(c.settleTime) < leastSettleTime {
		call.Warn(fmt.Sprintf("settle_time=%s is less than %s: a node may count as off before its host has told the master that it runs it", c.settleTime.String(), leastSettleTime))
	}
	client := newClient(rules, time.Duration(c.connectTimeout))
	return &members{
		known:        c.pool,
		warn:         call.Warn,
		unheardHosts: c.unheardHosts.Chosen,
		pins:         pins,
		source:       password,
		rules: rulesOfEntry{
			client: client, user: string(c.user), originator: string(c.originator),
			poolUUID: string(c.poolUUID), limit: time.Duration(c.connectTimeout), settle: time.Duration(c.settleTime), histories: &histories{},
		},
	}, nil
}
