package tests

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/lossy"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/realbmc"
)

// longestCall is a message that a call over lan does not come to.
const longestCall = 8

// TestIPMILoss loses datagrams between external/ipmi2 and a BMC: each one of a call in
// turn, and a fifth of all. Off succeeds all the same, within its time limit, and the
// node is off.
func TestIPMILoss(t *testing.T) {
	t.Parallel()
	type loss struct {
		name    string
		options lossy.Options
	}
	var all []loss
	for n := 1; n <= longestCall; n++ {
		all = append(all, loss{fmt.Sprint("request ", n), lossy.Options{Requests: []int{n}}},
			loss{fmt.Sprint("reply ", n), lossy.Options{Replies: []int{n}}})
	}
	for seed := range int64(8) {
		all = append(all, loss{fmt.Sprint("20 %, seed ", seed), lossy.Options{Percent: 20, Seed: seed}})
	}
	for _, server := range []string{"bmc", "ipmi_sim"} {
		for _, face := range []string{"lanplus", "lan"} {
			for _, l := range all {
				t.Run(server+" "+face+" "+l.name, func(t *testing.T) {
					t.Parallel()
					checkLoss(t, server, face, l.options)
				})
			}
		}
	}
}

// checkLoss wants off to succeed through the proxy, and the proxy to have lost something.
func checkLoss(t *testing.T, name, face string, options lossy.Options) {
	server := startPeer(t, name, realbmc.Options{})
	proxy := startProxy(t, server, options)
	p := newIPMIPeer(t, throughProxy{server, proxy}, "interface="+face, "timeout=40s")
	status, out := p.call("off")
	if status != 0 || server.Power() {
		t.Errorf("off: exit status %d, the node is %s, %d datagrams were lost; %s", status, powerWord(server.Power()), proxy.Lost(), out)
	}
	if proxy.Lost() == 0 && !slices.Contains(slices.Concat(options.Requests, options.Replies), longestCall) {
		t.Errorf("no datagram was lost; %s", out)
	}
}

// TestIPMICopies delivers each datagram several times, between external/ipmi2 and BMCs that
// are not ours as well. Off succeeds, and the password is not blamed.
func TestIPMICopies(t *testing.T) {
	t.Parallel()
	networks := map[string]lossy.Options{
		"2 up, 2 down":        {RequestCopies: 1, ReplyCopies: 1},
		"2 up":                {RequestCopies: 1},
		"3 up":                {RequestCopies: 2},
		"2 down":              {ReplyCopies: 1},
		"2 up, 2 down, 3 ms":  {RequestCopies: 1, ReplyCopies: 1, CopyDelay: 3 * time.Millisecond},
		"2 up, 2 down, 40 ms": {RequestCopies: 1, ReplyCopies: 1, CopyDelay: 40 * time.Millisecond},
	}
	for server, faces := range map[string][]string{
		"bmc": {"lanplus", "lan"}, "ipmi_sim": {"lanplus", "lan"}, "pyghmi": {"lanplus"}, "go-ipmi": {"lanplus", "lan"},
	} {
		for _, face := range faces {
			for name, network := range networks {
				t.Run(server+" "+face+" "+name, func(t *testing.T) {
					t.Parallel()
					s := startPeer(t, server, realbmc.Options{})
					p := newIPMIPeer(t, throughProxy{s, startProxy(t, s, network)}, "interface="+face)
					if status, out := p.call("off"); status != 0 || s.Power() {
						t.Errorf("off: exit status %d, the node is %s; %s", status, powerWord(s.Power()), out)
					}
				})
			}
		}
	}
}

func startProxy(t *testing.T, server realbmc.Server, options lossy.Options) *lossy.Proxy {
	t.Helper()
	proxy, err := lossy.Start("127.0.0.1", net.JoinHostPort(server.Host(), fmt.Sprint(server.Port())), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	return proxy
}

// A throughProxy is a server that is reached by way of a proxy.
type throughProxy struct {
	realbmc.Server
	proxy *lossy.Proxy
}

// Port is the proxy's.
func (p throughProxy) Port() int { return p.proxy.Port() }

// TestIPMIChanged changes a byte of every other reply of a BMC that takes off and does
// nothing: whatever external/ipmi2 makes of that, the node is not off.
func TestIPMIChanged(t *testing.T) {
	t.Parallel()
	for _, face := range []string{"lanplus", "lan"} {
		for seed := range int64(16) {
			t.Run(fmt.Sprint(face, " seed ", seed), func(t *testing.T) {
				t.Parallel()
				server := startPeer(t, "bmc", realbmc.Options{})
				if err := server.Fail(bmc.IgnoreOff); err != nil {
					t.Fatal(err)
				}
				proxy := startProxy(t, server, lossy.Options{Changed: 50, Seed: seed})
				p := newIPMIPeer(t, throughProxy{server, proxy}, "interface="+face, "timeout=6s")
				for _, verb := range []string{"off", "reset"} {
					if status, out := p.call(verb); status != 1 {
						t.Errorf("FALSE SUCCESS: %s: exit status %d; %s", verb, status, out)
					}
				}
				if proxy.Changed() == 0 {
					t.Error("no reply was changed")
				}
			})
		}
	}
}
