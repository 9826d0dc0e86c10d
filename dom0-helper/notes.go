package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A note tells the Dom0's administrator why a guest died: it is the record of the
// last request that ended something of it.
type note struct {
	Time time.Time `json:"time"`
	audit
}

// errUnderWay is the end of a fence that has not ended. If its note stays so, the
// helper was killed.
var errUnderWay = errors.New("under way")

// leaveNote keeps what this request did to the guest: done, unless err says otherwise. A note that cannot be
// written is no reason not to fence.
func (h *host) leaveNote(guest, done string, err error) {
	n := note{time.Now().UTC().Truncate(time.Second), *h.record}
	n.Verdict, n.Text = wire.OK, done
	if err != nil {
		n.Verdict, n.Reason, n.Text = wire.Failed, reasonOf(err), wire.Clean(err.Error())
	}
	if text, err := json.Marshal(n); err == nil {
		_ = h.keep(guest+".note", text) // as above
	}
}

// readNote returns the guest's note.
func (h *host) readNote(guest string) (n note, found bool, err error) {
	text, err := policy.ReadTrusted(filepath.Join(h.stateDir, guest+".note"), wire.MaxAnswer)
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	return n, err == nil, err
}

func (n note) String() string {
	return fmt.Sprintf("fenced %s by client %s of account %s from %s, request %s: %s",
		n.Time.Format(time.RFC3339), n.Client, n.Account, n.Source, n.Request, n.Text)
}

// keep writes a whole file into the state directory, in the place of the one that
// was there. What a killed one left of it is removed. Of two at once, who removes
// the other's has the last word, and the other finds nothing to rename.
func (h *host) keep(name string, text []byte) error {
	if err := policy.MakeTrustedDir(h.stateDir); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	whole := filepath.Join(h.stateDir, name)
	partial := whole + ".new"
	_ = os.Remove(partial) // if it is there
	file, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(partial) // it is of no use
		return err
	}
	if err := os.Rename(partial, whole); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
