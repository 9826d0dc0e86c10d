package lossy

import (
	"bytes"
	"encoding/binary"
	"sync"
)

// A Spoofer lets a node look off that is on: it swallows Chassis Control and answers it,
// and clears the power bit in answers to Get Chassis Status from the second one on. It
// knows no password, so it does so where packets have no code; or, if it is Bold, where
// they have one as well, which is then wrong or left out.
type Spoofer struct {
	Bold bool

	mu     sync.Mutex
	last   []byte // the BMC's last packet in a session
	looks  int
	Forged int // datagrams
}

// Numbers of a message.
const (
	chassisRequest, chassisAnswer = 0x00, 0x01 // functions
	getStatus, control            = 0x01, 0x02 // commands
)

// message finds the message in a datagram of a session that is not encrypted: nil if there
// is none that the Spoofer changes.
func (s *Spoofer) message(datagram []byte) (message []byte) {
	const plus = 6
	switch {
	case len(datagram) < 14:
		return nil
	case datagram[4] == plus && len(datagram) >= 16 && datagram[5] == 0 && binary.LittleEndian.Uint32(datagram[6:]) != 0:
		message = datagram[16:]
	case s.Bold && datagram[4] == plus && len(datagram) >= 16 && datagram[5] == 0x40: // signed, not encrypted
		end := 16 + int(binary.LittleEndian.Uint16(datagram[14:]))
		message = datagram[16:min(end, len(datagram))]
	case datagram[4] == 0 && binary.LittleEndian.Uint32(datagram[9:]) != 0:
		message = datagram[14:]
	case datagram[4] != plus && datagram[4] != 0 && len(datagram) >= 30: // lan with a code
		const straight = 4
		if s.Bold || datagram[4] == straight {
			message = datagram[30:]
		}
	}
	if len(message) < 7 {
		return nil
	}
	return message
}

// Request answers Chassis Control in the BMC's place.
func (s *Spoofer) Request(datagram []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.message(datagram)
	if m == nil || m[1]>>2 != chassisRequest || m[5] != control || s.last == nil {
		return nil
	}
	s.Forged++
	answer := bytes.Clone(s.last)
	place := 5
	if answer[4] == 6 {
		place = 10
	}
	binary.LittleEndian.PutUint32(answer[place:], binary.LittleEndian.Uint32(answer[place:])+1)
	its := s.message(answer)
	body := []byte{m[3], chassisAnswer << 2, 0, m[0], m[4], m[5], 0}
	body[2] = checksum(body[:2])
	body = append(body, checksum(body[3:]))
	if answer[4] == 6 {
		answer = append(answer[:16], body...)
		answer[5] = 0
		binary.LittleEndian.PutUint16(answer[14:], uint16(len(body)))
	} else {
		answer = append(answer[:len(answer)-len(its)], body...)
		answer[len(answer)-len(body)-1] = byte(len(body))
	}
	return answer
}

// Reply clears the power bit.
func (s *Spoofer) Reply(datagram []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.message(datagram)
	if m == nil {
		return datagram
	}
	s.last = bytes.Clone(datagram)
	if m[1]>>2 != chassisAnswer || m[5] != getStatus || m[6] != 0 || len(m) < 9 {
		return datagram
	}
	if s.looks++; s.looks > 1 {
		m[7] &^= 1
		m[len(m)-1] = checksum(m[3 : len(m)-1])
		s.Forged++
		if datagram[4] == 6 {
			datagram[5] = 0
			datagram = datagram[:16+len(m)] // without the code
		}
	}
	return datagram
}

func checksum(raw []byte) (sum byte) {
	for _, b := range raw {
		sum -= b
	}
	return sum
}
