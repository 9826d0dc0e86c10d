package saved

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const uuid = "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a01"

// xlImage is the beginning of what xl save writes of a guest.
func xlImage(name string) []byte {
	config := fmt.Sprintf("{\"c_info\": {\"name\": %q, \"uuid\": %q}}\x00", name, uuid)
	text := []byte("Xen saved domain, xl format\n \x00 \r")
	for _, word := range []int{0x01020304, 3, 0, len(config) + 4, len(config)} {
		text = binary.LittleEndian.AppendUint32(text, uint32(word))
	}
	return append(append(text, config...), "LibxlFmt"...)
}

func put(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// names are the base names of the images, and of whom they are.
func names(images []Image) []string {
	var list []string
	for _, i := range images {
		list = append(list, filepath.Base(i.Path)+" "+i.Header.Name)
	}
	return list
}

func require(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	put(t, dir+"/node-1", xlImage("node-1"))
	put(t, dir+"/other", xlImage("node-2"))
	put(t, dir+"/cut", xlImage("node-3")[:60])
	put(t, dir+"/empty", nil)
	put(t, dir+"/text", []byte("no image, but longer than a magic"))
	put(t, dir+"/.hidden", xlImage("node-1"))
	fenced := put(t, dir+"/.node-1.fenced-20261121T050710Z", xlImage("node-1"))
	put(t, dir+"/odd \x1b\n\xff", xlImage("node-4"))
	put(t, elsewhere+"/target", xlImage("node-5"))
	err := errors.Join(
		os.Symlink(elsewhere+"/target", dir+"/link"), os.Symlink("/missing", dir+"/dangling"), os.Symlink("loop", dir+"/loop"),
		os.Symlink(elsewhere, dir+"/linked-directory"), os.Mkdir(dir+"/directory", 0o700),
		syscall.Mkfifo(dir+"/pipe", 0o600), os.Link(dir+"/node-1", dir+"/second-name"), os.Symlink(dir, elsewhere+"/again"),
	)
	put(t, dir+"/directory/below", xlImage("node-1"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{Dirs: []Dir{{"/missing", ""}, {dir, ""}, {elsewhere + "/again", ""}}}
	seen := s.Look()
	require(t, "images", []string{"cut ", "link node-5", "node-1 node-1", "odd \x1b\n\xff node-4", "other node-2", "second-name node-1"}, names(seen.Images))
	require(t, "fenced", []string{fenced, elsewhere + "/again/.node-1.fenced-20261121T050710Z"}, seen.Fenced)
	if seen.Unknown != nil {
		t.Errorf("unknown: %v", seen.Unknown)
	}
}

// What cannot be read may be an image.
func TestLookFails(t *testing.T) {
	t.Parallel()
	file := put(t, t.TempDir()+"/file", nil)
	s := &Store{Dirs: []Dir{{file, ""}}, Unknown: errors.New("more")}
	if err := s.Look().Unknown; err == nil || !strings.Contains(err.Error(), "more") || !strings.Contains(err.Error(), file) {
		t.Errorf("unknown is %v, want both", err)
	}
}

// What hangs is not waited for, and not asked again.
func TestLookHangs(t *testing.T) {
	t.Parallel()
	s := &Store{Dirs: []Dir{{"/proc/self/task", ""}}}
	s.hung = errors.New("hung")
	if seen := s.Look(); !errors.Is(seen.Unknown, s.hung) {
		t.Errorf("unknown is %v, want that it hung", seen.Unknown)
	}
}

func TestLookAtMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 1000 {
		put(t, fmt.Sprintf("%s/%d", dir, i), nil)
	}
	big, err := os.Create(dir + "/big")
	if err != nil {
		t.Fatal(err)
	}
	_, err = big.Write(xlImage("node-1"))
	if err := errors.Join(err, big.Truncate(64<<30), big.Close()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	seen := (&Store{Dirs: []Dir{{dir, ""}}}).Look()
	t.Logf("a look at 1001 files took %s", time.Since(start))
	require(t, "images", []string{"big node-1"}, names(seen.Images))
	if _, err := seen.Images[0].PutAway(time.Now()); err != nil {
		t.Error(err)
	}
}

func TestIsOf(t *testing.T) {
	t.Parallel()
	is := func(want string) func(string) bool { return func(name string) bool { return name == want } }
	dir := t.TempDir()
	for _, test := range []struct {
		file, header string
		want         bool
	}{
		{"node-1", "node-1", true},
		{"x", "node-1", true},
		{"node-1", "node-2", false},
		{"node-1", "", true},
		{"node-1.save", "", true},
		{"node-1.state", "", true},
		{".node-1.save.fenced-20261121T050710Z-2", "", true},
		{"node-10", "", false},
		{"node-1.old", "", false},
	} {
		i := Image{Path: filepath.Join(dir, test.file)}
		i.Header.Name = test.header
		if got := i.IsOf("node-1", is("node-1")); got != test.want {
			t.Errorf("file %q with the name %q is of node-1: %v, want %v", test.file, test.header, got, test.want)
		}
	}
}

func TestPutAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 11, 21, 6, 7, 10, 0, time.FixedZone("", 3600))
	s := &Store{Dirs: []Dir{{dir, ""}}}
	var moved []string
	for range 2 { // both within one second
		put(t, dir+"/node-1", xlImage("node-1"))
		seen := s.Look()
		path, err := seen.Images[0].PutAway(at)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", path, info.Mode(), err)
		}
		moved = append(moved, filepath.Base(path))
		if path, err := seen.Images[0].PutAway(at); path != "" || err != nil {
			t.Errorf("again: %q, %v, want nothing", path, err)
		}
	}
	require(t, "moved", []string{".node-1.fenced-20261121T050710Z", ".node-1.fenced-20261121T050710Z-2"}, moved)
	seen := s.Look()
	require(t, "images", []string(nil), names(seen.Images))
	if err := Sync(seen.Fenced); err != nil {
		t.Error(err)
	}
	mine := func(i Image) bool { return i.Header.Name == "node-1" }
	require(t, "older", []string{filepath.Join(dir, moved[0])}, Older(seen.Fenced, []string{filepath.Join(dir, moved[1])}, mine))
}

func TestPutAwayLink(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := put(t, elsewhere+"/target", xlImage("node-1"))
	name := strings.Repeat("n", 255)
	if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	s := &Store{Dirs: []Dir{{dir, ""}}}
	if _, err := s.Look().Images[0].PutAway(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(target); err != nil || len(s.Look().Images) != 0 {
		t.Errorf("the link is there, or its target is not: %v", err)
	}
}

// Another file took its place: that one is not ours.
func TestPutAwayReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := put(t, dir+"/node-1", xlImage("node-1"))
	seen := (&Store{Dirs: []Dir{{dir, ""}}}).Look()
	put(t, dir+"/new", xlImage("node-2"))
	if err := os.Rename(dir+"/new", path); err != nil {
		t.Fatal(err)
	}
	if moved, err := seen.Images[0].PutAway(time.Now()); moved != "" || err != nil {
		t.Errorf("PutAway = %q, %v, want nothing", moved, err)
	}
}

func TestPutAwayFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/node-1", xlImage("node-1"))
	seen := (&Store{Dirs: []Dir{{dir, ""}}}).Look()
	seen.Images[0].Path = dir + "/node-1/below"
	if moved, err := seen.Images[0].PutAway(time.Now()); moved != "" || err == nil {
		t.Errorf("PutAway = %q, %v, want an error", moved, err)
	}
}

// What was there at one look counts, though it is gone at the next.
func TestAnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := put(t, dir+"/node-1", xlImage("node-1"))
	s := &Store{Dirs: []Dir{{dir, ""}}}
	before := s.Look()
	require(t, "both", []string{"node-1 node-1"}, names(before.And(s.Look()).Images))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	require(t, "gone since", []string{"node-1 node-1"}, names(before.And(s.Look()).Images))
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := put(t, dir+"/good", []byte("XENDOMAINS_SAVE=/a\nXENDOMAINS_MIGRATE=b\n"))
	bad := put(t, dir+"/bad", []byte("XENDOMAINS_SAVE=$A\n"))
	h := Host{Usual: []Dir{{"/usual", "x"}}, Settings: []string{good, dir + "/missing"}}
	paths := func(s *Store) []string {
		var all []string
		for _, d := range s.Dirs {
			all = append(all, d.Path)
		}
		return all
	}
	s := Open(h, []string{"/named"})
	require(t, "directories", []string{"/usual", "/named", "/a"}, paths(s))
	require(t, "migrate", map[string]string{good: "b"}, s.Migrate)
	h.Settings = append(h.Settings, bad)
	if s := Open(h, nil); s.Unknown == nil || !strings.Contains(s.Unknown.Error(), bad+":1: ") || !slices.Contains(paths(s), "/a") {
		t.Errorf("Open: %v, %v, want the error and what is known", paths(s), s.Unknown)
	}
	if s := Open(h, []string{"/named"}); s.Unknown != nil || s.Relied == nil || !strings.Contains(s.Relied.Error(), bad+":1: ") {
		t.Errorf("Open with a directory of the policy: %v, %v, want what it is relied on for", s.Unknown, s.Relied)
	}
}

// A file system whose server never answers stands for a disk or a network that hangs.
func TestLookAtStorageThatHangs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system that hangs")
	}
	t.Parallel()
	dir := t.TempDir()
	device, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(device) }) // ends what waits for it
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device)
	if err := syscall.Mount("hangs", dir, "fuse", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	good := t.TempDir()
	put(t, good+"/node-1", xlImage("node-1"))
	s := &Store{Dirs: []Dir{{good, ""}, {dir, ""}}}
	for range 3 { // the second look does not wait
		seen := s.Look()
		if seen.Unknown == nil || !strings.Contains(seen.Unknown.Error(), dir+": not read within 2s") {
			t.Fatalf("unknown is %v, want the directory that hangs", seen.Unknown)
		}
	}
	start := time.Now()
	s.Look()
	if took := time.Since(start); took > time.Second {
		t.Errorf("a look after one that hung took %s", took)
	}
	if err := Sync([]string{dir + "/.node-1.fenced-20261121T050710Z"}); err == nil {
		t.Error("Sync of what hangs: no error")
	}
}
