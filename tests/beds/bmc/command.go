package bmc

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Completion codes.
const (
	success        = 0x00
	invalidCommand = 0xc1
	wrongLength    = 0xc7
	invalidField   = 0xcc
	noPrivilege    = 0xd4
	wrongState     = 0xd5
	unspecified    = 0xff

	// of Get Session Challenge
	unknownUser = 0x81
	// of Activate Session
	noRoom          = 0x81
	wrongNumber     = 0x84
	noSuchChallenge = 0x85
	overLimit       = 0x86
	// of Set Session Privilege Level
	levelOverLimit = 0x81
	// of Close Session
	noSuchSession = 0x87
)

// A command is one that the BMC knows.
type command struct {
	step  Step
	level Privilege // that a session needs
	data  int       // how long the arguments are at least
	do    func(*BMC, *request) []byte
}

// A commandKey is the number of a command.
type commandKey struct{ netFn, command byte }

// The numbers of functions.
const (
	netFnChassis = 0x00
	netFnApp     = 0x06
)

// commands returns the ones that the BMC knows.
func commands() map[commandKey]command {
	return map[commandKey]command{
		{netFnApp, 0x01}:     {DeviceID, Viewer, 0, (*BMC).deviceID},
		{netFnApp, 0x07}:     {ACPIState, Viewer, 0, (*BMC).acpiState},
		{netFnApp, 0x08}:     {DeviceGUID, Viewer, 0, (*BMC).ownGUID},
		{netFnApp, 0x37}:     {SystemGUID, 0, 0, (*BMC).ownGUID},
		{netFnApp, 0x38}:     {AuthCapabilities, 0, 2, (*BMC).authCapabilities},
		{netFnApp, 0x39}:     {SessionChallenge, 0, 17, (*BMC).sessionChallenge},
		{netFnApp, 0x3a}:     {ActivateSession, 0, 22, (*BMC).activateSession},
		{netFnApp, 0x3b}:     {SetPrivilege, 0, 1, (*BMC).setPrivilege},
		{netFnApp, 0x3c}:     {CloseSession, 0, 4, (*BMC).closeSession},
		{netFnApp, 0x54}:     {CipherSuites, 0, 3, (*BMC).cipherSuites},
		{netFnChassis, 0x01}: {ChassisStatus, Viewer, 0, (*BMC).chassisStatus},
		{netFnChassis, 0x02}: {ChassisControl, Operator, 1, (*BMC).chassisControl},
		{netFnChassis, 0x06}: {RestorePolicy, Operator, 1, (*BMC).restorePolicy},
	}
}

func (m message) step() Step {
	if c, ok := commands()[commandKey{m.netFn, m.command}]; ok {
		return c.step
	}
	return OtherCommand
}

// carryOut acts on a request, and returns the answer: of a command, the completion
// code and data. It is nil for what has no answer.
func (b *BMC) carryOut(r *request) []byte {
	if r.handshake() {
		return b.login(r)
	}
	c, known := commands()[commandKey{r.message.netFn, r.message.command}]
	switch {
	case r.refusal != 0:
		return []byte{r.refusal}
	case !known:
		return []byte{invalidCommand}
	case len(r.message.data) < c.data:
		return []byte{wrongLength}
	case c.level > 0 && r.session.Privilege < c.level:
		return []byte{noPrivilege}
	}
	return c.do(b, r)
}

func (b *BMC) deviceID(r *request) []byte {
	firmware := byte(1)
	if r.faults[Starts] {
		firmware |= 0x80
	}
	// device 20h with SDRs, firmware 1.00, IPMI 2.0, a chassis device, manufacturer and product 0
	return []byte{success, 0x20, 0x80, firmware, 0, 0x02, 0x80, 0, 0, 0, 0, 0}
}

func (b *BMC) acpiState(*request) []byte { return []byte{success, b.node.acpiState(), 0} }

func (b *BMC) ownGUID(*request) []byte { return append([]byte{success}, b.guid[:]...) }

// channel is the only one.
const channel = 1

func (b *BMC) authCapabilities(r *request) []byte {
	types, status, versions := byte(0), byte(0x04), byte(0) // names that are not empty
	for _, auth := range b.options.Auth {
		types |= 1 << auth
	}
	if len(b.options.Auth) > 0 {
		versions |= 1
	}
	if extended := r.message.data[0]&0x80 != 0; extended && len(b.options.Suites) > 0 {
		types |= 0x80
		versions |= 2
		if len(b.options.Key) > 0 {
			status |= 0x20
		}
	}
	return []byte{success, channel, types, status, versions, 0, 0, 0, 0}
}

// cipherSuites answers 16 bytes of the list at a time.
func (b *BMC) cipherSuites(r *request) []byte {
	var list []byte
	for _, number := range b.options.Suites {
		c := suites[number]
		list = append(list, 0xc0, byte(number), c.auth, 0x40|c.integrity, 0x80|c.confidentiality)
	}
	begin := min(16*int(r.message.data[2]&0x3f), len(list))
	return append([]byte{success, channel}, list[begin:min(begin+16, len(list))]...)
}

// sessionChallenge begins a login over lan.
func (b *BMC) sessionChallenge(r *request) []byte {
	auth := Auth(r.message.data[0] & 15)
	name := string(bytes.TrimRight(r.message.data[1:17], "\x00"))
	user, known := b.user(name)
	switch {
	case !slices.Contains(b.options.Auth, auth):
		return []byte{invalidField}
	case !known:
		return []byte{unknownUser}
	}
	if r.faults[OneLogin] {
		b.endLogins()
	}
	s := b.begin(r.from)
	s.User, s.user, s.Auth, s.limit = name, user, auth, user.Limit
	s.challenge = make([]byte, 16)
	fillRandom(s.challenge)
	b.commands[r.entry].Session = s.number
	return slices.Concat([]byte{success}, uint32s(s.id), s.challenge)
}

// activateSession ends a login over lan. That the client knows the password was seen
// when the message was read.
func (b *BMC) activateSession(r *request) []byte {
	s, data := r.session, r.message.data
	if s.Plus {
		return []byte{invalidCommand}
	}
	wanted, outbound := Privilege(data[1]&15), binary.LittleEndian.Uint32(data[18:])
	switch {
	case s.State == Open:
		return []byte{noSuchChallenge}
	case !bytes.Equal(data[2:18], s.challenge):
		s.end(Rejected)
		return []byte{noSuchChallenge}
	case outbound == 0:
		s.end(Rejected)
		return []byte{wrongNumber}
	case wanted > s.limit:
		s.end(Rejected)
		return []byte{overLimit}
	case b.fullBut(r, s):
		s.end(Rejected)
		return []byte{noRoom}
	}
	if wanted != 0 {
		s.limit = wanted
	}
	number := randomID()
	s.State, s.sent, s.window = Open, outbound, newWindow(number-1)
	s.Privilege = min(Viewer, s.limit)
	auth := s.Auth
	if r.faults[Unsigned] {
		auth = AuthNone
	}
	return slices.Concat([]byte{success, byte(auth)}, uint32s(s.id, number), []byte{byte(s.limit)})
}

// fullBut tells whether there is no room, the session itself not counted.
func (b *BMC) fullBut(r *request, s *session) bool {
	s.State = Rejected
	defer func() { s.State = Opening }()
	return b.full(r)
}

func (b *BMC) setPrivilege(r *request) []byte {
	wanted := Privilege(r.message.data[0] & 15)
	switch {
	case wanted > Administrator || wanted == Callback:
		return []byte{invalidField}
	case wanted > r.session.limit:
		return []byte{levelOverLimit}
	case wanted != 0:
		r.session.Privilege = wanted
	}
	return []byte{success, byte(r.session.Privilege)}
}

func (b *BMC) closeSession(r *request) []byte {
	s := b.find(binary.LittleEndian.Uint32(r.message.data))
	if s == nil || s != r.session {
		return []byte{noSuchSession}
	}
	s.end(Closed)
	return []byte{success}
}

func (b *BMC) chassisStatus(r *request) []byte {
	if r.faults[RefuseGet] {
		return []byte{unspecified}
	}
	state := byte(0x60) // what happens when power comes back: unknown
	if b.says(r) {
		state |= 1
	}
	if r.faults[Control] {
		state |= 1 << 4
	}
	return []byte{success, state, 0, 0}
}

func (b *BMC) chassisControl(r *request) []byte {
	return []byte{b.control(r, r.message.data[0]&15)}
}

// restorePolicy answers which policies there are, and leaves it at that: it can have
// no other than the one that it has.
func (b *BMC) restorePolicy(r *request) []byte {
	const noChange, previous = 3, 1 << 1
	if r.message.data[0]&7 != noChange {
		return []byte{invalidField}
	}
	return []byte{success, previous}
}
