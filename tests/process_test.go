package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A process is one on a Dom0, as this machine sees it.
type process struct {
	pid, parent int
	words       []string // its command line
}

func (p process) String() string { return fmt.Sprintf("%d %q", p.pid, strings.Join(p.words, " ")) }

// hasOpen reports whether the process has opened the file.
func (p process) hasOpen(file string) bool {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.pid))
	must("descriptors", err)
	return slices.ContainsFunc(links, func(link string) bool {
		target, err := os.Readlink(link)
		return err == nil && target == file
	})
}

// is reports whether the command line begins with these words.
func (p process) is(words ...string) bool {
	return len(p.words) >= len(words) && slices.Equal(p.words[:len(words)], words)
}

// What the processes of a request are called, from sshd down to the toolstack.

func isMonitor(p process, _ []process) bool { return strings.HasPrefix(p.words[0], "sshd: xen [priv]") }

func isSession(p process, _ []process) bool  { return strings.HasPrefix(p.words[0], "sshd: xen@notty") }
func isShell(p process, _ []process) bool    { return p.is("sh", "-c") }
func isGate(p process, _ []process) bool     { return p.is("/bin/sh", sudoPath) }
func isSudo(p process, _ []process) bool     { return p.is(sudoPath) }
func isRootHalf(p process, _ []process) bool { return p.is("/usr/local/sbin/dom0-helper", "root") }

func isXL(p process, all []process) bool {
	return slices.ContainsFunc(all, func(q process) bool { return q.pid == p.parent && isRootHalf(q, all) })
}

// processes are those of the Dom0 that have not ended.
func (d *dom0) processes() []process { return processesBeside(d.init) }

// processesBeside are those in the same namespace, with itself, that have not ended.
func processesBeside(pid int) []process {
	home, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	must("a namespace of processes", err)
	entries, err := os.ReadDir("/proc")
	must("processes", err)
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || space != home {
			continue
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || len(line) == 0 {
			continue // it has ended
		}
		all = append(all, process{pid, parentOf(pid), strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")})
	}
	return all
}

// parentOf returns 0 for a process that has ended.
func parentOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "\nPPid:\t")
	number, _, _ := strings.Cut(rest, "\n")
	parent, _ := strconv.Atoi(number)
	return parent
}

// ofRequests are all processes of the Dom0 but those that are always there: its
// first, sshd, the guests, and the xl that watches each in the background.
func (d *dom0) ofRequests() []process {
	var left []process
	for _, p := range d.processes() {
		watches := p.is(d.dir("xen/sbin/xl")) && slices.ContainsFunc(d.etcGuests(), func(guest string) bool {
			return p.hasOpen(d.dir("xen/log/xl-" + guest + ".log"))
		})
		if p.pid != d.init && !watches && p.words[0] != "guest" && !strings.HasPrefix(p.words[0], "sshd: /usr/sbin/sshd") {
			left = append(left, p)
		}
	}
	return left
}

func (d *dom0) etcGuests() []string { return slices.Concat(guestsOfA, guestsOfB) }

func pids(processes []process) []int {
	list := make([]int, len(processes))
	for i, p := range processes {
		list[i] = p.pid
	}
	return list
}
