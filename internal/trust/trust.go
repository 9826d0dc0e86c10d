// Package trust reads files that decide over power, and only where no one but root and
// the caller can write or exchange them.
package trust

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Read reads a file that only root and the caller can change: neither it
// nor any directory above it belongs to, or is writable by, anyone else, and no
// part of its path is a symbolic link. All is checked on open descriptors, so
// nothing can be exchanged between check and use. A file of more than limit
// bytes is an error.
//
// A directory that all may write to is accepted if it is sticky, as /tmp is:
// there no one can exchange what belongs to another.
func Read(path string, limit int64) ([]byte, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	return read(file, limit)
}

// ReadLinked reads a file as Read does, but follows symbolic links, as Open does.
func ReadLinked(path string, limit int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	return read(file, limit)
}

// Open opens a file for reading that Read would read, but follows symbolic links: each
// must be in a directory that only root and the caller can change, and belong to one of
// both, as it may be in a directory that is sticky.
func Open(path string) (*os.File, error) {
	target, err := follow(path, maxLinks)
	if err != nil {
		return nil, err
	}
	return open(target)
}

// Check checks a file as Open does, and does not read it.
func Check(path string) error {
	file, err := Open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

// read reads all of the file, and closes it.
func read(file *os.File, limit int64) ([]byte, error) {
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", file.Name(), limit)
	}
	return text, nil
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
	if _, err := os.Readlink(path); err != nil {
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
	// From here on no one else can exchange a link of root's or of the caller's.
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if err := checkOwner(path, st.Uid); err != nil {
		return "", err
	}
	target, err := os.Readlink(path)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(dir, target)
	}
	return follow(filepath.Clean(target), links-1)
}

// MakeDir makes sure that path is a directory that only root and the
// caller can change, or add anything to. Directories above it must exist.
func MakeDir(path string) error {
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
	dir, err := openPart(above, filepath.Base(path), path, syscall.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer syscall.Close(dir) //nolint:errcheck // it was only looked at
	return checkNoOtherWriter(dir, path)
}

// CheckDir checks that no one but root and the caller can add anything to a directory, or
// put another in its place. Links are followed as by Open. One that is missing is no error.
func CheckDir(path string) error {
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
	return checkWriters(path, st.Mode)
}

func open(path string) (*os.File, error) {
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
		return openPart(-1, "/", "/", flags)
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	at, err := openPart(-1, "/", "/", syscall.O_DIRECTORY)
	for i, part := range parts {
		if err != nil {
			return -1, err
		}
		above := at
		partFlags := syscall.O_DIRECTORY
		if i == len(parts)-1 {
			partFlags = flags
		}
		at, err = openPart(above, part, "/"+filepath.Join(parts[:i+1]...), partFlags)
		_ = syscall.Close(above) // it was only looked at
	}
	return at, err
}

// oPath is O_PATH of open(2), which the package syscall does not have.
const oPath = 0x200000

// openPart opens one part of a path, and checks it.
func openPart(dir int, name, path string, flags int) (int, error) {
	flags |= syscall.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	fd, err := syscall.Openat(dir, name, flags, 0)
	if errors.Is(err, syscall.EACCES) && flags&syscall.O_DIRECTORY != 0 {
		fd, err = syscall.Openat(dir, name, flags|oPath, 0) // who may not list a directory may pass it
	}
	if err != nil {
		if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
			err = fmt.Errorf("%w (a symbolic link?)", err)
		}
		return -1, fmt.Errorf("%s: %w", path, err)
	}
	if err := checkOwned(fd, flags, path); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func checkOwned(fd, flags int, path string) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	kind := st.Mode & syscall.S_IFMT
	if flags&syscall.O_DIRECTORY == 0 && kind != syscall.S_IFREG {
		return fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	if err := checkOwner(path, st.Uid); err != nil {
		return err
	}
	if kind == syscall.S_IFDIR && st.Mode&syscall.S_ISVTX != 0 {
		return nil
	}
	return checkWriters(path, st.Mode)
}

// checkOwner refuses what is neither root's nor the caller's.
func checkOwner(path string, uid uint32) error {
	caller := os.Geteuid()
	if uid == 0 || int(uid) == caller {
		return nil
	}
	text := fmt.Sprintf("belongs to user %d, want root", uid)
	if caller != 0 {
		text += fmt.Sprintf(" or user %d, who runs this", caller)
	}
	return &Suspect{path, text, "chown -h root " + path}
}

// checkWriters refuses what others than its owner can write.
func checkWriters(path string, mode uint32) error {
	if mode&0o022 == 0 {
		return nil
	}
	return &Suspect{path, fmt.Sprintf("mode %04o lets others than its owner write", mode&0o7777), "chmod go-w " + path}
}

// ErrNotRegular is within the error of what is no regular file, such as a directory or a pipe.
var ErrNotRegular = errors.New("not a regular file")

// A Suspect is the error of a file, directory or link that somebody else could write or
// exchange. All other errors are of another kind, as of a file that is not there.
type Suspect struct {
	Path, Fault string
	// Remedy is a command that makes it trusted.
	Remedy string
}

// Error returns where and what is wrong.
func (s *Suspect) Error() string { return s.Path + ": " + s.Fault }
