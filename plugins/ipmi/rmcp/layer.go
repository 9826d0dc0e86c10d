package rmcp

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"slices"
)

// A layer puts messages into the packets of a session.
type layer interface {
	// wrap returns the message in a packet with a sequence number of its own.
	wrap(message []byte) []byte
	// unwrap returns the message in a packet of this session, or an error.
	unwrap(datagram []byte) ([]byte, error)
	// id is the BMC's ID of the session.
	id() uint32
}

// outside is no session: packets of IPMI 1.5 without authentication.
type outside struct{}

func (outside) id() uint32 { return 0 }

func (outside) wrap(message []byte) []byte { return packet{message: message}.pack() }

func (outside) unwrap(datagram []byte) ([]byte, error) {
	p, err := unpack(datagram)
	return p.message, err
}

// maxAhead is how far the number of a packet may be ahead of the last one. It is
// more than can be lost in the time that a session lasts.
const maxAhead = 1024

// inbound refuses packets that were received before. There is one request under
// way at a time, so what comes late is of no use.
type inbound struct {
	known bool // last is
	last  uint32
}

func (i *inbound) take(sequence uint32) error {
	switch ahead := sequence - i.last; {
	case i.known && -ahead <= maxAhead:
		return errEarlier
	case i.known && ahead > maxAhead:
		return malformed("packet %d, not one of those after %d", sequence, i.last)
	}
	i.known, i.last = true, sequence
	return nil
}

// lanSession is a session of IPMI 1.5. It begins with Activate Session, whose
// packets have sequence number 0.
type lanSession struct {
	password []byte
	authType AuthType // asked for, and what all packets have
	session  uint32
	active   bool
	sequence uint32 // of the next packet we send
	proven   bool   // the last packet received had the right authentication code
	inbound  inbound
}

func (s *lanSession) id() uint32 { return s.session }

// activate goes on with what the BMC answered. Ours is the number of our next
// packet, theirs that of the BMC's. We have chosen theirs, so that the packets of an
// earlier session, which have right codes too, are not of this one.
func (s *lanSession) activate(session, ours, theirs uint32) {
	s.session, s.sequence = session, ours
	s.active, s.inbound = true, inbound{known: true, last: theirs - 1}
}

func (s *lanSession) wrap(message []byte) []byte {
	p := packet{authType: s.authType, session: s.session, sequence: s.sequence, message: message}
	p.code = s.code(p)
	if s.active {
		s.sequence = max(s.sequence+1, 1) // 0 is for packets outside of sessions
	}
	return p.pack()
}

// unwrap leaves it to the caller to look at proven as long as the session is not
// active: a BMC that refuses the password cannot prove that it knows it.
func (s *lanSession) unwrap(datagram []byte) ([]byte, error) {
	p, err := unpack(datagram)
	if err != nil {
		return nil, err
	}
	want := s.code(p)
	s.proven = p.authType == s.authType && hmac.Equal(p.code[:], want[:])
	switch {
	case !s.active:
		return p.message, nil
	case p.session != s.session:
		return nil, malformed("packet of session %08Xh", p.session)
	case !s.proven:
		return nil, malformed("packet with wrong authentication code, %s", p.authType)
	}
	return p.message, s.inbound.take(p.sequence)
}

// code returns the authentication code of a packet (section 22.17.1; MD5 is RFC 1321).
func (s *lanSession) code(p packet) (code [16]byte) {
	if p.authType == None {
		return code
	}
	copy(code[:], s.password)
	if p.authType == Straight {
		return code
	}
	text := binary.LittleEndian.AppendUint32(code[:len(code):len(code)], p.session)
	text = append(text, p.message...)
	text = binary.LittleEndian.AppendUint32(text, p.sequence)
	return md5.Sum(append(text, code[:]...))
}

// plusSession is a session of RMCP+.
type plusSession struct {
	suite
	console  uint32 // our ID of the session
	system   uint32 // the BMC's
	key      []byte // of the codes
	block    cipher.Block
	sequence uint32 // of the last packet we sent
	inbound  inbound
}

// newPlusSession returns the session that an exchange of keys leads to.
func newPlusSession(r *rakp, sik []byte) *plusSession {
	return &plusSession{
		suite:   r.suite,
		console: binary.LittleEndian.Uint32(r.console[:]),
		system:  binary.LittleEndian.Uint32(r.system[:]),
		key:     r.key(sik, 1),
		block:   r.newBlock(sik),
	}
}

func (s *plusSession) id() uint32 { return s.system }

func (s *plusSession) wrap(message []byte) []byte {
	s.sequence = max(s.sequence+1, 1) // 0 is for packets outside of sessions
	p := plusPacket{payloadType: payloadMessage, session: s.system, sequence: s.sequence, payload: message}
	if p.encrypted = s.encrypts(); p.encrypted {
		p.payload = encrypt(s.block, message)
	}
	if s.codeLength() == 0 {
		return p.pack()
	}
	p.authenticated = true
	p.trailer = newTrailer(len(p.payload))
	p.code = s.shortMAC(s.key, p.pack()[len(rmcpHeader):])
	return p.pack()
}

func (s *plusSession) unwrap(datagram []byte) ([]byte, error) {
	p, err := unpackPlus(datagram, s.codeLength())
	switch {
	case err != nil:
		return nil, err
	case slices.Contains([]byte{payloadOpenResponse, payloadRAKP2, payloadRAKP4}, p.payloadType):
		return nil, fmt.Errorf("%w: %w, payload of type %02Xh", ErrMalformed, errOfLogin, p.payloadType)
	case p.payloadType != payloadMessage:
		return nil, malformed("payload of type %02Xh", p.payloadType)
	case p.session != s.console:
		return nil, malformed("packet of session %08Xh", p.session)
	case p.authenticated != (s.codeLength() > 0) || p.encrypted != s.encrypts():
		return nil, malformed("packet with other protection than the session's")
	}
	if p.authenticated {
		signed := datagram[len(rmcpHeader) : len(datagram)-len(p.code)]
		if !hmac.Equal(p.code, s.shortMAC(s.key, signed)) {
			return nil, malformed("wrong authentication code")
		}
	}
	if err := s.inbound.take(p.sequence); err != nil {
		return nil, err
	}
	if !p.encrypted {
		return p.payload, nil
	}
	return decrypt(s.block, p.payload)
}

// downgrade says what was asked for, and what was answered.
func downgrade(asked, got algorithms) error {
	return fmt.Errorf("%w: asked for %d/%d/%d, got %d/%d/%d", ErrDowngrade,
		asked[authentication], asked[integrity], asked[confidentiality],
		got[authentication], got[integrity], got[confidentiality])
}
