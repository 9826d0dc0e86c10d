package stonith

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ReadFile reads at most limit bytes of a regular file, which is the value of the
// parameter param. trust returns an error if the file's permissions do not do; it is
// asked before anything is read.
func ReadFile(param, path string, limit int64, trust func(perm fs.FileMode) error) ([]byte, error) {
	// A pipe without a writer would otherwise never open.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Errorf(BadConfig, "%s: %w", param, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, Errorf(BadConfig, "%s: %w", param, err)
	}
	if !info.Mode().IsRegular() {
		return nil, Errorf(BadConfig, "%s: %s is not a regular file", param, path)
	}
	if err := trust(info.Mode().Perm()); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return nil, Errorf(BadConfig, "%s: %w", param, err)
	}
	return text, nil
}
