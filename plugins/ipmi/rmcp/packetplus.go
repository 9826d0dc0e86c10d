package rmcp

import (
	"bytes"
	"encoding/binary"
)

// The types of payload that are used here (section 13.27.3).
const (
	payloadMessage      = 0x00
	payloadOpenRequest  = 0x10
	payloadOpenResponse = 0x11
	payloadRAKP1        = 0x12
	payloadRAKP2        = 0x13
	payloadRAKP3        = 0x14
	payloadRAKP4        = 0x15
)

const (
	flagEncrypted     = 1 << 7
	flagAuthenticated = 1 << 6
	payloadType       = 1<<6 - 1

	nextHeader = 7 // ends the trailer, for what no header follows
)

// A plusPacket is one of RMCP+ (section 13.6, table 13-8).
type plusPacket struct {
	payloadType   byte
	encrypted     bool
	authenticated bool
	session       uint32
	sequence      uint32
	payload       []byte // as it is sent
	trailer       []byte // padding, its length, next header
	code          []byte // the authentication code
}

// pack returns the datagram.
func (p plusPacket) pack() []byte {
	kind := p.payloadType
	if p.encrypted {
		kind |= flagEncrypted
	}
	if p.authenticated {
		kind |= flagAuthenticated
	}
	d := append(bytes.Clone(rmcpHeader), formatPlus, kind)
	d = binary.LittleEndian.AppendUint32(d, p.session)
	d = binary.LittleEndian.AppendUint32(d, p.sequence)
	d = binary.LittleEndian.AppendUint16(d, uint16(len(p.payload)))
	d = append(d, p.payload...)
	d = append(d, p.trailer...)
	return append(d, p.code...)
}

// newTrailer returns the trailer for a payload of a length. With it the
// authenticated part, which begins after the RMCP header, is a multiple of 4.
func newTrailer(length int) []byte {
	const header = 12
	padding := -(header + length + 2) & 3
	return append(bytes.Repeat([]byte{0xFF}, padding), byte(padding), nextHeader)
}

// unpackPlus takes a datagram apart. The length of the authentication code is
// that of the session's suite; a packet that has none may not have one.
func unpackPlus(datagram []byte, codeLength int) (plusPacket, error) {
	const fixed = 16
	if err := checkHeader(datagram, fixed); err != nil {
		return plusPacket{}, err
	}
	if datagram[4] != formatPlus {
		return plusPacket{}, malformed("not RMCP+")
	}
	p := plusPacket{
		payloadType:   datagram[5] & payloadType,
		encrypted:     datagram[5]&flagEncrypted != 0,
		authenticated: datagram[5]&flagAuthenticated != 0,
		session:       binary.LittleEndian.Uint32(datagram[6:]),
		sequence:      binary.LittleEndian.Uint32(datagram[10:]),
	}
	length := int(binary.LittleEndian.Uint16(datagram[14:]))
	rest := datagram[fixed:]
	if len(rest) < length {
		return plusPacket{}, malformed("payload of %d bytes truncated to %d", length, len(rest))
	}
	p.payload, rest = rest[:length], rest[length:]
	if !p.authenticated {
		return p, nil
	}
	return p.withTrailer(rest, codeLength)
}

// withTrailer takes apart what follows the payload.
func (p plusPacket) withTrailer(rest []byte, codeLength int) (plusPacket, error) {
	end := len(rest) - codeLength
	if codeLength == 0 || end < 2 {
		return plusPacket{}, malformed("trailer of %d bytes for a code of %d", len(rest), codeLength)
	}
	p.trailer, p.code = rest[:end], rest[end:]
	if padding := int(p.trailer[end-2]); padding != end-2 {
		return plusPacket{}, malformed("%d bytes of padding, not %d", end-2, padding)
	}
	return p, nil
}
