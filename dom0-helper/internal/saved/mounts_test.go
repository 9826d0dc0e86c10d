package saved

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A directory on a file system that is not mounted is not empty: a Dom0 that boots
// answers before those of its network are there, and restores guests after that.
func TestNotMounted(t *testing.T) {
	t.Parallel()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"local/save", "net work/save"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": "net work", "hanging": "gone/save"} {
		if err := os.Symlink(filepath.Join(base, target), filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	escaped := strings.ReplaceAll(base+"/net work", " ", `\040`)
	if err := os.Symlink(base, base+"/base"); err != nil {
		t.Fatal(err)
	}
	fstab := "# server:/x " + base + "/local nfs\n\nLABEL=root / ext4 defaults 0 1\nserver:/save " + base + "/base/net\\040work/ nfs _netdev 0 0\n/dev/sdb none swap sw 0 0\nodd\n"
	const present = "26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
	wanted, mounted := put(t, base+"/fstab", []byte(fstab)), put(t, base+"/mounted", []byte(present))
	all := put(t, base+"/all", []byte(present+"30 26 0:40 / "+escaped+" rw - nfs server:/save rw\n"))
	for _, test := range []struct{ dir, present, want string }{
		{"local/save", mounted, ""},
		{"missing/save", mounted, ""},
		{"net work", mounted, "net work: the file system of " + base + "/net work is not mounted"},
		{"net work/save", mounted, "is not mounted"},
		{"net work/missing/save", mounted, "is not mounted"},
		{"link/save", mounted, "link/save: the file system of " + base + "/net work is not mounted"},
		{"net work/save", all, ""},
		{"link/save", all, ""},
		{"net workers", mounted, ""},
		{"hanging", all, "hanging: the link " + base + "/hanging leads nowhere"},
		{"hanging/below", all, "hanging/below: the link " + base + "/hanging leads nowhere"},
	} {
		s := &Store{Dirs: []Dir{{base + "/" + test.dir, ""}}, Mounts: Mounts{Wanted: wanted, Present: test.present}}
		err := s.Look().Unknown
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: unknown is %v, want %q", test.dir, err, test.want)
		}
	}
	if err := (&Store{Mounts: Mounts{Wanted: base}}).Look().Unknown; err == nil {
		t.Error("an fstab that cannot be read: no error")
	}
	if err := (&Store{Dirs: []Dir{{base, ""}}, Mounts: Mounts{Wanted: base + "/none"}}).Look().Unknown; err != nil {
		t.Errorf("no fstab: %v", err)
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{`/a\040b`: "/a b", `/a\134040`: `/a\040`, `/a\`: `/a\`, `/a\9x9`: `/a\9x9`, `\011`: "\t"} {
		if got := unescape(path); got != want {
			t.Errorf("unescape(%q) = %q, want %q", path, got, want)
		}
	}
}
