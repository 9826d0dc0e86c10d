// Package bounded reads files that may be on storage which hangs.
package bounded

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// Limit is what reading may take, where nothing else is said.
const Limit = 2 * time.Second

// A SlowError is that of what was not read in time.
type SlowError struct {
	// Path is what was being read.
	Path  string
	Limit time.Duration
}

func (e *SlowError) Error() string { return fmt.Sprintf("%s: not read within %s", e.Path, e.Limit) }

// Read returns what read returns. If that takes longer than limit, it returns a
// SlowError with the path that read noted last by at, and read goes on without
// us: what it does late must do no harm.
func Read[T any](limit time.Duration, read func(at func(path string)) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var path atomic.Value
	done := make(chan result, 1)
	go func() {
		value, err := read(func(p string) { path.Store(p) })
		done <- result{value, err}
	}()
	select {
	case got := <-done:
		return got.value, got.err
	case <-time.After(limit):
		slow := &SlowError{Limit: limit}
		slow.Path, _ = path.Load().(string)
		return *new(T), slow
	}
}

// ReadLinked reads a file of at most size bytes as trust.ReadLinked does, within Limit.
func ReadLinked(path string, size int64) ([]byte, error) {
	return Read(Limit, func(at func(string)) ([]byte, error) {
		at(path)
		return trust.ReadLinked(path, size)
	})
}

// CheckDir checks a directory as trust.CheckDir does, within Limit.
func CheckDir(path string) error {
	_, err := Read(Limit, func(at func(string)) (struct{}, error) {
		at(path)
		return struct{}{}, trust.CheckDir(path)
	})
	return err
}
