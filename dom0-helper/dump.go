package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// dumpEnd is how long a dump that is over its time has to say why.
const dumpEnd = 500 * time.Millisecond

// dumpFirst keeps the memory of a guest that is about to be destroyed, if the
// policy wants it, and records what became of that. The fence waits for no more
// than the time that the policy gives, also if a disk hangs. Of several domains
// the first is kept: a guest that crashed and was replaced is it.
func (h *host) dumpFirst(ctx context.Context, guest string, domains []toolstack.Domain) {
	if h.dump.Dir == "" || len(domains) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.dump.Time)
	defer cancel()
	done := make(chan string, 1)
	go func() { done <- h.dumpDomain(ctx, guest, domains[0].ID) }()
	select {
	case h.record.Dump = <-done:
	case <-time.After(h.dump.Time + dumpEnd):
		h.record.Dump = fmt.Sprintf("failed: it does not end after %s", h.dump.Time)
	}
}

// dumpDomain writes the dump, which replaces the guest's last one when it is
// whole, and returns what became of it.
func (h *host) dumpDomain(ctx context.Context, guest string, id int) string {
	whole := filepath.Join(h.dump.Dir, guest+".core")
	partial := whole + ".partial"
	err := trust.MakeDir(h.dump.Dir)
	if err == nil {
		err = h.stack.Dump(ctx, id, partial, h.dump.Size)
	}
	if err == nil {
		err = os.Rename(partial, whole)
	}
	if err != nil {
		_ = os.Remove(partial) // it is of no use
		return "failed: " + err.Error()
	}
	return whole
}
