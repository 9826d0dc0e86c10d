//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// restore makes a guest from a file.
func (x toolstack) restore(c call) int {
	if len(c.args) < 1 || len(c.args) > 2 {
		fmt.Fprint(x.stdout, usage("restore"))
		return 1
	}
	path := c.args[len(c.args)-1]
	file, err := os.Open(path)
	if cause, ok := errors.AsType[*os.PathError](err); ok {
		return x.refuse(1, "Can't open restore file: %s\n", complaint(cause))
	}
	defer file.Close()
	wanted, err := x.readHeader(file, path)
	if err == nil && len(c.args) == 2 {
		wanted, err = x.readConfig(c.args[0], "", c)
	}
	if err != nil {
		return x.fail(err, 1)
	}
	time.Sleep(x.host.setting("fault/restore-ms", 0)) // as one that frees memory
	id, err := x.rebuild(wanted, file, c.has('e'))
	if err == nil && !c.has('p') {
		err = x.change(id, func(d *domain) error { d.Pauses = 0; return nil })
	}
	if err != nil {
		return x.fail(err, 1)
	}
	return 0
}

// rebuild makes a domain from a stream. It has its name from the start, is paused, and
// is left behind if this xl is killed.
func (x toolstack) rebuild(wanted spec, stream *os.File, unwatched bool) (id int, err error) {
	b := &building{host: x.host, wanted: wanted, finish: func(s *state, d *domain) error {
		d.Pauses = 1
		if unwatched {
			return nil
		}
		return x.host.attend(s, *d)
	}}
	err = x.host.update(func(s *state) error {
		b.reserve(s)
		return errors.Join(b.do(s, b.name), b.do(s, b.addVCPU))
	})
	if err != nil {
		return 0, err
	}
	if err := x.move("--restore-domain", b.id, stream, "1", "0", "2", "0", "3", "0"); err != nil {
		_ = x.host.update(func(s *state) error { return s.remove(b.id) }) // it may have been destroyed
		return 0, refusal{fmt.Sprintf("libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain %d:cannot (re-)build domain: -3\n", b.id), 1}
	}
	return b.id, x.host.update(func(s *state) error { return b.do(s, b.start) })
}

// The words of a migration (tools/xl/xl.h).
const (
	banner   = "xl migration receiver ready, send binary domain data.\n"
	received = "domain received, ready to unpause\x00"
	goAhead  = "domain is yours, you are cleared to unpause\x00"
	report   = "my copy unpause results are as follows\x00"
)

// receive takes a guest that another host sends. It has a name of its own until it is started.
func (x toolstack) receive(c call) int {
	signal.Ignore(syscall.SIGPIPE)
	fmt.Fprint(x.stderr, "migration target: Ready to receive domain.\n")
	if _, err := io.WriteString(os.Stdout, banner); err != nil {
		return 1
	}
	wanted, err := x.readHeader(os.Stdin, "<incoming migration stream>")
	if err != nil {
		return x.fail(err, 1)
	}
	final := wanted.Name
	wanted.Name += "--incoming"
	id, err := x.rebuild(wanted, os.Stdin, c.has('e'))
	if err != nil {
		fmt.Fprint(x.stderr, "migration target: Domain creation failed (code -3).\n")
		return x.fail(err, 1)
	}
	fmt.Fprint(x.stderr, "migration target: Transfer complete, requesting permission to start domain.\n")
	if _, err := io.WriteString(os.Stdout, received); err != nil {
		return 1 // and the domain stays, paused
	}
	status := byte(1)
	if x.expect(os.Stdin, goAhead, "GO message") && x.host.update(func(s *state) error { return s.startReceived(id, final, c.has('p')) }) == nil {
		fmt.Fprint(x.stderr, "migration target: Got permission, starting domain.\nmigration target: Domain started successsfully.\n")
		status = 0
	}
	if _, err := os.Stdout.Write(append([]byte(report), status)); err != nil {
		return 1
	}
	if status != 0 {
		fmt.Fprint(x.stderr, "migration target: Failure, destroying our copy.\n")
		_ = x.host.update(func(s *state) error { return s.remove(id) }) // it may be gone
		_, _ = io.WriteString(os.Stdout, goAhead)
	}
	return 0
}

// startReceived gives a domain its name and lets it run.
func (s *state) startReceived(id int, name string, paused bool) error {
	d := s.domain(id)
	if d == nil {
		return errNoDomain
	}
	if err := s.rename(d, name); err != nil {
		return err
	}
	if !paused {
		d.Pauses = 0
	}
	return nil
}

// expect reads a fixed message of a migration.
func (x toolstack) expect(r io.Reader, message, what string) bool {
	got := make([]byte, len(message))
	_, err := io.ReadFull(r, got)
	if err != nil || string(got) != message {
		fmt.Fprintf(x.stderr, "libxl: error: libxl_utils.c:507:libxl_read_exactly: file/stream truncated reading %s from migration stream\n", what)
		return false
	}
	return true
}
