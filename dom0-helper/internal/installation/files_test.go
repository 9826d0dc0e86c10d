package installation

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing are the files of a directory with their modes and contents.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			text = " " + string(content)
		}
		files[entry.Name()] = info.Mode().String() + text
	}
	return files
}

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second, and longer", "3"} {
		requireError(t, "replace", replace(path, text, 0o440), "")
		if diff := cmp.Diff(map[string]string{"file": "-r--r----- " + text}, listing(t, dir)); diff != "" {
			t.Errorf("after replace (-want +got):\n%s", diff)
		}
	}
	requireError(t, "removeFile", removeFile(path), "")
	requireError(t, "removeFile again", removeFile(path), "")
	if diff := cmp.Diff(map[string]string{}, listing(t, dir)); diff != "" {
		t.Errorf("after removeFile (-want +got):\n%s", diff)
	}
}

// What an earlier run, or someone else, left in the place of the staged file is not written to.
func TestStageReplacesLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, filepath.Join(dir, ".file.new")); err != nil {
		t.Fatal(err)
	}
	staged, err := stage(filepath.Join(dir, "file"), "text", 0o600)
	requireError(t, "stage", err, "")
	want := map[string]string{"precious": "-rw-r--r-- precious", ".file.new": "-rw------- text"}
	if diff := cmp.Diff(want, listing(t, dir)); diff != "" || filepath.Base(staged) != ".file.new" {
		t.Errorf("after stage, at %s (-want +got):\n%s", staged, diff)
	}
}

func TestUntrustedDirs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open, link := filepath.Join(dir, "open"), filepath.Join(dir, "link")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, fs.FileMode(0o777)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{open: "mode 0777", filepath.Join(open, "new"): "mode 0777", link: "symbolic link", filepath.Join(link, "new", "sub"): "symbolic link"} {
		requireError(t, "trustedDir "+path, trustedDir(path), want)
		requireError(t, "makeDir "+path, makeDir(path), want)
		_, err := stage(filepath.Join(path, "file"), "text", 0o600)
		if err == nil {
			t.Errorf("a file is staged in %s", path)
		}
	}
	deep := filepath.Join(dir, "a", "b")
	requireError(t, "trustedDir of one that is missing", trustedDir(deep), "")
	requireError(t, "makeDir", makeDir(deep), "")
	requireError(t, "makeDir again", makeDir(deep), "")
	if info, err := os.Stat(deep); err != nil || info.Mode().Perm()&0o700 != 0o700 {
		t.Errorf("%s: %v, %v", deep, info, err)
	}
}

// Two runs at once are kept apart, and the lock ends with its holder.
func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dom0-helper")
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(path)
	requireError(t, "lock", err, "")
	_, err = lock(path)
	requireError(t, "a second lock", err, "another setup or remove is under way")
	unlock()
	unlock, err = lock(path)
	requireError(t, "lock after unlock", err, "")
	unlock()
}
