package main

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
)

// What agents for such devices are given is mapped, or changes nothing, or is refused
// with a reason and a hint.
func TestAgentNames(t *testing.T) {
	const (
		harmless = ""
		noKeys   = "no password is ever sent"
		noDaemon = "there is no daemon to ask"
		noFamily = "addresses are not chosen by their kind"
		noBool   = `"maybe" is neither true nor false`
		sshOnly  = "there is no other way than ssh"
	)
	for given, says := range map[string]string{
		"login_timeout=5":                 harmless,
		"login_timeout=soon":              `connect_timeout: "soon" is not a time`,
		"password=s3cret":                 noKeys,
		"passwd=s3cret":                   noKeys,
		"password_script=/bin/s3cret":     noKeys,
		"passwd_script=/bin/s3cret":       noKeys,
		"inet4_only=1":                    noFamily,
		"inet4_only=no":                   harmless,
		"inet4_only=maybe":                noBool,
		"inet6_only=true":                 noFamily,
		"inet6_only=0":                    harmless,
		"inet6_only=maybe":                noBool,
		"ssh=1":                           harmless,
		"ssh=0":                           sshOnly,
		"ssh=maybe":                       noBool,
		"secure=YES":                      harmless,
		"secure=off":                      sshOnly,
		"secure=maybe":                    noBool,
		"ssh_options=-o ProxyJump=x":      "the ssh client is built in",
		"ssh_path=/usr/bin/ssh":           harmless,
		`command_prompt=['\\[EXPECT\\]']`: harmless,
		"cmd_prompt=#":                    harmless,
		"use_sudo=true":                   harmless,
		"use_sudo=false":                  harmless,
		"use_sudo=maybe":                  noBool,
		"sudo=1":                          harmless,
		"sudo=maybe":                      noBool,
		"sudo_path=/usr/bin/sudo":         harmless,
		"domain=guest-1":                  "domain: it is plug here",
		"use_uuid=1":                      "a guest is looked for by its name",
		"use_uuid=0":                      harmless,
		"use_uuid=maybe":                  noBool,
		"multicast_address=225.0.0.12":    noDaemon,
		"interface=eth0":                  noDaemon,
		"channel_address=10.0.2.179":      noDaemon,
		"serial_device=/dev/ttyS1":        noDaemon,
		"serial_params=115200,8N1":        noDaemon,
		"vsock=2":                         noDaemon,
		"key_file=/etc/cluster/x.key":     noDaemon,
		"auth=sha256":                     noDaemon,
		"hash=sha256":                     noDaemon,
		"ip_family=auto":                  harmless,
		"ip_family=ipv4":                  noFamily,
		"retrans=20":                      harmless,
		"timeout=30":                      harmless,
	} {
		t.Run(given, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			name, value, _ := strings.Cut(given, "=")
			got := stonithtest.RunAgent(t.Context(), b, "elsewhere", map[string]string{name: value}, "validate-all")
			refused := says != harmless
			if (got.Status != 0) != refused || !strings.Contains(got.Stderr, says) || b.Contacts() != 0 {
				t.Errorf("exit status %d, %d contacts, stderr %q, want %q and no contact", got.Status, b.Contacts(), got.Stderr, says)
			}
			if refused && (!strings.Contains(got.Stderr, "bad-config: ") || !strings.Contains(got.Stderr, name) && name != "login_timeout") {
				t.Errorf("stderr %q, want bad-config and %s", got.Stderr, name)
			}
			if hinted := strings.Contains(got.Stderr, "hint: "); refused && !hinted && says != noBool && name != "login_timeout" {
				t.Errorf("stderr %q, want a hint", got.Stderr)
			}
			if strings.Contains(got.Stderr, "is no parameter") || strings.Contains(got.Stderr, "s3cret") {
				t.Errorf("stderr %q", got.Stderr)
			}
		})
	}
}

// A login_timeout that differs from connect_timeout is not one of both by chance.
func TestAgentTwoTimes(t *testing.T) {
	params := map[string]string{"login_timeout": "5", "connect_timeout": "6"}
	got := stonithtest.RunAgent(t.Context(), newBed(t, 1), "elsewhere", params, "validate-all")
	if got.Status != 1 || !strings.Contains(got.Stderr, "login_timeout and connect_timeout are both set, and differ") {
		t.Errorf("exit status %d, stderr %q", got.Status, got.Stderr)
	}
}

// The accounts are made of ip, username and ipport.
func TestCombineAccounts(t *testing.T) {
	tests := []struct {
		name, given string // name=value, separated by blanks; values have _ for blanks
		want        string // sshaccount
		says        string // of an error
	}{
		{"nothing", "timeout=3", "", ""},
		{"sshaccount alone", "sshaccount=xen@a", "xen@a", ""},
		{"one", "ip=dom0-a username=xen", "xen@dom0-a", ""},
		{"old names", "ipaddr=dom0-a login=xen", "xen@dom0-a", ""},
		{"both names alike", "ip=a ipaddr=a username=xen login=xen", "xen@a", ""},
		{"several, as lists are", "ip=a,b;c_d username=xen ipport=2222", "xen@a:2222 xen@b:2222 xen@c:2222 xen@d:2222", ""},
		{"ports of their own", "ip=a:1,[fd00::1]:2,b username=xen", "xen@a:1 xen@[fd00::1]:2 xen@b", ""},
		{"IPv4 with port", "ip=192.0.2.1 username=xen ipport=2222", "xen@192.0.2.1:2222", ""},
		{"IPv6", "ip=fd00::1 username=xen", "xen@fd00::1", ""},
		{"IPv6 with port", "ip=fd00::1 username=xen ipport=2222", "xen@[fd00::1]:2222", ""},
		{"IPv6 in brackets, with port", "ip=[fd00::1] username=xen ipport=2222", "xen@[fd00::1]:2222", ""},
		{"empty ones", "ip= username= ipport= sshaccount=xen@a", "xen@a", ""},
		{"two addresses", "ip=a ipaddr=b username=xen", "", "ip and ipaddr are both set, and differ"},
		{"two users", "ip=a username=xen login=root", "", "username and login are both set, and differ"},
		{"no user", "ip=a", "", "ip is set, and username is not"},
		{"no user, with port", "ipaddr=a ipport=22", "", "ip is set, and username is not"},
		{"no address", "username=xen", "", "username or ipport is set, and ip is not"},
		{"a port alone", "ipport=22", "", "username or ipport is set, and ip is not"},
		{"both ways", "sshaccount=xen@a ip=a username=xen", "", "sshaccount is set, and some of ip"},
		{"both ways, in part", "sshaccount=xen@a username=root", "", "sshaccount is set, and some of ip"},
		{"port beside sshaccount", "sshaccount=xen@a ipport=2222", "", "sshaccount is set, and some of ip"},
		{"two ports", "ip=a:1 username=xen ipport=22", "", `ip: "a:1" has a port of its own, and ipport is set as well`},
		{"two ports, IPv6", "ip=[fd00::1]:1 username=xen ipport=22", "", "has a port of its own"},
		{"port that is none", "ip=a username=xen ipport=ssh", "", `ipport: "ssh" is not a port`},
		{"port 0", "ip=a username=xen ipport=0", "", `ipport: "0" is not a port`},
		{"port too large", "ip=a username=xen ipport=65536", "", `ipport: "65536" is not a port`},
		{"user that is an account", "ip=a username=xen@b", "", `username: "xen@b" is not the name of a user`},
		{"user that hides a second account", "ip=a username=xen@b,xen", "", "is not the name of a user"},
	}
	for _, tt := range tests {
		values := map[string]string{}
		for _, pair := range strings.Fields(tt.given) {
			name, value, _ := strings.Cut(pair, "=")
			values[name] = strings.ReplaceAll(value, "_", " ")
		}
		err := combineAccounts(values)
		switch {
		case tt.says == "" && (err != nil || values["sshaccount"] != tt.want):
			t.Errorf("%s: sshaccount %q, error %v, want %q", tt.name, values["sshaccount"], err, tt.want)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || stonith.ReasonOf(err) != stonith.BadConfig):
			t.Errorf("%s: error %v, want %s with %q", tt.name, err, stonith.BadConfig, tt.says)
		}
		if tt.says == "" && tt.want != "" {
			if err := new(accounts).Set(values["sshaccount"]); err != nil {
				t.Errorf("%s: sshaccount %q is refused: %v", tt.name, values["sshaccount"], err)
			}
		}
	}
}

// With the parameters of fence_virsh, each Dom0 is reached at its port with the key of
// identity_file, and one that is not there is named.
func TestAgentReachesEveryDom0(t *testing.T) {
	b := newBed(t, 2)
	_, port, err := net.SplitHostPort(b.dom0s[0].Address())
	if err != nil {
		t.Fatal(err)
	}
	b.SetPower(stonith.Off)
	foreign := func(more map[string]string) stonithtest.Result {
		params := map[string]string{"sshaccount": "", "username": "xen"}
		for name, value := range more {
			params[name] = value
		}
		return stonithtest.RunAgent(t.Context(), b, "elsewhere", params, "off", stonithtest.Node)
	}
	if got := foreign(map[string]string{"ip": b.dom0s[0].Address() + "," + b.dom0s[1].Address()}); got.Status != 0 || b.dom0s[0].Contacts() != 1 || b.dom0s[1].Contacts() != 1 {
		t.Errorf("both: exit status %d, stderr %q", got.Status, got.Stderr)
	}
	if got := foreign(map[string]string{"ip": "127.0.0.1", "ipport": port}); got.Status != 0 || b.dom0s[0].Contacts() != 2 || b.dom0s[1].Contacts() != 1 {
		t.Errorf("the first: exit status %d, stderr %q", got.Status, got.Stderr)
	}
	if got := foreign(map[string]string{"ip": "127.0.0.1", "ipport": port, "identity_file": "/no/key"}); got.Status != 1 || !strings.Contains(got.Stderr, "identity_file: open /no/key") {
		t.Errorf("no key: exit status %d, stderr %q", got.Status, got.Stderr)
	}
	if got := foreign(map[string]string{"ip": "::1", "ipport": "1", "timeout": "1s"}); got.Status != 1 || !strings.Contains(got.Stderr, "dom0 [::1]:1: ") {
		t.Errorf("IPv6: exit status %d, stderr %q", got.Status, got.Stderr)
	}
}

// The short options of fence_virsh are taken.
func TestAgentOptions(t *testing.T) {
	b := newBed(t, 1)
	host, port, err := net.SplitHostPort(b.dom0s[0].Address())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		more   string
		status int
		says   string
	}{
		{"-x -c # --use-sudo", 0, "Status: ON"},
		{"-4", 1, "inet4_only: addresses are not chosen"},
		{"-6", 1, "inet6_only: addresses are not chosen"},
		{"-p s3cret", 1, "password: no password is ever sent"},
		{"-S /bin/s3cret", 1, "password_script: no password is ever sent"},
	} {
		b.SetPower(stonith.On)
		var stdout, stderr bytes.Buffer
		status := plugin().RunAgent(t.Context(), stonith.Process{
			Args: append(strings.Fields(tt.more), "-o", "status", "-n", "guest-1", "-a", host, "-l", "xen", "-u", port,
				"--identity-file", b.params["identity_file"], "--known-hosts="+b.params["known_hosts"]),
			Stdin: strings.NewReader(""), Getenv: func(string) string { return "" }, Hostname: func() (string, error) { return "elsewhere", nil },
			Stdout: &stdout, Stderr: &stderr, Log: stonithtest.Quiet{}, ID: "c0ffee00",
		})
		said := stdout.String() + stderr.String()
		if status != tt.status || !strings.Contains(said, tt.says) || strings.Contains(said, "s3cret") {
			t.Errorf("%s: exit status %d, %q, want %d with %q", tt.more, status, said, tt.status, tt.says)
		}
	}
}
