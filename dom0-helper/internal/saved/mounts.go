package saved

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Mounts says which file systems this Dom0 is to have, and which it has. The zero
// value has none.
type Mounts struct {
	// Wanted is the path of fstab(5), Present that of mountinfo, proc_pid_mountinfo(5).
	Wanted, Present string
}

// points are the directories that are mounted on.
type points []string

// missing returns the directories on which a file system is to be mounted, and is not.
// A Dom0 that boots answers requests before those of its network are there.
func (m Mounts) missing() (points, error) {
	if m.Wanted == "" {
		return nil, nil
	}
	wanted, err := readPoints(m.Wanted, 2)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	present, err := readPoints(m.Present, 5)
	if err != nil {
		return nil, err
	}
	var missing points
	for _, point := range wanted {
		if slices.Contains(present, point) { // it is not looked at, since it may hang
			continue
		}
		if real, err := resolve(point); err == nil {
			point = real
		}
		if !slices.Contains(present, point) {
			missing = append(missing, point)
		}
	}
	return missing, nil
}

// readPoints reads the paths in one field of each line of a file, counted from 1. A file
// that is missing has none.
func readPoints(path string, field int) (points, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found points
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) >= field && fields[0][0] != '#' && strings.HasPrefix(fields[field-1], "/") {
			found = append(found, filepath.Clean(unescape(fields[field-1])))
		}
	}
	return found, nil
}

// unescape replaces what stands for blanks and the like: a backslash and three octal digits.
func unescape(path string) string {
	var text strings.Builder
	for {
		before, after, found := strings.Cut(path, `\`)
		text.WriteString(before)
		if !found {
			return text.String()
		}
		if len(after) >= 3 {
			if code, err := strconv.ParseUint(after[:3], 8, 8); err == nil {
				text.WriteByte(byte(code))
				path = after[3:]
				continue
			}
		}
		text.WriteByte('\\')
		path = after
	}
}

// hides returns an error if images may be in the directory that are not seen now: a file
// system that it is to be on is not mounted, or it is a link that leads nowhere.
func (p points) hides(dir string) error {
	real, err := resolve(dir)
	if err != nil {
		return err
	}
	for _, point := range p {
		if point == real || strings.HasPrefix(real, strings.TrimSuffix(point, "/")+"/") {
			return fmt.Errorf("%s: the file system of %s is not mounted, and images may be there: mount it, or remove it from /etc/fstab", dir, point)
		}
	}
	return nil
}

// resolve returns the path of a directory without links. Its end need not be there; a
// link that leads nowhere is an error.
func resolve(dir string) (string, error) {
	rest := ""
	for path := dir; ; path = filepath.Dir(path) {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || path == "/" {
			return "", err
		}
		if _, err := os.Lstat(path); err == nil {
			return "", fmt.Errorf("%s: the link %s leads nowhere, and images may be there once it does", dir, path)
		}
		rest = filepath.Join(filepath.Base(path), rest)
	}
}
