package installation

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// maxKeys is the most that an authorized keys file may hold, in bytes.
const maxKeys = 1 << 20

// A keyFile is a file of authorized keys. One that is missing is empty.
type keyFile interface {
	path() string
	read() (string, error)
	// replace writes the file in one step; without text it removes the file.
	replace(text string) error
	// isRoots reports whether only root can change the file.
	isRoots() bool
}

// keyFileOf returns the file at path: root's if its directory is, else the
// account's if it is below its home.
func keyFileOf(path string, a account) (keyFile, error) {
	below, err := filepath.Rel(a.home, path)
	isBelow := err == nil && below != ".." && !strings.HasPrefix(below, "../")
	if isBelow && !a.exists {
		return homeFile{a, below}, nil
	}
	err = trustedDir(filepath.Dir(path))
	switch {
	case err == nil:
		return rootFile(path), nil
	case isBelow:
		return homeFile{a, below}, nil
	default:
		return nil, fmt.Errorf("%s is neither root's nor below the home of account %s: %w", path, a.name, err)
	}
}

// A rootFile is a file that only root can change.
type rootFile string

func (f rootFile) path() string  { return string(f) }
func (f rootFile) isRoots() bool { return true }

func (f rootFile) read() (string, error) {
	text, err := trust.Read(string(f), maxKeys)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// replace makes a new file readable for all: sshd reads it as the account. One
// that is there keeps its mode and group.
func (f rootFile) replace(text string) error {
	if text == "" {
		return removeFile(string(f))
	}
	if err := makeDir(filepath.Dir(string(f))); err != nil {
		return err
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(string(f), &st); err != nil {
		return replace(string(f), text, 0o644)
	}
	staged, err := stage(string(f), text, fs.FileMode(st.Mode&0o777))
	if err != nil {
		return err
	}
	return errors.Join(os.Lchown(staged, 0, int(st.Gid)), install(staged, string(f)))
}

// A homeFile is a file below the home of an account, which may put links and
// other surprises there. So it is read and written with the rights of the
// account, and no link is followed.
type homeFile struct {
	account account
	below   string // the file, from the home on
}

func (f homeFile) path() string  { return filepath.Join(f.account.home, f.below) }
func (f homeFile) isRoots() bool { return false }

func (f homeFile) read() (string, error) {
	var text string
	if !f.account.exists {
		return "", nil
	}
	err := f.account.do(func() error {
		dir, err := f.openDir(false)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer syscall.Close(dir) //nolint:errcheck // it was only read
		text, _, err = f.readIn(dir)
		return err
	})
	return text, err
}

// readIn returns the text of the file in its directory, and its mode.
func (f homeFile) readIn(dir int) (text string, mode uint32, err error) {
	fd, err := syscall.Openat(dir, filepath.Base(f.below), syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0o600, nil
	}
	if err != nil {
		return "", 0, linkError(f.path(), err)
	}
	file := os.NewFile(uintptr(fd), f.path())
	defer file.Close() //nolint:errcheck // it was only read
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return "", 0, fmt.Errorf("%s: %w", f.path(), err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Nlink != 1 {
		return "", 0, fmt.Errorf("%s: not a regular file of one name", f.path())
	}
	if err := f.checkOwner(f.path(), &st); err != nil {
		return "", 0, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxKeys+1))
	if err == nil && len(content) > maxKeys {
		err = fmt.Errorf("%s: more than %d bytes", f.path(), maxKeys)
	}
	return string(content), st.Mode & 0o777, err
}

func (f homeFile) replace(text string) error {
	if err := f.makeHome(); err != nil {
		return err
	}
	return f.account.do(func() error {
		dir, err := f.openDir(true)
		if err != nil {
			return err
		}
		defer syscall.Close(dir) //nolint:errcheck // it is synced
		_, mode, err := f.readIn(dir)
		if err != nil {
			return err
		}
		if text == "" {
			err = syscall.Unlinkat(dir, filepath.Base(f.below))
		} else {
			err = f.writeIn(dir, text, mode)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", f.path(), err)
		}
		return syscall.Fsync(dir)
	})
}

func (f homeFile) writeIn(dir int, text string, mode uint32) error {
	name := filepath.Base(f.below)
	staged := "." + name + ".new"
	if err := syscall.Unlinkat(dir, staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fd, err := syscall.Openat(dir, staged, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), staged)
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Chmod(fs.FileMode(mode)), file.Sync(), file.Close()); err != nil {
		return err
	}
	return syscall.Renameat(dir, staged, dir, name)
}

// makeHome makes the home of an account that has lost it, or never got it.
func (f homeFile) makeHome() error {
	home := f.account.home
	if _, err := os.Lstat(home); !errors.Is(err, fs.ErrNotExist) {
		return nil // opening it says what else is wrong
	}
	if err := trust.MakeDir(home); err != nil {
		return err
	}
	return os.Lchown(home, f.account.uid, f.account.gid)
}

// openDir opens the directory of the file, part by part from the home on.
func (f homeFile) openDir(create bool) (int, error) {
	const flags = syscall.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	path := f.account.home
	at, err := syscall.Open(path, flags, 0)
	if err != nil {
		return -1, linkError(path, err)
	}
	if err := f.checkDir(at, path); err != nil {
		_ = syscall.Close(at)
		return -1, err
	}
	for _, part := range strings.Split(filepath.Dir(f.below), "/") {
		above := at
		path = filepath.Join(path, part)
		if create {
			_ = syscall.Mkdirat(above, part, 0o700) // opening it says whether it is there
		}
		at, err = syscall.Openat(above, part, flags, 0)
		_ = syscall.Close(above) // it was only looked at
		if err != nil {
			return -1, linkError(path, err)
		}
		if err := f.checkDir(at, path); err != nil {
			_ = syscall.Close(at)
			return -1, err
		}
	}
	return at, nil
}

func (f homeFile) checkDir(fd int, path string) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.checkOwner(path, &st)
}

// checkOwner refuses what others could have put there; sshd would, too (StrictModes).
func (f homeFile) checkOwner(path string, st *syscall.Stat_t) error {
	switch {
	case int(st.Uid) != f.account.uid:
		return fmt.Errorf("%s: belongs to user %d, want %s", path, st.Uid, f.account.name)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("%s: mode %04o lets others than its owner write", path, st.Mode&0o7777)
	}
	return nil
}

func linkError(path string, err error) error {
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s: not followed, it is a symbolic link or no directory: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// do calls f with the account's rights to files, on a thread that ends with it.
func (a account) do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked, so the thread ends with this function
		err := a.become()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// become gives this thread the account's rights to files, and no others.
func (a account) become() error {
	if _, _, err := syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0); err != 0 {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := errors.Join(syscall.Setfsgid(a.gid), syscall.Setfsuid(a.uid)); err != nil {
		return err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", syscall.Gettid()))
	if err != nil {
		return err
	}
	// setfsuid(2) tells no failure. The last of the four ids is that of files.
	uids, gids := statusField(string(status), "Uid:"), statusField(string(status), "Gid:")
	if len(uids) != 4 || len(gids) != 4 || uids[3] != strconv.Itoa(a.uid) || gids[3] != strconv.Itoa(a.gid) {
		return fmt.Errorf("the rights of account %s cannot be taken on: %v", a.name, slices.Concat(uids, gids))
	}
	return nil
}
