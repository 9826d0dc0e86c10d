package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/gateline"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A gate is what authorized_keys says of one key.
type gate struct{ gateline.Options }

// runGate answers a request that it refuses. All others it passes on, and is
// then replaced by sudo, which brings the answer.
func runGate(args []string) int {
	request := os.Getenv("SSH_ORIGINAL_COMMAND")
	record := audit{log: systemLog(), Account: "gate", Source: clientAddress(os.Getenv("SSH_CONNECTION")), previous: wire.IsPrevious(request)}
	os.Clearenv() // the rest is the client's, where sshd lets it pass: TZ would date the audit
	options, err := gateline.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "dom0-helper: error: gate: bad-config: %s\n", printable.Line(err.Error()))
		return record.finish(refuse("", wire.BadConfig, "forced command: %v", err))
	}
	g := &gate{options}
	record.Client = g.Client
	record.legacy = wire.IsLegacy(request)
	judge := g.judge
	if record.legacy {
		judge = g.judgeLegacy
	}
	r, refusal := judge(request)
	record.note(r, request)
	if refusal != nil {
		return record.finish(*refusal)
	}
	relay := wire.Relay{Request: r, Legacy: record.legacy, Client: g.Client, Source: record.Source}
	err = g.become(relay.String())
	return record.finish(wire.Answer{ID: r.ID, Status: wire.Failed, Reason: wire.DeviceError, Text: wire.Clean(err.Error())})
}

// judge parses the request and applies the allow-list of the key.
func (g *gate) judge(line string) (wire.Request, *wire.Answer) {
	r, err := wire.ParseRequest(line)
	if err != nil {
		refusal := refuse("", wire.BadRequest, "%v", err)
		return wire.Request{}, &refusal
	}
	return g.restrict(r)
}

// restrict applies the allow-list, which stands for all guests if r names none.
func (g *gate) restrict(r wire.Request) (wire.Request, *wire.Answer) {
	for _, guest := range r.Guests {
		if !slices.Contains(g.Allow, guest) {
			refusal := refuse(r.ID, wire.NotPermitted, "client %s may not control guest %s", g.Client, guest)
			return r, &refusal
		}
	}
	if len(r.Guests) == 0 {
		r.Guests = g.Allow
	}
	return r, nil
}

// become replaces this process by sudo and the root half, with line on their
// standard input. It returns only an error.
func (g *gate) become(line string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := []string{g.Sudo, "-n", self, "root"}
	if g.Policy != "" {
		argv = append(argv, "--policy", g.Policy)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	// A pipe holds 64 KiB, and the longest line is far shorter, so this cannot block.
	if _, err := writer.WriteString(line + "\n"); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	if err := syscall.Dup3(int(reader.Fd()), 0, 0); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", g.Sudo, syscall.Exec(g.Sudo, argv, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}))
}

// clientAddress returns the first word of SSH_CONNECTION, sshd(8).
func clientAddress(connection string) string {
	address, _, _ := strings.Cut(connection, " ")
	if wire.CheckWord(address) != nil {
		return "unknown"
	}
	return address
}
