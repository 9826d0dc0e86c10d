// Demo fences Xen guests before your eyes, and needs nothing but Go. Two Dom0s on
// the loopback run the real dom0-helper behind an ssh server; their guests are
// real processes under a simulated xl. The real plugin is called as a cluster
// calls it. The demo ends with status 0 if everything came out as it should.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the built programs")
	flag.Parse()
	if err := run(*bin); err != nil {
		fmt.Fprintln(os.Stderr, "demo: error:", err)
		os.Exit(1)
	}
}

func run(bin string) error {
	lab, err := newLab(bin)
	if err != nil {
		return err
	}
	defer lab.close()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-interrupted
		lab.close()
		os.Exit(1)
	}()
	return lab.play(story())
}
