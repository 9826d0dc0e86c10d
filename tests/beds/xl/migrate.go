//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

// migrate sends a guest to another host, by a shell that runs ssh, or, with an empty -s,
// whatever HOST says.
func (x toolstack) migrate(c call) int {
	d, code := x.moved(c.args[0])
	if code != 0 {
		return code
	}
	transport := c.args[1]
	if command, ok := c.values['s']; !ok || command != "" {
		if !ok {
			command = "ssh"
		}
		transport = fmt.Sprintf("exec %s %s xl migrate-receive", command, c.args[1])
	}
	signal.Ignore(syscall.SIGPIPE)
	child := exec.Command("/bin/sh", "-c", transport)
	child.Args[0], child.Stderr = "sh", x.stderr
	to, err := child.StdinPipe()
	if err != nil {
		return x.fail(err, 1)
	}
	from, err := child.StdoutPipe()
	if err != nil {
		return x.fail(err, 1)
	}
	if err := child.Start(); err != nil {
		return x.fail(err, 1)
	}
	return x.sendAway(d, to.(*os.File), from)
}

// sendAway is the sender's part of migrate_domain in tools/xl/xl_migrate.c.
func (x toolstack) sendAway(d domain, to *os.File, from io.Reader) int {
	fails := func(text string) int {
		_ = to.Close() // which ends the other side
		fmt.Fprintf(x.stderr, "%s\nMigration failed, resuming at sender.\n", text)
		_ = x.resume(d.ID) // it may run yet
		return 1
	}
	if !x.expect(from, banner, "banner") {
		return 1
	}
	if err := x.writeHeader(to, "migration stream", d); err != nil {
		return fails(err.Error())
	}
	if err := x.sendStream(to, d.ID, true); err != nil {
		return fails("migration sender: libxl_domain_suspend failed (rc=-3)")
	}
	if !x.expect(from, received, "ready message") {
		return fails("")
	}
	fmt.Fprint(x.stderr, "migration sender: Target has acknowledged transfer.\n")
	away := func(name string) error {
		return x.host.update(func(s *state) error {
			its := s.domain(d.ID)
			if its == nil {
				return errNoDomain
			}
			return s.rename(its, name)
		})
	}
	if err := away(d.Name + "--migratedaway"); err != nil {
		return fails(err.Error())
	}
	fmt.Fprint(x.stderr, "migration sender: Giving target permission to start.\n")
	answer := make([]byte, len(report)+1)
	if _, err := io.WriteString(to, goAhead); err != nil {
		return x.refuse(1, "** Migration failed during final handshake **\n")
	}
	if _, err := io.ReadFull(from, answer); err != nil || !strings.HasPrefix(string(answer), report) {
		return x.refuse(1, "** Migration failed during final handshake **\n")
	}
	if status := answer[len(report)]; status != 0 {
		_ = away(d.Name) // as xl does
		_ = x.resume(d.ID)
		return x.refuse(1, "migration sender: Target reports startup failure (status code %d).\nMigration failed due to problems at target.\n", status)
	}
	fmt.Fprint(x.stderr, "migration sender: Target reports successful startup.\n")
	if err := x.host.update(func(s *state) error { return s.remove(d.ID) }); err != nil {
		return x.fail(err, 1)
	}
	fmt.Fprint(x.stderr, "Migration successful.\n")
	return 0
}
