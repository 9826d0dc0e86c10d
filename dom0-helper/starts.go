package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// countStart counts one more start of the guest, unless the policy has enough of
// them, and returns what takes that back if nothing comes of it. A count that
// cannot be read or kept is none: the guest is not started. The caller has the
// guest's lock.
func (h *host) countStart(guest string) (takeBack func(), err error) {
	if h.starts.Number == 0 {
		return func() {}, nil
	}
	starts, err := h.recentStarts(guest)
	if err != nil {
		return nil, fmt.Errorf("starts of guest %s: %w", guest, err)
	}
	if n := h.starts.Number; len(starts) >= n {
		next := starts[len(starts)-n].Add(h.starts.Within).UTC()
		return nil, failf(wire.NotPermitted, "guest %s was started %d times within %s, and the policy allows no more before %s",
			guest, len(starts), h.starts.Within, next.Format(time.RFC3339))
	}
	if err := h.keepStarts(guest, append(starts, time.Now())); err != nil {
		return nil, fmt.Errorf("starts of guest %s: %w", guest, err)
	}
	return func() { _ = h.keepStarts(guest, starts) }, nil // one too many is to the safe side
}

func (h *host) keepStarts(guest string, starts []time.Time) error {
	var lines strings.Builder
	for _, t := range starts {
		lines.WriteString(t.UTC().Format(time.RFC3339) + "\n")
	}
	return h.keep(guest+".starts", []byte(lines.String()))
}

// recentStarts returns the starts that count still. If the clock was set back,
// some are in the future, and count.
func (h *host) recentStarts(guest string) ([]time.Time, error) {
	text, err := trust.Read(filepath.Join(h.stateDir, guest+".starts"), wire.MaxAnswer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var starts []time.Time
	for line := range strings.Lines(string(text)) {
		t, err := time.Parse(time.RFC3339, strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		if time.Since(t) < h.starts.Within {
			starts = append(starts, t)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts, nil
}
