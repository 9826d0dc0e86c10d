package main

import (
	"net"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// fenceAgent has what agents are given that go to a hypervisor by ssh (fence_virsh), and
// what fence_xvm and fence_virt are given, which ask a daemon there.
func fenceAgent() stonith.Agent {
	const byName = "plug is the guest's name, as the Dom0s have it"
	keysOnly := stonith.Refuse("no password is ever sent", "a Dom0 knows the cluster by its key: set identity_file, and take the password out")
	noDaemon := stonith.Refuse("the Dom0s are asked by ssh, and there is no daemon to ask", "set ip and username, or sshaccount, to the accounts on the Dom0s")
	oneFamily := stonith.RefuseIf(true, "addresses are not chosen by their kind", "write the Dom0's address itself into ip")
	return stonith.Agent{
		Name:    "fence_xen",
		Letters: map[string]string{"identity_file": "k"},
		Foreign: []stonith.Foreign{
			// These five are combined, before they could be turned.
			{Name: "ip", Becomes: "sshaccount", Turn: stonith.Ignore, Letter: 'a'},
			{Name: "ipaddr", Becomes: "sshaccount", Turn: stonith.Ignore},
			{Name: "username", Becomes: "sshaccount", Turn: stonith.Ignore, Letter: 'l'},
			{Name: "login", Becomes: "sshaccount", Turn: stonith.Ignore},
			{Name: "ipport", Becomes: "sshaccount", Turn: stonith.Ignore, Letter: 'u'},

			{Name: "login_timeout", Becomes: "connect_timeout"},
			{Name: "password", Turn: keysOnly, Letter: 'p'},
			{Name: "passwd", Turn: keysOnly},
			{Name: "password_script", Turn: keysOnly, Letter: 'S'},
			{Name: "passwd_script", Turn: keysOnly},
			{Name: "inet4_only", Turn: oneFamily, Letter: '4', Switch: true},
			{Name: "inet6_only", Turn: oneFamily, Letter: '6', Switch: true},
			{Name: "ssh", Turn: stonith.RefuseIf(false, "there is no other way than ssh", "take it out of the parameters"), Letter: 'x', Switch: true},
			{Name: "secure", Turn: stonith.RefuseIf(false, "there is no other way than ssh", "take it out of the parameters")},
			{Name: "ssh_options", Turn: stonith.Refuse("the ssh client is built in", "known_hosts, identity_file and connect_timeout are what can be set")},
			{Name: "ssh_path", Turn: stonith.Ignore},
			{Name: "command_prompt", Turn: stonith.Ignore, Letter: 'c'},
			{Name: "cmd_prompt", Turn: stonith.Ignore},
			{Name: "use_sudo", Turn: stonith.IgnoreBool, Switch: true},
			{Name: "sudo", Turn: stonith.IgnoreBool},
			{Name: "sudo_path", Turn: stonith.Ignore},

			{Name: "domain", Turn: stonith.Refuse("it is plug here", byName)},
			{Name: "use_uuid", Turn: stonith.RefuseIf(true, "a guest is looked for by its name", byName)},
			{Name: "multicast_address", Turn: noDaemon},
			{Name: "interface", Turn: noDaemon},
			{Name: "channel_address", Turn: noDaemon},
			{Name: "serial_device", Turn: noDaemon},
			{Name: "serial_params", Turn: noDaemon},
			{Name: "vsock", Turn: noDaemon},
			{Name: "key_file", Turn: noDaemon},
			{Name: "auth", Turn: noDaemon},
			{Name: "hash", Turn: noDaemon},
			{Name: "ip_family", Turn: ipFamily},
			{Name: "retrans", Turn: stonith.Ignore},
		},
		Combine: combineAccounts,
	}
}

// ipFamily takes both families alone.
func ipFamily(value string) (string, error) {
	if strings.EqualFold(value, "auto") {
		return "", nil
	}
	return stonith.Refuse("addresses are not chosen by their kind", "write the Dom0's address itself into ip")(value)
}

// combineAccounts makes sshaccount of ip, username and ipport.
func combineAccounts(values map[string]string) error {
	dom0s, err := takeOne(values, "ip", "ipaddr")
	if err != nil {
		return err
	}
	user, err := takeOne(values, "username", "login")
	if err != nil {
		return err
	}
	port, err := takeOne(values, "ipport")
	switch {
	case err != nil:
		return err
	case dom0s+user+port == "":
		return nil
	case values["sshaccount"] != "":
		return stonith.Errorf(stonith.BadConfig, "sshaccount is set, and some of ip, username and ipport are as well, want one of both ways").
			WithHint("sshaccount=user@dom0:port says all that the three do")
	case dom0s == "":
		return stonith.Errorf(stonith.BadConfig, "username or ipport is set, and ip is not").WithHint("ip is the address of each Dom0 that the guests may live on")
	case user == "":
		return stonith.Errorf(stonith.BadConfig, "ip is set, and username is not").WithHint("username is the account on the Dom0s, as in sshaccount=user@dom0")
	case !userName.MatchString(user):
		return stonith.Errorf(stonith.BadConfig, "username: %q is not the name of a user", user)
	}
	accounts, err := joinAccounts(user, stonith.SplitList(dom0s), port)
	if err == nil {
		values["sshaccount"] = accounts
	}
	return err
}

// takeOne returns the value of a parameter with these names, and takes all of them away.
func takeOne(values map[string]string, names ...string) (text string, err error) {
	for _, name := range names {
		value := strings.TrimSpace(values[name])
		delete(values, name)
		if text != "" && value != "" && value != text {
			err = stonith.Errorf(stonith.BadConfig, "%s and %s are both set, and differ", names[0], name)
		}
		if value != "" {
			text = value
		}
	}
	return text, err
}

// joinAccounts returns the entries of sshaccount for that user on each of dom0s, at the
// port, unless it is "".
func joinAccounts(user string, dom0s []string, port string) (string, error) {
	if number, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || number == 0) {
		return "", stonith.Errorf(stonith.BadConfig, "ipport: %q is not a port", port)
	}
	var accounts []string
	for _, dom0 := range dom0s {
		place := dom0
		if port != "" {
			host := strings.TrimSuffix(strings.TrimPrefix(dom0, "["), "]")
			if strings.Contains(host, ":") && net.ParseIP(host) == nil {
				return "", stonith.Errorf(stonith.BadConfig, "ip: %q has a port of its own, and ipport is set as well", dom0).
					WithHint("write the port into one of both")
			}
			place = net.JoinHostPort(host, port)
		}
		accounts = append(accounts, user+"@"+place)
	}
	return strings.Join(accounts, " "), nil
}
