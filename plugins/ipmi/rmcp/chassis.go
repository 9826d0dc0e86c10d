package rmcp

import (
	"context"
	"encoding/hex"
	"fmt"
)

// A Chassis is the state of a chassis (section 28.2).
type Chassis struct {
	PowerOn      bool // the power is on: the system is not in a sleeping or off state (S4, S5)
	Overload     bool // the power was switched off by an overload
	Interlock    bool // the power is held off by an open panel
	PowerFault   bool // the power supply has a fault
	ControlFault bool // the BMC tried to switch the power, and it did not change
}

// ChassisStatus reads the state of the chassis (section 28.2). An answer that is
// too short to be one is [ErrMalformed], never a state.
func (s *Session) ChassisStatus(ctx context.Context) (Chassis, error) {
	answer, err := s.ask(ctx, getChassisStatus, 3)
	if err != nil {
		return Chassis{}, err
	}
	state := answer[0]
	return Chassis{
		PowerOn:      state&(1<<0) != 0,
		Overload:     state&(1<<1) != 0,
		Interlock:    state&(1<<2) != 0,
		PowerFault:   state&(1<<3) != 0,
		ControlFault: state&(1<<4) != 0,
	}, nil
}

// A Control is something a chassis can be told (section 28.3).
type Control byte

// What a chassis can be told. An orderly shutdown is not among them: it is the
// node that would carry it out, and a node to be fenced cannot be relied on.
const (
	Down  Control = iota // power off at once, without the operating system
	Up                   // power on
	Cycle                // power off for a second or more, then on; some BMCs refuse it while off
	Reset                // hard reset, the power stays on
	Diag                 // diagnostic interrupt (NMI), so that the operating system may write a dump
)

// String returns the name of the control.
func (c Control) String() string {
	names := [...]string{"power down", "power up", "power cycle", "hard reset", "diagnostic interrupt"}
	if int(c) >= len(names) {
		return fmt.Sprintf("chassis control %02Xh", byte(c))
	}
	return names[c]
}

// ChassisControl tells the chassis something (section 28.3). No error means that
// the BMC accepted it, not that it has happened. A request whose answer is lost is
// sent again, so a cycle or reset may happen twice.
//
// It needs the privilege Operator; with less the error is [ErrPrivilege].
func (s *Session) ChassisControl(ctx context.Context, control Control) error {
	if control > Diag {
		return fmt.Errorf("%w: no %s", ErrConfig, control)
	}
	if _, err := s.link.command(ctx, s.layer, chassisControl, []byte{byte(control)}); err != nil {
		return fmt.Errorf("%s: %w", control, err)
	}
	return nil
}

// noChange is the policy that leaves the policy as it is (table 28-8).
const noChange = 3

// KeepRestorePolicy sets the power restore policy to what it is (section 28.8). It
// changes nothing, and needs the privilege Operator, as ChassisControl does; with less
// the error is [ErrPrivilege]. Not every BMC knows it: it then answers with a [CompletionError].
func (s *Session) KeepRestorePolicy(ctx context.Context) error {
	_, err := s.ask(ctx, setRestorePolicy, 1, noChange) // the policies that there are
	return err
}

// A GUID is a globally unique identifier, as its bytes were sent.
type GUID [16]byte

// String returns the bytes as they were sent, as 32 hexadecimal digits. Programs
// that print it with dashes differ about the order of the bytes.
func (g GUID) String() string { return hex.EncodeToString(g[:]) }

// DeviceGUID reads the GUID of the BMC (section 20.8). Not every BMC has one: it
// then answers with a [CompletionError].
func (s *Session) DeviceGUID(ctx context.Context) (GUID, error) { return s.guid(ctx, getDeviceGUID) }

// SystemGUID reads the GUID of the node that the BMC is in (section 22.14). Not
// every BMC has one: it then answers with a [CompletionError].
func (s *Session) SystemGUID(ctx context.Context) (GUID, error) { return s.guid(ctx, getSystemGUID) }

func (s *Session) guid(ctx context.Context, c command) (GUID, error) {
	answer, err := s.ask(ctx, c, len(GUID{}))
	if err != nil {
		return GUID{}, err
	}
	return GUID(answer[:len(GUID{})]), nil
}
