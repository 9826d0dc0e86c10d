package policy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ReadTrusted reads a file that only root and the caller can change: neither it
// nor any directory above it belongs to, or is writable by, anyone else, and no
// part of its path is a symbolic link. All is checked on open descriptors, so
// nothing can be exchanged between check and use. A file of more than limit
// bytes is an error.
//
// A directory that all may write to is accepted if it is sticky, as /tmp is:
// there no one can exchange what belongs to another.
func ReadTrusted(path string, limit int64) ([]byte, error) {
	file, err := openTrusted(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return text, nil
}

// ReadTrustedLink reads a file as ReadTrusted does, but follows symbolic links,
// each of which must be in a directory that only root and the caller can change.
func ReadTrustedLink(path string, limit int64) ([]byte, error) {
	target, err := follow(path, maxLinks)
	if err != nil {
		return nil, err
	}
	return ReadTrusted(target, limit)
}

// CheckTrusted checks a file as ReadTrustedLink does, and does not read it.
func CheckTrusted(path string) error {
	target, err := follow(path, maxLinks)
	if err != nil {
		return err
	}
	file, err := openTrusted(target)
	if err != nil {
		return err
	}
	return file.Close()
}

// CheckTrustedDir checks that no one but root and the caller can add anything to a
// directory, or put another in its place. Links are followed as by ReadTrustedLink.
// One that is missing is no error.
func CheckTrustedDir(path string) error {
	target, err := follow(path, maxLinks)
	if err != nil {
		return missingIsFine(err)
	}
	dir, err := walk(target, syscall.O_DIRECTORY)
	if err != nil {
		return missingIsFine(err)
	}
	defer syscall.Close(dir) //nolint:errcheck // it was only looked at
	return checkNoOtherWriter(dir, target)
}

func missingIsFine(err error) error {
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}

// checkNoOtherWriter wants of a directory what a sticky one does not have.
func checkNoOtherWriter(dir int, path string) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("%s: mode %04o lets others than its owner write", path, st.Mode&0o7777)
	}
	return nil
}

// maxLinks is how many symbolic links a path may have, as in the kernel, path_resolution(7).
const maxLinks = 40

// follow returns the path without symbolic links.
func follow(path string, links int) (string, error) {
	if path == "/" {
		return path, nil
	}
	if err := checkForm(path); err != nil {
		return "", err
	}
	dir, err := follow(filepath.Dir(path), links)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, filepath.Base(path))
	target, err := os.Readlink(path)
	if err != nil {
		return path, nil //nolint:nilerr // it is no link; whatever else is wrong with it, its use tells
	}
	if links == 0 {
		return "", fmt.Errorf("%s: too many symbolic links", path)
	}
	holder, err := walk(dir, syscall.O_DIRECTORY)
	if err != nil {
		return "", err
	}
	_ = syscall.Close(holder) // it was only looked at
	if !filepath.IsAbs(target) {
		target = filepath.Join(dir, target)
	}
	return follow(filepath.Clean(target), links-1)
}

// MakeTrustedDir makes sure that path is a directory that only root and the
// caller can change, or add anything to. Directories above it must exist.
func MakeTrustedDir(path string) error {
	if err := checkForm(path); err != nil {
		return err
	}
	above, err := walk(filepath.Dir(path), syscall.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer syscall.Close(above) //nolint:errcheck // it was only looked at
	if err := syscall.Mkdirat(above, filepath.Base(path), 0o700); err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("%s: %w", path, err)
	}
	dir, err := open(above, filepath.Base(path), path, syscall.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer syscall.Close(dir) //nolint:errcheck // it was only looked at
	return checkNoOtherWriter(dir, path)
}

func openTrusted(path string) (*os.File, error) {
	fd, err := walk(path, syscall.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

func checkForm(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return fmt.Errorf("%s: not an absolute path in its shortest form", path)
	}
	return nil
}

// walk opens every part of path from the root on, and checks each. flags are for the last part.
func walk(path string, flags int) (int, error) {
	if err := checkForm(path); err != nil {
		return -1, err
	}
	if path == "/" {
		return open(-1, "/", "/", flags)
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	at, err := open(-1, "/", "/", syscall.O_DIRECTORY)
	for i, part := range parts {
		if err != nil {
			return -1, err
		}
		above := at
		partFlags := syscall.O_DIRECTORY
		if i == len(parts)-1 {
			partFlags = flags
		}
		at, err = open(above, part, "/"+filepath.Join(parts[:i+1]...), partFlags)
		_ = syscall.Close(above) // it was only looked at
	}
	return at, err
}

func open(dir int, name, path string, flags int) (int, error) {
	fd, err := syscall.Openat(dir, name, flags|syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
			err = fmt.Errorf("%w (a symbolic link?)", err)
		}
		return -1, fmt.Errorf("%s: %w", path, err)
	}
	if err := checkOwned(fd, flags); err != nil {
		_ = syscall.Close(fd)
		return -1, fmt.Errorf("%s: %w", path, err)
	}
	return fd, nil
}

func checkOwned(fd, flags int) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return err
	}
	kind := st.Mode & syscall.S_IFMT
	isDir := kind == syscall.S_IFDIR
	switch {
	case flags&syscall.O_DIRECTORY == 0 && kind != syscall.S_IFREG:
		return fmt.Errorf("not a regular file")
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to user %d, want root", st.Uid)
	case st.Mode&0o022 != 0 && (!isDir || st.Mode&syscall.S_ISVTX == 0):
		return fmt.Errorf("mode %04o lets others than its owner write", st.Mode&0o7777)
	}
	return nil
}
