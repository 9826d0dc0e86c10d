// Package realbmc has BMCs that are not ours, behind one interface: ipmi_sim of
// OpenIPMI, the server of pyghmi, and the one of go-ipmi. Each is a process of its own,
// and ends with its test.
package realbmc

import (
	"cmp"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// A Server is the BMC of one node.
type Server interface {
	Host() string
	Port() int
	// Power tells whether the node truly has power.
	Power() bool
	// SetPower turns the node on or off, as its button does.
	SetPower(on bool)
	// Orders is how often the node was to be turned on or off, or reset.
	Orders() int
	// Fail adds a fault, and Mend ends all.
	Fail(bmc.Fault) error
	Mend() error
	// Close ends the BMC, before the end of the test.
	Close()
}

var _ Server = (*bmc.BMC)(nil)

// Options say what a Server is like.
type Options struct {
	Host  string     // 127.0.0.1
	Port  int        // a free one if zero
	Users []bmc.User // nil is bmc.DefaultUsers
	Key   []byte     // K_g, without a zero byte; empty is none
	Suite int        // of lanplus, where the Kind can have but one; its first if zero
}

// A Kind is a program that is a BMC.
type Kind struct {
	Name     string
	LAN      bool
	Suites   []int
	OneSuite bool        // a server of it has one of its suites only
	NameMax  int         // how long a user's name may be
	KeyMax   int         // how long the K_g may be
	Limits   bool        // a user's limit holds at a login over lanplus
	Faults   []bmc.Fault // that it can have
	command  func(*server) *launch
}

// Kinds are all of them.
func Kinds() []Kind {
	faults := []bmc.Fault{
		bmc.Refused, bmc.Silent, bmc.Restarts,
		bmc.IgnoreOff, bmc.IgnoreOn, bmc.SaysOff, bmc.SaysOn, bmc.SlowOff, bmc.RefuseSet, bmc.RefuseGet,
	}
	return []Kind{
		{Name: "ipmi_sim", LAN: true, Suites: []int{3, 0, 1, 2}, NameMax: 15, KeyMax: 19, Faults: faults, command: ipmiSim},
		{Name: "pyghmi", Suites: []int{3, 17}, OneSuite: true, NameMax: 16, KeyMax: 20, Faults: faults, command: pyghmi},
		{Name: "go-ipmi", LAN: true, Suites: []int{3, 15, 16, 17}, NameMax: 16, KeyMax: 20, Limits: true, Faults: faults, command: goIPMI},
	}
}

// Start starts a Server on a free port. It ends with the test.
func (k Kind) Start(t testing.TB, options Options) Server {
	t.Helper()
	options.Host = cmp.Or(options.Host, "127.0.0.1")
	options.Suite = cmp.Or(options.Suite, k.Suites[0])
	if options.Users == nil {
		options.Users = bmc.DefaultUsers()
	}
	s := &server{kind: k, options: options, node: newNode(t)}
	s.start()
	t.Cleanup(s.Close)
	return s
}
