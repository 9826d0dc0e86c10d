//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
)

// faults returns the fault lines of a command and, where they count, the
// number of this call.
func (h host) faults(name string) (lines []string, call int, err error) {
	file := h.path("fault", name)
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if s := string(text); strings.Contains(s, "after") || strings.Contains(s, "times") {
		call, err = h.countCall(name, file, s)
	}
	return strings.Split(string(text), "\n"), call, err
}

// faulty reports whether a command has faults.
func (h host) faulty(name string) bool {
	_, err := os.Stat(h.path("fault", name))
	return err == nil
}

// A tally counts the calls of a command under one version of its fault file.
type tally struct {
	Version string `json:"version"`
	Calls   int    `json:"calls"`
}

func (h host) countCall(name, faultFile, text string) (int, error) {
	unlock, err := h.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	info, err := os.Stat(faultFile)
	if err != nil {
		return 0, err
	}
	file := h.path("run", "calls-"+name)
	t := readTally(file)
	if version := info.ModTime().String() + text; t.Version != version {
		t = tally{Version: version}
	}
	t.Calls++
	record, err := json.Marshal(t)
	if err != nil {
		return 0, err
	}
	return t.Calls, os.WriteFile(file, record, 0o644)
}

// readTally returns the zero tally when there is none to be read.
func readTally(file string) tally {
	var t tally
	if text, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(text, &t)
	}
	return t
}
