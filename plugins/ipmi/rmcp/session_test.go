package rmcp

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inSession runs a test in a session of RMCP+.
func inSession(t *testing.T, do func(ctx context.Context, t *testing.T, p *peer, s *Session)) {
	t.Helper()
	inSessionOf(t, Config{}, do)
}

func inSessionOf(t *testing.T, c Config, do func(ctx context.Context, t *testing.T, p *peer, s *Session)) {
	t.Helper()
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		s, err := p.opener(c).open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		do(ctx, t, p, s)
		p.fault = nil
		s.Close()
	})
}

// An answer that is not to the question is not taken, whatever it says; the answer
// to the next copy is.
func TestForeignAnswers(t *testing.T) {
	var former []byte // the answer to an earlier question
	tests := map[string]func(p *peer, reply []byte) [][]byte{
		"again":         func(_ *peer, reply []byte) [][]byte { return [][]byte{former} },
		"other session": func(_ *peer, reply []byte) [][]byte { reply[6]++; return [][]byte{reply} },
		"truncated":     func(_ *peer, reply []byte) [][]byte { return [][]byte{reply[:20], reply[:3], {}} },
		"RMCP version":  func(_ *peer, reply []byte) [][]byte { reply[0]++; return [][]byte{reply} },
		"RMCP class":    func(_ *peer, reply []byte) [][]byte { reply[3]--; return [][]byte{reply} },
		"forged":        func(_ *peer, reply []byte) [][]byte { return [][]byte{forge(reply)} },
		"lan":           func(*peer, []byte) [][]byte { return [][]byte{outside{}.wrap(make([]byte, 8))} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
				p.fault = func(_ string, _ int, reply []byte) [][]byte { former = slices.Clone(reply); return [][]byte{reply} }
				if _, err := s.ChassisStatus(ctx); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				p.fault = alter(getChassisStatus.name, 2, func(reply []byte) [][]byte { return change(p, reply) })
				if _, err := s.ChassisStatus(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != 500*time.Millisecond {
					t.Errorf("took %s", took)
				}
				p.fault = alter(getChassisStatus.name, 99, func(reply []byte) [][]byte { return change(p, reply) })
				_, err := s.ChassisStatus(ctx)
				if !errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrMalformed) == (name == "again") { // one that was known before tells nothing
					t.Errorf("error %v does not tell what was seen", err)
				}
			})
		})
	}
}

// The same holds where packets have no code, as far as numbers can tell, and with lan.
func TestForeignAnswersOther(t *testing.T) {
	var former []byte
	again := func([]byte) [][]byte { return [][]byte{former} }
	change := func(place int) func([]byte) [][]byte {
		return func(reply []byte) [][]byte { reply[place] ^= 1; return [][]byte{reply} }
	}
	tests := []struct {
		name   string
		config Config
		change func([]byte) [][]byte
	}{
		{"no code, again", Config{Suites: []int{1}}, again},
		{"no code, other session", Config{Suites: []int{1}}, change(6)},
		{"lan, again", lanConfig(), again},
		{"lan, other session", Config{Interface: Lan, AuthTypes: []AuthType{Straight}}, change(9)},
		{"lan, wrong code", lanConfig(), change(13)},
		{"lan, changed state", lanConfig(), change(30 + 7)},
		{"lan, without code", lanConfig(), retype(None)},
		{"lan without authentication, wrong code", Config{Interface: Lan, AuthTypes: []AuthType{None}}, retype(MD5)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inSessionOf(t, tt.config, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
				p.fault = func(_ string, _ int, reply []byte) [][]byte { former = slices.Clone(reply); return [][]byte{reply} }
				if _, err := s.ChassisStatus(ctx); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				p.fault = alter(getChassisStatus.name, 2, tt.change)
				if _, err := s.ChassisStatus(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != 500*time.Millisecond {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// Someone who has heard a session and plays the BMC's part of it again does not get
// to the state of then: with lan all the codes are right, the numbers are not.
func TestReplayedSession(t *testing.T) {
	for _, config := range []Config{{}, lanConfig(), {Interface: Lan, AuthTypes: []AuthType{Straight}}} {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			heard := map[string][]byte{}
			p.fault = func(step string, _ int, reply []byte) [][]byte {
				heard[step] = slices.Clone(reply)
				return [][]byte{reply}
			}
			s, err := p.opener(config).open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.ChassisStatus(ctx); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			p.fault = func(step string, _ int, _ []byte) [][]byte { return [][]byte{slices.Clone(heard[step])} }
			if s, err = p.opener(config).open(ctx); err == nil {
				state, err := s.ChassisStatus(ctx)
				t.Fatalf("%s is open; state %+v, %v", s, state, err)
			}
			if !errors.Is(err, ErrNoAnswer) {
				t.Errorf("error %v", err)
			}
			p.open = false // it was never asked to close it
		})
	}
}

func TestInbound(t *testing.T) {
	for _, last := range []uint32{0, 5, 1<<32 - 3} {
		for ahead, fresh := range map[uint32]bool{
			0: false, 1: true, 2: true, maxAhead: true, maxAhead + 1: false, 1 << 31: false, 1<<32 - 1: false,
		} {
			i := inbound{known: true, last: last}
			if err := i.take(last + ahead); (err == nil) != fresh {
				t.Errorf("%d after %d: %v", last+ahead, last, err)
			}
			if want := last + ahead; fresh && i.last != want || !fresh && i.last != last {
				t.Errorf("%d after %d: the last is %d", last+ahead, last, i.last)
			}
		}
	}
	var first inbound
	if err := first.take(9); err != nil || first.take(9) == nil {
		t.Errorf("the first packet: %v, and again %+v", err, first)
	}
}

// retype gives a packet of lan another authentication type.
func retype(t AuthType) func([]byte) [][]byte {
	return func(reply []byte) [][]byte {
		p, err := unpack(reply)
		if err != nil {
			panic(err)
		}
		p.authType = t
		return [][]byte{p.pack()}
	}
}

// forge says in clear what a BMC would: the power is off.
func forge(reply []byte) []byte {
	p, err := unpackPlus(reply, 16)
	if err != nil {
		panic(err)
	}
	m := []byte{0x81, 4, 0x7B, 0x20, 3 << 2, 1, 0, 0, 0, 0}
	p.encrypted, p.authenticated, p.payload, p.trailer, p.code = false, false, append(m, checksum(m[3:])), nil, nil
	return p.pack()
}

// Each copy of a request has a session sequence number of its own.
func TestResend(t *testing.T) {
	inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
		p.start = time.Now()
		p.fault = lose(chassisControl.name, 3)
		if err := s.ChassisControl(ctx, Down); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond}
		if got := p.times(chassisControl.name); !slices.Equal(got, want) {
			t.Errorf("sent at %v, want %v", got, want)
		}
		last := uint32(0)
		for _, a := range p.arrivals {
			if sessionOf(a.raw) == s.layer.id() {
				if n := sequenceOf(a.raw); n != last+1 {
					t.Errorf("packet %d after %d", n, last)
				}
				last++
			}
		}
	})
}

// An answer that comes late, to an earlier copy, is as good.
func TestLateAnswer(t *testing.T) {
	inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
		var late []byte
		p.fault = func(_ string, n int, reply []byte) [][]byte {
			if n == 1 {
				late = reply
				return nil
			}
			return [][]byte{late}
		}
		if state, err := s.ChassisStatus(ctx); err != nil || !state.PowerOn {
			t.Errorf("%+v, %v", state, err)
		}
	})
}

// What the network says while a command is under way ends it only if that cannot
// change. It is never an answer.
func TestNetworkErrors(t *testing.T) {
	wrap := func(errs ...error) []error {
		for i, err := range errs {
			errs[i] = &net.OpError{Op: "test", Err: os.NewSyscallError("test", err)}
		}
		return errs
	}
	tests := []struct {
		name        string
		write, read []error
		took        time.Duration
		want        error
	}{
		{"told of an earlier packet", wrap(syscall.ECONNREFUSED), nil, 0, nil},
		{"refused twice", wrap(syscall.ECONNREFUSED, syscall.ECONNREFUSED), nil, 500 * time.Millisecond, nil},
		{"down", wrap(syscall.ENETDOWN, syscall.ENETDOWN), nil, 500 * time.Millisecond, nil},
		{"told while waiting", nil, wrap(syscall.EHOSTUNREACH, syscall.EACCES, syscall.EPROTO, syscall.ENOPROTOOPT), 0, nil},
		{"cannot send", wrap(syscall.EMSGSIZE), nil, 0, syscall.EMSGSIZE},
		{"cannot read", nil, wrap(syscall.EIO), 0, syscall.EIO},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
				start, last := time.Now(), p.ports[len(p.ports)-1]
				last.writeErrors, last.readErrors = tt.write, tt.read
				state, err := s.ChassisStatus(ctx)
				if !errors.Is(err, tt.want) || state.PowerOn != (tt.want == nil) {
					t.Errorf("%+v, %v, want %v", state, err, tt.want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// Nothing is read in a session that is closed.
func TestClosed(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l := &link{}
	if l.conn, err = net.Dial("udp", conn.LocalAddr().String()); err != nil {
		t.Fatal(err)
	}
	s := &Session{link: l, layer: outside{}}
	if err := s.Close(); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("error %v", err)
	}
	if state, err := s.ChassisStatus(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%+v, %v", state, err)
	}
}

// The answer to a second copy of a question that was answered already is not one to the
// question that is asked next: in between the power may have been switched.
func TestAnswerToCopy(t *testing.T) {
	for _, config := range []Config{{}, lanConfig()} {
		inSessionOf(t, config, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
			p.answers[getChassisStatus.code] = []byte{0, 0, 0, 0}
			var first, second []byte
			p.fault = func(_ string, n int, reply []byte) [][]byte {
				switch n {
				case 1:
					first = reply
					return nil
				case 2:
					second = reply
					return [][]byte{first}
				}
				return [][]byte{second, reply}
			}
			if state, err := s.ChassisStatus(ctx); err != nil || state.PowerOn {
				t.Fatalf("%+v, %v", state, err)
			}
			p.answers[getChassisStatus.code] = []byte{0, 1, 0, 0}
			if state, err := s.ChassisStatus(ctx); err != nil || !state.PowerOn {
				t.Errorf("%s: %+v, %v", s, state, err)
			}
		})
	}
}

// What is no answer to the command that changes nothing is no success of it.
func TestKeepRestorePolicyRefused(t *testing.T) {
	for _, tt := range []struct {
		answer []byte
		kind   error
		says   string
	}{
		{[]byte{0xD4}, ErrPrivilege, "Set Power Restore Policy: privilege too low (completion code D4h)"},
		{[]byte{0xC1}, nil, "Set Power Restore Policy: unknown command (completion code C1h)"},
		{[]byte{0}, ErrMalformed, "Set Power Restore Policy: malformed packet: 0 bytes of data, not 1"},
	} {
		inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
			p.answers[setRestorePolicy.code] = tt.answer
			err := s.KeepRestorePolicy(ctx)
			if err == nil || err.Error() != tt.says || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("error %v, want %s", err, tt.says)
			}
		})
	}
}

func TestCommandRefused(t *testing.T) {
	for code, want := range map[byte]string{
		0xD4: "power down: Chassis Control: privilege too low (completion code D4h)",
		0xC0: "power down: Chassis Control: node busy (completion code C0h)",
		0xD5: "power down: Chassis Control: not possible in the present state (completion code D5h)",
		0x90: "power down: Chassis Control: refused (completion code 90h)",
	} {
		inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
			p.answers[chassisControl.code] = []byte{code}
			err := s.ChassisControl(ctx, Down)
			var refused *CompletionError
			if !errors.As(err, &refused) || refused.Code != code || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			if is := errors.Is(err, ErrPrivilege); is != (code == 0xD4) {
				t.Errorf("%v: is %q: %t", err, ErrPrivilege, is)
			}
		})
	}
}

// Half an answer is no state, and no identity.
func TestShortAnswers(t *testing.T) {
	inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
		p.answers[getChassisStatus.code] = []byte{0, 0}
		if _, err := s.ChassisStatus(ctx); !errors.Is(err, ErrMalformed) || errors.Is(err, ErrNoAnswer) {
			t.Errorf("state: %v", err)
		}
		p.answers[getDeviceGUID.code] = make([]byte, 16)
		if _, err := s.DeviceGUID(ctx); !errors.Is(err, ErrMalformed) {
			t.Errorf("GUID: %v", err)
		}
	})
}

func TestChassis(t *testing.T) {
	for state, want := range map[byte]Chassis{
		0x00: {}, 0x01: {PowerOn: true}, 0x60: {}, 0x02: {Overload: true}, 0x04: {Interlock: true}, 0x08: {PowerFault: true}, 0x11: {PowerOn: true, ControlFault: true},
	} {
		inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
			p.answers[getChassisStatus.code] = []byte{0, state, 0, 0, 0}
			if got, err := s.ChassisStatus(ctx); err != nil || got != want {
				t.Errorf("%02Xh: %+v, %v, want %+v", state, got, err, want)
			}
		})
	}
}

func TestUnknownControl(t *testing.T) {
	inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
		if err := s.ChassisControl(ctx, 5); !errors.Is(err, ErrConfig) || p.counts[chassisControl.name] != 0 {
			t.Errorf("orderly shutdown: %v, sent %d times", err, p.counts[chassisControl.name])
		}
	})
}

// The end of a session does not wait for a BMC that is gone.
func TestCloseInSilence(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		s, err := p.opener(Config{}).open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p.fault = lose(closeSession.name, 99)
		start := time.Now()
		if err := s.Close(); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != closeLimit {
			t.Errorf("took %s", took)
		}
	})
}

// More requests than there are numbers for them, with an answer of each kept back:
// none of them is taken for that of a later request with the same number, protected
// or not.
func TestNumbersComeAgain(t *testing.T) {
	for _, config := range []Config{{}, {Suites: []int{0}}, {Suites: []int{1}}, lanConfig(), {Interface: Lan, AuthTypes: []AuthType{None}}} {
		inSessionOf(t, config, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
			p.answers[getChassisStatus.code] = []byte{0, 0, 0, 0}
			var old [][]byte
			p.fault = func(_ string, _ int, reply []byte) [][]byte {
				old = append(old, slices.Clone(reply))
				if len(old) <= sequenceNumbers {
					return [][]byte{reply}
				}
				return [][]byte{old[len(old)-1-sequenceNumbers], reply}
			}
			for i := range 2 * sequenceNumbers {
				if i == sequenceNumbers {
					p.answers[getChassisStatus.code] = []byte{0, 1, 0, 0}
				}
				state, err := s.ChassisStatus(ctx)
				if err != nil || state.PowerOn != (i >= sequenceNumbers) {
					t.Fatalf("%s, request %d: %+v, %v", s, i, state, err)
				}
			}
		})
	}
}

func TestConfig(t *testing.T) {
	at := []string{"192.0.2.1:623"}
	tests := []struct {
		name   string
		config Config
		want   error
		text   string
	}{
		{"no address", Config{}, ErrConfig, "no address"},
		{"no port", Config{Addresses: []string{"192.0.2.1"}}, ErrConfig, "missing port"},
		{"port 0", Config{Addresses: []string{"192.0.2.1:0"}}, ErrConfig, `port "0"`},
		{"user", Config{Addresses: at, User: strings.Repeat("u", 17)}, ErrTooLong, "user has 17 bytes, lanplus allows 16"},
		{"password", Config{Addresses: at, Password: strings.Repeat("p", 21)}, ErrTooLong, "password has 21 bytes, lanplus allows 20"},
		{"password of lan", Config{Addresses: at, Password: strings.Repeat("p", 17), Interface: Lan}, ErrTooLong, "password has 17 bytes, lan allows 16"},
		{"K_g", Config{Addresses: at, Kg: make([]byte, 21)}, ErrTooLong, "K_g has 21 bytes, lanplus allows 20"},
		{"K_g with lan", Config{Addresses: at, Kg: []byte{1}, Interface: Lan}, ErrConfig, "K_g is for lanplus only"},
		{"suite", Config{Addresses: at, Suites: []int{17, 8}}, ErrConfig, "cipher suite 8 is not one of [0 1 2 3 15 16 17]"},
		{"weak after strong", Config{Addresses: at, Suites: []int{17, 3, 1}}, ErrConfig, "cipher suite 1 has no integrity, so it stands alone or not at all: [17 3 1]"},
		{"weak before strong", Config{Addresses: at, Suites: []int{15, 17}}, ErrConfig, "cipher suite 15 has no integrity"},
		{"weak after weak", Config{Addresses: at, Suites: []int{1, 0}}, ErrConfig, "cipher suite 1 has no integrity"},
		{"type", Config{Addresses: at, AuthTypes: []AuthType{1}}, ErrConfig, "authentication type 1"},
		{"none after MD5", Config{Addresses: at, AuthTypes: []AuthType{MD5, None}}, ErrConfig, "with none packets have no proof"},
		{"straight after MD5", Config{Addresses: at, AuthTypes: []AuthType{MD5, Straight}}, ErrConfig, "with straight password packets have no proof"},
		{"privilege", Config{Addresses: at, Privilege: 5}, ErrConfig, "privilege level 5"},
		{"interface", Config{Addresses: at, Interface: 2}, ErrConfig, "interface 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewOpener(tt.config).Open(t.Context())
			checkKind(t, err, tt.want)
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want %q in it", err, tt.text)
			}
		})
	}
	full := Config{Addresses: at, User: strings.Repeat("u", 16), Password: strings.Repeat("p", 20), Kg: make([]byte, 20)}
	if err := full.Check(); err != nil {
		t.Errorf("longest secrets: %v", err)
	}
}

// A session that is lost soon after the login, in silence or with another answer to the
// login, may have been replaced by a copy: the next login waits for the last answer.
func TestSessionReplaced(t *testing.T) {
	silent := func([]byte) [][]byte { return nil }
	login := func(payload byte) func([]byte) [][]byte {
		return func([]byte) [][]byte {
			return [][]byte{plusPacket{payloadType: payload, payload: make([]byte, 8)}.pack()}
		}
	}
	for _, tt := range []struct {
		name   string
		after  time.Duration // from the login to the command
		answer func(reply []byte) [][]byte
		want   int
	}{
		{"silence", 0, silent, 1},
		{"Open Session Response", 0, login(payloadOpenResponse), 1},
		{"RAKP 2", 0, login(payloadRAKP2), 1},
		{"RAKP 4", 0, login(payloadRAKP4), 1},
		{"a damaged answer", 0, func(reply []byte) [][]byte { return [][]byte{reply[:len(reply)-1]} }, 0},
		{"silence that began later", 3 * time.Second, silent, 0},
	} {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			lost := false
			p.fault = func(step string, _ int, reply []byte) [][]byte {
				if lost && step == getChassisStatus.name {
					return tt.answer(reply)
				}
				return [][]byte{reply}
			}
			o := p.opener(Config{})
			s, err := o.open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(tt.after)
			if _, err := s.ChassisStatus(ctx); err != nil {
				t.Fatal(err)
			}
			lost = true
			limited, cancel := context.WithTimeout(ctx, SilenceLimit)
			defer cancel()
			if _, err = s.ChassisStatus(limited); !errors.Is(err, ErrNoAnswer) {
				t.Errorf("%s: %v", tt.name, err)
			}
			s.Close()
			if o.care != tt.want {
				t.Errorf("%s: care is %d, want %d", tt.name, o.care, tt.want)
			}
		})
	}
}
