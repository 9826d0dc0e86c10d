//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
)

// dumpCore writes a guest's memory, which is all zeros, to a file.
func (x toolstack) dumpCore(c call) int {
	id, ok := x.resolve(c.args[0])
	if !ok {
		return 1
	}
	s, err := x.host.load()
	if err != nil {
		return x.fail(err, 1)
	}
	d := s.domain(id)
	if d == nil {
		return x.refuse(1, "core dump failed (rc=-3)\n")
	}
	if err := writeZeros(c.args[1], d.Memory); err != nil {
		return x.refuse(1, "libxl: error: libxl_domain.c:548:libxl_domain_core_dump: Domain %d:Core dumping to %s: %v\n"+
			"core dump failed (rc=-3)\n", id, c.args[1], err)
	}
	return 0
}

func writeZeros(path string, mebibytes int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for range mebibytes {
		if _, err = file.Write(zeros); err != nil {
			err = fmt.Errorf("write: %w", errors.Unwrap(err))
			break
		}
	}
	return errors.Join(err, file.Close())
}
