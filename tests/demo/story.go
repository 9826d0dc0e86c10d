package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/loopback"
)

// A scene is one call of the plugin and what must come of it.
type scene struct {
	title  string
	before func(*lab)
	args   []string
	params []string // besides those of the lab
	guest  string   // whose truth is shown
	status int
	says   string
	runs   bool // whether the guest runs afterwards
}

func story() []scene {
	return []scene{
		{title: "Which nodes can the device fence?", args: []string{"gethosts"}, says: "demo-node-1\ndemo-node-2\n"},
		{title: "Would it obey? It asks every Dom0, and touches no guest.", args: []string{"status"}, says: "ready"},
		{title: "demo-node-1 is silent. The cluster wants proof that it is off.", args: []string{"off", "demo-node-1"}, guest: "demo-node-1", says: "off-observed"},
		{title: "Once more: a node that is off is fenced.", args: []string{"off", "demo-node-1"}, guest: "demo-node-1", says: "already-off"},
		{title: "Switch it on again.", args: []string{"on", "demo-node-1"}, guest: "demo-node-1", says: "on-observed", runs: true},
		{title: "Reset is off, proof, and on.", args: []string{"reset", "demo-node-1"}, guest: "demo-node-1", says: "off-observed, on-observed", runs: true},
		{title: "A node that is not ours. Nothing is sent.", args: []string{"off", "demo-node-9"}, status: 1, says: "wrong-target"},
		{
			title: "The guest is just rebooting: absent for two seconds, then back. Absent is not off.",
			before: func(l *lab) {
				_, err := l.hosts[0].XL("reboot", "demo-node-1")
				complain(err)
				for i := 0; i < 100 && len(l.hosts[0].Processes("demo-node-1")) > 0; i++ {
					time.Sleep(10 * time.Millisecond)
				}
			},
			args: []string{"off", "demo-node-1"}, guest: "demo-node-1", says: "off-observed",
		},
		{
			title:  "Dom0 beta does not answer any more. demo-node-2 may live there: no proof, so a failure.",
			before: func(l *lab) { l.dom0s[1].Fail(loopback.AtBanner) },
			args:   []string{"off", "demo-node-2"}, params: []string{"timeout=3s"}, guest: "demo-node-2", status: 1, says: "unreachable", runs: true,
		},
		{
			title:  "Dom0 beta is back.",
			before: func(l *lab) { l.dom0s[1].Fail(loopback.Nowhere) },
			args:   []string{"off", "demo-node-2"}, guest: "demo-node-2", says: "off-observed",
		},
	}
}

func complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
}

// play shows every scene, and returns an error if any did not come out as it must.
func (l *lab) play(scenes []scene) error {
	fmt.Println("Two Dom0s, alpha and beta, and their guests, the cluster nodes demo-node-1 and demo-node-2:")
	for _, g := range guests {
		fmt.Printf("    %s: %s\n", g, l.place(g))
	}
	var wrong error
	for i, s := range scenes {
		fmt.Printf("\n%d. %s\n", i+1, s.title)
		if err := l.show(s); err != nil {
			fmt.Println("    NOT AS IT SHOULD BE:", err)
			wrong = errors.Join(wrong, fmt.Errorf("scene %d: %w", i+1, err))
		}
	}
	if wrong == nil {
		fmt.Printf("\nAll %d calls came out as they should: exit status 0 of off and reset was always a guest that is gone.\n", len(scenes))
	}
	return wrong
}

// show makes one call and prints it with its answer and the truth.
func (l *lab) show(s scene) error {
	if s.before != nil {
		s.before(l)
	}
	var out bytes.Buffer
	command := exec.Command(l.plugin, s.args...)
	command.Env = append(append([]string{"HOME=" + l.dir}, l.params...), s.params...)
	command.Stdout, command.Stderr = &out, &out
	fmt.Println("    $", strings.Join(append(append(s.params, "external/xen"), s.args...), " "))
	start := time.Now()
	_ = command.Run() // the exit status says it
	took := time.Since(start).Round(time.Millisecond)
	status := command.ProcessState.ExitCode()
	for line := range strings.Lines(out.String()) {
		fmt.Print("    | ", line)
	}
	fmt.Printf("    exit status %d after %s\n", status, took)
	if s.guest != "" {
		fmt.Printf("    the truth: %s is %s\n", s.guest, l.place(s.guest))
	}
	return l.judge(s, status, out.String())
}

func (l *lab) judge(s scene, status int, out string) error {
	runs := false
	for _, h := range l.hosts {
		runs = runs || len(h.Processes(s.guest)) > 0
	}
	switch {
	case status != s.status:
		return fmt.Errorf("exit status %d, want %d", status, s.status)
	case !strings.Contains(out, s.says):
		return fmt.Errorf("the answer has no %q", s.says)
	case s.guest != "" && runs != s.runs:
		return fmt.Errorf("guest %s runs: %t, want %t", s.guest, runs, s.runs)
	}
	return nil
}
