package tests

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A watchedBed knows when it was contacted.
type watchedBed interface {
	parameters() []given
	contacts() []time.Time
}

func (b *poolBed) contacts() []time.Time {
	var all []time.Time
	for _, call := range b.Calls() {
		all = append(all, call.At)
	}
	return all
}

func (b *bmcBed) contacts() []time.Time {
	var all []time.Time
	for _, command := range b.Commands() {
		all = append(all, command.At)
	}
	return all
}

// A doorBed is a Dom0 that nobody gets into: it closes each connection.
type doorBed struct {
	net.Listener
	mu     sync.Mutex
	knocks []time.Time
}

func newDoorBed(t *testing.T) *doorBed {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	b := &doorBed{Listener: listener}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.knocks = append(b.knocks, time.Now())
			b.mu.Unlock()
			conn.Close()
		}
	}()
	return b
}

func (b *doorBed) parameters() []given {
	return []given{
		{"ip", "ipaddr", "a", "127.0.0.1"},
		{"ipport", "ipport", "u", strconv.Itoa(b.Addr().(*net.TCPAddr).Port)},
		{"username", "login", "l", "xen"},
		{"identity_file", "identity_file", "", key("cluster")},
		{"known_hosts", "known_hosts", "", knownHosts},
		{"timeout", "power_timeout", "", "1"},
	}
}

func (b *doorBed) contacts() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.knocks
}

// TestAgentDelays gives each action a delay: off and reboot contact nothing before it is
// over, and the others do not wait for it, or their call would be killed before that.
func TestAgentDelays(t *testing.T) {
	pools := poolBeds(t)
	t.Parallel()
	devices := []struct {
		device
		status int // of every call
		bed    func(t *testing.T) watchedBed
	}{
		{device{agent: "fence_xen"}, 1, func(t *testing.T) watchedBed { return newDoorBed(t) }},
		{device{agent: "fence_xapi"}, 0, func(t *testing.T) watchedBed { return pools(t, noTrouble).(*poolBed) }},
		{device{agent: "fence_ipmi"}, 0, func(t *testing.T) watchedBed { return newBMCBed(t, noTrouble).(*bmcBed) }},
	}
	const short, long = time.Second, 2 * agentLimit
	delays := map[string]time.Duration{"off": short, "reboot": short, "on": long, "status": long, "monitor": long, "list-status": long}
	for _, d := range devices {
		for action, delay := range delays {
			for _, form := range forms {
				t.Run(d.agent+"/"+action+"/"+form.name, func(t *testing.T) {
					t.Parallel()
					b := d.bed(t)
					seconds := strconv.Itoa(int(delay.Seconds()))
					begun := time.Now()
					status, out := callAgent(d.device, form, append(b.parameters(),
						given{"action", "option", "o", action}, given{"plug", "port", "n", "node-1"}, given{"delay", "delay", "", seconds}))
					switch contacts := b.contacts(); {
					case status != d.status || len(contacts) == 0:
						t.Errorf("exit status %d, want %d, and %d contacts; %s", status, d.status, len(contacts), out)
					case delay == short && contacts[0].Sub(begun) < delay:
						t.Errorf("the first contact is %s after the beginning, before the end of the delay of %s", contacts[0].Sub(begun), delay)
					}
				})
			}
		}
	}
}
