package bmc

import (
	"slices"
	"time"
)

// A Step is what a message is for.
type Step string

// The steps: first those that a login on lan and lanplus takes, in their order.
const (
	AnyStep          Step = ""
	AuthCapabilities Step = "Get Channel Authentication Capabilities"
	SessionChallenge Step = "Get Session Challenge"
	ActivateSession  Step = "Activate Session"
	OpenSession      Step = "Open Session"
	RAKP1            Step = "RAKP 1"
	RAKP3            Step = "RAKP 3"
	SetPrivilege     Step = "Set Session Privilege Level"

	CipherSuites   Step = "Get Channel Cipher Suites"
	SystemGUID     Step = "Get System GUID"
	DeviceGUID     Step = "Get Device GUID"
	DeviceID       Step = "Get Device ID"
	ACPIState      Step = "Get ACPI Power State"
	ChassisStatus  Step = "Get Chassis Status"
	ChassisControl Step = "Chassis Control"
	RestorePolicy  Step = "Set Power Restore Policy"
	CloseSession   Step = "Close Session"
	OtherCommand   Step = "another command"
)

// LANSteps are those of a call over lan, one message each.
func LANSteps() []Step {
	return []Step{AuthCapabilities, SessionChallenge, ActivateSession, SetPrivilege, ChassisStatus, ChassisControl, CloseSession}
}

// LANPlusSteps are those of a call over lanplus, one message each.
func LANPlusSteps() []Step {
	return []Step{AuthCapabilities, OpenSession, RAKP1, RAKP3, SetPrivilege, ChassisStatus, ChassisControl, CloseSession}
}

// A Command is a message that was authentic.
type Command struct {
	Session  int // its place in Sessions; -1 outside of one
	Step     Step
	Data     []byte // the arguments; nil for steps that carry a password or a proof
	Done     bool   // it was carried out, or refused
	Code     byte   // what was answered: 0 is success
	Answered bool
	At       time.Time
}

// A State is where a session is in its life.
type State string

// The states.
const (
	Opening  State = "opening"  // logging in
	Open     State = "open"     //
	Closed   State = "closed"   // by its client
	Rejected State = "rejected" // by the BMC, at the login
	Given    State = "given up" // by its client, at the login
	Lost     State = "lost"     // by a restart
	Expired  State = "expired"  // nothing came in Options.Idle
)

// A Session is one that a client has or had.
type Session struct {
	User      string
	Plus      bool // lanplus
	Suite     int  // of lanplus
	Auth      Auth // of lan
	Privilege Privilege
	State     State
	Began     time.Time
}

// Commands are all messages so far, but those that were dropped.
func (b *BMC) Commands() []Command {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.commands)
}

// Count is the number of messages of the step.
func (b *BMC) Count(step Step) int {
	n := 0
	for _, c := range b.Commands() {
		if c.Step == step {
			n++
		}
	}
	return n
}

// Orders is how often the node was to be turned on or off, or reset.
func (b *BMC) Orders() int { return b.Count(ChassisControl) }

// Sessions are all sessions so far.
func (b *BMC) Sessions() []Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Session
	for _, s := range b.sessions {
		all = append(all, s.Session)
	}
	return all
}

// SessionsIn is the number of sessions in that state.
func (b *BMC) SessionsIn(state State) int {
	n := 0
	for _, s := range b.Sessions() {
		if s.State == state {
			n++
		}
	}
	return n
}

// Drops say why datagrams were dropped: they are no IPMI, not authentic, or of no
// session that is open.
func (b *BMC) Drops() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.drops)
}
