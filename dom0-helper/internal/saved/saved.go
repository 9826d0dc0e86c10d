// Package saved finds the images of saved guests where something on this Dom0
// restores them by itself, and puts them out of reach. An image is the memory of
// a guest in a file: who restores it goes on with that memory.
package saved

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/image"
)

// A Dir is a directory that images are restored from.
type Dir struct {
	Path string
	// Who restores them, for people.
	Who string
}

// A Host says where the files are that a Store is made from. The zero value has none.
type Host struct {
	// Usual are the directories that count in any case.
	Usual []Dir
	// Settings are the files with the settings of xendomains.
	Settings []string
	Mounts   Mounts
}

// ThisHost is where Xen's script xendomains, in Debian's form and in its own, and
// libvirt's driver for Xen have their files.
func ThisHost() Host {
	return Host{
		Usual: []Dir{
			{"/var/lib/xen/save", "xendomains"},
			{"/var/lib/libvirt/libxl/save", "libvirt"},
		},
		Settings: []string{"/etc/default/xendomains", "/etc/sysconfig/xendomains"},
		Mounts:   Mounts{Wanted: "/etc/fstab", Present: "/proc/self/mountinfo"},
	}
}

// A Store is all the directories of this Dom0. The zero value has none.
type Store struct {
	Dirs []Dir
	// Unknown says why there may be more, and is nil if there are not.
	Unknown error
	// Relied says why there may be more but for those that the policy names: whether
	// these are all, only its author knows. It is nil if there are not.
	Relied error
	// Migrate is where xendomains migrates guests to, by the file that says so.
	Migrate map[string]string
	// Mounts tells which directories cannot be seen yet.
	Mounts Mounts

	mu   sync.Mutex
	hung error // of the first look that did not end
}

// Open returns the Store with the host's directories and those that the policy
// names. Where it names any, settings that would have to be computed are its
// author's business.
func Open(h Host, named []string) *Store {
	s := &Store{Dirs: slices.Clone(h.Usual), Migrate: map[string]string{}, Mounts: h.Mounts}
	for _, path := range named {
		s.add(path, "the policy")
	}
	for _, path := range h.Settings {
		settings, err := bounded.Read(bounded.Limit, func(at func(string)) (Settings, error) {
			at(path)
			return readSettings(path)
		})
		if err != nil {
			if len(named) == 0 {
				s.Unknown = errors.Join(s.Unknown, fmt.Errorf("%w: name the directory in the policy: images DIRECTORY", err))
			} else {
				s.Relied = errors.Join(s.Relied, err)
			}
			continue
		}
		if settings.Save != "" {
			s.add(settings.Save, "xendomains, by "+path)
		}
		if settings.Migrate != "" {
			s.Migrate[path] = settings.Migrate
		}
	}
	return s
}

func (s *Store) add(path, who string) {
	if !slices.ContainsFunc(s.Dirs, func(d Dir) bool { return d.Path == path }) {
		s.Dirs = append(s.Dirs, Dir{path, who})
	}
}

// An Image is a file that a toolstack restores a guest from.
type Image struct {
	Path string
	// Header tells whose memory it is. Its Name is empty if the file begins as an
	// image does, and cannot be understood.
	Header image.Header
	info   fs.FileInfo
}

// IsOf reports whether the image has the guest's name, as isName says: by its
// header, or by the name of its file if that is all that there is. xendomains
// names the file as the guest; libvirt, and Pacemaker's VirtualDomain, add an ending.
func (i Image) IsOf(guest string, isName func(name string) bool) bool {
	if i.Header.Name != "" {
		return isName(i.Header.Name)
	}
	name := filepath.Base(i.Path)
	if was, ok := fencedName(name); ok {
		name = was
	}
	return slices.Contains([]string{guest, guest + ".save", guest + ".state"}, name)
}

// String says whose image it is, for people.
func (i Image) String() string {
	if i.Header.Name == "" {
		return "image " + i.Path
	}
	return fmt.Sprintf("image %s of %q", i.Path, i.Header.Name)
}

// A Sight is what was seen at one look.
type Sight struct {
	Images []Image
	// Fenced are the images that were put out of reach.
	Fenced []string
	// Unknown says what could not be looked at: there may be more images.
	Unknown error
}

// And returns what was seen at either of two looks, the later of which is other.
// What was an image before, and is gone, may have been restored since.
func (s Sight) And(other Sight) Sight {
	for _, i := range s.Images {
		if !slices.ContainsFunc(other.Images, i.same) {
			other.Images = append(other.Images, i)
		}
	}
	if other.Unknown == nil {
		other.Unknown = s.Unknown
	}
	return other
}

// Look looks for all images, for a limited time. Once it has not ended, no look
// ever begins again.
func (s *Store) Look() Sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hung != nil {
		return Sight{Unknown: errors.Join(s.Unknown, s.hung)}
	}
	seen, err := bounded.Read(bounded.Limit, func(at func(string)) (Sight, error) {
		var seen Sight
		missing, err := s.Mounts.missing()
		seen.Unknown = err
		for _, d := range s.Dirs {
			at(d.Path)
			seen.Unknown = errors.Join(seen.Unknown, missing.hides(d.Path))
			seen.read(d.Path, at)
		}
		return seen, nil
	})
	s.hung = err
	seen.Unknown = errors.Join(s.Unknown, seen.Unknown, err)
	return seen
}

// read adds what is in a directory. One that is missing is empty, if nothing hides it. Links to files
// are followed, as xendomains does; directories in it are nobody's, nor are files
// whose names begin with a dot: no pattern of xendomains fits these.
func (s *Sight) read(dir string, at func(string)) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Unknown = errors.Join(s.Unknown, err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") {
			if _, ok := fencedName(entry.Name()); ok {
				s.Fenced = append(s.Fenced, path)
			}
			continue
		}
		if kind := entry.Type(); kind != 0 && kind != fs.ModeSymlink {
			continue
		}
		at(path)
		found, isImage, err := open(path)
		if isImage && !slices.ContainsFunc(s.Images, found.same) {
			s.Images = append(s.Images, found)
		}
		s.Unknown = errors.Join(s.Unknown, err)
	}
}

// Is reports whether a path leads to the image, by its own name.
func (i Image) Is(path string) bool {
	if filepath.Base(path) != filepath.Base(i.Path) {
		return false
	}
	info, err := bounded.Read(bounded.Limit, func(at func(string)) (fs.FileInfo, error) {
		at(path)
		return os.Stat(path)
	})
	return err == nil && os.SameFile(info, i.info)
}

// same reports whether both are one name: a directory may be there under two
// names, by a link or a mount.
func (i Image) same(other Image) bool {
	return os.SameFile(i.info, other.info) && filepath.Base(i.Path) == filepath.Base(other.Path)
}

// open reads the header of what is a regular file and an image. What is gone, and
// a link that leads nowhere, is none.
func open(path string) (found Image, isImage bool, err error) {
	info, err := os.Stat(path)
	if nothingThere(err) || err == nil && !info.Mode().IsRegular() {
		return Image{}, false, nil
	}
	if err != nil {
		return Image{}, false, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if nothingThere(err) {
		return Image{}, false, nil
	}
	if err != nil {
		return Image{}, false, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	if info, err = file.Stat(); err != nil || !info.Mode().IsRegular() {
		return Image{}, false, err
	}
	header, err := image.ReadHeader(file)
	var unread *fs.PathError
	switch {
	case errors.Is(err, image.ErrNotImage):
		return Image{}, false, nil
	case errors.As(err, &unread):
		return Image{}, false, err
	default: // also one that cannot be understood
		return Image{Path: path, Header: header, info: info}, true, nil
	}
}

// nothingThere reports whether the error says that nothing can be restored from
// the path: it is gone, or a link in a circle.
func nothingThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP)
}

// Older returns those of the fenced files that hold the memory of a guest, as mine
// says, but for those to keep. It is empty if they cannot be read in time.
func Older(fenced, keep []string, mine func(Image) bool) []string {
	older, err := bounded.Read(bounded.Limit, func(at func(string)) ([]string, error) {
		var older []string
		for _, path := range fenced {
			at(path)
			found, isImage, err := open(path)
			if err == nil && isImage && mine(found) && !slices.Contains(keep, path) {
				older = append(older, path)
			}
		}
		return older, nil
	})
	if err != nil {
		return nil // the next fence tries again
	}
	return older
}
