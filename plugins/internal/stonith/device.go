package stonith

import (
	"context"
	"errors"
	"fmt"
)

// Power is a node's power state as the device reported it.
// The zero value, Unknown, never counts as fenced.
type Power int

// The power states. A device maps to On and Off only what it recognises exactly.
const (
	Unknown Power = iota
	On
	Off
)

// String returns the word that messages use for p.
func (p Power) String() string {
	switch p {
	case On:
		return "on"
	case Off:
		return "off"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Power(%d)", int(p))
}

// A Device can switch nodes and say what state they are in. Its methods neither
// print nor exit, return soon after their context ends, and do not repeat a
// request by themselves: the package stonith decides about time and repetition.
// State may be called for several nodes at once.
type Device interface {
	// Check proves that a fence request for each of nodes would be obeyed now:
	// it reaches, authenticates, authorises and finds. It touches no node. Without
	// nodes it finds none, and does the rest.
	Check(ctx context.Context, nodes []Node) error

	// State observes one node. Off means that the node is off and that nothing
	// the device knows of can bring it back by itself. What the device does not
	// recognise exactly is an error, never Off.
	State(ctx context.Context, n Node) (Power, error)

	// Switch asks for a state, On or Off. A nil error means asked, not done; NotAsked
	// that no request was made, since there is nothing to be asked for now.
	// Switch never starts a node that may be running elsewhere.
	Switch(ctx context.Context, n Node, want Power) error

	// Close ends connections. It may be called while another method still runs.
	Close() error
}

// A Finisher is a Device whose Switch may return only after it has seen what it asked for.
type Finisher interface {
	Device
	// Finishes reports whether a nil error of Switch to Off says so much. A node that is
	// seen on after that has come on since, and is asked to go off again at once.
	Finishes() bool
}

// NotAsked is what Switch returns if it made no request: the next one is not to wait
// for what comes of this one.
type NotAsked struct {
	// Err says why, if that is worth being told at the end. It is nil if the node
	// has the state already.
	Err error
}

// Error returns the text of Err.
func (n *NotAsked) Error() string { return fmt.Sprintf("nothing was asked: %v", n.Err) }

// Unwrap returns Err.
func (n *NotAsked) Unwrap() error { return n.Err }

// ErrNeitherState is in the error of a State that is known and is neither On nor
// Off, such as that of a suspended guest. A fence would be obeyed all the same.
var ErrNeitherState = errors.New("which is neither on nor off")

// A Rehearser is a Device that can go the whole way of Off but for its last step.
type Rehearser interface {
	Device
	// Rehearse does for n all that State and Switch to Off do, except that the last
	// request is one that changes nothing, by the same way and with the same rights.
	// It tells in a few words what stood for the last step.
	Rehearse(ctx context.Context, n Node) (told string, err error)
}

// A Lister is a Device that knows what it could switch.
type Lister interface {
	Device
	// List returns the plugs of all nodes that the device has, whether or not they
	// are configured.
	List(ctx context.Context) ([]string, error)
}

// A Diagnoser is a Device that can interrupt a node so that it writes a dump (NMI).
type Diagnoser interface {
	Device
	// Diagnose asks for that. A nil error means asked, not done.
	Diagnose(ctx context.Context, n Node) error
}

// A Resetter is a Device whose administrator can choose how reset is done to a node
// that is on.
type Resetter interface {
	Device
	// Way is what was chosen.
	Way() Way
	// Reset asks for that, and is not called if it is OffAndOn. A nil error means
	// asked, not done.
	Reset(ctx context.Context, n Node) error
}

// A Way is how a node that is on is reset.
type Way int

// The ways.
const (
	OffAndOn  Way = iota // it is switched off, seen off, and switched on
	ByCycle              // one request for both; it must be seen off in between
	HardReset            // one request that leaves the power on: nobody sees whether it is done
)

// A Call is what a Config may know of the one call that it opens a Device for.
type Call struct {
	// ID identifies the call in every log that it reaches: 8 hexadecimal digits.
	ID string
	// Nodes are the configured nodes, in their order.
	Nodes []Node
	// ProvesOff says that the call is off or reset, or a rehearsal of off. Otherwise
	// State may say Off at once, of a node that may come back by itself.
	ProvesOff bool
	// MayTouch says that the call is off or reset. In all others State must not touch the node.
	MayTouch bool
	// Getenv reads the environment, for what is no parameter: HOME and the like.
	Getenv func(name string) string
	// Warn tells people, in one line, what does not change the verdict. It may be called at
	// any time, by several goroutines. What it has told before in this call is not told again.
	Warn func(text string)
}

// A Config holds the parameters of one kind of device.
type Config interface {
	// Params lists the parameters. Their Values point into the Config.
	Params() []Param
	// Open prepares the Device from the parameters. It may read local files and
	// contacts nothing. Its errors are mistakes of configuration, joined if there
	// are several. It is called even if parameters are missing or wrong, so that
	// all mistakes are told at once; the Device is then closed without any use.
	Open(call Call) (Device, error)
}
