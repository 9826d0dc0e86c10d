package saved

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// fencedForm is the name of a file that was put out of reach: the name it had
// between a dot and the time. It begins with a dot, so no pattern of xendomains
// fits it; libvirt and VirtualDomain want the one name that it had.
var fencedForm = pattern.Lazy(`(?s)^\.(.+)\.fenced-[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?$`)

// fencedName returns the name that the file had before it was put out of reach.
func fencedName(name string) (was string, ok bool) {
	parts := fencedForm().FindStringSubmatch(name)
	if parts == nil {
		return "", false
	}
	return parts[1], true
}

// maxFenced is what is kept of a long name, so that the new one is not too long, open(2).
const maxFenced = 200

// PutAway renames the image within its directory, to a name that nothing restores
// it from, and returns its path there. A person can rename it back. Renaming takes
// no time, also for a large file, and it lasts once the directory is synced. An
// image that is gone is none to put away: path is empty then. So is one that is
// another file by now, which the next look finds.
func (i Image) PutAway(now time.Time) (path string, err error) {
	return bounded.Read(bounded.Limit, func(at func(string)) (string, error) {
		at(i.Path)
		if info, err := os.Stat(i.Path); errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, i.info) {
			return "", nil
		}
		i.keepPrivate()
		dir, name := filepath.Split(i.Path)
		name = name[:min(len(name), maxFenced)]
		fenced := dir + "." + name + ".fenced-" + now.UTC().Format("20060102T150405Z")
		path := fenced
		for n := 2; ; n++ {
			_, err := os.Lstat(path)
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return "", err
			}
			path = fmt.Sprintf("%s-%d", fenced, n)
		}
		err := os.Rename(i.Path, path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return path, nil
	})
}

// keepPrivate lets root alone read the memory of the guest. The path may be a link that
// somebody exchanges meanwhile, so it is the file itself that gets the mode.
func (i Image) keepPrivate() {
	file, err := os.OpenFile(i.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return // it is moved all the same
	}
	defer file.Close() //nolint:errcheck // it was only read
	if info, err := file.Stat(); err == nil && os.SameFile(info, i.info) {
		_ = file.Chmod(0o600) // not all file systems have modes
	}
}

// Sync returns when the names in the directories of these files are on disk: a
// Dom0 that crashes before would come up with the former ones.
func Sync(files []string) error {
	var dirs []string
	for _, path := range files {
		if dir := filepath.Dir(path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	_, err := bounded.Read(bounded.Limit, func(at func(string)) (struct{}, error) {
		for _, path := range dirs {
			at(path)
			dir, err := os.Open(path)
			if err != nil {
				return struct{}{}, err
			}
			err = dir.Sync()
			_ = dir.Close() // it was only read
			if err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}
