package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// busy counts how often a program that write has just written cannot be run, beside
// goroutines that start processes all the time.
func busy(t *testing.T, rounds int, write func(path string) error) (count int) {
	t.Helper()
	dir := t.TempDir()
	done := make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = exec.Command("/bin/true").Run() // only that it is started counts
				}
			}
		})
	}
	for i := range rounds {
		path := filepath.Join(dir, fmt.Sprint("program", i))
		if err := write(path); err != nil {
			t.Error(err)
			break
		}
		switch err := exec.Command(path).Run(); {
		case errors.Is(err, syscall.ETXTBSY):
			count++
		case err != nil:
			t.Error(err)
		}
	}
	close(done)
	others.Wait()
	return count
}

const text = "#!/bin/sh\nexit 0\n"

func TestWrite(t *testing.T) {
	if n := busy(t, 100, func(path string) error { return Write(path, text, 0o700) }); n > 0 {
		t.Errorf("%d of 100 programs could not be run", n)
	}
}

func TestRenew(t *testing.T) {
	n := busy(t, 100, func(path string) error {
		dir := path + ".d"
		written := filepath.Join(dir, "program")
		return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(written, []byte(text), 0o700), Renew(dir), os.Rename(written, path))
	})
	if n > 0 {
		t.Errorf("%d of 100 programs could not be run", n)
	}
}
