//go:build linux

// Command xl is a simulated Xen toolstack whose guests are real processes.
//
// It is installed three times: as HOST/sbin/xl, and the same file again as
// HOST/sbin/guest and HOST/sbin/libxl-save-helper. HOST stands for one Xen host;
// below it are
//
//	run/    domain records, the lock, call counters
//	log/    xl-NAME.log of each guest's background xl
//	fault/  what is to go wrong (see faults.go), create-race, and the times build-ms,
//	        gap-ms, save-ms, restore-ms, load-ms
//
// Output, errors and exit codes are those of xl 4.17. The subcommands of
// "xl sim" are the only ones the real program does not have.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// watchVar carries the domain id to the background xl. It is not an argument
// because the real one shows the arguments of the xl create it came from.
const watchVar = "XL_SIM_WATCH"

func main() { os.Exit(start()) }

func start() int {
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "xl:", err)
		return 1
	}
	h := host(filepath.Dir(filepath.Dir(exe)))
	switch filepath.Base(exe) {
	case "guest":
		return liveOn(h)
	case helperName:
		return helpOn(h, os.Args[1:])
	}
	if id, err := strconv.Atoi(os.Getenv(watchVar)); err == nil {
		return monitor{h, os.Stdout}.watch(id)
	}
	return toolstack{h, os.Stdout, os.Stderr}.main(os.Args[1:])
}
