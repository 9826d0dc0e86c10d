//go:build linux

package main

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"
)

// underFaults runs a command under the faults of the file HOST/fault/NAME, one
// a line, in order. Counted ones count the calls since the file was written.
//
//	hang            block for ever
//	hold            wait until the file is gone, then go on
//	slow MS         wait first
//	exit N TEXT     do nothing, TEXT to stderr, exit N
//	lie             do nothing, print nothing, exit 0
//	empty           do it, print nothing, exit 0
//	garbage         do it, print nonsense instead, exit 0
//	half            do it, print the first half only, exit 0
//	after N FAULT   the first N calls are spared
//	times N FAULT   only the first N calls are hit
func (x toolstack) underFaults(name string, act func(toolstack) int) int {
	lines, calls, err := x.host.faults(name)
	if err != nil {
		return x.fail(err, badFault)
	}
	for _, line := range lines {
		code, over := x.suffer(name, due(line, calls), act)
		if over {
			return code
		}
	}
	return act(x)
}

// badFault is the exit code for a fault file that makes no sense.
const badFault = 99

// suffer applies one fault of the named command; over says that the command ends with code.
func (x toolstack) suffer(name, fault string, act func(toolstack) int) (code int, over bool) {
	kind, rest, _ := strings.Cut(fault, " ")
	switch kind {
	case "":
		return 0, false
	case "slow":
		ms, err := strconv.Atoi(rest)
		if err != nil {
			break
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return 0, false
	case "hang":
		x.host.outlast()
		return 1, true
	case "hold":
		for x.host.faulty(name) {
			time.Sleep(5 * time.Millisecond)
		}
		return 0, false
	case "exit":
		number, text, _ := strings.Cut(rest, " ")
		code, err := strconv.Atoi(number)
		if err != nil {
			break
		}
		if text != "" {
			text += "\n"
		}
		return x.refuse(code, "%s", text), true
	case "lie":
		return 0, true
	case "empty", "garbage", "half":
		x.distort(kind, act)
		return 0, true
	}
	return x.refuse(badFault, "xl: unknown fault %q\n", fault), true
}

// distort runs the command and prints something else than its output.
func (x toolstack) distort(kind string, act func(toolstack) int) {
	var out bytes.Buffer
	if kind == "half" {
		act(toolstack{x.host, &out, x.stderr})
		_, _ = x.stdout.Write(out.Bytes()[:out.Len()/2])
		return
	}
	act(toolstack{x.host, &out, io.Discard})
	if kind == "garbage" {
		_, _ = io.WriteString(x.stdout, "\x00\xff\xfe[{\"domid\": ,}\x1b[2J%s\n\tName -1 ---\n")
	}
}

// due returns the fault that a line holds for the given call, "" if none.
func due(line string, call int) string {
	kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if kind != "after" && kind != "times" {
		return strings.TrimSpace(line)
	}
	number, fault, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	switch {
	case err != nil:
		return line
	case kind == "after" && call > n:
		return due(fault, call-n)
	case kind == "times" && call <= n:
		return due(fault, call)
	}
	return ""
}
