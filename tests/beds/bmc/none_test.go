package bmc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

// A noneClient logs in over lan with authentication type "none": nothing in its packets
// has to be computed, so what the BMC does in a session is seen as it is.
type noneClient struct {
	t        *testing.T
	conn     net.Conn
	id       uint32
	number   uint32
	sequence byte
}

// answerAt is where the completion code is, in an answer without authentication.
const answerAt = 20

// packet makes the datagram of a command, in the session if there is one.
func (c *noneClient) packet(netFn, command byte, data ...byte) []byte {
	c.sequence += 4
	raw := []byte{bmcAddress, netFn << 2, 0, 0x81, c.sequence, command}
	raw[2] = checksum(raw[:2])
	raw = append(raw, data...)
	raw = append(raw, checksum(raw[3:]))
	packet := append(slices.Clone(rmcp), byte(AuthNone))
	packet = binary.LittleEndian.AppendUint32(packet, c.number)
	packet = binary.LittleEndian.AppendUint32(packet, c.id)
	if c.number != 0 {
		c.number++
	}
	return append(append(packet, byte(len(raw))), raw...)
}

// ask returns the completion code and data.
func (c *noneClient) ask(netFn, command byte, data ...byte) []byte {
	c.t.Helper()
	answer, err := exchange(c.t, c.conn, c.packet(netFn, command, data...), long)
	if err != nil || len(answer) < answerAt+2 {
		c.t.Fatalf("command %02xh: % x, %v", command, answer, err)
	}
	return answer[answerAt : len(answer)-1]
}

// receive returns the next datagram.
func (c *noneClient) receive(limit time.Duration) ([]byte, error) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		c.t.Fatal(err)
	}
	buffer := make([]byte, 1024)
	n, err := c.conn.Read(buffer)
	return buffer[:n], err
}

// logIn opens a session of oper, with its rights.
func logIn(t *testing.T, b *BMC) *noneClient {
	t.Helper()
	c := &noneClient{t: t, conn: dial(t, b)}
	name := make([]byte, 16)
	copy(name, "oper")
	challenge := c.ask(netFnApp, 0x39, append([]byte{byte(AuthNone)}, name...)...)
	if challenge[0] != success {
		t.Fatalf("challenge: % x", challenge)
	}
	c.id = binary.LittleEndian.Uint32(challenge[1:])
	active := c.ask(netFnApp, 0x3a, slices.Concat([]byte{byte(AuthNone), byte(Operator)}, challenge[5:21], uint32s(7))...)
	if active[0] != success {
		t.Fatalf("activate: % x", active)
	}
	c.id, c.number = binary.LittleEndian.Uint32(active[2:]), binary.LittleEndian.Uint32(active[6:])
	if level := c.ask(netFnApp, 0x3b, byte(Operator)); !bytes.Equal(level, []byte{success, byte(Operator)}) {
		t.Fatalf("level: % x", level)
	}
	return c
}

func (c *noneClient) status() []byte { return c.packet(netFnChassis, 0x01) }

// TestNone shows that none is a type of authentication only where it is said to be,
// and that it holds for the whole session.
func TestNone(t *testing.T) {
	usual := &noneClient{t: t, conn: dial(t, start(t, Options{}))}
	if answer := usual.ask(netFnApp, 0x39, append([]byte{byte(AuthNone)}, make([]byte, 16)...)...); answer[0] != invalidField {
		t.Errorf("none, which is not allowed: % x", answer)
	}
	b := start(t, Options{Auth: []Auth{AuthNone}})
	c := logIn(t, b)
	if answer := c.ask(netFnChassis, 0x02, powerDown); answer[0] != success || b.Power() {
		t.Errorf("down: % x, power %v", answer, b.Power())
	}
	signed := c.status()
	signed[4] = byte(AuthMD5)
	signed = slices.Concat(signed[:13], make([]byte, 16), signed[13:])
	if answer, err := exchange(t, c.conn, signed, short); err == nil {
		t.Errorf("another type than agreed: % x", answer)
	}
	if s := b.Sessions(); len(s) != 1 || s[0].Auth != AuthNone || s[0].User != "oper" || s[0].State != Open {
		t.Errorf("sessions: %+v", s)
	}
	if answer := c.ask(netFnApp, 0x3c, uint32s(c.id)...); answer[0] != success || b.SessionsIn(Closed) != 1 {
		t.Errorf("close: % x; %+v", answer, b.Sessions())
	}
}

// TestFaultsInSession asks three times: the second answer is the one that fails.
func TestFaultsInSession(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		// is tells whether the answer is as the fault has it; nil if there is none.
		// The one before it is given, which is whole.
		is func(before, answer []byte) bool
	}{
		{Silent, nil},
		{LoseAnswer, nil},
		{Slow, func(before, answer []byte) bool { return len(answer) == len(before) }},
		{Truncated, func(before, answer []byte) bool { return len(answer) == len(before)/2 }},
		{Garbage, func(before, answer []byte) bool {
			return len(answer) == len(before) && !bytes.Equal(answer[:4], rmcp)
		}},
		{Corrupt, func(before, answer []byte) bool {
			return bytes.Equal(answer[:4], rmcp) && len(answer) == len(before) && checksum(answer[17:]) != 0
		}},
		{Empty, func(before, answer []byte) bool {
			return len(answer) == answerAt+2 && answer[answerAt] == success && checksum(answer[17:]) == 0
		}},
		{Replay, func(before, answer []byte) bool { return bytes.Equal(answer, before) }},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			b := start(t, Options{Auth: []Auth{AuthNone}, SlowTime: short})
			client := logIn(t, b)
			b.FailAt(At(ChassisStatus).Nth(2), c.fault)
			before, err := exchange(t, client.conn, client.status(), long)
			if err != nil || before[answerAt] != success || len(before) != answerAt+5 {
				t.Fatalf("first: % x, %v", before, err)
			}
			limit := long
			if c.is == nil {
				limit = short
			}
			asked := time.Now()
			answer, err := exchange(t, client.conn, client.status(), limit)
			switch {
			case c.is == nil && !errors.Is(err, os.ErrDeadlineExceeded):
				t.Errorf("second: % x, %v", answer, err)
			case c.is != nil && (err != nil || !c.is(before, answer)):
				t.Errorf("second: % x, %v, after % x", answer, err, before)
			case c.fault == Slow && time.Since(asked) < short:
				t.Errorf("second: after %s", time.Since(asked))
			}
			if c.fault == Replay {
				if again, err := client.receive(long); err != nil || bytes.Equal(again, before) || len(again) != len(before) {
					t.Errorf("the true answer: % x, %v", again, err)
				}
			}
			third, err := exchange(t, client.conn, client.status(), long)
			if err != nil || third[answerAt] != success || len(third) != len(before) {
				t.Errorf("third: % x, %v", third, err)
			}
		})
	}
}

// TestRestartInSession shows that a session is gone after a restart.
func TestRestartInSession(t *testing.T) {
	b := start(t, Options{Auth: []Auth{AuthNone}})
	c := logIn(t, b)
	b.FailAt(At(ChassisStatus).Nth(1), Restarts)
	for range 2 {
		if answer, err := exchange(t, c.conn, c.status(), short); err == nil {
			t.Errorf("% x", answer)
		}
	}
	if drops := b.Drops(); b.SessionsIn(Lost) != 1 || len(drops) != 1 || b.Count(ChassisStatus) != 1 {
		t.Errorf("sessions: %+v; drops: %q", b.Sessions(), drops)
	}
}

// TestIdle shows that a session is forgotten that nobody uses, and makes room.
func TestIdle(t *testing.T) {
	b := start(t, Options{Auth: []Auth{AuthNone}, Sessions: 1})
	c := logIn(t, b)
	c.ask(netFnChassis, 0x01)
	if b.SessionsIn(Open) != 1 {
		t.Fatalf("sessions: %+v", b.Sessions())
	}
	b.mu.Lock()
	b.sessions[0].heard = time.Now().Add(-2 * b.options.Idle)
	b.mu.Unlock()
	if answer, err := exchange(t, c.conn, c.status(), short); err == nil {
		t.Errorf("% x", answer)
	}
	logIn(t, b)
	if b.SessionsIn(Expired) != 1 || b.SessionsIn(Open) != 1 {
		t.Errorf("sessions: %+v", b.Sessions())
	}
}
