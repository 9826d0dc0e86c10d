package rmcp

import (
	"bytes"
	"encoding/binary"
)

// A rakp is what both sides know in the exchange of keys (section 13.31).
type rakp struct {
	suite
	console       [4]byte // session ID of ours
	system        [4]byte // session ID of the BMC's
	consoleRandom [16]byte
	systemRandom  [16]byte
	guid          [16]byte // of the node
	role          byte     // privilege asked for
	user          string
}

// nameOnly asks for the user by name alone, whatever the privilege (section 13.20).
const nameOnly = 1 << 4

// identity is role and user as they enter the codes.
func (r *rakp) identity() []byte {
	return append([]byte{r.role, byte(len(r.user))}, r.user...)
}

// code2 is the code in RAKP 2, by which the BMC proves the password.
func (r *rakp) code2(password []byte) []byte {
	return r.mac(password, r.console[:], r.system[:], r.consoleRandom[:], r.systemRandom[:], r.guid[:], r.identity())
}

// code3 is the code in RAKP 3, by which we prove the password.
func (r *rakp) code3(password []byte) []byte {
	return r.mac(password, r.systemRandom[:], r.console[:], r.identity())
}

// code4 is the code in RAKP 4, by which the BMC proves the session's key.
func (r *rakp) code4(sik []byte) []byte {
	return r.shortMAC(sik, r.consoleRandom[:], r.system[:], r.guid[:])
}

// sik is the session's integrity key. The key is K_g, or the password on a BMC
// that has none.
func (r *rakp) sik(key []byte) []byte {
	return r.mac(key, r.consoleRandom[:], r.systemRandom[:], r.identity())
}

// openRequest returns RMCP+ Open Session Request (section 13.17). It asks for one
// algorithm of each kind.
func (r *rakp) openRequest(tag byte) []byte {
	m := append([]byte{tag, 0, 0, 0}, r.console[:]...)
	for kind, algorithm := range r.algorithms {
		m = append(m, byte(kind), 0, 0, 8, algorithm, 0, 0, 0)
	}
	return m
}

// takeOpenResponse reads RMCP+ Open Session Response (section 13.18).
func (r *rakp) takeOpenResponse(m []byte) error {
	if len(m) < 36 {
		return malformed("%d bytes, not 36", len(m))
	}
	copy(r.system[:], m[8:])
	got := algorithms{m[16] & 0x3F, m[24] & 0x3F, m[32] & 0x3F}
	if got != r.algorithms {
		return downgrade(r.algorithms, got)
	}
	return nil
}

// message1 returns RAKP Message 1 (section 13.20).
func (r *rakp) message1(tag byte) []byte {
	m := append([]byte{tag, 0, 0, 0}, r.system[:]...)
	m = append(m, r.consoleRandom[:]...)
	m = append(m, r.role, 0, 0, byte(len(r.user)))
	return append(m, r.user...)
}

// takeMessage2 reads RAKP Message 2 (section 13.21) and returns its code.
func (r *rakp) takeMessage2(m []byte) (code []byte, err error) {
	if len(m) < 40 {
		return nil, malformed("%d bytes, not 40", len(m))
	}
	copy(r.systemRandom[:], m[8:])
	copy(r.guid[:], m[24:])
	return m[40:], nil
}

// message3 returns RAKP Message 3 (section 13.22). Any other status than 0 ends
// the exchange.
func (r *rakp) message3(tag, status byte, code []byte) []byte {
	m := append([]byte{tag, status, 0, 0}, r.system[:]...)
	return append(m, code...)
}

// takeMessage4 returns the code of RAKP Message 4 (section 13.23).
func (r *rakp) takeMessage4(m []byte) (code []byte, err error) {
	if len(m) < 8+r.short {
		return nil, malformed("%d bytes, not %d", len(m), 8+r.short)
	}
	return m[8 : 8+r.short], nil
}

// checkReply returns an error unless m answers the message with the tag in the
// session of ours. A refusal may be as short as tag and status.
func (r *rakp) checkReply(m []byte, tag byte) error {
	switch {
	case len(m) < 2:
		return malformed("reply of %d bytes", len(m))
	case m[0] != tag:
		return malformed("reply to message %d, not %d", m[0], tag)
	case m[1] == 0 && len(m) >= 8 && !bytes.Equal(m[4:8], r.console[:]):
		return malformed("reply in session %08Xh", binary.LittleEndian.Uint32(m[4:]))
	}
	return nil
}
