package main

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// An answer counts only if it is one whole line for the very request, and the exit status agrees.
func TestRead(t *testing.T) {
	failed := &ssh.ExitError{Waitmsg: ssh.Waitmsg{}}
	lost := &ssh.ExitMissingError{}
	tests := []struct {
		name, stdout, stderr string
		err                  error
		text                 string
		reason               stonith.Reason
		says                 string
	}{
		{name: "ok", stdout: "dom0/2 id-1 ok off\n", text: "off"},
		{name: "refused", stdout: "dom0/2 id-1 refused not-permitted account xen may not\n", err: failed, reason: stonith.NotPermitted, says: "account xen may not"},
		{name: "refused before the id was known", stdout: "dom0/2 - refused bad-request what\n", err: failed, reason: stonith.BadConfig, says: "what"},
		{name: "failed", stdout: "dom0/2 id-1 failed still-on domain 7\n", err: failed, reason: stonith.StillOn, says: "domain 7"},
		{name: "failed for a reason that is unknown here", stdout: "dom0/2 id-1 failed bad-weather rain\n", err: failed, reason: stonith.DeviceError, says: "bad-weather"},
		{name: "without the end of the line", stdout: "dom0/2 id-1 ok off", reason: stonith.UnknownState, says: "not understood"},
		{name: "of another request", stdout: "dom0/2 id-2 ok off\n", reason: stonith.UnknownState, says: "answered request id-2"},
		{name: "ok without an id", stdout: "dom0/2 - ok off\n", reason: stonith.UnknownState, says: "answered request -"},
		{name: "ok, but the command failed", stdout: "dom0/2 id-1 ok off\n", err: failed, reason: stonith.UnknownState, says: "contradict"},
		{name: "failed, but the command did not", stdout: "dom0/2 id-1 failed still-on x\n", reason: stonith.UnknownState, says: "contradict"},
		{name: "ok, but the end of the command is lost", stdout: "dom0/2 id-1 ok off\n", err: lost, reason: stonith.DeviceError, says: "without exit status"},
		{name: "a second line", stdout: "dom0/2 id-1 ok off\nmore\n", reason: stonith.UnknownState, says: "not understood"},
		{name: "a greeting before", stdout: "Welcome\ndom0/2 id-1 ok off\n", reason: stonith.UnknownState, says: "not understood"},
		{name: "empty", reason: stonith.UnknownState, says: "empty answer"},
		{name: "no sudo", stderr: "sudo: a password is required\n", err: failed, reason: stonith.NotPermitted, says: "a password is required"},
		{name: "ok of the previous version", stdout: "dom0/1 id-1 ok off\n", reason: stonith.UnknownState, says: "of another version than the request"},
		{name: "refused by the previous version", stdout: "dom0/1 - refused bad-request what\n", err: failed, reason: stonith.BadConfig, says: "its dom0-helper is older than this plugin"},
		{name: "another version", stdout: "dom0/3 id-1 ok off\n", reason: stonith.UnknownState, says: "dom0/3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := read(wire.Request{Verb: wire.State, Guests: []string{"g"}, ID: "id-1"}, tt.stdout, tt.stderr, tt.err)
			if text != tt.text || (err == nil) != (tt.reason == "") {
				t.Fatalf("read = %q, %v, want %q, %s", text, err, tt.text, tt.reason)
			}
			if err != nil && (stonith.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("read = %v (%s), want %q (%s)", err, stonith.ReasonOf(err), tt.says, tt.reason)
			}
		})
	}
}

// A refusal says what to look at on the Dom0.
func TestHintOfRefusal(t *testing.T) {
	for reason, want := range map[string]string{wire.BadRequest: "as new as this plugin", wire.NotPermitted: "--allow of the key's line", wire.StillOn: ""} {
		var err *stonith.Error
		if !errors.As(answered(wire.Answer{ID: "-", Status: wire.Refused, Reason: reason, Text: "no"}), &err) || !strings.Contains(err.Hint, want) || (want == "") != (err.Hint == "") {
			t.Errorf("%s: hint %q, want %q", reason, err.Hint, want)
		}
	}
}

func TestExitText(t *testing.T) {
	if got, want := exitText(nil), "exit status 0"; got != want {
		t.Errorf("exitText(nil) = %q, want %q", got, want)
	}
	if got, want := exitText(errors.New("x")), "x"; got != want {
		t.Errorf("exitText = %q, want %q", got, want)
	}
}

// FuzzRead: only one line is ever read as off.
func FuzzRead(f *testing.F) {
	f.Add("dom0/2 id-1 ok off\n")
	f.Add("dom0/2 id-1 ok off")
	f.Add("dom0/2 id-1 failed still-on off\n")
	f.Fuzz(func(t *testing.T, stdout string) {
		text, err := read(wire.Request{Verb: wire.State, Guests: []string{"g"}, ID: "id-1"}, stdout, "", nil)
		if err == nil && text == string(wire.GuestOff) && stdout != "dom0/2 id-1 ok off\n" {
			t.Errorf("%q is read as off", stdout)
		}
	})
}
