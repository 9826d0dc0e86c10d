package rmcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// budget is the time that a caller gives in the tests. It passes on a clock of theirs.
const budget = 40 * time.Second

// bubble runs a test with a peer, on a clock that moves only when all are waiting.
func bubble(t *testing.T, do func(ctx context.Context, t *testing.T, p *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		p := newPeer()
		do(ctx, t, p)
		p.checkClosed(t)
	})
}

// lanConfig is a configuration for the interface lan.
func lanConfig() Config { return Config{Interface: Lan} }

func TestSession(t *testing.T) {
	configs := map[string]Config{"lan MD5": lanConfig(), "lan straight": {Interface: Lan, AuthTypes: []AuthType{Straight}}, "lan none": {Interface: Lan, AuthTypes: []AuthType{None}}}
	for _, number := range []int{0, 1, 2, 3, 15, 16, 17} {
		configs[fmt.Sprint("suite ", number)] = Config{Suites: []int{number}}
	}
	configs["K_g"] = Config{Kg: []byte("twenty bytes of a K_")}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
				p.kg = config.Kg
				s, err := p.opener(config).open(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if state, err := s.ChassisStatus(ctx); err != nil || !state.PowerOn {
					t.Errorf("chassis %+v, %v", state, err)
				}
				for control := range Diag + 1 {
					if err := s.ChassisControl(ctx, control); err != nil {
						t.Error(err)
					}
				}
				if err := s.KeepRestorePolicy(ctx); err != nil {
					t.Error(err)
				}
				for _, read := range []func(context.Context) (GUID, error){s.DeviceGUID, s.SystemGUID} {
					if guid, err := read(ctx); err != nil || guid.String() != "30313233343536373839616263646566" {
						t.Errorf("GUID %s, %v", guid, err)
					}
				}
				for range 2 {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}
				if n := p.counts[closeSession.name]; n != 1 {
					t.Errorf("closed %d times", n)
				}
			})
		})
	}
}

// Every failure is told apart from the others, at once where the BMC has spoken.
func TestRefused(t *testing.T) {
	refuse := func(step string, code byte) func(*peer) {
		return func(p *peer) {
			p.fault = alter(step, 99, func(reply []byte) [][]byte {
				return [][]byte{outsidePlus(reply[5], []byte{reply[16], code})}
			})
		}
	}
	cut := func(step string, length int) func(*peer) {
		return func(p *peer) {
			p.fault = alter(step, 99, func(reply []byte) [][]byte {
				return [][]byte{outsidePlus(reply[5], reply[16:16+length])}
			})
		}
	}
	answer := func(c command, data ...byte) func(*peer) { return func(p *peer) { p.answers[c.code] = data } }
	tests := []struct {
		name   string
		config Config
		peer   func(*peer)
		want   error
		text   string
	}{
		{"no session", Config{}, refuse("open", 1), ErrSessions, "Open Session Request: no free session (status 01h)"},
		{"no session for the role", Config{}, refuse("RAKP 1", 0x0B), ErrSessions, "RAKP 1: no free session (status 0Bh)"},
		{"no suite", Config{}, refuse("open", 0x11), ErrSuite, "cipher suite 17: Open Session Request: no common cipher suite (status 11h); cipher suite 3: "},
		{"pinned suite", Config{Suites: []int{17}}, func(p *peer) { p.suites = []int{3} }, ErrSuite, "cipher suite 17"},
		{"user", Config{User: "nobody"}, nil, ErrUser, "RAKP 1: unknown user (status 0Dh)"},
		{"privilege", Config{}, refuse("RAKP 1", 0x0A), ErrPrivilege, "RAKP 1: privilege too low (status 0Ah)"},
		{"password", Config{}, func(p *peer) { p.password = "other" }, ErrPassword, "RAKP 2: wrong password or user"},
		{"K_g missing", Config{}, func(p *peer) { p.kg = []byte("key") }, ErrKg, "RAKP 4: wrong or missing K_g"},
		{"K_g wrong", Config{Kg: []byte("lock")}, func(p *peer) { p.kg = []byte("key") }, ErrKg, "RAKP 4"},
		{"other refusal", Config{}, refuse("open", 0x12), nil, "Open Session Request: illegal or unrecognized parameter (status 12h)"},
		{"open cut short", Config{}, cut("open", 35), ErrMalformed, "Open Session Response: malformed packet: 35 bytes, not 36"},
		{"RAKP 2 cut short", Config{}, cut("RAKP 1", 39), ErrMalformed, "RAKP 2: malformed packet: 39 bytes, not 40"},
		{"RAKP 2 without code", Config{}, cut("RAKP 1", 40), ErrPassword, "RAKP 2: wrong password or user"},
		{"RAKP 2 with part of the code", Config{}, cut("RAKP 1", 40+16), ErrSuite, "RAKP 2: no common cipher suite: the password is right"},
		{"RAKP 4 without code", Config{}, cut("RAKP 3", 8), ErrMalformed, "RAKP 4: malformed packet: 8 bytes, not 24"},
		{"RAKP 4 with part of the code", Config{Suites: []int{17}}, cut("RAKP 3", 8+12), ErrMalformed, "RAKP 4: malformed packet: 20 bytes, not 24"},
		{"level refused", Config{}, answer(setSessionPrivilege, 0x81), ErrPrivilege, "Set Session Privilege Level: privilege too low (completion code 81h)"},
		{"lower level", Config{}, answer(setSessionPrivilege, 0, 2), ErrPrivilege, "asked for OPERATOR, got USER"},
		{"capabilities cut short", Config{}, answer(getChannelCapabilities, 0, 1), ErrMalformed, "Get Channel Authentication Capabilities: malformed packet: 1 bytes of data, not 4"},
		{"lan: type", lanConfig(), func(p *peer) { p.capable = 1 << Straight }, ErrAuthType, "the BMC has 10h, asked for [MD5]"},
		{"lan: user", lanConfig(), answer(getSessionChallenge, 0x81), ErrUser, "Get Session Challenge: unknown user (completion code 81h)"},
		{"lan: challenge cut short", lanConfig(), answer(getSessionChallenge, make([]byte, 1+19)...), ErrMalformed, "19 bytes of data, not 20"},
		{"lan: no session", lanConfig(), answer(activateSession, 0x81), ErrSessions, "Activate Session: no free session (completion code 81h)"},
		{"lan: password", lanConfig(), answer(activateSession, 0x85), ErrPassword, "Activate Session: wrong password or user (completion code 85h)"},
		{"lan: privilege", lanConfig(), answer(activateSession, 0x86), ErrPrivilege, "completion code 86h"},
		{"lan: activation cut short", lanConfig(), answer(activateSession, make([]byte, 1+9)...), ErrMalformed, "9 bytes of data, not 10"},
		{"lan: other type", lanConfig(), answer(activateSession, 0, byte(Straight), 77, 0, 0, 0, 9, 0, 0, 0, 4), ErrDowngrade, "asked for MD5, got straight password for the packets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
				if tt.peer != nil {
					tt.peer(p)
				}
				_, err := p.opener(tt.config).open(ctx)
				p.open = p.open && !errors.Is(err, ErrKg) && !errors.Is(err, ErrPassword) && !errors.Is(err, ErrMalformed) // those cannot be closed
				checkKind(t, err, tt.want)
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %v, want %q in it", err, tt.text)
				}
				if took := time.Since(p.start); took != 0 && (took > 2*hearing || tt.want != ErrPassword && tt.want != ErrKg) { //nolint:errorlint // the kind itself is compared
					t.Errorf("took %s", took)
				}
				if n := p.counts[activateSession.name]; n > 1 {
					t.Errorf("tried %d times: users are locked out so", n)
				}
			})
		})
	}
}

func TestStatusKinds(t *testing.T) {
	for want, all := range map[error][]byte{
		ErrSuite:     {0x04, 0x05, 0x06, 0x07, 0x10, 0x11},
		ErrSessions:  {0x01, 0x0B},
		ErrPrivilege: {0x09, 0x0A},
		ErrUser:      {0x0C, 0x0D},
		ErrPassword:  {0x0F},
		nil:          {0x02, 0x03, 0x08, 0x0E, 0x12, 0xFF},
	} {
		for _, status := range all {
			checkKind(t, &StatusError{"RAKP 1", status}, want)
		}
	}
}

// checkKind fails the test unless err is of that kind alone.
func checkKind(t *testing.T, err, want error) {
	t.Helper()
	for _, kind := range []error{ErrNoAnswer, ErrPassword, ErrUser, ErrKg, ErrPrivilege, ErrSuite, ErrAuthType, ErrDowngrade, ErrSessions, ErrMalformed, ErrTooLong, ErrConfig} {
		if is := errors.Is(err, kind); is != (kind == want) { //nolint:errorlint // the kinds themselves are compared
			t.Errorf("%v: is %q: %t", err, kind, is)
		}
	}
}

// The BMC hears of a password that it could not prove, so that its session is free.
func TestPasswordIsReported(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		p.password = "other"
		_, err := p.opener(Config{}).open(ctx)
		checkKind(t, err, ErrPassword)
		if got := p.steps(); got[len(got)-1] != "RAKP 3 with status 0F" {
			t.Errorf("the peer saw %q", got)
		}
	})
}

// The next suite is tried when the BMC does not have the first, or answers as if it
// had been asked for another.
func TestNextSuite(t *testing.T) {
	other := alter("open", 1, func(reply []byte) [][]byte { reply[16+16] = 1; return [][]byte{reply} })
	for name, prepare := range map[string]func(*peer){
		"refused": func(p *peer) { p.suites = []int{3} },
		"other":   func(p *peer) { p.fault = other },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
				prepare(p)
				s, err := p.opener(Config{}).open(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if want := "lanplus session with BMC 192.0.2.1:623, cipher suite 3, OPERATOR"; s.String() != want {
					t.Errorf("%s, want %s", s, want)
				}
			})
		})
	}
	t.Run("pinned", func(t *testing.T) {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			p.fault = other
			_, err := p.opener(Config{Suites: []int{17}}).open(ctx)
			checkKind(t, err, ErrDowngrade)
		})
	})
}

// A success that anyone could have sent opens no session.
func TestUnprovenActivation(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		p.fault = alter(activateSession.name, 9, func(reply []byte) [][]byte {
			forged, err := unpack(reply)
			if err != nil {
				t.Fatal(err)
			}
			forged.authType = None
			return [][]byte{forged.pack()}
		})
		_, err := p.opener(lanConfig()).open(ctx)
		checkKind(t, err, ErrDowngrade)
		p.open = false // the peer has not opened one, whatever it was made to say
	})
}

// A BMC that wants no more authentication once the user is logged in is left, with the
// session closed.
func TestPacketsWithoutCode(t *testing.T) {
	for _, authType := range []AuthType{MD5, Straight} {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			p.answers[activateSession.code] = []byte{0, byte(None), 77, 0, 0, 0, 9, 0, 0, 0, 4}
			_, err := p.opener(Config{Interface: Lan, AuthTypes: []AuthType{authType}}).open(ctx)
			checkKind(t, err, ErrDowngrade)
			if n := p.counts[closeSession.name]; n != 1 {
				t.Errorf("closed %d times", n)
			}
		})
	}
}

// One lost reply costs one wait, whatever it is.
func TestLostReply(t *testing.T) {
	for _, config := range []Config{{}, lanConfig()} {
		steps := []string{getChannelCapabilities.name, "open", "RAKP 1", "RAKP 3", setSessionPrivilege.name, getChassisStatus.name}
		if config.Interface == Lan {
			steps = []string{getChannelCapabilities.name, getSessionChallenge.name, setSessionPrivilege.name, getChassisStatus.name}
		}
		for _, lost := range steps {
			t.Run(config.Interface.String()+" "+lost, func(t *testing.T) {
				bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
					p.fault = lose(lost, 1)
					s, err := p.opener(config).open(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := s.ChassisStatus(ctx); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(p.start); took != 500*time.Millisecond {
						t.Errorf("took %s", took)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// A step that stays silent is begun again from a new port, with a new ID, a new tag
// and new random numbers, and not for ever.
func TestRestart(t *testing.T) {
	const logins = 10 // five with each suite
	for _, silent := range []string{"open", "RAKP 1", "RAKP 3"} {
		t.Run(silent, func(t *testing.T) {
			bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
				p.fault = lose(silent, 99)
				_, err := p.opener(Config{}).open(ctx)
				checkKind(t, err, ErrNoAnswer)
				var silence *NoAnswerError
				if !errors.As(err, &silence) || !strings.HasPrefix(silence.Step, strings.ToUpper(silent[:1])) {
					t.Errorf("error %v does not name the step", err)
				}
				if took := time.Since(p.start); took != logins*silenceLimit {
					t.Errorf("took %s", took)
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v: says that the time of the caller is over", err)
				}
				seen := map[string]int{}
				for _, a := range p.arrivals {
					if a.step == "open" {
						payload := a.raw[16:]
						seen[fmt.Sprintf("port %d", a.port)]++
						seen[fmt.Sprintf("tag %x", payload[0])]++
						seen[fmt.Sprintf("ID %x", payload[4:8])]++
					}
					if a.step == silent && silent == "RAKP 1" {
						seen[fmt.Sprintf("number %x", a.raw[16+8:16+24])]++
					}
				}
				want := 3 * logins
				if silent == "RAKP 1" {
					want = 4 * logins
				}
				if len(seen) != want {
					t.Errorf("ports, tags, IDs and random numbers: %v", seen)
				}
				p.open = false // what the answer to RAKP 3 would have told was never heard
			})
		})
	}
}

// A reply that is not to what was sent in this login is not taken.
func TestForeignReplies(t *testing.T) {
	change := func(place int, bits byte) func([]byte) [][]byte {
		return func(reply []byte) [][]byte { reply[place] ^= bits; return [][]byte{reply} }
	}
	for name, change := range map[string]func([]byte) [][]byte{
		"RMCP version": change(0, 1), "RMCP class": change(3, 1),
		"format": change(4, 0x20), "payload type": change(5, 0x20), "authenticated": change(5, flagAuthenticated),
		"encrypted": change(5, flagEncrypted), "packet of a session": change(6, 1), "tag": change(16, 1), "session": change(20, 1),
		"empty":    func(reply []byte) [][]byte { return [][]byte{outsidePlus(reply[5], nil)} },
		"one byte": func(reply []byte) [][]byte { return [][]byte{outsidePlus(reply[5], reply[16:17])} },
	} {
		for _, step := range []string{"open", "RAKP 1", "RAKP 3"} {
			t.Run(step+" "+name, func(t *testing.T) {
				bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
					p.fault = alter(step, 1, change)
					s, err := p.opener(Config{}).open(ctx)
					if err != nil {
						t.Fatal(err)
					}
					s.Close()
					if took := time.Since(p.start); took != 500*time.Millisecond {
						t.Errorf("took %s", took)
					}
				})
			})
		}
	}
}

// Nothing is sent in a session that the BMC may not have opened: there are BMCs that
// it makes crash.
func TestNothingBeforeRAKP4(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		p.fault = lose("RAKP 3", 2)
		s, err := p.opener(Config{}).open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		want := []string{
			getChannelCapabilities.name, "open", "RAKP 1", "RAKP 3", "RAKP 3",
			"open", "RAKP 1", "RAKP 3", setSessionPrivilege.name, closeSession.name,
		}
		if got := p.steps(); !slices.Equal(got, want) {
			t.Errorf("the peer saw %q, want %q", got, want)
		}
	})
}

// A BMC that has forgotten a session is asked for a new one.
func TestForgotten(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		p.fault = alter("RAKP 1", 1, func(reply []byte) [][]byte {
			return [][]byte{outsidePlus(payloadRAKP2, []byte{reply[16], 0x02, 0, 0})}
		})
		s, err := p.opener(Config{}).open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	})
}

// A BMC that takes a new random number for every copy of RAKP 1, and is so slow that it
// is sent two, does not make a right password wrong.
func TestSlowRAKP2(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		const slow = 700 * time.Millisecond
		p.fault = func(step string, _ int, reply []byte) [][]byte {
			if step != "RAKP 1" {
				return [][]byte{reply}
			}
			inbox := p.ports[len(p.ports)-1].inbox
			time.AfterFunc(slow, func() { inbox <- reply })
			return nil
		}
		s, err := p.opener(Config{}).open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if took := time.Since(p.start); took != 2*slow+2*settles[1] {
			t.Errorf("took %s: %q", took, p.steps())
		}
	})
}

// With lan a BMC that is sent a wrong password says nothing.
func TestLanPassword(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		p.password = "other"
		_, err := p.opener(lanConfig()).open(ctx)
		checkKind(t, err, ErrPassword)
		if took := time.Since(p.start); took != 2800*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
}

// The password is not wrong when a BMC that has taken it, and whose answer was lost, does
// not know the session of the copy; but it is when that happens again.
func TestLanActivationRepeated(t *testing.T) {
	for _, logins := range []int{1, 2, 3} {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			p.fault = func(step string, n int, reply []byte) [][]byte {
				switch {
				case step == activateSession.name && n <= 2*logins && n%2 == 1:
					p.answers[activateSession.code] = []byte{0x85}
					return nil
				case step == activateSession.name:
					delete(p.answers, activateSession.code)
				}
				return [][]byte{reply}
			}
			s, err := p.opener(lanConfig()).open(ctx)
			if logins < len(settles) && err == nil {
				s.Close()
				return
			}
			checkKind(t, err, ErrPassword)
			if n := p.counts[activateSession.name]; n != 2*len(settles) {
				t.Errorf("%d copies: %v", n, err)
			}
			p.open = false // nobody heard of it
		})
	}
}

// With lan too a login that is met by silence is begun again from a new port.
func TestLanChallengeLost(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		p.fault = lose(getSessionChallenge.name, 99)
		_, err := p.opener(lanConfig()).open(ctx)
		checkKind(t, err, ErrNoAnswer)
		if took := time.Since(p.start); took != 9*silenceLimit || len(p.ports) != 1+9 {
			t.Errorf("took %s and %d ports", took, len(p.ports))
		}
	})
}

// One activation that is met by silence is not yet a wrong password.
func TestLanActivationLost(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		p.fault = lose(activateSession.name, 2) // all of one login
		s, err := p.opener(lanConfig()).open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	})
}

// Without an answer the caller's time is used up, with resends at a known pace.
func TestSilence(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
		defer cancel()
		p.fault = lose(getChannelCapabilities.name, 99)
		_, err := p.opener(Config{}).open(ctx)
		checkKind(t, err, ErrNoAnswer)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer to Get Channel Authentication Capabilities") {
			t.Errorf("error %v", err)
		}
		want := []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond, 5500 * time.Millisecond, 7500 * time.Millisecond}
		if got := p.times(getChannelCapabilities.name); !slices.Equal(got, want) {
			t.Errorf("sent at %v, want %v", got, want)
		}
		if took := time.Since(p.start); took != 8*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// A caller that goes away is not kept.
func TestCancelled(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(700*time.Millisecond, cancel)
		p.fault = lose("RAKP 1", 99)
		_, err := p.opener(Config{}).open(ctx)
		checkKind(t, err, ErrNoAnswer)
		if took := time.Since(p.start); took != 700*time.Millisecond || !errors.Is(err, context.Canceled) {
			t.Errorf("took %s: %v", took, err)
		}
	})
}

// Any address that answers is enough; a dead one costs one wait.
func TestAddresses(t *testing.T) {
	tests := []struct {
		name      string
		addresses []string
		took      time.Duration
		at        string
	}{
		{"first", []string{"192.0.2.1:623", "192.0.2.9:623"}, 0, "192.0.2.1:623"},
		{"second", []string{"192.0.2.9:623", "192.0.2.1:1623"}, silenceLimit, "192.0.2.1:1623"},
		{"of a name", []string{"192.0.2.9:623", "bmc.example:623"}, silenceLimit, "192.0.2.1:623"},
		{"IPv6", []string{"[2001:db8::1]:623"}, 0, "[2001:db8::1]:623"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
				s, err := p.opener(Config{Addresses: tt.addresses}, "192.0.2.9").open(ctx)
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				if took := time.Since(p.start); took != tt.took || !strings.Contains(s.String(), " "+tt.at+",") {
					t.Errorf("%s after %s", s, took)
				}
			})
		})
	}
	t.Run("none", func(t *testing.T) {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			_, err := p.opener(Config{Addresses: []string{"192.0.2.8:1", "192.0.2.9:1"}}, "192.0.2.8", "192.0.2.9").open(ctx)
			checkKind(t, err, ErrNoAnswer)
			if took := time.Since(p.start); took != budget || strings.Count(err.Error(), "BMC 192.0.2.") != 2 {
				t.Errorf("took %s: %v", took, err)
			}
		})
	})
	t.Run("refusal", func(t *testing.T) {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			p.password = "other"
			_, err := p.opener(Config{Addresses: []string{"bmc.example:623"}}).open(ctx)
			checkKind(t, err, ErrPassword)
			if n := p.counts["open"]; n != 1 {
				t.Errorf("tried %d times: users are locked out so", n)
			}
		})
	})
}

// No BMC starts to listen because it is refused: the pace is kept, and the cause told.
func TestNobodyListens(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().String()
	conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = NewOpener(Config{Addresses: []string{address}}).Open(ctx)
	checkKind(t, err, ErrNoAnswer)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}

// The same over sockets.
func TestOverUDP(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		conn, err := net.ListenPacket("udp", network)
		if err != nil {
			t.Fatal(err)
		}
		p, done := newPeer(), make(chan struct{})
		go func() {
			defer close(done)
			for buffer := make([]byte, maxPacket); ; {
				n, from, err := conn.ReadFrom(buffer)
				if err != nil {
					return
				}
				for _, reply := range p.take(0, buffer[:n]) {
					conn.WriteTo(reply, from) //nolint:errcheck // it is sent again
				}
			}
		}()
		for _, kind := range []Interface{Lanplus, Lan} {
			s, err := NewOpener(Config{Addresses: []string{conn.LocalAddr().String()}, User: rightUser, Password: rightPassword, Interface: kind}).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if state, err := s.ChassisStatus(t.Context()); err != nil || !state.PowerOn {
				t.Errorf("%s: %+v, %v", s, state, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		conn.Close()
		<-done
	}
}

// A BMC whose own code is right knows the password, so what it refuses after that is not
// blamed on it. It is asked a few times only, in case it counts them.
func TestRefusedAfterProof(t *testing.T) {
	for _, status := range []byte{0x02, 0x08, 0x0C, 0x0D, 0x0F, 0x12, 0xFF} {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			p.fault = alter("RAKP 3", 99, func(reply []byte) [][]byte {
				return [][]byte{outsidePlus(reply[5], []byte{reply[16], status})}
			})
			_, err := p.opener(Config{}).open(ctx)
			checkKind(t, err, nil)
			if n := p.counts["RAKP 3"]; n != len(settles)+1 || !strings.Contains(err.Error(), "another copy of a message") {
				t.Errorf("status %02Xh: %d proofs, %v", status, n, err)
			}
			p.open = false // the peer has opened it, whatever it was made to say
		})
	}
}

// A session that has lost its privilege to a copy of its own login asks for it again, once.
func TestPrivilegeLost(t *testing.T) {
	for lost, want := range map[int]error{1: nil, 99: ErrPrivilege} {
		inSession(t, func(ctx context.Context, t *testing.T, p *peer, s *Session) {
			p.fault = func(step string, n int, reply []byte) [][]byte {
				if step == chassisControl.name && n >= lost {
					delete(p.answers, chassisControl.code) // for the next one
				}
				return [][]byte{reply}
			}
			p.answers[chassisControl.code] = []byte{0xD4}
			if err := s.ChassisControl(ctx, Down); !errors.Is(err, want) {
				t.Errorf("lost %d times: %v after %q", lost, err, p.steps())
			}
			if n := p.counts[setSessionPrivilege.name]; n != 2 {
				t.Errorf("asked for the privilege %d times", n)
			}
		})
	}
}
