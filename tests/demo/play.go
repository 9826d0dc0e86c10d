package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// An act is a device, its nodes, and calls of its plugin.
type act struct {
	intro  string
	name   string   // of the plugin where it is installed
	plugin string   // its path
	params []string // as name=value
	nodes  []string
	where  func(node string) (place string, runs bool) // the truth
	scenes []scene
}

// A scene is one call of the plugin and what must come of it.
type scene struct {
	title  string
	before func()
	args   []string
	params []string // besides those of the act
	node   string   // whose truth is shown
	status int
	says   string
	runs   bool // whether the node runs afterwards
}

// play shows every scene, and returns an error if any did not come out as it must.
func play(ctx context.Context, a act) error {
	fmt.Println(a.intro + ":")
	for _, node := range a.nodes {
		place, _ := a.where(node)
		fmt.Printf("    %s: %s\n", node, place)
	}
	var wrong error
	for i, s := range a.scenes {
		fmt.Printf("\n%d. %s\n", i+1, s.title)
		err := a.show(ctx, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Println("    NOT AS IT SHOULD BE:", err)
			wrong = errors.Join(wrong, fmt.Errorf("%s, scene %d: %w", a.name, i+1, err))
		}
	}
	if wrong == nil {
		fmt.Printf("\nAll %d calls came out as they should: exit status 0 of off and reset was always a node that is off.\n\n", len(a.scenes))
	}
	return wrong
}

// show makes one call and prints it with its answer and the truth.
func (a act) show(ctx context.Context, s scene) error {
	if s.before != nil {
		s.before()
	}
	var out bytes.Buffer
	command := exec.CommandContext(ctx, a.plugin, s.args...)
	command.Env = append(append([]string{"HOME=" + os.TempDir()}, a.params...), s.params...)
	command.Stdout, command.Stderr = &out, &out
	fmt.Println("    $", strings.Join(append(append(s.params, "external/"+a.name), s.args...), " "))
	start := time.Now()
	_ = command.Run() // the exit status says it
	took := time.Since(start).Round(time.Millisecond)
	status := command.ProcessState.ExitCode()
	for line := range strings.Lines(out.String()) {
		fmt.Print("    | ", line)
	}
	fmt.Printf("    exit status %d after %s\n", status, took)
	if s.node != "" {
		place, _ := a.where(s.node)
		fmt.Printf("    the truth: %s is %s\n", s.node, place)
	}
	return a.judge(s, status, out.String())
}

func (a act) judge(s scene, status int, out string) error {
	if status != s.status {
		return fmt.Errorf("exit status %d, want %d", status, s.status)
	}
	if !strings.Contains(out, s.says) {
		return fmt.Errorf("the answer has no %q", s.says)
	}
	if s.node == "" {
		return nil
	}
	if _, runs := a.where(s.node); runs != s.runs {
		return fmt.Errorf("node %s runs: %t, want %t", s.node, runs, s.runs)
	}
	return nil
}

func complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
}
