package stonith

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// ReadFile reads at most limit bytes of a regular file, which is the value of the
// parameter param. Only root and the caller may be able to write or exchange it (the
// package trust). allows returns an error if the file's permissions do not do for other
// reasons; it is asked before anything is read, and may be nil.
func ReadFile(param, path string, limit int64, allows func(perm fs.FileMode) error) ([]byte, error) {
	return inTime(fileLimit, param, path, func() ([]byte, error) { return readFile(param, path, limit, allows) })
}

// fileLimit is the time that one file may take: storage that hangs, as that of a file
// server which is gone, must not use up the time of a fence without a word.
const fileLimit = 5 * time.Second

// inTime returns what read returns of a file, the value of the parameter param, or an
// error that names the file if that takes longer than limit.
func inTime[T any](limit time.Duration, param, path string, read func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	value, err := within(ctx, read)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return value, Errorf(TimedOut, "%s: %s was not read within %s: its storage hangs", param, path, limit).
			WithHint("keep what a fence needs on a disk of the node's own")
	}
	return value, err
}

func readFile(param, path string, limit int64, allows func(perm fs.FileMode) error) ([]byte, error) {
	file, err := openFile(param, path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, Errorf(BadConfig, "%s: %w", param, err)
	}
	if allows != nil {
		if err := allows(info.Mode().Perm()); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return nil, Errorf(BadConfig, "%s: %w", param, err)
	}
	return text, nil
}

// CheckFile checks a file as ReadFile does, for who reads it by its path: what only root
// and the caller can exchange is the same file then.
func CheckFile(param, path string) error {
	_, err := inTime(fileLimit, param, path, func() (struct{}, error) { return struct{}{}, checkFile(param, path) })
	return err
}

func checkFile(param, path string) error {
	file, err := openFile(param, path)
	if err != nil {
		return err
	}
	_ = file.Close() // it was only looked at
	return nil
}

// openFile opens a file that is trusted.
func openFile(param, path string) (*os.File, error) {
	if slices.Contains(strings.Split(path, "/"), "..") { // which behind a link is not what the text says
		return nil, Errorf(BadConfig, "%s: %s has .. in it", param, path).WithHint("write the path without ..")
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return nil, Errorf(BadConfig, "%s: %w", param, err)
	}
	file, err := trust.Open(whole)
	var suspect *trust.Suspect
	var errno syscall.Errno
	switch {
	case errors.As(err, &suspect):
		return nil, Errorf(BadConfig, "%s: %w", param, err).
			WithHint("%s, and look whether it is still what you wrote: who can write or exchange it decides about a fence", suspect.Remedy)
	case errors.Is(err, trust.ErrNotRegular):
		return nil, Errorf(BadConfig, "%s: %s is not a regular file", param, path)
	case errors.As(err, &errno): // of the path that was given, not of a part of it
		return nil, Errorf(BadConfig, "%s: %w", param, &fs.PathError{Op: "open", Path: path, Err: errno})
	case err != nil:
		return nil, Errorf(BadConfig, "%s: %w", param, err)
	}
	return file, nil
}
