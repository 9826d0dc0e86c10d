package main

import (
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// fenceAgent has what agents are given that go to a hypervisor by ssh, such as
// fence_virsh.
func fenceAgent() stonith.Agent {
	refused := func(hint string) func(string) (string, error) {
		return func(string) (string, error) { return "", stonith.Errorf(stonith.BadConfig, "there is no such thing here").WithHint("%s", hint) }
	}
	nothing := func(string) (string, error) { return "", nil }
	keysOnly := refused("a Dom0 knows the cluster by its key: set identity_file")
	return stonith.Agent{
		Name: "fence_xen",
		Foreign: []stonith.Foreign{
			{Name: "ip", Letter: 'a'}, // these five are combined
			{Name: "ipaddr"},
			{Name: "username", Letter: 'l'},
			{Name: "login"},
			{Name: "ipport", Letter: 'u'},
			{Name: "login_timeout", Becomes: "connect_timeout"},
			{Name: "password", Turn: keysOnly, Letter: 'p'},
			{Name: "passwd", Turn: keysOnly},
			{Name: "password_script", Turn: keysOnly, Letter: 'S'},
			{Name: "passwd_script", Turn: keysOnly},
			{Name: "ssh_options", Turn: refused("the client is built in: known_hosts and identity_file are what it has")},
			{Name: "ssh", Turn: nothing, Letter: 'x', Switch: true},
			{Name: "secure", Turn: nothing},
			{Name: "ssh_path", Turn: nothing},
			{Name: "command_prompt", Turn: nothing},
			{Name: "use_sudo", Turn: nothing, Switch: true},
			{Name: "sudo_path", Turn: nothing},
		},
		Combine: combineAccounts,
	}
}

// combineAccounts makes sshaccount of ip, username and ipport.
func combineAccounts(values map[string]string) error {
	take := func(names ...string) (text string) {
		for _, name := range names {
			if values[name] != "" {
				text = values[name]
			}
			delete(values, name)
		}
		return text
	}
	dom0s, user, port := take("ip", "ipaddr"), take("username", "login"), take("ipport")
	switch {
	case dom0s == "":
		return nil
	case values["sshaccount"] != "":
		return stonith.Errorf(stonith.BadConfig, "ip and sshaccount are both set, want one")
	case user == "":
		return stonith.Errorf(stonith.BadConfig, "ip is set, and username is not").WithHint("username is the account on the Dom0s, as in sshaccount=user@dom0")
	}
	var accounts []string
	for _, dom0 := range stonith.SplitList(dom0s) {
		account := user + "@" + dom0
		if port != "" {
			account += ":" + port
		}
		accounts = append(accounts, account)
	}
	values["sshaccount"] = strings.Join(accounts, " ")
	return nil
}
