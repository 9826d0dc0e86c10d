package bmc

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"slices"
)

// Statuses of RMCP+.
const (
	statusNoRoom         = 0x01
	statusInvalidSession = 0x02
	statusInvalidRole    = 0x09
	statusUnauthorized   = 0x0a
	statusUnknownUser    = 0x0d
	statusWrongCode      = 0x0f
	statusNoSuite        = 0x11
	statusInvalid        = 0x12
)

// loginData is what the client said in RAKP 1, and the BMC's part of it.
type loginData struct {
	clientRandom, ownRandom []byte
	identity                []byte // role, length of the name, name
}

// login carries out a step of the login over lanplus.
func (b *BMC) login(r *request) []byte {
	if r.step == OpenSession {
		return b.openSession(r)
	}
	s := b.find(binary.LittleEndian.Uint32(r.payload[4:]))
	if s == nil || !s.Plus || s.from != r.from {
		return failure(r, statusInvalidSession, 0)
	}
	b.commands[r.entry].Session = s.number
	again := bytes.Equal(s.asked, r.payload)
	var reply []byte
	switch {
	case again && r.step == RAKP1 && r.faults[Repeats], again && r.step == RAKP3 && !r.faults[OneAnswer]:
		return s.reply // the client has not got it
	case r.refusal != 0:
		s.end(Rejected)
		return failure(r, r.refusal, s.console)
	case r.step == RAKP1 && s.login != proven:
		reply = b.rakp1(r, s)
	case r.step == RAKP3 && s.login == keysExchanged:
		reply = b.rakp3(r, s)
	default:
		return failure(r, statusInvalidSession, s.console)
	}
	s.asked, s.reply = r.payload, reply
	return reply
}

// failure answers a step of the login with a status, which ends it.
func failure(r *request, status byte, console uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{r.payload[0], status, 0, 0}, console)
}

// openSession gives a session to the client, if it is to have one.
func (b *BMC) openSession(r *request) []byte {
	console := binary.LittleEndian.Uint32(r.payload[4:])
	if again := b.openedBefore(r); again != nil && !r.faults[OneLogin] {
		if r.faults[OneAnswer] {
			return failure(r, statusInvalidSession, console)
		}
		return again.reply
	}
	if r.faults[OneLogin] {
		b.endLogins()
	}
	asked, ok := readAlgorithms(r.payload[8:])
	number := b.suiteNumber(asked)
	switch {
	case r.refusal != 0:
		return failure(r, r.refusal, console)
	case !ok || console == 0:
		return failure(r, statusInvalid, console)
	case Privilege(r.payload[1]&15) > Administrator:
		return failure(r, statusInvalidRole, console)
	case number < 0:
		return failure(r, statusNoSuite, console)
	case b.full(r):
		return failure(r, statusNoRoom, console)
	}
	s := b.begin(r.from)
	b.commands[r.entry].Session = s.number
	s.Plus, s.console = true, console
	s.Suite, s.suite = number, asked
	if r.faults[OtherSuite] {
		s.Suite = weaker(number)
		s.suite = suites[s.Suite]
	}
	if s.limit = Privilege(r.payload[1] & 15); s.limit == 0 {
		s.limit = Administrator
	}
	s.asked = r.payload
	s.reply = append(failure(r, 0, console), binary.LittleEndian.AppendUint32(nil, s.id)...)
	s.reply[2] = byte(s.limit)
	for i, algorithm := range []byte{s.suite.auth, s.suite.integrity, s.suite.confidentiality} {
		s.reply = append(s.reply, byte(i), 0, 0, 8, algorithm, 0, 0, 0)
	}
	return s.reply
}

// suiteOf is the suite of lanplus that a message belongs to, -1 if there is none.
func (b *BMC) suiteOf(r *request) int {
	if r.handshake() && r.step == OpenSession {
		asked, _ := readAlgorithms(r.payload[8:])
		for number, known := range suites {
			if known == asked {
				return number
			}
		}
		return -1
	}
	s := r.session
	if r.handshake() {
		s = b.find(binary.LittleEndian.Uint32(r.payload[4:]))
	}
	if s == nil || !s.Plus {
		return -1
	}
	return s.Suite
}

// endLogins ends all logins that are under way.
func (b *BMC) endLogins() {
	for _, s := range b.sessions {
		if s.State == Opening {
			s.end(Rejected)
		}
	}
}

// openedBefore finds the session that this very request has opened.
func (b *BMC) openedBefore(r *request) *session {
	for _, s := range b.sessions {
		if s.State == Opening && s.Plus && s.from == r.from && bytes.Equal(s.asked, r.payload) {
			return s
		}
	}
	return nil
}

// readAlgorithms reads the three proposals of Open Session. A wildcard is not taken.
func readAlgorithms(payload []byte) (c suite, ok bool) {
	if len(payload) != 24 {
		return c, false
	}
	for i, to := range []*byte{&c.auth, &c.integrity, &c.confidentiality} {
		proposal := payload[8*i : 8*i+8]
		if proposal[0] != byte(i) || proposal[3] != 8 {
			return c, false
		}
		*to = proposal[4] & 0x3f
	}
	return c, true
}

// suiteNumber is -1 for one that the BMC does not have.
func (b *BMC) suiteNumber(asked suite) int {
	for _, number := range b.options.Suites {
		if known, ok := suites[number]; ok && known == asked {
			return number
		}
	}
	return -1
}

// weaker is the suite that OtherSuite answers with.
func weaker(number int) int {
	if number == 17 {
		return 3
	}
	return 0
}

// rakp1 says which node it is, and proves that it knows the password.
func (b *BMC) rakp1(r *request, s *session) []byte {
	p := r.payload
	if len(p) < 28 || len(p) != 28+int(p[27]) || p[27] > 16 {
		s.end(Rejected)
		return failure(r, statusInvalid, s.console)
	}
	s.data = loginData{clientRandom: p[8:24], ownRandom: make([]byte, 16), identity: slices.Concat(p[24:25], p[27:])}
	fillRandom(s.data.ownRandom)
	wanted := Privilege(p[24] & 15)
	user, known := b.user(string(p[28:]))
	s.User = string(p[28:])
	switch {
	case !known:
		s.end(Rejected)
		return failure(r, statusUnknownUser, s.console)
	case wanted > user.Limit || wanted > s.limit:
		s.end(Rejected)
		return failure(r, statusUnauthorized, s.console)
	}
	s.user = user
	s.limit = min(s.limit, user.Limit)
	if wanted != 0 {
		s.limit = wanted
	}
	s.login = keysExchanged
	by := s.suite
	if r.faults[OtherHash] {
		by.auth = authSHA1
	}
	proof := by.mac([]byte(user.Password), uint32s(s.console, s.id), s.data.clientRandom, s.data.ownRandom, b.guid[:], s.data.identity)
	if r.faults[OtherCode] {
		fillRandom(proof)
	}
	return slices.Concat(failure(r, 0, s.console), s.data.ownRandom, b.guid[:], proof)
}

// rakp3 opens the session, if the client knows the password.
func (b *BMC) rakp3(r *request, s *session) []byte {
	p := r.payload
	if p[1] != 0 { // the client has found our proof to be wrong
		s.end(Given)
		return nil
	}
	d := s.data
	proof := s.suite.mac([]byte(s.user.Password), d.ownRandom, uint32s(s.console), d.identity)
	if !hmac.Equal(proof, p[8:]) {
		s.end(Rejected)
		return failure(r, statusWrongCode, s.console)
	}
	key := b.options.Key
	if len(key) == 0 {
		key = []byte(s.user.Password)
	}
	sik := s.suite.mac(key, d.clientRandom, d.ownRandom, d.identity)
	if err := s.setKeys(sik); err != nil {
		s.end(Rejected)
		return failure(r, statusInvalid, s.console)
	}
	s.login, s.State = proven, Open
	s.window = newWindow(0)
	s.Privilege = min(Viewer, s.limit)
	return append(failure(r, 0, s.console), s.suite.short(s.suite.mac(sik, d.clientRandom, uint32s(s.id), b.guid[:]))...)
}

func uint32s(numbers ...uint32) (raw []byte) {
	for _, n := range numbers {
		raw = binary.LittleEndian.AppendUint32(raw, n)
	}
	return raw
}
