package lossy

import (
	"bytes"
	"encoding/binary"
	"sync"
)

// A BlindSpoofer lets a node look off that is on, in sessions of RMCP+ that are encrypted.
// It can read nothing, and knows what is asked by its order: ipmitool logs in for each
// command, asks for its privilege, and sends the command. It answers in clear and without a code.
type BlindSpoofer struct {
	// Forge has for each session, counted from 0, what the answer to the command is to be:
	// its function, its number, and what follows. The command is swallowed. nil lets it pass.
	Forge [][]byte

	mu       sync.Mutex
	sessions int
	requests int    // of the session
	last     []byte // the BMC's last packet in it
	Forged   int    // datagrams
}

const (
	kindPlus, kindEncrypted, kindOpen = 0x06, 0xC0, 0x10

	// toolCommand is which of ipmitool's requests in a session is the command, counted from 1,
	// and toolNumber the number of its message.
	toolCommand, toolNumber = 6, 6
)

// Request answers a command in the BMC's place.
func (s *BlindSpoofer) Request(datagram []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(datagram) < 16 || datagram[4] != kindPlus:
		return nil
	case datagram[5] == kindOpen:
		s.sessions, s.requests, s.last = s.sessions+1, 0, nil
		return nil
	case datagram[5] != kindEncrypted:
		return nil
	}
	s.requests++
	if s.requests != toolCommand || s.last == nil || s.sessions > len(s.Forge) || s.Forge[s.sessions-1] == nil {
		return nil
	}
	s.Forged++
	return s.answer(s.Forge[s.sessions-1])
}

// answer returns a packet of the session with the answer.
func (s *BlindSpoofer) answer(its []byte) []byte {
	m := []byte{0x81, its[0] << 2, 0, 0x20, toolNumber << 2, its[1]}
	m[2] = checksum(m[:2])
	m = append(m, its[2:]...)
	m = append(m, checksum(m[3:]))
	answer := bytes.Clone(s.last[:16])
	answer[5] = 0
	binary.LittleEndian.PutUint32(answer[10:], binary.LittleEndian.Uint32(answer[10:])+1)
	binary.LittleEndian.PutUint16(answer[14:], uint16(len(m)))
	return append(answer, m...)
}

// Reply notes the packet.
func (s *BlindSpoofer) Reply(datagram []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(datagram) >= 16 && datagram[4] == kindPlus && datagram[5] == kindEncrypted {
		s.last = bytes.Clone(datagram)
	}
	return datagram
}
