package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

// A scripted chassis answers as its words say, one a command.
type scripted struct {
	words          []string
	device, system rmcp.GUID
	guidErr        error
	acpiErr        error // that of a BMC without that command, if it is nil
}

func (s *scripted) next() string {
	word := s.words[0]
	s.words = s.words[1:]
	return word
}

func (s *scripted) failure(word string) error {
	switch word {
	case "busy":
		return &rmcp.CompletionError{Command: "a command", Code: 0xC0}
	case "lost":
		return rmcp.ErrMalformed
	case "slow":
		time.Sleep(3 * time.Second)
	case "late":
		time.Sleep(unheardLimit)
	}
	return nil
}

func (s *scripted) ChassisStatus(context.Context) (rmcp.Chassis, error) {
	word := s.next()
	return rmcp.Chassis{PowerOn: word == "on"}, s.failure(word)
}

func (s *scripted) ChassisControl(context.Context, rmcp.Control) error { return s.failure(s.next()) }

func (s *scripted) KeepRestorePolicy(context.Context) error { return s.failure(s.next()) }

func (s *scripted) DeviceGUID(context.Context) (rmcp.GUID, error) { return s.device, s.guidErr }

func (s *scripted) SystemGUID(context.Context) (rmcp.GUID, error) { return s.system, s.guidErr }

func (s *scripted) ACPIPower(context.Context) (rmcp.ACPIPower, error) {
	if s.acpiErr != nil {
		return rmcp.ACPIUnknown, s.acpiErr
	}
	return rmcp.ACPIUnknown, &rmcp.CompletionError{Command: "Get ACPI Power State", Code: 0xC1}
}

func (s *scripted) Starting(context.Context) (bool, error) { return false, nil }
func (s *scripted) Close() error                           { return nil }
func (s *scripted) String() string                         { return "script" }

// What a call has seen and sent decides what one more sight of an off node means.
func TestSight(t *testing.T) {
	for _, tt := range []struct {
		done   string // half a second apart: looks and requests with their answers
		ours   bool
		offFor time.Duration
	}{
		{"look=off", false, 0},
		{"look=on down=ok look=off", true, 0},
		{"look=on cycle=ok look=off", true, 0},
		{"look=on down=ok look=busy look=off", true, 0},
		{"look=on down=ok look=on look=off", true, 0},
		{"look=on down=busy look=off", false, 0},
		{"look=on down=ok down=busy look=off", false, 0},
		{"look=on down=ok up=ok look=off", false, 0},
		{"look=on down=ok reset=ok look=off", false, 0},
		{"look=on up=ok look=off", false, 0},
		{"look=on reset=ok look=off", false, 0},
		{"look=on look=off", false, 0},
		{"look=on look=off down=ok look=off", false, time.Second},
		{"look=on look=busy down=ok look=off", false, 0},
		{"look=on down=ok look=busy down=ok look=off", false, 0},
		{"look=on down=ok look=lost look=off", false, 0},
		{"look=on down=ok look=lost down=ok look=off", false, 0},
		{"look=on down=lost down=ok look=off", false, 0},
		{"look=on diag=ok down=ok look=off", true, 0},
		// There is no session whose loss would tell that the BMC has restarted.
		{"look=on down=ok look=late look=off", false, lookAgain},
		{"look=on down=late look=off", false, 0},
		{"look=off look=off look=late look=off", false, lookAgain},
		{"down=ok look=off", false, 0},
		{"look=off look=off", false, lookAgain},
		{"look=off look=off look=off", false, 2 * lookAgain},
		{"look=off look=slow", false, lookAgain},
		{"look=slow look=off", false, lookAgain},
		{"look=off look=on look=off", false, 0},
		{"look=off look=lost look=off", false, 0},
		{"look=off look=busy look=off", false, 2 * lookAgain},
		{"look=off look=busy look=busy look=off", false, 0}, // out of sight for too long
	} {
		synctest.Test(t, func(t *testing.T) {
			script := &scripted{}
			b := newBMC(access{login: func(context.Context) (chassis, error) { return script, nil }}, "", true)
			var last sight
			for i, word := range strings.Fields(tt.done) {
				what, answer, _ := strings.Cut(word, "=")
				if i > 0 {
					time.Sleep(lookAgain)
				}
				script.words = []string{answer}
				if what == "look" {
					last, _ = b.look(t.Context())
					continue
				}
				controls := []string{"down", "up", "cycle", "reset", "diag"}
				_ = b.control(t.Context(), rmcp.Control(slices.Index(controls, what)))
			}
			if last.ours != tt.ours || last.offFor != tt.offFor {
				t.Errorf("%s: ours %v, off for %s, want %v, %s", tt.done, last.ours, last.offFor, tt.ours, tt.offFor)
			}
		})
	}
}

// A chassis that is on a moment after it was read off is not off.
func TestOnDuringQuestion(t *testing.T) {
	script := &scripted{words: []string{"off", "on"}, acpiErr: rmcp.ErrNoAnswer}
	b := newBMC(access{login: func(context.Context) (chassis, error) { return script, nil }}, "", true)
	if s, err := b.look(t.Context()); err == nil || s.power == stonith.Off {
		t.Errorf("sight %+v, %v, want doubt", s, err)
	}
}

// A request for a reset is not repeated in another session, and a dump is asked for once.
func TestOnce(t *testing.T) {
	for control, logins := range map[rmcp.Control]int{rmcp.Down: 2, rmcp.Up: 2, rmcp.Cycle: 1, rmcp.Reset: 1, rmcp.Diag: 1} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			b := newBMC(access{login: func(context.Context) (chassis, error) { n++; return silentOnce{n}, nil }, lostAfter: lostAfter}, "", true)
			_ = b.control(t.Context(), control)
			if n != logins {
				t.Errorf("%s: %d logins, want %d", control, n, logins)
			}
		})
	}
	b := newBMC(access{login: func(context.Context) (chassis, error) { return &scripted{words: []string{"on", "ok"}}, nil }}, "", true)
	if _, err := b.look(t.Context()); err != nil || !b.mayDump() {
		t.Errorf("a node that is on gets no dump; %v", err)
	}
	if err := b.control(t.Context(), rmcp.Diag); err != nil || b.mayDump() {
		t.Errorf("a node gets a second dump; %v", err)
	}
}

// A silentOnce is the nth session; the first one is silent.
type silentOnce struct{ n int }

func (s silentOnce) ChassisControl(ctx context.Context, _ rmcp.Control) error {
	if s.n > 1 {
		return nil
	}
	<-ctx.Done()
	return rmcp.ErrNoAnswer
}

func (silentOnce) KeepRestorePolicy(context.Context) error             { return nil }
func (silentOnce) ChassisStatus(context.Context) (rmcp.Chassis, error) { return rmcp.Chassis{}, nil }
func (silentOnce) DeviceGUID(context.Context) (rmcp.GUID, error)       { return rmcp.GUID{}, nil }
func (silentOnce) SystemGUID(context.Context) (rmcp.GUID, error)       { return rmcp.GUID{}, nil }
func (silentOnce) ACPIPower(context.Context) (rmcp.ACPIPower, error)   { return 0, nil }
func (silentOnce) Starting(context.Context) (bool, error)              { return false, nil }
func (silentOnce) Close() error                                        { return nil }
func (silentOnce) String() string                                      { return "silent" }

// A BMC has a GUID of its own or of its system, in one of the orders of bytes.
func TestGUIDCheck(t *testing.T) {
	sent := rmcp.GUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	for pin, right := range map[guid]bool{
		"":                                      true,
		"000102030405060708090a0b0c0d0e0f":      true,
		"0f0e0d0c0b0a09080706050403020100":      true,
		"03020100050407060809" + "0a0b0c0d0e0f": true,
		"0c0d0e0f0a0b08090706050403020100":      true,
		"000102030405060708090a0b0c0d0e0e":      false,
		"000102030504070608090a0b0c0d0e0f":      false,
	} {
		for _, c := range []*scripted{{device: sent}, {system: sent}} {
			if err := pin.check(t.Context(), c); (err == nil) != right || err != nil && !errors.Is(err, errWrongBMC) {
				t.Errorf("%q: %v, want right: %v", pin, err, right)
			}
		}
	}
	pin := guid("000102030405060708090a0b0c0d0e0f")
	for what, want := range map[error]bool{
		&rmcp.CompletionError{Code: 0xC1}: true,
		&rmcp.CompletionError{Code: 0xC0}: false,
		rmcp.ErrNoAnswer:                  false,
	} {
		if err := pin.check(t.Context(), &scripted{guidErr: what}); err == nil || errors.Is(err, errWrongBMC) != want {
			t.Errorf("%v: %v, want another BMC: %v", what, err, want)
		}
	}
}
