package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

func TestReadLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", wire.MaxRequest)
	broken := errors.New("broken pipe")
	tests := []struct {
		name       string
		in         io.Reader
		want, text string // the line, or the error
	}{
		{"line", strings.NewReader("a b\n"), "a b", ""},
		{"in pieces", iotest.OneByteReader(strings.NewReader("a b\n")), "a b", ""},
		{"empty line", strings.NewReader("\n"), "", ""},
		{"carriage return", strings.NewReader("a\r\n"), "a\r", ""},
		{"long line", strings.NewReader(long + "\n"), long, ""},
		{"nothing", strings.NewReader(""), "", "not one line"},
		{"no end", strings.NewReader("a"), "", "not one line"},
		{"two lines", strings.NewReader("a\nb\n"), "", "not one line"},
		{"empty second line", strings.NewReader("a\n\n"), "", "not one line"},
		{"second line without end", strings.NewReader("a\nb"), "", "not one line"},
		{"too long", strings.NewReader(strings.Repeat("x", 1<<20) + "\n"), "", "not one line"},
		{"broken", iotest.ErrReader(broken), "", "broken pipe"},
		{"broken after a line", io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)), "", "broken pipe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := readLine(test.in, time.Minute)
			switch {
			case test.text != "" && (err == nil || !strings.Contains(err.Error(), test.text)):
				t.Errorf("readLine: error %v, want %q", err, test.text)
			case test.text == "" && (err != nil || got != test.want):
				t.Errorf("readLine = %.80q, %v, want %.80q", got, err, test.want)
			}
		})
	}
}

// A line that came does not help if what follows does not come.
func TestReadLineLimit(t *testing.T) {
	t.Parallel()
	for _, begin := range []string{"", "dom0/2 off", "dom0/2 off node-1 7\n"} {
		synctest.Test(t, func(t *testing.T) {
			reader, writer := io.Pipe()
			defer writer.Close()
			go func() { _, _ = io.WriteString(writer, begin) }()
			start := time.Now()
			line, err := readLine(reader, requestLimit)
			if err == nil || err.Error() != "no request within 5s" {
				t.Errorf("readLine = %q, %v, want no request", line, err)
			}
			requireTook(t, start, requestLimit)
		})
	}
}

func TestReasonOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want string
	}{
		{errors.New("a"), wire.DeviceError},
		{context.Canceled, wire.DeviceError},
		{context.DeadlineExceeded, wire.TimedOut},
		{fmt.Errorf("a: %w", context.DeadlineExceeded), wire.TimedOut},
		{errors.Join(errors.New("a"), context.DeadlineExceeded), wire.TimedOut},
		{failf(wire.StillOn, "a"), wire.StillOn},
		{failf(wire.StillOn, "a: %w", context.DeadlineExceeded), wire.StillOn},
		{fmt.Errorf("a: %w", failf(wire.NotFound, "b")), wire.NotFound},
		{errors.Join(errors.New("a"), failf(wire.NotFound, "b")), wire.NotFound},
	}
	for _, test := range tests {
		if got := reasonOf(test.err); got != test.want {
			t.Errorf("reasonOf(%v) = %q, want %q", test.err, got, test.want)
		}
	}
	if err := failf(wire.StillOn, "a: %w", os.ErrNotExist); !errors.Is(err, os.ErrNotExist) || err.Error() != "a: file does not exist" {
		t.Errorf("failf = %v, want the error that it wraps", err)
	}
}

// TestServe is not parallel: a script that is being written could not be run
// while a child of another test, which is just being started, has it open.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const guest = "unit-test-serve-1"
	rule := "guest " + guest + " account cluster config " + put("a.cfg", "name = \""+guest+"\"\n") + "\n"
	if err := os.Mkdir(dir+"/well", 0o700); err != nil {
		t.Fatal(err)
	}
	put("list", "Name ID Mem VCPUs State Time(s)\nDomain-0 0 512 1 r----- 80.5\n")
	xm := put("well/xm", "#!/bin/sh\nexec /bin/cat "+dir+"/list\n") // not xl: what runs on this machine must not count
	keep := "state " + filepath.Join(dir, "state") + "\n"
	good := put("policy", rule+keep+"toolstack "+xm+"\n")
	state := wire.Request{Verb: wire.State, Guests: []string{guest}, ID: "7"}
	list := wire.Request{Verb: wire.List, Guests: []string{guest}, ID: "7"}
	several := wire.Request{Verb: wire.Check, Guests: []string{guest, guest + "0"}, ID: "7"}
	tests := []struct {
		name, policy, account string
		request               wire.Request
		want                  string
	}{
		{"list", good, "cluster", list, "dom0/2 7 ok " + guest + "=off"},
		{"no account", good, "", state, "dom0/2 7 refused not-permitted not run by sudo: SUDO_USER is not set"},
		{"root", good, "root", state, "dom0/2 7 refused not-permitted account root may not control guest " + guest},
		{"foreign guest", good, "cluster", several, "dom0/2 7 refused not-permitted account cluster may not control guest " + guest + "0"},
		{
			"client without a rule", put("client", rule+keep+"client d account cluster guests "+guest+"\n"), "cluster", state,
			"dom0/2 7 refused not-permitted client c of account cluster may not control guest " + guest,
		},
		{"no guest", good, "cluster", wire.Request{Verb: wire.List, ID: "7"}, "dom0/2 7 refused bad-request the request names no guest"},
		{"no policy", dir + "/missing", "cluster", state, "dom0/2 7 refused bad-config policy: " + dir + "/missing: no such file"},
		{"bad policy", put("bad", "a"), "cluster", state, "dom0/2 7 refused bad-config policy: " + dir + "/bad:1:1: "},
		{
			"no toolstack", put("none", rule+keep+"toolstack "+dir+"/no/xl"), "cluster", state,
			"dom0/2 7 refused bad-config toolstack: ",
		},
		{
			"other program", put("other", rule+keep+"toolstack "+good), "cluster", state,
			"dom0/2 7 refused bad-config toolstack " + good + " is neither xl nor xm",
		},
		{
			"ill toolstack", put("ill", rule+keep+"toolstack "+put("xm", "#!/bin/sh\necho ill >&2\nexit 3\n")), "cluster", state,
			"dom0/2 7 failed device-error xm list: exit status 3: ill",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := serve(t.Context(), test.policy, wire.Relay{Request: test.request, Client: "c", Source: "::1"}, &audit{Account: test.account})
			if got := answer.String(); !strings.HasPrefix(got, test.want) {
				t.Errorf("serve = %q, want %q", got, test.want)
			}
			parsed, err := wire.ParseAnswer(answer.String())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(answer, parsed); diff != "" {
				t.Errorf("the answer, written and read (-want +got):\n%s", diff)
			}
		})
	}
}
