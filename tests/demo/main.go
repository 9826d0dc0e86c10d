// Demo fences nodes before your eyes, and needs nothing but Go. The real plugins are
// called as a cluster calls them. Two Dom0s on the loopback run the real dom0-helper
// behind an ssh server; their guests are real processes under a simulated xl. The
// XenServer pool and the BMCs are simulated. The demo ends with status 0 if everything
// came out as it should.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
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
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return errors.Join(fenceByDom0s(ctx, bin), fenceByPool(ctx, bin), fenceByBMCs(ctx, bin))
}
