package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// stage writes text beside path, in a directory that is root's alone, and returns
// where. The name begins with a dot and has another one: no account has it, and
// sudo reads no drop-in of such a name. What an earlier run left there is replaced.
func stage(path, text string, mode fs.FileMode) (staged string, err error) {
	if err := trust.MakeDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	staged = filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := removeFile(staged); err != nil {
		return "", err
	}
	file, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(text)
	return staged, errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
}

// install gives a staged file its name, in one step.
func install(staged, path string) error {
	if err := os.Rename(staged, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replace writes a file in one step.
func replace(path, text string, mode fs.FileMode) error {
	staged, err := stage(path, text, mode)
	if err != nil {
		return err
	}
	return install(staged, path)
}

// removeFile removes a file that may be missing.
func removeFile(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// trustedDir says what is wrong with a directory, or with the one that it would be made in.
func trustedDir(path string) error {
	for {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) || path == "/" {
			return trust.MakeDir(path)
		}
		path = filepath.Dir(path)
	}
}

// makeDir makes a directory that all may read, and what is missing above it. It
// has its mode from the beginning, if the umask lets it.
func makeDir(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(filepath.Dir(path)); err != nil {
			return err
		}
		if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return trust.MakeDir(path)
}

// lock keeps two runs apart. The kernel drops it when the holder ends, in whatever way.
func lock(helper string) (unlock func(), err error) {
	file, err := os.Open(helper)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // it was never locked
		return nil, fmt.Errorf("another setup or remove is under way")
	}
	return func() { _ = file.Close() }, nil // closing unlocks
}
