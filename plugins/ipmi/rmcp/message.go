package rmcp

import "fmt"

// Addresses in messages (section 13.8).
const (
	addressBMC     = 0x20
	addressConsole = 0x81 // software somewhere on the LAN (table 5-4)
)

// The functions of the commands (section 5.1).
const (
	netFnChassis = 0x00
	netFnApp     = 0x06
)

// A command is one of appendix G.
type command struct {
	netFn, code byte
	name        string
	refusals    map[byte]error // completion codes of this command alone
}

var (
	getChassisStatus = command{netFnChassis, 0x01, "Get Chassis Status", nil}
	chassisControl   = command{netFnChassis, 0x02, "Chassis Control", nil}
	setRestorePolicy = command{netFnChassis, 0x06, "Set Power Restore Policy", nil}

	getDeviceID            = command{netFnApp, 0x01, "Get Device ID", nil}
	getACPIPowerState      = command{netFnApp, 0x07, "Get ACPI Power State", nil}
	getDeviceGUID          = command{netFnApp, 0x08, "Get Device GUID", nil}
	getSystemGUID          = command{netFnApp, 0x37, "Get System GUID", nil}
	getChannelCapabilities = command{netFnApp, 0x38, "Get Channel Authentication Capabilities", nil}
	closeSession           = command{netFnApp, 0x3C, "Close Session", nil}
	getSessionChallenge    = command{netFnApp, 0x39, "Get Session Challenge", map[byte]error{0x81: ErrUser, 0x82: ErrUser}}
	activateSession        = command{netFnApp, 0x3A, "Activate Session", activationRefusals}
	setSessionPrivilege    = command{netFnApp, 0x3B, "Set Session Privilege Level", map[byte]error{0x80: ErrPrivilege, 0x81: ErrPrivilege}}
)

// activationRefusals are those of section 22.17. 85h is an invalid session ID, but
// some BMCs give it for a wrong password.
var activationRefusals = map[byte]error{
	0x81: ErrSessions, 0x82: ErrSessions, 0x83: ErrSessions, 0x85: ErrPassword, 0x86: ErrPrivilege,
}

const (
	insufficientPrivilege = 0xD4
	responseOverhead      = 7 // bytes of a response beside the completion code and the data
	sequenceNumbers       = 64
)

// A request is a command with its data and a number that the response repeats
// (section 13.8).
type request struct {
	command
	sequence byte // below 64
	data     []byte
}

// pack returns the message.
func (r request) pack() []byte {
	m := []byte{addressBMC, r.netFn << 2, 0, addressConsole, r.sequence << 2, r.code}
	m[2] = checksum(m[:2])
	m = append(m, r.data...)
	return append(m, checksum(m[3:]))
}

// unpackResponse returns completion code and data of the response to r, or an error
// if the message is another one.
func (r request) unpackResponse(message []byte) (completion byte, data []byte, err error) {
	m := message
	switch {
	case len(m) < responseOverhead+1:
		return 0, nil, malformed("response of %d bytes", len(m))
	case checksum(m[:3]) != 0 || checksum(m[3:]) != 0:
		return 0, nil, malformed("wrong checksum")
	case m[4]>>2 == (r.sequence+sequenceNumbers-1)%sequenceNumbers: // whatever it was
		return 0, nil, errEarlier
	case m[1]>>2 != r.netFn|1 || m[5] != r.code: // some BMCs differ in the addresses
		return 0, nil, malformed("response to another command, %02Xh/%02Xh", m[1]>>2, m[5])
	case m[4]>>2 != r.sequence:
		return 0, nil, malformed("response to request %d, not %d", m[4]>>2, r.sequence)
	}
	return m[6], m[7 : len(m)-1], nil
}

// refusal returns the error that a completion code is, nil for success.
func (c command) refusal(code byte) error {
	if code == 0 {
		return nil
	}
	kind := c.refusals[code]
	if code == insufficientPrivilege {
		kind = ErrPrivilege
	}
	return &CompletionError{Command: c.name, Code: code, kind: kind}
}

// tooShort returns the error for an answer that lacks data.
func (c command) tooShort(data []byte, least int) error {
	return fmt.Errorf("%s: %w", c.name, malformed("%d bytes of data, not %d", len(data), least))
}

// checksum returns what makes the sum of the bytes 0 (section 13.8).
func checksum(of []byte) byte {
	var sum byte
	for _, b := range of {
		sum -= b
	}
	return sum
}
