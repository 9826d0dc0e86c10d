package tests

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// benchTurns is how often ours and the direct call take turns for one call of
// fence_xenapi, which takes as long as many of ours.
const benchTurns = 10

// A benchPool is a simulated pool with node-1 on its master.
type benchPool struct {
	*pool.Pool
	ca     string   // the certificate that fence_xenapi believes
	env    []string // what the plugin is given, but for the parameter pool
	direct string   // the parameter pool that names nobody but the master
}

func newBenchPool(b *testing.B, options pool.Options) *benchPool {
	options.Guests = []pool.Guest{{Name: "node-1"}}
	p, err := pool.New(options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	parameters := poolParameters(p, b.TempDir(), "node-1")
	delete(parameters, "pool")
	bench := &benchPool{Pool: p, ca: parameters["ca_file"], direct: p.Member(0).Address()}
	for name, value := range parameters {
		bench.env = append(bench.env, name+"="+value)
	}
	return bench
}

// off is the plugin, or another program that starts it, with these members.
func (p *benchPool) off(members string, program ...string) *exec.Cmd {
	command := exec.Command(program[0], append(program[1:], "off", "node-1")...)
	command.Env = append(slices.Clone(p.env), "pool="+members)
	return command
}

// peer is fence_xenapi, which is given the master's address.
func (p *benchPool) peer() *exec.Cmd {
	command := exec.Command("fence_xenapi")
	command.Env = append(os.Environ(), "SSL_CERT_FILE="+p.ca)
	command.Stdin = strings.NewReader(fmt.Sprintf("session_url=%s\nlogin=%s\npasswd=%s\naction=off\nport=node-1\n",
		p.Member(0).URL(), p.User(), p.Password()))
	return command
}

func (p *benchPool) start()     { p.VM("node-1").Run() }
func (p *benchPool) runs() bool { return p.Truth("node-1") }

// compare measures off with these members, beside the direct call and fence_xenapi.
func (p *benchPool) compare(b *testing.B, members string, turns int) {
	var ours, direct, peer []time.Duration
	for b.Loop() {
		for range turns {
			ours = append(ours, fence(b, p, timed, p.off(members, xenapiProgram)))
			direct = append(direct, fence(b, p, timed, p.off(p.direct, xenapiProgram)))
		}
		peer = append(peer, fence(b, p, timed, p.peer()))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(ours).Seconds()*1000, "ms/off")
	b.ReportMetric(middle(direct).Seconds()*1000, "ms/direct")
	b.ReportMetric(middle(peer).Seconds()*1000, "ms/fence_xenapi")
	b.ReportMetric(middle(ours).Seconds()/middle(direct).Seconds(), "direct-ratio(goal<=1.25)")
	b.ReportMetric(middle(peer).Seconds()/middle(ours).Seconds(), "fence_xenapi-ratio(goal>=5)")
	b.ReportMetric(fence(b, p, peakMiB, p.off(members, builtPeak, xenapiProgram)), "MiB-peak(goal<=20)")
}

// benchDeaths are ways in which members die.
var benchDeaths = []struct {
	name string
	die  func(*pool.Member) error
}{
	{"alive", nil},
	{"refuse", (*pool.Member).Die},
	{"black-hole", (*pool.Member).PowerOff},
}

// benchNaming are the ways in which the parameter pool leads to the master, which
// is the first member, and how many members have to live for it.
var benchNaming = []struct {
	name  string
	alive int
	order func(members []string) []string
}{
	{"first", 1, func(members []string) []string { return members }},
	{"last", 1, func(members []string) []string { return append(members[1:], members[0]) }},
	{"by-slave", 2, func(members []string) []string { return append(members[2:], members[1]) }},
}

// BenchmarkXenAPI compares off with proof, of a guest that runs on the pool's
// master, with the direct call, which knows the master and asks nobody else, and
// with fence_xenapi, which can do no more than that. The master is the first
// member of the parameter pool, or the last, or a slave names it, the last one.
// Of the members that are not needed for that, none or all are dead.
func BenchmarkXenAPI(b *testing.B) {
	for _, members := range []int{1, 2, 4, 8, 16} {
		for _, naming := range benchNaming {
			for _, death := range benchDeaths {
				if members < naming.alive || members == 1 && naming.name != "first" || members == naming.alive && death.die != nil {
					continue // there is no such pool, or it is the same as another one
				}
				b.Run(fmt.Sprintf("%d/%s/%s", members, naming.name, death.name), func(b *testing.B) {
					p := newBenchPool(b, pool.Options{Members: members})
					p.kill(b, naming.alive, death.die)
					p.compare(b, p.named(naming.order), benchTurns)
				})
			}
		}
	}
}

// BenchmarkXenAPISlowEnd is the same with a guest whose end takes a second, as
// that of a real one may, and 15 of 16 members dead.
func BenchmarkXenAPISlowEnd(b *testing.B) {
	for _, death := range benchDeaths[1:] {
		b.Run(death.name, func(b *testing.B) {
			p := newBenchPool(b, pool.Options{Members: 16, ShutdownTime: time.Second})
			p.kill(b, 1, death.die)
			p.compare(b, p.named(benchNaming[0].order), 3)
		})
	}
}

// kill lets all members die but the first ones.
func (p *benchPool) kill(b *testing.B, alive int, die func(*pool.Member) error) {
	if die == nil {
		return
	}
	for _, m := range p.Members()[alive:] {
		if err := die(m); err != nil {
			b.Fatal(err)
		}
	}
}

// named is the parameter pool.
func (p *benchPool) named(order func([]string) []string) string {
	var all []string
	for _, m := range p.Members() {
		all = append(all, m.Address())
	}
	return strings.Join(order(all), " ")
}
