package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// What fence_xenapi and fence_cxs are given becomes a parameter of ours, is refused with
// a reason, or changes nothing.
func TestAgentNames(t *testing.T) {
	t.Parallel()
	prog := script(t, ":")
	const at, and = "session_url=https://192.0.2.1;", "pool=192.0.2.1 "
	for _, tt := range []struct {
		given, became string
		says          string // of a refusal
		warns         string
	}{
		{given: at + "username=fence;password=s3cret", became: and + "user=fence passwd=s3cret"},
		{given: at + "login=fence;passwd=s3cret", became: and + "user=fence passwd=s3cret"},
		{given: at + "login=fence;username=root;passwd=s3cret", says: "are both set, and differ"},
		{given: at + "passwd=s3cret;password=s3cret-2", says: "are both set, and differ"},
		{given: at + "password_script=" + prog, became: and + "passwd_script=" + prog},
		{given: at + "passwd_script=" + prog, became: and + "passwd_script=" + prog},
		{given: at + "passwd_script=cat /etc/s3cret", says: `passwd_script: not an absolute path`},
		{given: at + "password=s3cret;password_script=" + prog, says: "2 of passwd, passwd_file and passwd_script are set"},
		{given: "password=s3cret", says: "pool: not set"},
		{given: "session_url=https://192.0.2.1/RPC2;password=s3cret", became: and + "passwd=s3cret"},
		{given: "session_url=https://192.0.2.1:8443,https://192.0.2.2/;password=s3cret", became: "pool=192.0.2.1:8443 192.0.2.2 passwd=s3cret"},
		{given: "session_url=http://192.0.2.1;password=s3cret", says: "is not a URL of the form https://member"},
		{given: "session_url=https://root:s3cret@192.0.2.1;password=x", says: "neither an address nor a URL of one"},

		{given: at + "password=s3cret;ssl=1", became: and + "passwd=s3cret"},
		{given: at + "password=s3cret;ssl=0", says: "ssl: there is no connection without TLS"},
		{given: at + "password=s3cret;ssl=maybe", says: `ssl: "maybe" is neither true nor false`},
		{given: at + "password=s3cret;ssl_secure=1", became: and + "passwd=s3cret"},
		{given: at + "password=s3cret;ssl_secure=0", became: and + "passwd=s3cret"},
		{given: at + "password=s3cret;ssl_secure=1;tls_insecure=true", says: "ssl_secure and tls_insecure are both set, and differ"},
		{given: at + "password=s3cret;ssl_insecure=yes", became: and + "passwd=s3cret tls_insecure=true", warns: "tls_insecure is set"},
		{given: at + "password=s3cret;ssl=1;ssl_insecure=1", became: and + "passwd=s3cret tls_insecure=true", warns: "tls_insecure is set"},
		{given: at + "password=s3cret;ssl_insecure=0", became: and + "passwd=s3cret"},
		{given: at + "password=s3cret;ssl_insecure=maybe", says: `ssl_insecure: "maybe" is neither true nor false`},
		{given: at + "password=s3cret;ssl_insecure=1;ssl_secure=1", says: "are both set, and differ"},
		{given: at + "password=s3cret;ssl_insecure=1;tls_pins=" + strings.Repeat("ab", 32), says: "exclude each other"},
		{given: at + "password=s3cret;notls=1", says: "notls: there is no SSL 3.0"},
		{given: at + "password=s3cret;notls=0;tls1.0=0;gnutlscli_path=/usr/bin/gnutls-cli", became: and + "passwd=s3cret"},
		{given: at + "password=s3cret;tls1.0=1", says: "tls1.0: there is no TLS 1.0"},

		{
			given:  at + "password=s3cret;power_wait=4;shell_timeout=3;login_timeout=5;stonith_status_sleep=1;retry_on=1;disable_timeout=true;separator=,;plug_separator=,",
			became: and + "passwd=s3cret",
		},
		{given: at + "password=s3cret;quiet=1;verbose=1;verbose_level=2;debug=/tmp/debug;debug_file=/tmp/debug", became: and + "passwd=s3cret"},
		{given: at + "password=s3cret;power_timeout=20", became: and + "passwd=s3cret"},
		{given: at + "password=s3cret;power_timeout=long", says: `"long" is not a time`},
		{given: at + "password=s3cret;missing_as_off=1", says: "missing_as_off"},
	} {
		t.Run(tt.given, func(t *testing.T) {
			t.Parallel()
			got := stonithtest.Interpret(t, plugin(), "action=validate-all;plug=node-1;"+tt.given)
			if tt.says != "" {
				if got.Status != 1 || !strings.Contains(got.Told, ": bad-config: ") || !strings.Contains(got.Told, tt.says) {
					t.Errorf("exit status %d, want 1 with %q; %q", got.Status, tt.says, got.Told)
				}
			} else if got.Status != 0 || strings.Join(got.Became, " ") != tt.became || !strings.Contains(got.Told, tt.warns) {
				t.Errorf("exit status %d, it became %q, want %q; %q", got.Status, strings.Join(got.Became, " "), tt.became, got.Told)
			}
			if strings.Contains(got.Told, "is no parameter") || strings.Contains(strings.ReplaceAll(got.Told, "/etc/s3cret", ""), "s3cret") {
				t.Errorf("it says %q", got.Told)
			}
		})
	}
}

// The options of fence_xenapi, long and short, are those of fence_xapi.
func TestAgentOptions(t *testing.T) {
	t.Parallel()
	for args, became := range map[string]string{
		"-l fence -p x -n node-1 --session-url=https://192.0.2.1":              "pool=192.0.2.1 user=fence passwd=x",
		"--username=fence --password x --plug node-1 --session-url 192.0.2.1":  "pool=192.0.2.1 user=fence passwd=x",
		"-S /bin/true --uuid=" + uuidA + " --session-url=192.0.2.1 -z -q -v":   "pool=192.0.2.1 passwd_script=/bin/true",
		"-p x -U " + uuidA + " --session-url=192.0.2.1 --ssl-insecure":         "pool=192.0.2.1 passwd=x tls_insecure=true",
		"-p x -n node-1 -s 192.0.2.1":                                          "pool=192.0.2.1 passwd=x",
		"-p x --vm-name=node-1 --session-url=192.0.2.1 --ssl --ssl-secure":     "pool=192.0.2.1 passwd=x",
		"--password-script=/bin/true --vm_name node-1 --session_url 192.0.2.1": "pool=192.0.2.1 passwd_script=/bin/true",
	} {
		got := stonithtest.Interpret(t, plugin(), "", append(strings.Fields(args), "-o", "validate-all")...)
		if got.Status != 0 || strings.Join(got.Became, " ") != became {
			t.Errorf("%s: exit status %d, it became %q, want %q; %q", args, got.Status, strings.Join(got.Became, " "), became, got.Told)
		}
	}
}

// Each name of a guest means that guest, and two of them none.
func TestAgentGuests(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{Guests: []pool.Guest{{Name: "node-1"}, {Name: "guest-2", Power: pool.Halted}}})
	uuid := b.VM("guest-2").UUID()
	base := ";login=root;passwd=" + b.Password() + ";ca_file=" + b.params["ca_file"] + ";session_url=" + strings.ReplaceAll(b.params["pool"], " ", ",") + ";"
	for given, want := range map[string]struct {
		status int
		says   string
	}{
		"plug=node-1":                   {0, "Status: ON"},
		"port=node-1":                   {0, "Status: ON"},
		"vm_name=node-1":                {0, "Status: ON"},
		"uuid=" + b.VM("node-1").UUID(): {0, "Status: ON"},
		"plug=guest-2":                  {2, "Status: OFF"},
		"vm_name=guest-2":               {2, "Status: OFF"},
		"uuid=" + uuid:                  {2, "Status: OFF"},
		"uuid=" + strings.ToUpper(uuid): {2, "Status: OFF"},
		"plug=" + uuid:                  {2, "Status: OFF"},
		"vm_name=node-1;uuid=" + uuid:   {1, "want one"},
		"plug=node-1;uuid=" + uuid:      {1, "want one"},
		"plug=nobody":                   {1, "not-found"},
		"uuid=" + uuidA:                 {1, "not-found"},
		"":                              {1, "plug"},
		"nodename=node-9;plug=node-1":   {0, "Status: ON"},
		"nodename=node-1":               {0, "Status: ON"},
	} {
		got := stonithtest.Interpret(t, plugin(), "action=status"+base+given)
		if got.Status != want.status || !strings.Contains(got.Told, want.says) {
			t.Errorf("%s: exit status %d, want %d with %q; %q", given, got.Status, want.status, want.says, got.Told)
		}
	}
	if truth := b.truth(); !slices.Equal(truth, []string{"node-1 runs on xen1, Running", "guest-2 runs nowhere, Halted"}) {
		t.Errorf("the guests are %q", truth)
	}
}
