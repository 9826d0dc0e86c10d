package stonith

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// deciders are the ways in which the plugins take a file that decides.
var deciders = map[string]func(path string) error{
	"ReadFile":     func(path string) error { _, err := ReadFile("x", path, 100, nil); return err },
	"ReadSecret":   func(path string) error { _, err := ReadSecret("x", path); return err },
	"CheckFile":    func(path string) error { return CheckFile("x", path) },
	"CheckProgram": func(path string) error { return CheckProgram("x", path) },
}

// A file that decides is root's or the caller's, and nobody else can write or exchange it.
// The package trust has all that can be wrong with a path.
func TestFilesThatDecide(t *testing.T) {
	t.Parallel()
	make := func(t *testing.T, dirMode, fileMode fs.FileMode) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "dir")
		path := filepath.Join(dir, "file")
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, []byte("text\n"), 0o700),
			os.Chmod(path, fileMode), os.Chmod(dir, dirMode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	give := func(t *testing.T, path string) {
		t.Helper()
		if os.Geteuid() != 0 {
			t.Skip("only root can give files away")
		}
		if err := os.Lchown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		make func(t *testing.T) string
		says string // with PATH and DIR for the file and its directory
		hint string
	}{
		{"ours", func(t *testing.T) string { return make(t, 0o755, 0o700) }, "", ""},
		{"in a sticky directory", func(t *testing.T) string { return make(t, fs.ModeSticky|0o777, 0o700) }, "", ""},
		{"behind a link of ours", func(t *testing.T) string {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(make(t, 0o755, 0o700), link); err != nil {
				t.Fatal(err)
			}
			return link
		}, "", ""},
		{"in a directory of which others may read no names", func(t *testing.T) string { return make(t, 0o711, 0o700) }, "", ""},
		{"a group can write it", func(t *testing.T) string { return make(t, 0o755, 0o720) }, "x: PATH: mode 0720 lets others than its owner write", "chmod go-w PATH, and look"},
		{"a group can exchange it", func(t *testing.T) string { return make(t, 0o775, 0o700) }, "x: DIR: mode 0775 lets others than its owner write", "chmod go-w DIR, and look"},
		{"all can exchange it", func(t *testing.T) string { return make(t, 0o777, 0o700) }, "x: DIR: mode 0777 lets", "chmod go-w DIR, and look"},
		{"another user's", func(t *testing.T) string { path := make(t, 0o755, 0o700); give(t, path); return path }, "x: PATH: belongs to user 65534, want root", "chown -h root PATH, and look"},
		{"in another user's directory", func(t *testing.T) string {
			path := make(t, 0o755, 0o700)
			give(t, filepath.Dir(path))
			return path
		}, "x: DIR: belongs to user 65534, want root", "chown -h root DIR, and look"},
		{"not there", func(t *testing.T) string { return filepath.Dir(make(t, 0o755, 0o700)) + "/none/file" }, "no such file or directory", ""},
		{"by way of ..", func(t *testing.T) string { return filepath.Dir(make(t, 0o755, 0o700)) + "/../dir/file" }, "has .. in it", "write the path without .."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.make(t)
			fill := strings.NewReplacer("PATH", path, "DIR", filepath.Dir(path)).Replace
			for name, decide := range deciders {
				err := decide(path)
				switch {
				case tt.says == "" && err != nil:
					t.Errorf("%s: %v", name, err)
				case tt.says != "" && (err == nil || ReasonOf(err) != BadConfig || !strings.Contains(err.Error(), fill(tt.says))):
					t.Errorf("%s: %v, want bad-config with %q", name, err, fill(tt.says))
				case tt.hint != "" && !strings.Contains(strings.Join(hintsOf(err), ""), fill(tt.hint)):
					t.Errorf("%s: hints %q, want %q", name, hintsOf(err), fill(tt.hint))
				}
			}
		})
	}
}

// A path that is relative is one of the directory that the call runs in.
func TestRelativeFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", []byte("package"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"file", "./file", ".//file"} {
		if text, err := ReadFile("x", path, 100, nil); string(text) != "package" || err != nil {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}
