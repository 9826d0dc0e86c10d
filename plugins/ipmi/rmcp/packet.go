package rmcp

import (
	"bytes"
	"encoding/binary"
)

// rmcpHeader begins every packet (section 13.1.3): version 1.0, reserved, no
// acknowledge wanted, class IPMI.
var rmcpHeader = []byte{0x06, 0x00, 0xFF, 0x07}

// formatPlus stands where the authentication type would, and says that the
// packet is one of RMCP+ (section 13.6).
const formatPlus = 0x06

// checkHeader returns an error unless the datagram is RMCP with a message of IPMI
// that has at least so many bytes.
func checkHeader(datagram []byte, least int) error {
	switch {
	case len(datagram) < least:
		return malformed("truncated after %d bytes", len(datagram))
	case datagram[0] != rmcpHeader[0]:
		return malformed("RMCP version %02Xh", datagram[0])
	case datagram[3] != rmcpHeader[3]:
		return malformed("RMCP class %02Xh", datagram[3])
	}
	return nil
}

// A packet is one of IPMI 1.5 (section 13.6, table 13-8).
type packet struct {
	authType AuthType
	sequence uint32
	session  uint32
	code     [16]byte // nothing with the type None
	message  []byte
}

// pack returns the datagram.
func (p packet) pack() []byte {
	d := append(bytes.Clone(rmcpHeader), byte(p.authType))
	d = binary.LittleEndian.AppendUint32(d, p.sequence)
	d = binary.LittleEndian.AppendUint32(d, p.session)
	if p.authType != None {
		d = append(d, p.code[:]...)
	}
	d = append(d, byte(len(p.message)))
	return append(d, p.message...)
}

// unpack takes a datagram apart. What follows the message is left alone: packets
// of some lengths have a byte of padding.
func unpack(datagram []byte) (packet, error) {
	const fixed = 14 // with the length of the message
	if err := checkHeader(datagram, fixed); err != nil {
		return packet{}, err
	}
	p := packet{
		authType: AuthType(datagram[4]),
		sequence: binary.LittleEndian.Uint32(datagram[5:]),
		session:  binary.LittleEndian.Uint32(datagram[9:]),
	}
	rest := datagram[13:]
	switch p.authType {
	case None:
	case MD5, Straight:
		if len(rest) <= len(p.code) {
			return packet{}, malformed("truncated in the authentication code")
		}
		rest = rest[copy(p.code[:], rest):]
	default:
		return packet{}, malformed("%s", p.authType)
	}
	length := int(rest[0])
	if len(rest)-1 < length {
		return packet{}, malformed("message of %d bytes truncated to %d", length, len(rest)-1)
	}
	p.message = rest[1 : 1+length]
	return p, nil
}
