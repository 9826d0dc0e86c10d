package bmc

import (
	"encoding/binary"
	"slices"
	"testing"
)

// plus makes a packet of RMCP+ outside of a session.
func plus(kind byte, payload ...[]byte) []byte {
	all := slices.Concat(payload...)
	packet := append(slices.Clone(rmcp), formatPlus, kind, 0, 0, 0, 0, 0, 0, 0, 0)
	return append(binary.LittleEndian.AppendUint16(packet, uint16(len(all))), all...)
}

// TestNoProof logs in as one who does not look whether the BMC knows the password, and
// does not know it. ipmitool does not come that far.
func TestNoProof(t *testing.T) {
	b := start(t, Options{})
	conn := dial(t, b)
	ask := func(packet []byte) []byte {
		t.Helper()
		answer, err := exchange(t, conn, packet, long)
		if err != nil {
			t.Fatal(err)
		}
		return answer[16:]
	}
	open := plus(kindOpenSession, []byte{1, 0, 0, 0, 9, 9, 9, 9}, []byte{0, 0, 0, 8, authSHA1, 0, 0, 0, 1, 0, 0, 8, integritySHA1, 0, 0, 0, 2, 0, 0, 8, aesCBC128, 0, 0, 0})
	opened := ask(open)
	if again := ask(open); string(again) != string(opened) || len(b.Sessions()) != 1 {
		t.Errorf("a resent Open Session: % x, not % x; %+v", again, opened, b.Sessions())
	}
	id := opened[8:12]
	first := plus(kindRAKP1, []byte{2, 0, 0, 0}, id, make([]byte, 16), []byte{0x14, 0, 0, 5}, []byte("admin"))
	second := ask(first)
	if again := ask(first); len(again) != len(second) || string(again) == string(second) {
		t.Errorf("a resent RAKP 1 makes no new random number: % x, %x", again, second)
	} else if err := b.Fail(Repeats); err != nil {
		t.Error(err)
	} else if third := ask(first); string(third) != string(again) {
		t.Errorf("a resent RAKP 1: % x, not % x", third, again)
	}
	for _, proof := range [][]byte{make([]byte, 20), {}} {
		fourth := ask(plus(kindRAKP3, []byte{3, 0, 0, 0}, id, proof))
		if len(fourth) != 8 || fourth[1] == 0 || b.SessionsIn(Open) != 0 {
			t.Errorf("RAKP 4: % x; %+v", fourth, b.Sessions())
		}
	}
	if b.SessionsIn(Rejected) != 1 {
		t.Errorf("sessions: %+v", b.Sessions())
	}
}

// TestOutsideOfASession shows that nobody gets at the node without a login.
func TestOutsideOfASession(t *testing.T) {
	b := start(t, Options{})
	down := []byte{bmcAddress, netFnChassis << 2, 0, 0x81, 4, 2, powerDown}
	down[2] = checksum(down[:2])
	down = append(down, checksum(down[3:]))
	conn := dial(t, b)
	for _, packet := range [][]byte{
		plus(kindMessage, down),
		slices.Concat(rmcp, make([]byte, 9), []byte{byte(len(down))}, down),
	} {
		if answer, err := exchange(t, conn, packet, short); err == nil {
			t.Errorf("% x", answer)
		}
	}
	if len(b.Drops()) != 2 || !b.Power() {
		t.Errorf("%q, power %v", b.Drops(), b.Power())
	}
}
