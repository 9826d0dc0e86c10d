package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

func newPool(t *testing.T) *pool.Pool {
	p, err := pool.New(pool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestCommands(t *testing.T) {
	p := newPool(t)
	for _, line := range []string{
		"help", "truth", "calls", "sessions",
		"fail xen2 refuse", "mend xen2", "show xen2 expired", "forget xen1", "cut xen3", "dead xen3", "die xen3", "mend xen3",
		"slave xen3 2001:db8::1", "boot xen3", "promote xen2", "elect xen1 1ms", "split xen3", "eject xen3", "power-off xen3",
		"lie node1 off", "write node1 Paused", "block node1 hard_shutdown", "occupy node1 pool_migrate", "idle node1", "delay node1 5s",
		"end node2",
	} {
		if err := command(io.Discard, p, strings.Fields(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	var out strings.Builder
	if err := command(&out, p, []string{"truth"}); err != nil {
		t.Fatal(err)
	}
	const want = "node1 runs, says Paused\nnode2 dead, says Running\nnode3 dead, says Running\n"
	if out.String() != want {
		t.Errorf("truth\ngot  %swant %s", out.String(), want)
	}
}

func TestBadCommands(t *testing.T) {
	p := newPool(t)
	for line, want := range map[string]string{
		"fly":           `"fly": no such command; try help`,
		"mend":          "takes 1 words after the command",
		"mend xen9":     `"xen9": no such member`,
		"idle node9":    `"node9": no such guest`,
		"lie node1 big": `"big": no such lie`,
		"elect xen1 x":  `time: invalid duration "x"`,
	} {
		if err := command(io.Discard, p, strings.Fields(line)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", line, err)
		}
	}
	if err := command(io.Discard, p, []string{"fail", "xen1", "badly"}); err == nil || !strings.Contains(err.Error(), "black-hole") {
		t.Errorf("fail: %v", err)
	}
}
