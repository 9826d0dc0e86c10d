package policy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fileLimit is the size of the largest file that the tests of files accept.
const fileLimit = 100

func TestReadTrusted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "text\n", strings.Repeat("x", fileLimit)} {
		for _, mode := range []fs.FileMode{0o400, 0o600, 0o644, 0o755} {
			path := write(t, t.TempDir(), "file", text, mode)
			got, err := ReadTrusted(path, fileLimit)
			if err != nil {
				t.Errorf("ReadTrusted of mode %o: %v", mode, err)
			}
			if diff := cmp.Diff(text, string(got)); diff != "" {
				t.Errorf("ReadTrusted (-want +got):\n%s", diff)
			}
		}
	}
}

// A place makes a file below dir and returns its path.
type place struct {
	name string
	make func(t *testing.T, dir string) string
	want string // the error, in which DIR is dir
}

func (p place) path(t *testing.T, dir string) string {
	t.Helper()
	if os.Geteuid() != 0 && strings.Contains(p.want, "belongs to user") {
		t.Skip("only root can give files away")
	}
	return p.make(t, dir)
}

var trustedPlaces = []place{
	{"below a sticky directory", func(t *testing.T, dir string) string {
		return write(t, mkdir(t, dir, "open", fs.ModeSticky|0o777), "file", "", 0o600)
	}, ""},
	{"below a sticky directory of a group", func(t *testing.T, dir string) string {
		return write(t, mkdir(t, dir, "open", fs.ModeSticky|0o770), "file", "", 0o600)
	}, ""},
	{"in a directory that all may read", func(t *testing.T, dir string) string {
		return write(t, mkdir(t, dir, "sub", 0o755), "file", "", 0o600)
	}, ""},
	{"with blanks in its name", func(t *testing.T, dir string) string {
		return write(t, dir, " a\nb ", "", 0o600)
	}, ""},
}

// suspectPlaces hold files that someone else could write or exchange.
var suspectPlaces = []place{
	{"writable by its group", func(t *testing.T, dir string) string {
		return write(t, dir, "file", "", 0o620)
	}, "DIR/file: mode 0620 lets others than its owner write"},
	{"writable by all", func(t *testing.T, dir string) string {
		return write(t, dir, "file", "", 0o602)
	}, "DIR/file: mode 0602 lets others than its owner write"},
	{"writable by all and sticky", func(t *testing.T, dir string) string {
		return write(t, dir, "file", "", fs.ModeSticky|0o666)
	}, "DIR/file: mode 1666 lets others than its owner write"},
	{"below a directory that all may write to", func(t *testing.T, dir string) string {
		return write(t, mkdir(t, mkdir(t, dir, "open", 0o777), "sub", 0o700), "file", "", 0o600)
	}, "DIR/open: mode 0777 lets others than its owner write"},
	{"below a directory that a group may write to", func(t *testing.T, dir string) string {
		return write(t, mkdir(t, dir, "open", 0o770), "file", "", 0o600)
	}, "DIR/open: mode 0770 lets others than its owner write"},
	{"of another user", func(t *testing.T, dir string) string {
		return chown(t, write(t, dir, "file", "", 0o600))
	}, "DIR/file: belongs to user 65534, want root"},
	{"in a directory of another user", func(t *testing.T, dir string) string {
		sub := mkdir(t, dir, "sub", 0o700)
		return filepath.Join(chown(t, sub), filepath.Base(write(t, sub, "file", "", 0o600)))
	}, "DIR/sub: belongs to user 65534, want root"},
	{"a directory", func(t *testing.T, dir string) string {
		return mkdir(t, dir, "sub", 0o700)
	}, "DIR/sub: not a regular file"},
	{"a FIFO that no one writes to", func(t *testing.T, dir string) string {
		path := filepath.Join(dir, "fifo")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}, "DIR/fifo: not a regular file"},
	{"missing", func(_ *testing.T, dir string) string {
		return filepath.Join(dir, "missing")
	}, "no such file or directory"},
	{"in a missing directory", func(_ *testing.T, dir string) string {
		return filepath.Join(dir, "missing", "file")
	}, "no such file or directory"},
}

// linkedPlaces hold files behind symbolic links.
var linkedPlaces = []place{
	{"a link", func(t *testing.T, dir string) string {
		return symlink(t, write(t, dir, "file", "", 0o600), filepath.Join(dir, "link"))
	}, "DIR/link: too many levels of symbolic links (a symbolic link?)"},
	{"below a link", func(t *testing.T, dir string) string {
		file := write(t, mkdir(t, dir, "sub", 0o700), "file", "", 0o600)
		return filepath.Join(symlink(t, filepath.Dir(file), filepath.Join(dir, "link")), "file")
	}, "DIR/link: not a directory (a symbolic link?)"},
}

// crookedPaths are not absolute or not in their shortest form; below DIR/sub is the file.
var crookedPaths = []string{"", ".", "file", "./file", "DIR/sub/../sub/file", "DIR//sub/file", "DIR/./sub/file", "DIR/sub/file/", "/.."}

func TestReadTrustedRefuses(t *testing.T) {
	t.Parallel()
	read := func(path string) error {
		_, err := ReadTrusted(path, fileLimit)
		return err
	}
	testPlaces(t, read, trustedPlaces, suspectPlaces, linkedPlaces, []place{
		{"too large", func(t *testing.T, dir string) string {
			return write(t, dir, "file", strings.Repeat("x", fileLimit+1), 0o600)
		}, "DIR/file: more than 100 bytes"},
	})
	dir := t.TempDir()
	write(t, mkdir(t, dir, "sub", 0o700), "file", "", 0o600)
	for _, path := range crookedPaths {
		path = strings.ReplaceAll(path, "DIR", dir)
		requireError(t, read(path), path+": not an absolute path in its shortest form")
	}
	requireError(t, read("/"), "not a regular file")
}

// What is behind a link must be trusted all the same.
func TestTrustedLinks(t *testing.T) {
	t.Parallel()
	checks := map[string]func(path string) error{
		"CheckTrusted": CheckTrusted,
		"ReadTrustedLink": func(path string) error {
			_, err := ReadTrustedLink(path, fileLimit)
			return err
		},
	}
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testLinks(t, check)
		})
	}
}

func testLinks(t *testing.T, check func(path string) error) {
	t.Helper()
	var followed []place
	for _, p := range linkedPlaces {
		followed = append(followed, place{p.name, p.make, ""})
	}
	for _, p := range suspectPlaces {
		followed = append(followed, place{"a link to one " + p.name, func(t *testing.T, dir string) string {
			return symlink(t, p.path(t, dir), filepath.Join(dir, "link"))
		}, p.want})
	}
	followed = append(followed, place{"a link to itself", func(t *testing.T, dir string) string {
		return symlink(t, filepath.Join(dir, "link"), filepath.Join(dir, "link"))
	}, "too many symbolic links"})
	testPlaces(t, check, trustedPlaces, suspectPlaces, followed)
	t.Run("relative", func(t *testing.T) {
		t.Parallel()
		requireError(t, check("policy.go"), "policy.go: not an absolute path in its shortest form")
	})
}

func testPlaces(t *testing.T, check func(path string) error, lists ...[]place) {
	t.Helper()
	for _, places := range lists {
		for _, p := range places {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				requireError(t, check(p.path(t, dir)), strings.ReplaceAll(p.want, "DIR", dir))
			})
		}
	}
}

func TestMakeTrustedDir(t *testing.T) {
	t.Parallel()
	twice := func(path string) error {
		if err := MakeTrustedDir(path); err != nil {
			return err
		}
		return MakeTrustedDir(path)
	}
	testPlaces(t, twice, []place{
		{"new", func(_ *testing.T, dir string) string { return filepath.Join(dir, "new") }, ""},
		{"there", func(t *testing.T, dir string) string { return mkdir(t, dir, "sub", 0o755) }, ""},
		{"in none", func(_ *testing.T, dir string) string {
			return filepath.Join(dir, "missing", "new")
		}, "no such file or directory"},
		{"below one that all may write to", func(t *testing.T, dir string) string {
			return filepath.Join(mkdir(t, dir, "open", 0o777), "new")
		}, "DIR/open: mode 0777 lets others than its owner write"},
		{"writable by all", func(t *testing.T, dir string) string {
			return mkdir(t, dir, "sub", 0o777)
		}, "DIR/sub: mode 0777 lets others than its owner write"},
		{"a file", func(t *testing.T, dir string) string {
			return write(t, dir, "file", "", 0o600)
		}, "DIR/file: not a directory"},
		{"a link", func(t *testing.T, dir string) string {
			return symlink(t, mkdir(t, dir, "sub", 0o700), filepath.Join(dir, "link"))
		}, "DIR/link: not a directory (a symbolic link?)"},
		{"a link to nothing", func(t *testing.T, dir string) string {
			return symlink(t, filepath.Join(dir, "missing"), filepath.Join(dir, "link"))
		}, "DIR/link: not a directory (a symbolic link?)"},
		{"of another user", func(t *testing.T, dir string) string {
			return chown(t, mkdir(t, dir, "sub", 0o700))
		}, "DIR/sub: belongs to user 65534, want root"},
		{"not in its shortest form", func(_ *testing.T, dir string) string {
			return dir + "/./new"
		}, "not an absolute path in its shortest form"},
	})
}

func TestMakeTrustedDirIsForNoOneElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new")
	requireError(t, MakeTrustedDir(path), "")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got&0o077 != 0 {
		t.Errorf("a new directory has mode %o, want nothing for others", got)
	}
}

func TestCheckTrustedDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "images")
	requireError(t, CheckTrustedDir(path), "") // missing
	requireError(t, CheckTrustedDir(path+"/below"), "")
	if err := errors.Join(os.Mkdir(path, 0o755), os.Symlink(path, dir+"/link")); err != nil {
		t.Fatal(err)
	}
	requireError(t, CheckTrustedDir(path), "")
	requireError(t, CheckTrustedDir(dir+"/link"), "")
	for _, mode := range []os.FileMode{0o775, 0o777, os.ModeSticky | 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		requireError(t, CheckTrustedDir(dir+"/link"), path+": mode ")
	}
	requireError(t, CheckTrustedDir(write(t, dir, "file", "", 0o600)), "directory")
}

// requireError demands an error that holds want, or none if want is empty.
func requireError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("no error, want %q", want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("error %q, want %q", err, want)
	}
}

// write makes a file of exactly that mode, whatever the umask, and returns its path.
func write(t *testing.T, dir, name, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return chmod(t, path, mode)
}

func mkdir(t *testing.T, dir, name string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return chmod(t, path, mode)
}

func chmod(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// chown gives a file away to nobody.
func chown(t *testing.T, path string) string {
	t.Helper()
	if err := os.Lchown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	return path
}

func symlink(t *testing.T, to, path string) string {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
	return path
}
