package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// A poolLab is a simulated XenServer pool of three members with two guests.
type poolLab struct {
	dir    string
	pool   *pool.Pool
	params []string // of the plugin, as name=value
}

var poolGuests = []string{"demo-vm-1", "demo-vm-2"}

// fenceByPool plays with external/xenapi.
func fenceByPool(ctx context.Context, bin string) error {
	l, err := newPoolLab()
	if err != nil {
		return err
	}
	defer l.close()
	return play(ctx, act{
		intro: "A pool of three hosts, xen1, the master, to xen3, and its guests, the cluster nodes demo-vm-1 and demo-vm-2",
		name:  "xenapi", plugin: filepath.Join(bin, "xenapi"), params: l.params, nodes: poolGuests, where: l.where, scenes: l.scenes(),
	})
}

// newPoolLab starts the pool, with the first guest on its second member and the second on its third.
func newPoolLab() (*poolLab, error) {
	dir, err := os.MkdirTemp("", "stonith-demo-")
	if err != nil {
		return nil, err
	}
	l := &poolLab{dir: dir}
	options := pool.Options{ShutdownTime: 100 * time.Millisecond, StartTime: 100 * time.Millisecond}
	for i, name := range poolGuests {
		options.Guests = append(options.Guests, pool.Guest{Name: name, Member: i + 1})
	}
	l.pool, err = pool.New(options)
	if err == nil {
		err = l.configure()
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// configure writes the password and the authority, and sets the plugin's parameters.
func (l *poolLab) configure() error {
	var members []string
	for _, m := range l.pool.Members() {
		members = append(members, m.Address())
	}
	ca, passwd := filepath.Join(l.dir, "ca.pem"), filepath.Join(l.dir, "passwd")
	l.params = []string{
		"hostlist=" + strings.Join(poolGuests, " "), "pool=" + strings.Join(members, " "),
		"ca_file=" + ca, "passwd_file=" + passwd, "timeout=10s",
	}
	return errors.Join(os.WriteFile(ca, l.pool.CA(), 0o600), os.WriteFile(passwd, []byte(l.pool.Password()+"\n"), 0o600))
}

// where says where a guest really runs.
func (l *poolLab) where(guest string) (place string, runs bool) {
	on := l.pool.VM(guest).On()
	if len(on) == 0 {
		return "on no host", false
	}
	var hosts []string
	for _, i := range on {
		hosts = append(hosts, l.pool.Member(i).Name())
	}
	return fmt.Sprintf("on host %s", strings.Join(hosts, ", ")), true
}

// hoursLater lets the first member be back as a slave of the second one, and the toolstacks
// of all have been started long ago, that of the master first.
func (l *poolLab) hoursLater() {
	complain(l.pool.Member(0).Mend())
	for i, m := range l.pool.Members() {
		started := time.Now().Add(-time.Hour)
		if i == 1 {
			started = started.Add(-time.Hour)
		}
		m.SetStarted(started)
	}
}

func (l *poolLab) close() {
	if l.pool != nil {
		l.pool.Close()
	}
	complain(os.RemoveAll(l.dir))
}

func (l *poolLab) scenes() []scene {
	return []scene{
		{title: "Would it obey? It finds the master, and touches no guest.", args: []string{"status"}, says: "ready"},
		{
			title: "The master dies as it is told to end demo-vm-1, and does not do it. xen2 becomes the master, and is told anew.",
			before: func() {
				l.pool.Member(0).DoAt(pool.Before("VM.hard_shutdown").Nth(1), func() {
					complain(l.pool.Member(0).Die())
					l.pool.Member(1).Promote()
				})
			},
			args: []string{"off", "demo-vm-1"}, node: "demo-vm-1", says: "off-observed",
		},
		{
			title:  "Hours later xen1 is back, and all hosts tell xen2 what they run. Reset of the other node.",
			before: l.hoursLater,
			args:   []string{"reset", "demo-vm-2"}, node: "demo-vm-2", says: "off-observed, on-observed", runs: true,
		},
		{
			title:  "xapi calls it done, and nothing was done: success of a request is no proof.",
			before: func() { l.pool.VM("demo-vm-2").Lie(pool.LieDone) },
			args:   []string{"off", "demo-vm-2"}, params: []string{"timeout=2s"}, node: "demo-vm-2", status: 1, says: "still-on", runs: true,
		},
		{
			title: "The pool does not reach xen3 any more, where demo-vm-2 runs. The error names the host to fence.",
			before: func() {
				l.pool.VM("demo-vm-2").Lie(pool.Honest)
				l.pool.Member(2).Cut()
			},
			args: []string{"off", "demo-vm-2"}, params: []string{"timeout=2s"}, node: "demo-vm-2", status: 1, says: "host xen3", runs: true,
		},
	}
}
