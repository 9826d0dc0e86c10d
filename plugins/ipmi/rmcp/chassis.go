package rmcp

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
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
	return ChassisOf(answer[0]), nil
}

// ChassisOf reads the first byte of the data of Get Chassis Status (section 28.2).
func ChassisOf(state byte) Chassis {
	return Chassis{
		PowerOn:      state&(1<<0) != 0,
		Overload:     state&(1<<1) != 0,
		Interlock:    state&(1<<2) != 0,
		PowerFault:   state&(1<<3) != 0,
		ControlFault: state&(1<<4) != 0,
	}
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
	if _, err := s.command(ctx, chassisControl, []byte{byte(control)}); err != nil {
		return fmt.Errorf("%s: %w", control, err)
	}
	return nil
}

// An ACPIPower is the power state of the system by ACPI (section 20.6). The BMC knows it
// from the system's firmware; many only know ACPIUnknown.
type ACPIPower byte

// The states that tell more than the power of the chassis does.
const (
	ACPISleeping1  ACPIPower = 0x01 // S1 to S3 keep the memory
	ACPISleeping2  ACPIPower = 0x02
	ACPISleeping3  ACPIPower = 0x03
	ACPIHibernates ACPIPower = 0x04 // S4: the memory is on a disk
	ACPISleeping   ACPIPower = 0x08 // S1, S2 or S3
	ACPIAsleep     ACPIPower = 0x09 // S1 to S4
	ACPIUnknown    ACPIPower = 0x2A
)

// Sleeps reports whether the system may have its memory, though the chassis may be without power.
func (p ACPIPower) Sleeps() bool {
	switch p {
	case ACPISleeping1, ACPISleeping2, ACPISleeping3, ACPISleeping, ACPIAsleep:
		return true
	case ACPIHibernates, ACPIUnknown:
	}
	return false
}

// String returns the name of the state, with its number.
func (p ACPIPower) String() string {
	name := map[ACPIPower]string{
		0x00: "S0", ACPISleeping1: "S1", ACPISleeping2: "S2", ACPISleeping3: "S3", ACPIHibernates: "S4", 0x05: "S5",
		0x06: "S4 or S5", 0x07: "G3", ACPISleeping: "S1, S2 or S3", ACPIAsleep: "S1 to S4", ACPIUnknown: "unknown",
	}[p]
	return strings.TrimSpace(fmt.Sprintf("%s (%02Xh)", name, byte(p)))
}

// ACPIPower reads the power state of the system by ACPI. Not every BMC knows the command:
// it then answers with a [CompletionError].
func (s *Session) ACPIPower(ctx context.Context) (ACPIPower, error) {
	answer, err := s.ask(ctx, getACPIPowerState, 1)
	if err != nil {
		return ACPIUnknown, err
	}
	return ACPIPower(answer[0] & 0x7F), nil
}

// Starting reports whether the BMC says of itself that its initialisation or an update of
// its firmware is under way (section 20.1), so that what it says of its node may not be true yet.
func (s *Session) Starting(ctx context.Context) (bool, error) {
	answer, err := s.ask(ctx, getDeviceID, 3)
	if err != nil {
		return false, err
	}
	return answer[2]&0x80 != 0, nil
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
