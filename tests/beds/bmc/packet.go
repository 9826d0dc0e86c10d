package bmc

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// A request is a message that came in, and is authentic.
type request struct {
	from    netip.AddrPort
	plus    bool
	kind    byte // of lanplus: the type of the payload
	session *session
	payload []byte  // of a handshake
	message message // of a command
	step    Step
	entry   int // its place in the log
	faults  map[Fault]bool
	refusal byte
}

func (r *request) handshake() bool { return r.plus && r.kind != kindMessage }

// The types of payload of RMCP+. An answer has the next number.
const (
	kindMessage     = 0x00
	kindOpenSession = 0x10
	kindRAKP1       = 0x12
	kindRAKP3       = 0x14
)

// rmcp begins each packet: version, reserved, no acknowledgement, class IPMI.
var rmcp = []byte{6, 0, 0xff, 7}

// asfPing is a presence ping after the header of RMCP, up to its tag.
var asfPing = []byte{0, 0, 0x11, 0xbe, 0x80}

// pong answers a presence ping, and nothing else: IPMI is spoken here.
func pong(datagram []byte) []byte {
	if len(datagram) < 12 || datagram[0] != rmcp[0] || datagram[3] != 6 || !bytes.Equal(datagram[4:9], asfPing) {
		return nil
	}
	return slices.Concat([]byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x40, datagram[9], 0, 16, 0, 0, 0x11, 0xbe, 0, 0, 0, 0, 0x81}, make([]byte, 7))
}

// formatPlus stands for RMCP+ where lan has its type of authentication.
const formatPlus = 6

// read makes a request of a datagram, and logs it. If it is none, it says why.
func (b *BMC) read(from netip.AddrPort, datagram []byte) (*request, string) {
	if len(datagram) < 10 || !bytes.Equal(datagram[:4], rmcp) {
		return nil, "not IPMI"
	}
	r := &request{from: from, plus: datagram[4] == formatPlus}
	var reason string
	if r.plus {
		reason = b.readPlus(r, datagram)
	} else {
		reason = b.readLAN(r, datagram)
	}
	if reason != "" {
		return nil, reason
	}
	if reason := r.name(); reason != "" {
		return nil, reason
	}
	b.log(r)
	return r, ""
}

// name finds out what step it is, and whether it may come outside of a session.
func (r *request) name() string {
	switch r.kind {
	case kindMessage:
		r.step = r.message.step()
	case kindOpenSession:
		r.step = OpenSession
	case kindRAKP1:
		r.step = RAKP1
	case kindRAKP3:
		r.step = RAKP3
	}
	if r.handshake() || r.session != nil {
		return ""
	}
	if slices.Contains([]Step{AuthCapabilities, SystemGUID, CipherSuites}, r.step) || (r.step == SessionChallenge && !r.plus) {
		return ""
	}
	return string(r.step) + " outside of a session"
}

func (b *BMC) log(r *request) {
	entry := Command{Session: -1, Step: r.step, At: time.Now()}
	if r.session != nil {
		entry.Session = r.session.number
		r.session.heard = entry.At
	}
	if !r.handshake() && r.step != ActivateSession {
		entry.Data = bytes.Clone(r.message.data)
	}
	r.entry = len(b.commands)
	b.commands = append(b.commands, entry)
}

// wrap makes the datagram of an answer.
func (b *BMC) wrap(r *request, body []byte) []byte {
	if r.handshake() {
		return r.wrapPlus(nil, body)
	}
	answer := r.message.answer(body)
	if r.plus {
		return r.wrapPlus(r.session, answer)
	}
	return r.wrapLAN(answer)
}

// A message is an IPMI message: a request of ours to the BMC.
type message struct {
	address, sequence byte // of the requester, with its logical unit
	netFn, command    byte
	data              []byte
}

// bmcAddress is the BMC's on its own bus.
const bmcAddress = 0x20

func readMessage(raw []byte) (m message, reason string) {
	switch {
	case len(raw) < 7:
		return m, "message: too short"
	case checksum(raw[:3]) != 0 || checksum(raw[3:]) != 0:
		return m, "message: checksum"
	case raw[0] != bmcAddress:
		return m, "message: not for the BMC"
	case raw[1]>>2&1 != 0:
		return m, "message: an answer"
	}
	return message{address: raw[3], sequence: raw[4], netFn: raw[1] >> 2, command: raw[5], data: raw[6 : len(raw)-1]}, ""
}

// answer makes the message that answers with a completion code and data.
func (m message) answer(body []byte) []byte {
	raw := []byte{m.address, (m.netFn | 1) << 2, 0, bmcAddress, m.sequence, m.command}
	raw[2] = checksum(raw[:2])
	raw = append(raw, body...)
	return append(raw, checksum(raw[3:]))
}

// checksum makes the sum of all bytes zero; of bytes with theirs it is zero.
func checksum(raw []byte) byte {
	var sum byte
	for _, b := range raw {
		sum -= b
	}
	return sum
}

// readLAN reads a packet of IPMI 1.5.
func (b *BMC) readLAN(r *request, packet []byte) (reason string) {
	auth, number, id := Auth(packet[4]), binary.LittleEndian.Uint32(packet[5:]), uint32(0)
	rest := packet[9:]
	if len(rest) < 4 {
		return "lan: too short"
	}
	id, rest = binary.LittleEndian.Uint32(rest), rest[4:]
	var proof []byte
	if auth != AuthNone {
		if len(rest) < 16 {
			return "lan: too short"
		}
		proof, rest = rest[:16], rest[16:]
	}
	if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
		return "lan: too short"
	}
	raw := rest[1 : 1+int(rest[0])]
	if r.message, reason = readMessage(raw); reason != "" {
		return reason
	}
	if id == 0 {
		if auth != AuthNone {
			return "lan: authenticated outside of a session"
		}
		return ""
	}
	s := b.find(id)
	switch {
	case s == nil || s.Plus:
		return "lan: no such session"
	case auth != s.Auth:
		return "lan: another authentication than agreed"
	case !bytes.Equal(proof, s.proof(number, raw)):
		return "lan: wrong password or code"
	case s.State == Opening && (number != 0 || r.message.step() != ActivateSession):
		return "lan: session is not active"
	case s.State == Open && !s.window.accept(number):
		return "lan: number used or too far"
	}
	r.session = s
	return ""
}

func (r *request) wrapLAN(raw []byte) []byte {
	packet := append(bytes.Clone(rmcp), byte(AuthNone))
	var number, id uint32
	s := r.session
	if s != nil {
		if s.State != Opening { // else the login was refused
			number, id = s.sent, s.id
			if s.sent++; s.sent == 0 {
				s.sent = 1
			}
		}
		packet[4] = byte(s.Auth)
	}
	if number == 0 {
		packet[4] = byte(AuthNone)
	}
	packet = binary.LittleEndian.AppendUint32(packet, number)
	packet = binary.LittleEndian.AppendUint32(packet, id)
	if Auth(packet[4]) != AuthNone {
		packet = append(packet, s.proof(number, raw)...)
	}
	return append(append(packet, byte(len(raw))), raw...)
}

// readPlus reads a packet of RMCP+.
func (b *BMC) readPlus(r *request, packet []byte) (reason string) {
	if len(packet) < 16 {
		return "lanplus: too short"
	}
	encrypted, signed := packet[5]&0x80 != 0, packet[5]&0x40 != 0
	r.kind = packet[5] & 0x3f
	id, number := binary.LittleEndian.Uint32(packet[6:]), binary.LittleEndian.Uint32(packet[10:])
	length := int(binary.LittleEndian.Uint16(packet[14:]))
	if len(packet) < 16+length {
		return "lanplus: too short"
	}
	payload := packet[16 : 16+length]
	if id == 0 {
		return r.readOutside(payload, encrypted || signed)
	}
	s := b.find(id)
	switch {
	case r.kind != kindMessage:
		return "lanplus: a login in a session"
	case s == nil || !s.Plus || s.State != Open:
		return "lanplus: no such session"
	case signed != (s.suite.integrity != 0):
		return "lanplus: signed or not, against what was agreed"
	case encrypted != (s.suite.confidentiality != 0):
		return "lanplus: encrypted or not, against what was agreed"
	case signed && !s.signedWell(packet, 16+length):
		return "lanplus: wrong signature"
	case !s.window.accept(number):
		return "lanplus: number used or too far"
	}
	if encrypted {
		if payload = s.decrypt(payload); payload == nil {
			return "lanplus: wrong encryption"
		}
	}
	r.session = s
	r.message, reason = readMessage(payload)
	return reason
}

// readOutside reads a payload outside of a session.
func (r *request) readOutside(payload []byte, protected bool) (reason string) {
	if protected {
		return "lanplus: protected outside of a session"
	}
	switch r.kind {
	case kindMessage:
		r.message, reason = readMessage(payload)
		return reason
	case kindOpenSession, kindRAKP1, kindRAKP3:
		if len(payload) < 8 {
			return "lanplus: too short"
		}
		r.payload = payload
		return ""
	}
	return "lanplus: unknown payload"
}

func (r *request) wrapPlus(s *session, payload []byte) []byte {
	kind := r.kind
	if r.handshake() {
		kind++
	}
	var id, number uint32
	signed := false
	if s != nil {
		s.sent++
		id, number = s.console, s.sent
		if s.suite.confidentiality != 0 {
			payload = s.encrypt(payload)
			kind |= 0x80
		}
		if signed = s.suite.integrity != 0; signed {
			kind |= 0x40
		}
	}
	packet := append(bytes.Clone(rmcp), formatPlus, kind)
	packet = binary.LittleEndian.AppendUint32(packet, id)
	packet = binary.LittleEndian.AppendUint32(packet, number)
	packet = binary.LittleEndian.AppendUint16(packet, uint16(len(payload)))
	packet = append(packet, payload...)
	if signed {
		packet = s.sign(packet)
	}
	return packet
}
