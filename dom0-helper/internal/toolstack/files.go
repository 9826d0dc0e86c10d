package toolstack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/image"
)

// readLimit is how long all files that processes name may take at one look: they
// may be on a network that hangs.
const readLimit = 2 * time.Second

// errNotRegular is the error of a file that is not looked into: to read a pipe
// would take from it what its reader is to get.
var errNotRegular = errors.New("is no regular file")

// errHangs is the error of a file that cannot be read in time.
var errHangs = errors.New("is not read in time")

// A subject is the guest that a process makes from a file.
type subject struct {
	name, uuid string
	err        error // why neither can be told
}

// reader reads files for one look.
type reader struct{ deadline time.Time }

func newReader() *reader { return &reader{time.Now().Add(readLimit)} }

// within runs read, and gives it up at the deadline.
func within[T any](r *reader, read func() (T, error)) (T, error) {
	value, err := bounded.Read(time.Until(r.deadline), func(func(string)) (T, error) { return read() })
	if slow := (*bounded.SlowError)(nil); errors.As(err, &slow) {
		err = errHangs // who asked knows the path
	}
	return value, err
}

// openPath is O_PATH of open(2): the file is found and not opened, so that neither a
// pipe nor a device notices.
const openPath = 0x200000

// openRegular opens a file that must be a regular one.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	found, err := os.OpenFile(path, openPath, 0)
	if err != nil {
		return nil, nil, err
	}
	defer found.Close() //nolint:errcheck // nothing was read by it
	info, err := found.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return nil, nil, err
	}
	opened, err := os.Open(filepath.Join(procDir, "self/fd", strconv.Itoa(int(found.Fd()))))
	return opened, info, err
}

// config reads the configuration that a process names, with the settings that go behind it.
func (r *reader) config(path, settings string) (subject, os.FileInfo) {
	type content struct {
		text []byte
		info os.FileInfo
	}
	read, err := within(r, func() (content, error) {
		opened, info, err := openRegular(path)
		if err != nil {
			return content{}, err
		}
		defer opened.Close() //nolint:errcheck // it was only read
		text, err := io.ReadAll(io.LimitReader(opened, guestconfig.MaxSize+1))
		if err == nil && len(text) > guestconfig.MaxSize {
			err = fmt.Errorf("has more than %d bytes", guestconfig.MaxSize)
		}
		return content{text, info}, err
	})
	if err != nil {
		return told(settings, err), nil
	}
	return told(string(read.text)+"\n"+settings, nil), read.info
}

// told reads name and UUID from settings, which are all that there is of them if
// the file could not be read.
func told(settings string, fileErr error) subject {
	name, uuid, err := guestconfig.Effective([]byte(settings))
	switch {
	case err == nil && name != "":
		return subject{name: name, uuid: uuid}
	case fileErr != nil:
		return subject{err: fileErr}
	case err != nil:
		return subject{err: err}
	}
	return subject{err: errors.New("has no name of a guest")}
}

// image reads the header of an image. Its error is image.ErrNotImage where a
// regular file is none.
func (r *reader) image(path string) (subject, error) {
	header, err := within(r, func() (image.Header, error) {
		opened, _, err := openRegular(path)
		if err != nil {
			return image.Header{}, err
		}
		defer opened.Close() //nolint:errcheck // it was only read
		return image.ReadHeader(opened)
	})
	return subject{name: header.Name, uuid: header.UUID, err: err}, err
}

// stat returns what is at a path, or nil.
func (r *reader) stat(path string) os.FileInfo {
	info, err := within(r, func() (os.FileInfo, error) { return os.Stat(path) })
	if err != nil {
		return nil
	}
	return info
}

// at returns the way by which we reach a path that a process has in its words: in
// its root, from its own directory, though that may be removed, or among its descriptors.
func at(dir, path string) string {
	for _, own := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if number, ok := strings.CutPrefix(path, own); ok {
			return dir + "/fd/" + number
		}
	}
	switch path {
	case "/dev/stdin":
		return dir + "/fd/0"
	case "/dev/stdout":
		return dir + "/fd/1"
	}
	if filepath.IsAbs(path) {
		return dir + "/root" + path
	}
	return dir + "/cwd/" + path
}

// absolute returns such a path as people know it.
func absolute(dir, path string) string {
	if !filepath.IsAbs(path) {
		cwd, err := os.Readlink(filepath.Join(dir, "cwd"))
		if err != nil {
			cwd = "/"
		}
		path = cwd + "/" + path
	}
	return filepath.Clean(path)
}

// A descriptor is an open file of a process.
type descriptor struct {
	path string // by which we reach it, also if it was removed
	link string // where it leads
}

// descriptors returns those of a process that lead to something with a path.
func descriptors(dir string) ([]descriptor, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return nil, gone(err)
	}
	var found []descriptor
	for _, entry := range entries {
		path := filepath.Join(dir, "fd", entry.Name())
		link, err := os.Readlink(path)
		if err == nil && strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "/dev/") {
			found = append(found, descriptor{path, link})
		}
	}
	return found, nil
}

// isRead reports whether a process may read from a descriptor: its flags are octal,
// and the last two bits are the way in which it was opened (proc_pid_fdinfo(5)).
func isRead(dir string, d descriptor) bool {
	text, err := os.ReadFile(filepath.Join(dir, "fdinfo", filepath.Base(d.path)))
	_, rest, found := strings.Cut(string(text), "flags:")
	if err != nil || !found {
		return true
	}
	flags, err := strconv.ParseUint(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 8, 32)
	return err != nil || flags&syscall.O_ACCMODE != syscall.O_WRONLY
}
