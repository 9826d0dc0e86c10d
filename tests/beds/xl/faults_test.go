//go:build linux

package main

import (
	"os/exec"
	"strings"
	"time"
)

func testFaults(b bed) {
	b.create()
	for _, test := range []struct {
		fault string
		want  answer
	}{
		{"exit 5 no  way", answer{stderr: "no  way\n", code: 5}},
		{"exit 1", answer{code: 1}},
		{"lie", answer{}},
		{"slow 1\nexit 4 late\n", answer{stderr: "late\n", code: 4}},
		{"explode", answer{stderr: "xl: unknown fault \"explode\"\n", code: badFault}},
		{"slow down", answer{stderr: "xl: unknown fault \"slow down\"\n", code: badFault}},
	} {
		b.write("fault/destroy", test.fault)
		b.want(test.want, "destroy", "alpha")
		b.shows(alphaRow(1, "-b----"))
	}
	b.write("fault/destroy", "slow 200\n")
	began := time.Now()
	b.want(answer{}, "destroy", "alpha")
	if took := time.Since(began); took < 200*time.Millisecond {
		b.Errorf("slow 200 took %v", took)
	}
	b.shows()
}

func testCountedFaults(b bed) {
	for _, test := range []struct{ fault, want string }{
		{"after 2 exit 1", "0011"},
		{"times 2 exit 1", "1100"},
		{"after 1 times 2 exit 1", "01100"},
		{"times 1 exit 1\nafter 2 exit 3\n", "1033"},
	} {
		b.write("fault/list", test.fault)
		got := ""
		for range test.want {
			got += string(rune('0' + b.xl("list").code))
		}
		if got != test.want {
			b.Errorf("%q: exit codes %s, want %s", test.fault, got, test.want)
		}
	}
	b.write("fault/list", "times one exit 1")
	b.want(answer{stderr: "xl: unknown fault \"times one exit 1\"\n", code: badFault}, "list")
}

func testHang(b bed) {
	b.write("fault/list", "hang")
	cmd := exec.Command(b.host.path("sbin", "xl"), "list")
	b.must(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		b.Errorf("hang ended: %v", err)
	case <-time.After(300 * time.Millisecond):
		b.must(cmd.Process.Kill())
		if err := <-ended; err == nil {
			b.Error("the killed command ended with status 0")
		}
	}
	b.want(answer{code: 1}, "sim", "pid", "alpha")
}

func testDistorted(b bed) {
	whole := header + dom0Row
	b.write("fault/list", "half")
	b.want(answer{stdout: whole[:len(whole)/2]}, "list")
	b.write("fault/list", "empty")
	b.want(answer{}, "list")
	b.write("fault/list", "garbage")
	if got := b.xl("list"); got.code != 0 || got.stderr != "" || got.stdout == "" || strings.Contains(got.stdout, "Domain-0") {
		b.Errorf("garbage: %#v", got)
	}
	b.create()
	b.write("fault/destroy", "empty")
	b.want(answer{}, "destroy", "alpha")
	b.want(answer{code: 1}, "sim", "pid", "alpha")
}
