package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// A rackLab is two servers, each with a BMC.
type rackLab struct {
	dir    string
	bmcs   map[string]*bmc.BMC // by server
	params []string            // of the plugin, as name=value
}

var servers = []string{"demo-server-1", "demo-server-2"}

// fenceByBMCs plays with external/ipmi2.
func fenceByBMCs(ctx context.Context, bin string) error {
	l, err := newRackLab()
	if err != nil {
		return err
	}
	defer l.close()
	return play(ctx, act{
		intro: "A rack of two servers, the cluster nodes demo-server-1 and demo-server-2, and the BMC of each",
		name:  "ipmi2", plugin: filepath.Join(bin, "ipmi"), params: l.params, nodes: servers, where: l.where, scenes: l.scenes(),
	})
}

// newRackLab starts the BMCs, with both servers on.
func newRackLab() (*rackLab, error) {
	dir, err := os.MkdirTemp("", "stonith-demo-")
	if err != nil {
		return nil, err
	}
	l := &rackLab{dir: dir, bmcs: map[string]*bmc.BMC{}}
	for _, server := range servers {
		if l.bmcs[server], err = bmc.Start(bmc.Options{}); err != nil {
			delete(l.bmcs, server)
			break
		}
	}
	if err == nil {
		err = l.configure()
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// configure writes the password, and sets the plugin's parameters.
func (l *rackLab) configure() error {
	var nodes []string
	for _, server := range servers {
		b := l.bmcs[server]
		nodes = append(nodes, server+":"+net.JoinHostPort(b.Host(), strconv.Itoa(b.Port())))
	}
	var operator bmc.User
	for _, user := range bmc.DefaultUsers() {
		if user.Limit == bmc.Operator {
			operator = user
		}
	}
	passwd := filepath.Join(l.dir, "passwd")
	l.params = []string{
		"hostlist=" + strings.Join(nodes, " "), "userid=" + operator.Name, "passwd_file=" + passwd, "timeout=10s",
	}
	return os.WriteFile(passwd, []byte(operator.Password+"\n"), 0o600)
}

// where says whether a server truly has power.
func (l *rackLab) where(server string) (place string, runs bool) {
	if l.bmcs[server].Power() {
		return "on", true
	}
	return "off", false
}

func (l *rackLab) close() {
	for _, b := range l.bmcs {
		b.Close()
	}
	complain(os.RemoveAll(l.dir))
}

// cycle takes a server's power away as a power cycle does, which somebody has asked for.
func (l *rackLab) cycle(server string) {
	b := l.bmcs[server]
	b.SetPower(false)
	time.AfterFunc(700*time.Millisecond, func() { b.SetPower(true) })
}

func (l *rackLab) scenes() []scene {
	second := l.bmcs[servers[1]]
	return []scene{
		{title: "Would they obey? It logs in at both BMCs, and touches no server.", args: []string{"status"}, says: "ready"},
		{title: "demo-server-1 is silent. The cluster wants proof that it is off.", args: []string{"off", "demo-server-1"}, node: "demo-server-1", says: "off-observed"},
		{
			title:  "The BMC of demo-server-2 accepts off, and does nothing. cluster-glue's external/ipmi does not look, and would call this a success.",
			before: func() { complain(second.Fail(bmc.IgnoreOff)) },
			args:   []string{"off", "demo-server-2"}, params: []string{"timeout=1500ms"}, node: "demo-server-2", status: 1, says: "still-on", runs: true,
		},
		{
			title: "It restarts as it is told to switch off: the session is lost, and so is the request. The plugin logs in again, and tells it anew.",
			before: func() {
				complain(second.Mend())
				second.DoAt(bmc.At(bmc.ChassisControl).Nth(1), second.Restart)
			},
			args: []string{"reset", "demo-server-2"}, params: []string{"timeout=4s"}, node: "demo-server-2", says: "off-observed, on-observed", runs: true,
		},
		{
			title:  "Somebody's power cycle is under way: demo-server-2 is off, and on again in 0.7 s. Off at first sight is no proof.",
			before: func() { l.cycle("demo-server-2") },
			args:   []string{"off", "demo-server-2"}, node: "demo-server-2", says: "off-observed",
		},
	}
}
