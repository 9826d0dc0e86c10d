package main

import (
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	bmcbed "github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// What fence_ipmilan is given becomes a parameter of ours, is refused with a reason, or
// changes nothing.
func TestAgentNames(t *testing.T) {
	t.Parallel()
	tool := writeFile(t, "ipmitool", 0o700, "#!/bin/sh\n")
	digits := strings.Repeat("4b", 20)
	for _, tt := range []struct {
		given  string // besides the node, and unless they are given, an address and a password
		became string
		says   string // of a refusal
	}{
		{given: "ip=192.0.2.9", became: "ipaddr=192.0.2.9"},
		{given: "ipaddr=192.0.2.9", became: "ipaddr=192.0.2.9"},
		{given: "ip=192.0.2.9;ipaddr=192.0.2.8", says: "are both set, and differ"},
		{given: "ipport=6230", became: "ipport=6230"},
		{given: "ipport=many", says: `ipport: "many" is not a port`},
		{given: "username=fence", became: "userid=fence"},
		{given: "login=fence", became: "userid=fence"},
		{given: "username=fence;login=admin", says: "are both set, and differ"},
		{given: "password=s3cret", became: "passwd=s3cret"},
		{given: "passwd=s3cret", became: "passwd=s3cret"},
		{given: "password=s3cret;passwd=s3cret-2", says: "are both set, and differ"},
		{given: "password_script=" + tool, became: "passwd_script=" + tool},
		{given: "passwd_script=" + tool, became: "passwd_script=" + tool},
		{given: "password_script=cat /etc/s3cret", says: `passwd_script: not an absolute path`},
		{given: "password=s3cret;password_script=" + tool, says: "passwd and passwd_script are set, want one of them"},

		{given: "lanplus=1", became: "interface=lanplus"},
		{given: "lanplus=YES", became: "interface=lanplus"},
		{given: "lanplus=0", became: "interface=lan"},
		{given: "lanplus=false", became: "interface=lan"},
		{given: "lanplus=maybe", says: `lanplus: "maybe" is neither true nor false`},
		{given: "lanplus=1;interface=lan", says: "lanplus and interface are both set, and differ"},
		{given: "auth=MD5;lanplus=0", became: "interface=lan auth=md5"},
		{given: "auth=Password;lanplus=0", became: "interface=lan auth=password"},
		{given: "auth=none", became: "auth=none"},
		{given: "auth=md2", says: `auth: "md2" is none of md5, password, none`},
		{given: "auth=oem", says: `auth: "oem" is none of`},
		{given: "cipher=3", became: "cipher=3"},
		{given: "cipher=8", says: "cipher suite 8 is not one of"},
		{given: "cipher=md5", says: `cipher: "md5" is not the number of a cipher suite`},
		{given: "privlvl=ADMINISTRATOR", became: "priv=ADMINISTRATOR"},
		{given: "privlvl=operator", became: "priv=OPERATOR"},
		{given: "privlvl=user", says: `privlvl: "user" may not switch a node`},
		{given: "privlvl=callback", says: `privlvl: "callback" may not switch a node`},
		{given: "method=cycle", became: "method=cycle"},
		{given: "method=ONOFF", became: "method=onoff"},
		{given: "method=reset", says: `method: "reset" is none of`},
		{given: "hexadecimal_kg=" + digits, became: "kg=0x" + digits},
		{given: "hexadecimal_kg=0x" + digits, became: "kg=0x" + digits},
		{given: "hexadecimal_kg=s3cret", says: "hexadecimal_kg: not pairs of hexadecimal digits"},
		{given: "hexadecimal_kg=4b4", says: "hexadecimal_kg: not pairs of hexadecimal digits"},
		{given: "hexadecimal_kg=" + digits + "4b", says: "K_g has 21 bytes"},
		{given: "hexadecimal_kg=" + digits + ";kg=s3cret", says: "hexadecimal_kg and kg are both set, and differ"},
		{given: "hexadecimal_kg=" + digits + ";lanplus=0", says: "K_g is for lanplus only"},
		{given: "ipmitool_path=" + tool, became: "ipmitool=" + tool},
		{given: "ipmitool_path=/nowhere/ipmitool", says: "/nowhere/ipmitool: no such file"},
		{given: "ipmitool_timeout=2"},
		{given: "target=0x82", says: "target: commands are not bridged to other controllers"},
		{given: "use_sudo=1;sudo=0;sudo_path=/usr/bin/sudo"},
		{given: "use_sudo=perhaps", says: `use_sudo: "perhaps" is neither true nor false`},
		{given: "sudo=perhaps", says: `sudo: "perhaps" is neither true nor false`},

		{given: "power_wait=4;shell_timeout=3;login_timeout=5;stonith_status_sleep=1;retry_on=1;disable_timeout=true;plug_separator=,"},
		{given: "quiet=1;verbose=1;verbose_level=2;debug=/tmp/debug;debug_file=/tmp/debug"},
		{given: "power_timeout=20"},
		{given: "power_timeout=long", says: `"long" is not a time`},
		{given: "timeout=20"},
	} {
		t.Run(tt.given, func(t *testing.T) {
			t.Parallel()
			stdin := "action=validate-all;plug=node-1;" + tt.given
			var base []string
			if !strings.Contains(tt.given, "ip=") && !strings.Contains(tt.given, "ipaddr=") {
				stdin += ";ip=192.0.2.1"
				base = append(base, "ipaddr=192.0.2.1")
			}
			if !strings.Contains(tt.given, "passw") {
				stdin += ";password=x"
				base = append(base, "passwd=x")
			}
			got := stonithtest.Interpret(t, plugin(), stdin)
			if tt.says != "" {
				if got.Status != 1 || !strings.Contains(got.Told, ": bad-config: ") || !strings.Contains(got.Told, tt.says) {
					t.Errorf("exit status %d, want 1 with %q; %q", got.Status, tt.says, got.Told)
				}
			} else if became := without(got.Became, base); got.Status != 0 || became != withoutDefaults(tt.became) {
				t.Errorf("exit status %d, it became %q, want %q; %q", got.Status, became, tt.became, got.Told)
			}
			if strings.Contains(got.Told, "is no parameter") || strings.Contains(strings.ReplaceAll(got.Told, "/etc/s3cret", ""), "s3cret") || strings.Contains(got.Told, digits) {
				t.Errorf("it says %q", got.Told)
			}
		})
	}
}

// without returns the words that are not among others.
func without(words, others []string) string {
	var left []string
	for _, word := range words {
		if !strings.Contains(" "+strings.Join(others, " ")+" ", " "+word+" ") {
			left = append(left, word)
		}
	}
	return strings.Join(left, " ")
}

// withoutDefaults takes away what the parameters are anyway.
func withoutDefaults(became string) string {
	return without(strings.Fields(became), []string{"interface=lanplus", "auth=md5", "priv=OPERATOR", "method=onoff"})
}

// The options of fence_ipmilan, long and short, are those of fence_ipmi.
func TestAgentOptions(t *testing.T) {
	t.Parallel()
	for args, became := range map[string]string{
		"-a 192.0.2.1 -l fence -p x -P":                                                  "ipaddr=192.0.2.1 userid=fence passwd=x",
		"--ip=192.0.2.1 --username fence --password=x --lanplus":                         "ipaddr=192.0.2.1 userid=fence passwd=x",
		"-a 192.0.2.1 -u 6230 -S /bin/true":                                              "ipaddr=192.0.2.1 ipport=6230 passwd_script=/bin/true",
		"--ip 192.0.2.1 --ipport 6230 --password-script /bin/true":                       "ipaddr=192.0.2.1 ipport=6230 passwd_script=/bin/true",
		"-a 192.0.2.1 -p x --auth=MD5 --cipher=3 --privlvl=administrator --method=cycle": "ipaddr=192.0.2.1 passwd=x priv=ADMINISTRATOR cipher=3 method=cycle",
		"-a 192.0.2.1 -p x -A MD5 -C 3 -L administrator -m cycle":                        "ipaddr=192.0.2.1 passwd=x priv=ADMINISTRATOR cipher=3 method=cycle",
		"-a 192.0.2.1 -p x --hexadecimal-kg=4B --ipmitool-timeout=2 --use-sudo -q -v":    "ipaddr=192.0.2.1 passwd=x kg=0x4B",
	} {
		got := stonithtest.Interpret(t, plugin(), "", append(strings.Fields(args), "-n", "node-1", "-o", "validate-all")...)
		if shown := strings.Join(got.Became, " "); got.Status != 0 || shown != became {
			t.Errorf("%s: exit status %d, it became %q, want %q; %q", args, got.Status, shown, became, got.Told)
		}
	}
}

// What the names became is what the BMC sees.
func TestAgentOff(t *testing.T) {
	t.Parallel()
	for given, wants := range map[string]struct {
		plus      bool
		auth      bmcbed.Auth
		privilege bmcbed.Privilege
		user      string
	}{
		"login=oper;passwd=Secret-2": {plus: true, privilege: bmcbed.Operator, user: "oper"},
		"username=admin;password=Secret-1;lanplus=1;privlvl=administrator;cipher=3": {plus: true, privilege: bmcbed.Administrator, user: "admin"},
		"login=oper;passwd=Secret-2;lanplus=0":                                      {auth: bmcbed.AuthMD5, privilege: bmcbed.Operator, user: "oper"},
		"login=oper;passwd=Secret-2;lanplus=0;auth=PASSWORD":                        {auth: bmcbed.AuthStraight, privilege: bmcbed.Operator, user: "oper"},
	} {
		b := newBed(t, bmcbed.Options{})
		got := stonithtest.Interpret(t, plugin(), "action=off;plug=node-1;ip="+addressOf(b.BMC)+";"+given)
		if got.Status != 0 || b.BMC.Power() {
			t.Errorf("%s: exit status %d, node on: %v; %q", given, got.Status, b.BMC.Power(), got.Told)
		}
		for _, s := range b.Sessions() {
			if s.Plus != wants.plus || s.Auth != wants.auth || s.Privilege != wants.privilege || s.User != wants.user {
				t.Errorf("%s: session %+v, want %+v", given, s, wants)
			}
		}
	}
}
