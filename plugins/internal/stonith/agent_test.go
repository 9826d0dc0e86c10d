package stonith

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// agentConfig is the Config of a device in memory, with parameters that hide nothing.
type agentConfig struct {
	address, password Text
	device            *script
}

func (c *agentConfig) Params() []Param {
	return []Param{
		{Name: "ipaddr", Aliases: []string{"ip"}, Agent: "ip", Value: &c.address, Short: "Address", Long: "Where it is."},
		{Name: "passwd", Aliases: []string{"password"}, Agent: "password", Value: &c.password, Short: "Password", Long: "What it asks for."},
	}
}

func (c *agentConfig) Open(Call) (Device, error) {
	if c.address == "bad" {
		return nil, Errorf(BadConfig, "ipaddr: bad")
	}
	return c.device, nil
}

type quietLog struct{}

func (quietLog) Error(string)  {}
func (quietLog) Notice(string) {}

// runAgent runs fence_memory, whose device answers with states.
func runAgent(ctx context.Context, stdin string, args []string, states ...answer) (status int, stdout, stderr string, device *script) {
	return runAgentOf(ctx, Plugin{Plug: PlugSyntax{Word: "guest", Check: anyPlug}}, "", stdin, args, states...)
}

// runAgentOf runs fence_memory with the plugs of a plugin.
func runAgentOf(ctx context.Context, plugin Plugin, service string, stdin string, args []string, states ...answer) (status int, stdout, stderr string, device *script) {
	device = &script{states: states}
	plugin.Name, plugin.Title, plugin.Description, plugin.URL = "memory", "Memory", "Nothing.", "https://example.org"
	plugin.Agent = Agent{Name: "fence_memory", Foreign: []Foreign{
		{Name: "lanplus", Becomes: "ipaddr", Turn: func(string) (string, error) { return "plus", nil }, Letter: 'P', Switch: true},
		{Name: "target", Turn: func(string) (string, error) { return "", errOnce }},
	}}
	plugin.New = func() Config { return &agentConfig{device: device} }
	environment := func(name string) string {
		if name == "PCMK_service" {
			return service
		}
		return "of the environment" // which parameters are not read from
	}
	var out, errs bytes.Buffer
	status = plugin.RunAgent(ctx, Process{
		Args: args, Stdin: strings.NewReader(stdin), Getenv: environment,
		Hostname: func() (string, error) { return "elsewhere", nil },
		Stdout:   &out, Stderr: &errs, Log: quietLog{}, ID: "c0ffee00", Version: "1.2.3",
	})
	return status, out.String(), errs.String(), device
}

// A device whose plugs are no names of nodes has one node, if nobody says which.
func TestAgentApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, stdin string
		pacemaker   bool
		status      int
		says        string
	}{
		{name: "no name at all", stdin: "action=off", says: "off the-only-node: already-off"},
		{name: "monitor without a name", stdin: "action=monitor", says: "ready to fence the-only-node"},
		{name: "plug is its name", stdin: "action=off;plug=n1", says: "off n1: already-off"},
		{name: "nodename is its name", stdin: "action=off;nodename=n1;plug=n1", says: "off n1: already-off"},
		{name: "plug is an address", stdin: "action=check;port_as_ip=1;rehearse=192.0.2.1", status: 1, says: "rehearsal of off the-only-node"},
		{name: "plug is an address of a node", stdin: "action=off;port_as_ip=1;plug=2001:db8::1;nodename=n1", says: "off n1: already-off"},
		{name: "plug is an address, and called as the node", stdin: "action=off;port_as_ip=1;plug=n1;nodename=n1", says: "off n1: already-off"},
		{name: "plug is another node's name", stdin: "action=off;plug=n1;nodename=n2", status: 1, says: `wrong-target: plug is "n1", and nodename is "n2"`},
		{name: "plug is perhaps an address", stdin: "action=off;port_as_ip=maybe;plug=n1", status: 1, says: `port_as_ip: "maybe" is neither true nor false`},
		{name: "hostname is its name", stdin: "action=off;hostname=n1;plug=n2", status: 1, says: "wrong-target"},
		{name: "no node of hostlist", stdin: "action=off;hostlist=n1", status: 1, says: "plug: not set"},
		{name: "by hand", stdin: "action=status;plug=n1", status: 2, says: "Status: OFF"},
		{name: "whatever Pacemaker asks for", stdin: "action=status;plug=n1;nodename=n1", pacemaker: true, status: 1, says: "can be asked for no node in particular"},
		{name: "what Pacemaker can ask for", stdin: "action=status;plug=n1;nodename=n1;hostlist=n1", pacemaker: true, status: 2, says: "Status: OFF"},
		{name: "what Pacemaker cannot ask for", stdin: "action=status;plug=n2;nodename=n2;hostlist=n1", pacemaker: true, status: 1, says: "wrong-target"},
		{name: "the list of one", stdin: "action=list;plug=n1", says: "n1\n"},
		{name: "the list of an address", stdin: "action=list;port_as_ip=1;plug=n1", status: 1, says: "the device knows no nodes"},
		{name: "validate-all from another node", stdin: "action=validate-all;plug=n1;nodename=here"},
		{name: "the list of nobody", stdin: "action=list", status: 1, says: "the device knows no nodes"},
	}
	for _, tt := range tests {
		service := ""
		if tt.pacemaker {
			service = "pacemaker-fenced"
		}
		plugin := Plugin{Plug: PlugSyntax{Word: "BMC", Check: anyPlug, Apart: true}, OneNode: "hostname"}
		status, stdout, stderr, _ := runAgentOf(t.Context(), plugin, service, strings.ReplaceAll(tt.stdin, ";", "\n"), nil, answer{power: Off})
		if told := stdout + stderr; status != tt.status || !strings.Contains(told, tt.says) {
			t.Errorf("%s: exit status %d, want %d with %q; %q", tt.name, status, tt.status, tt.says, told)
		}
	}
}

// A guest that is set for good is not whatever node Pacemaker looks for by its status.
func TestAgentStatusOfAnotherPlug(t *testing.T) {
	t.Parallel()
	tests := []struct {
		stdin  string
		status int
	}{
		{"action=status\nplug=g1\nnodename=n1", 1},
		{"action=status\nplug=n1\nnodename=n1", 2},
		{"action=status\nplug=g1\nnodename=n1\nhostlist=n1:g1", 2},
	}
	for _, tt := range tests {
		plugin := Plugin{Plug: PlugSyntax{Word: "guest", Check: anyPlug}}
		status, stdout, stderr, _ := runAgentOf(t.Context(), plugin, "pacemaker-fenced", tt.stdin, nil, answer{power: Off})
		if status != tt.status {
			t.Errorf("%q: exit status %d, want %d; %q", tt.stdin, status, tt.status, stdout+stderr)
		}
	}
}

func TestAgent(t *testing.T) {
	isOn, isOff, broken := answer{power: On}, answer{power: Off}, answer{err: errOnce}
	noneSuch, notMine := answer{err: Errorf(NotFound, "no such guest")}, answer{err: Errorf(NotPermitted, "not ours")}
	several, silent := answer{err: Errorf(Ambiguous, "two of them")}, answer{err: Errorf(Unreachable, "silence")}
	tests := []struct {
		name   string
		stdin  string // lines, with ; between them
		args   string
		states []answer
		status int
		says   string // in stdout and stderr together
		unsaid string
		calls  string
	}{
		{name: "off", stdin: "action=off;plug=n1", states: []answer{isOn, isOff}, says: "fence_memory: off n1: off-observed in ", calls: "state off state"},
		{name: "reboot is the default", stdin: "plug=n1", states: []answer{isOn, isOff, isOff, isOn}, says: "reboot n1: off-observed, on-observed", calls: "state off state state on state"},
		{name: "comments, blanks, the last wins", stdin: "# x;;  action = on ;plug=n2;plug=n1;#plug=n3", states: []answer{isOn}, says: "on n1: on-observed"},
		{name: "dashes", stdin: "action=list-status;host-list=x;plug=n1", states: []answer{isOn}, says: "warning: list-status: host_list is no parameter, and ignored"},
		{name: "old words", stdin: "option=disable;port=n1", states: []answer{isOff}, says: "off n1: already-off"},
		{name: "status on", stdin: "action=status;plug=n1", states: []answer{isOn}, says: "Status: ON\n", calls: "state"},
		{name: "status off", stdin: "action=status;plug=n1", states: []answer{isOff}, status: 2, says: "Status: OFF\n", calls: "state"},
		{name: "status unknown", stdin: "action=status;plug=n1", states: []answer{broken}, status: 1, says: "device-error: once"},
		{name: "monitor", stdin: "action=monitor;hostlist=n1 n2", says: "ready to fence n1 n2"},
		{name: "list", stdin: "action=list;hostlist=n1:g1 n2", says: "n1\nn2\n"},
		{name: "list of a plug that is set for good", stdin: "action=list;plug=n1", says: "n1\n"},
		{name: "list-status", stdin: "action=list-status;hostlist=n1:g1", states: []answer{isOff}, says: "n1,g1,OFF\n"},
		{name: "validate-all", stdin: "action=validate-all;plug=n1", calls: ""},
		{name: "validate-all of a bad one", stdin: "action=validate-all;plug=n1;ip=bad", status: 1, says: "bad-config: ipaddr: bad"},
		{name: "metadata", stdin: "action=metadata", says: "<resource-agent name=\"fence_memory\""},
		{name: "manpage", stdin: "action=manpage", says: ".TH FENCE_MEMORY 8"},
		{name: "options", args: "-o off --plug n1 --ip=x --password y", states: []answer{isOff}, says: "off n1: already-off"},
		{name: "short options", args: "-n n1 -a x -p y -o status -P", states: []answer{isOn}, status: 1, says: "are both set, and differ"},
		{name: "help", args: "--help", says: "-n, --plug"},
		{name: "version", args: "-V", says: "fence_memory 1.2.3"},
		{name: "no such option", args: "--colour=s3cret", status: 1, says: "there is no option --colour", unsaid: "s3cret"},
		{name: "a word", args: "off", status: 1, says: "1 words that are no options"},
		{name: "no pair", stdin: "plug=n1;s3cret", status: 1, says: "standard input: line 2", unsaid: "s3cret"},
		{name: "no plug", stdin: "action=off", status: 1, says: "off: bad-config: plug: not set"},
		{name: "short group with a secret", args: "-o off -ps3cret -z", status: 1, says: "there is no option -z", unsaid: "s3cret"},
		{name: "option without a value", args: "-o off --password", status: 1, says: "option password has no value"},
		{name: "options do not read standard input", stdin: "plug=n2", args: "-o status -n n1", states: []answer{isOn}, says: "Status: ON"},
		{name: "switch without a value", args: "-o validate-all -n n1 -q -v -v --quiet"},
		{name: "line of its number", stdin: "plug=n1;;#;s3cret", status: 1, says: "standard input: line 4 of 6 bytes", unsaid: "s3cret"},
		{name: "carriage returns alone", stdin: "action=off\rplug=n1\rpasswd=s3cret\r", status: 1, says: "standard input: line 1 of", unsaid: "s3cret"},
		{name: "lines of Windows", stdin: "action=status\r;plug=n1\r;", states: []answer{isOn}, says: "Status: ON\n"},
		{name: "byte order mark", stdin: "\ufeffaction=status;plug=n1", status: 1, says: "standard input: line 1 of", unsaid: "observed"},
		{name: "two bytes a character", stdin: "a\x00c\x00t\x00i\x00o\x00n\x00=\x00", status: 1, says: "standard input: line 1 of"},
		{name: "too long", stdin: "plug=" + strings.Repeat("x", maxInput), status: 1, says: "standard input:"},
		{name: "too much", stdin: strings.Repeat("plug=n1;", maxInput/8), status: 1, says: "standard input: more than"},
		{name: "no such action", stdin: "action=sleep;plug=n1", status: 1, says: `action: "sleep" is none`},
		{name: "several plugs", stdin: "action=off;plug=n1,n2", status: 1, says: "is not one node"},
		{name: "node by nodename", stdin: "action=off;nodename=n1", states: []answer{isOff}, says: "off n1: already-off"},
		{name: "plug is the node's guest", stdin: "action=off;nodename=n1;plug=g1", states: []answer{noneSuch, isOff}, says: "off n1: already-off"},
		{name: "plug is the node's guest, as is known late", stdin: "action=off;nodename=n1;plug=g1", states: []answer{silent, notMine, isOff}, says: "off n1: already-off"},
		{name: "plug is another node's guest", stdin: "action=off;nodename=n1;plug=g1", states: []answer{isOn, isOff}, status: 1, says: "wrong-target: plug names another guest, and there is a guest n1 as well"},
		{name: "plug is another node's guest, of several", stdin: "action=reboot;nodename=n1;plug=g1", states: []answer{several, isOff}, status: 1, says: "wrong-target: plug names another guest"},
		{name: "plug is perhaps another node's guest", stdin: "action=off;nodename=n1;plug=g1;timeout=1s", states: []answer{silent}, status: 1, says: "unreachable: plug names another guest, and whether there is a guest n1 as well is not known"},
		{name: "plug of hostlist", stdin: "action=off;plug=g1;hostlist=n1:g1 n2", states: []answer{isOff}, says: "already-off"},
		{name: "node of hostlist", stdin: "action=off;plug=N1;hostlist=n1:g1 n2", states: []answer{isOff}, says: "already-off"},
		{name: "not of hostlist", stdin: "action=off;plug=n3;hostlist=n1:g1 n2", status: 1, says: "wrong-target"},
		{name: "another node's plug", stdin: "action=off;plug=g1;nodename=n2;hostlist=n1:g1 n2", status: 1, says: "wrong-target"},
		{name: "nodename that is not of hostlist", stdin: "action=off;plug=n1;nodename=n3;hostlist=n1:g1 n2", status: 1, says: "wrong-target"},
		{name: "node that is another node's plug", stdin: "action=off;plug=n2;hostlist=n1:n2 n2:n1", status: 1, says: "plug \"n2\" is node n2, and the guest of node n1"},
		{name: "node that is another node's plug, with its name", stdin: "action=off;plug=n2;nodename=n2;hostlist=n1:n2 n2:n1", states: []answer{isOff}, says: "off n2: already-off"},
		{name: "nodename for good", stdin: "action=list;nodename=n1;hostlist=n1 n2", status: 1, says: "nodename: is set, and list fences no node"},
		{name: "order that fences no node", stdin: "action=monitor;nodename=n1;plug=n1", status: 1, says: "nodename: is set, and monitor fences no node"},
		{name: "order of metadata", stdin: "action=metadata;nodename=n1;plug=n1", status: 1, says: "nodename: is set, and metadata fences no node"},
		{name: "order to look at all", stdin: "action=check;nodename=n1;plug=n1", status: 1, says: "nodename: is set, and check fences no node"},
		{name: "two plugs of one node", stdin: "action=off;plug=n1;port=g1;nodename=n1;hostlist=n1:g1 n2", states: []answer{isOff}, says: "off n1: already-off"},
		{name: "plugs of two nodes", stdin: "action=off;plug=n1;port=n2;hostlist=n1:g1 n2", status: 1, says: "wrong-target: plug \"n1\" is node n1, and port \"n2\" is not"},
		{name: "plug and port without hostlist", stdin: "action=off;plug=n1;port=g1", status: 1, says: "plug is \"n1\" and port is \"g1\", want one"},
		{name: "port for good that is not of hostlist", stdin: "action=monitor;port=g9;hostlist=n1:g1 n2", status: 1, says: "port: \"g9\" is neither a node of hostlist nor a guest of one"},
		{name: "port for good beside several nodes", stdin: "action=validate-all;port=n1;hostlist=n1:g1 n2", status: 1, says: "port: is set for good, and hostlist has 2 nodes"},
		{name: "plug for good beside several nodes", stdin: "action=monitor;plug=n1;hostlist=n1:g1 n2", status: 1, says: "plug: is set for good, and hostlist has 2 nodes"},
		{name: "warnings beside mistakes", stdin: "action=off;plug=n1;pasword=x;delay=s", status: 1, says: "warning: off n1: pasword is no parameter, and ignored\nfence_memory: error: off n1: bad-config: delay: \"s\" is not a time"},
		{name: "what Pacemaker may give besides", stdin: "action=off;plug=n1;nodename=n1;nodeid=7", states: []answer{isOff}, says: "already-off", unsaid: "warning"},
		{name: "plug that does not matter", stdin: "action=validate-all;plug=here;nodename=here;hostlist=n1:g1 n2"},
		{name: "action and option that differ", stdin: "action=reboot;option=on;plug=n1", status: 1, says: "action is \"reboot\" and option is \"on\", want one"},
		{name: "action and option that agree", stdin: "action=reboot;option=reset;plug=n1", states: []answer{isOn, isOff, isOff, isOn}, says: "reboot n1: off-observed"},
		{name: "no action in action", stdin: "action=;plug=n1", status: 1, says: "action: is empty"},
		{name: "no value of an option", args: "--power-wait --action=status -n n1", status: 1, says: "an option is not of the form"},
		{name: "value that looks like an option", args: "--separator -- --action=status -n n1", states: []answer{isOn}, says: "Status: ON"},
		{name: "capitals", stdin: "action=status;plug=n1;Plug=n2;Action=on", states: []answer{isOn}, says: "Status: ON"},
		{name: "a node's name that is none", stdin: "action=off;plug=n1:g1", status: 1, says: "plug: \"n1:g1\" is no node's name"},
		{name: "monitor without nodes", stdin: "action=monitor", says: "monitor: ready in "},
		{name: "validate-all without nodes", stdin: "action=validate-all"},
		{name: "list without nodes", stdin: "action=list", status: 1, says: "hostlist: not set, and the device knows no nodes"},
		{name: "list-status without nodes", stdin: "action=list-status", status: 1, says: "hostlist: not set, and there is no plug"},
		{name: "diag of a device without", stdin: "action=diag;plug=n1", status: 1, says: "action: \"diag\" is none"},
		{name: "check", stdin: "action=check;hostlist=n1:g1", states: []answer{isOff}, says: "node  reach  login  permission  found  power  verdict\nn1    yes    yes    yes         yes    off    ready\nfence_memory: check: ready to fence n1:g1 in"},
		{name: "check of what cannot be seen", stdin: "action=check;plug=n1", states: []answer{broken}, status: 1, says: "n1    ?      ?      ?           ?      unknown  device-error\n"},
		{name: "rehearsal of a device without", stdin: "action=check;rehearse=n1", states: []answer{isOn}, status: 1, says: "rehearsal of off n1: the device has none"},
		{name: "rehearsal of what is not of hostlist", stdin: "action=check;rehearse=n3;hostlist=n1:g1 n2", status: 1, says: "wrong-target"},
		{name: "off that is to be rehearsed", stdin: "action=off;plug=n1;rehearse=n1", status: 1, says: "rehearse is set, and the action is off", unsaid: "observed"},
		{name: "rehearsal without check", stdin: "rehearse=n1", status: 1, says: "rehearse is set, and the action is reboot", unsaid: "observed"},
		{name: "itself", stdin: "action=reboot;plug=elsewhere", status: 1, says: "self-fence"},
		{name: "missing is not off", stdin: "action=off;plug=n1;missing_as_off=1", status: 1, says: "missing_as_off: a node that is not found is not off"},
		{name: "missing_as_off that is not", stdin: "action=off;plug=n1;missing_as_off=0", states: []answer{isOff}, says: "already-off"},
		{name: "refused", stdin: "action=off;plug=n1;target=5", status: 1, says: "target: once"},
		{name: "what changes no verdict", stdin: "action=off;plug=n1;power_wait=3;retry_on=2;verbose=1;login_timeout=9", states: []answer{isOff}, says: "already-off", unsaid: "warning"},
		{name: "power_timeout is the time limit", stdin: "action=off;plug=n1;power_timeout=1", states: []answer{isOn}, status: 1, says: "not seen off within 1s"},
		{name: "two time limits", stdin: "action=off;plug=n1;power_timeout=7;timeout=8", status: 1, says: "power_timeout and timeout are both set, and differ"},
		{name: "a delay that is none", stdin: "action=off;plug=n1;delay=soon", status: 1, says: `delay: "soon" is not a time`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if len(tt.states) == 0 {
				tt.states = []answer{isOn}
			}
			status, stdout, stderr, device := runAgent(t.Context(), strings.ReplaceAll(tt.stdin, ";", "\n"), strings.Fields(tt.args), tt.states...)
			told := stdout + stderr
			if status != tt.status || !strings.Contains(told, tt.says) {
				t.Errorf("exit status %d, want %d with %q; %q", status, tt.status, tt.says, told)
			}
			if tt.unsaid != "" && strings.Contains(told, tt.unsaid) {
				t.Errorf("says %q: %q", tt.unsaid, told)
			}
			if calls := strings.Join(device.calls, " "); tt.calls != "" && calls != tt.calls {
				t.Errorf("calls %q, want %q", calls, tt.calls)
			}
		})
	}
}

// Options count as lines do: a list of blanks is none, and not one without nodes.
func TestAgentBlankOption(t *testing.T) {
	t.Parallel()
	if status, stdout, stderr, _ := runAgent(t.Context(), "", []string{"--action=list", "--hostlist= "}); status != 1 || !strings.Contains(stderr, "hostlist: not set") {
		t.Errorf("exit status %d; %q", status, stdout+stderr)
	}
}

// Nobody must wait for the end of standard input who is told to end.
func TestAgentInterruptedAtInput(t *testing.T) {
	t.Parallel()
	input, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := Plugin{}.readAgent(ctx, Process{Stdin: input})
	if err == nil || !strings.Contains(err.Error(), "interrupted before the end of standard input") {
		t.Errorf("got %v", err)
	}
}

// A delay comes before all else of off and reboot, and before nothing of the others.
func TestAgentDelays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testAgentDelays)
}

func testAgentDelays(t *testing.T) {
	for action, waits := range map[string]bool{"off": true, "reboot": true, "on": false, "status": false, "monitor": false} {
		start := time.Now()
		status, _, stderr, _ := runAgent(t.Context(), "plug=n1\ndelay=300ms\naction="+action, nil, answer{power: On}, answer{power: Off}, answer{power: On})
		took := time.Since(start)
		if status != 0 || waits != (took >= 300*time.Millisecond) {
			t.Errorf("%s: exit status %d after %s, waits %v; %q", action, status, took, waits, stderr)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if status, _, stderr, device := runAgent(ctx, "plug=n1\naction=off\ndelay=1h", nil, answer{power: Off}); status != 1 || len(device.calls) > 0 {
		t.Errorf("interrupted delay: exit status %d, calls %q; %q", status, device.calls, stderr)
	}
}
