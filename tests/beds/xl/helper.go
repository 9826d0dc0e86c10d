//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// helperName is the program that moves a guest's memory for xl, which it talks to by pipes.
const helperName = "libxl-save-helper"

// streamFD is the descriptor that a helper gets its stream by.
const streamFD = 3

// A helper is a libxl-save-helper, as its xl sees it.
type helper struct {
	command *exec.Cmd
	answers io.WriteCloser
	says    *bufio.Scanner
}

// startHelper starts one. An xl that is killed does not take it with it.
func (h host) startHelper(stream *os.File, words ...string) (*helper, error) {
	command := &exec.Cmd{
		Path: h.path("sbin", helperName), Args: append([]string{h.path("sbin", helperName)}, words...),
		Dir: "/", Env: []string{}, ExtraFiles: []*os.File{stream},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	answers, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	says, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &helper{command, answers, bufio.NewScanner(says)}, command.Start()
}

// next is the next thing that the helper says, or empty if it is gone.
func (l *helper) next() string {
	if !l.says.Scan() {
		return ""
	}
	return l.says.Text()
}

func (l *helper) answer() { _, _ = fmt.Fprintln(l.answers, "go on") }

// helpOn is the helper's own part.
func helpOn(h host, words []string) int {
	if len(words) < 6 {
		return 2
	}
	if words[0] == "--restore-domain" {
		return h.helpRestore()
	}
	return h.helpSave(words[4] == "1")
}

// helpSave writes the memory, asks for the guest's suspension before (or, of a
// live migration, behind) it, and tells that it is done. Each part takes a third
// of the time of a save.
func (h host) helpSave(live bool) int {
	part := h.setting("fault/save-ms", 0) / 3
	stream := fileOf(streamFD, "stream")
	suspend := func() bool { return tell("suspend") && hear() }
	time.Sleep(part)
	if !live && !suspend() {
		return 1
	}
	for range 2 {
		time.Sleep(part / 2)
		if err := writeRecord(stream, recordMemory, memorySize/2); err != nil {
			return 1
		}
	}
	if live && !suspend() || !tell("done") {
		return 1
	}
	return 0
}

// helpRestore reads the memory.
func (h host) helpRestore() int {
	time.Sleep(h.setting("fault/load-ms", 0))
	if err := readStream(fileOf(streamFD, "stream")); err != nil || !tell("done") {
		return 1
	}
	return 0
}

func tell(word string) bool {
	_, err := fmt.Println(word)
	return err == nil
}

func hear() bool { return bufio.NewScanner(os.Stdin).Scan() }

// move has a helper move a domain's memory, and suspends the domain when it is asked to.
func (x toolstack) move(mode string, id int, stream *os.File, numbers ...string) error {
	words := append([]string{mode, strconv.Itoa(streamFD), "-1", strconv.Itoa(id)}, numbers...)
	l, err := x.host.startHelper(stream, words...)
	if err != nil {
		return err
	}
	defer func() { _ = l.command.Wait() }() // what it said counts
	for {
		switch l.next() {
		case "suspend":
			if err := x.change(id, func(d *domain) error { return d.fall(suspended) }); err != nil {
				return err
			}
			l.answer()
		case "done":
			return nil
		default:
			return errHelper
		}
	}
}
