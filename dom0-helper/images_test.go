package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/installation"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/saved"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// withImages gives the host a directory that images are restored from, with one for
// each file: the name and UUID in its header.
func withImages(t *testing.T, h *host, files map[string][2]string) string {
	t.Helper()
	dir := t.TempDir()
	for file, its := range files {
		putImage(t, filepath.Join(dir, file), its[0], its[1])
	}
	h.images = &saved.Store{Dirs: []saved.Dir{{Path: dir}}}
	return dir
}

// putImage writes the beginning of what xl save writes.
func putImage(t *testing.T, path, name, uuid string) {
	t.Helper()
	config := fmt.Sprintf("{\"c_info\": {\"name\": %q, \"uuid\": %q}}\x00", name, uuid)
	text := []byte("Xen saved domain, xl format\n \x00 \r")
	for _, word := range []int{0x01020304, 3, 0, len(config) + 4, len(config)} {
		text = binary.LittleEndian.AppendUint32(text, uint32(word))
	}
	if err := os.WriteFile(path, append(text, config...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// requireFiles demands that the directory has these files, but for the time in their names.
func requireFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range entries {
		name, _, fenced := strings.Cut(e.Name(), ".fenced-")
		if fenced {
			name += " fenced"
		}
		got = append(got, name)
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

const otherUUID = "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a99"

func TestImages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		pinned       bool // by the policy; the configuration has the UUID in any case
		domains      []toolstack.Domain
		file         string
		header       [2]string // name and UUID
		state        wire.GuestState
		reason, text string // of off
		moved        bool
	}{
		{"saved", false, nil, "node-1", [2]string{"node-1", pin}, wire.GuestSaved, "", "", true},
		{"saved, pinned", true, nil, "node-1", [2]string{"node-1", pin}, wire.GuestSaved, "", "", true},
		{"by the name in the header", false, nil, "x", [2]string{"node-1", otherUUID}, wire.GuestSaved, "", "", true},
		{"without a UUID", true, nil, "x", [2]string{"node-1", ""}, wire.GuestSaved, "", "", true},
		{"while it migrated", false, nil, "x", [2]string{"node-1--incoming", otherUUID}, wire.GuestSaved, "", "", true},
		{"by the UUID of the policy", true, nil, "x", [2]string{"web-1", pin}, wire.GuestSaved, "", "", true},
		{
			"by the UUID of the configuration alone", false, nil,
			"x",
			[2]string{"web-1", pin},
			wire.GuestAmbiguous, wire.Ambiguous, `of "web-1" has the UUID ` + pin + " of the configuration", false,
		},
		{
			"another machine of its name", true, nil,
			"node-1",
			[2]string{"node-1", otherUUID},
			wire.GuestAmbiguous, wire.Ambiguous, `has the UUID "` + otherUUID + `", and the policy says that guest node-1 has ` + pin, false,
		},
		{"another guest's", false, nil, "node-10", [2]string{"node-10", otherUUID}, wire.GuestOff, "", "", false},
		{"another guest's in a file of its name", false, nil, "node-1", [2]string{"node-2", otherUUID}, wire.GuestOff, "", "", false},
		{"beside the running guest", true, []toolstack.Domain{withPin("node-1")}, "node-1", [2]string{"node-1", pin}, wire.GuestOn, "", "", true},
		{"beside its remains", true, []toolstack.Domain{withPin("")}, "node-1", [2]string{"node-1", pin}, wire.GuestDying, "", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, h := newFake(t, test.domains...)
			dir := withImages(t, h, map[string][2]string{test.file: test.header})
			g := pinned(t)
			if !test.pinned {
				g.UUID = ""
			}
			if s, err := h.look(t.Context(), g); s.state != test.state || err != nil {
				t.Errorf("look = %q, %v, want %q", s.state, err, test.state)
			}
			if test.state != wire.GuestOn && test.state != wire.GuestOff {
				if err := h.on(t.Context(), g); err == nil {
					t.Error("on: no error")
				}
			}
			remark, err := h.off(t.Context(), g)
			requireReason(t, err, test.reason, test.text)
			if !test.moved {
				requireFiles(t, dir, test.file)
				return
			}
			requireFiles(t, dir, "."+test.file+" fenced")
			if want := "image " + filepath.Join(dir, test.file) + " is ." + test.file + ".fenced-"; !strings.HasPrefix(remark, want) {
				t.Errorf("off says %q, want %q", remark, want)
			}
			if n, found, err := h.readNote("node-1"); !found || err != nil || !strings.HasPrefix(n.Text, "done; image ") {
				t.Errorf("note is %+v, %v, want what was moved", n, err)
			}
			if s, err := h.look(t.Context(), g); s.state != wire.GuestOff || err != nil {
				t.Errorf("look after off = %q, %v", s.state, err)
			}
		})
	}
}

// A file that begins as an image and cannot be understood is told by its name.
func TestImageCutShort(t *testing.T) {
	t.Parallel()
	for file, state := range map[string]wire.GuestState{
		"node-1": wire.GuestSaved, "node-1.save": wire.GuestSaved, "node-1.state": wire.GuestSaved, "node-10": wire.GuestOff,
	} {
		_, h := newFake(t)
		dir := withImages(t, h, map[string][2]string{file: {"node-1", pin}})
		if err := os.Truncate(filepath.Join(dir, file), 60); err != nil {
			t.Fatal(err)
		}
		if s, err := h.look(t.Context(), guestNamed(t, "node-1")); s.state != state || err != nil {
			t.Errorf("%s: look = %q, %v, want %q", file, s.state, err, state)
		}
	}
}

// Of the images that fences moved, those of the last one stay.
func TestOlderImages(t *testing.T) {
	t.Parallel()
	_, h := newFake(t)
	dir := withImages(t, h, map[string][2]string{
		"node-1": {"node-1", pin}, ".x.fenced-20261121T050710Z": {"node-1", pin}, ".node-2.fenced-20261121T050710Z": {"node-2", otherUUID},
	})
	requireReason(t, h.offErr(t.Context(), pinned(t)), "", "")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) { // what removes them is not waited for
		if _, err := os.Stat(dir + "/.x.fenced-20261121T050710Z"); os.IsNotExist(err) || time.Now().After(end) {
			break
		}
	}
	requireFiles(t, dir, ".node-1 fenced", ".node-2 fenced")
}

// What cannot be looked at is not empty. It keeps nothing from being ended.
func TestUnknownImages(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.images = &saved.Store{Dirs: []saved.Dir{{Path: file}}}
	g := guestNamed(t, "node-1")
	if state, err := h.state(t.Context(), g); state != string(wire.GuestOn) || err != nil {
		t.Errorf("state = %q, %v, want on", state, err)
	}
	start := time.Now()
	requireReason(t, h.offErr(t.Context(), g), wire.UnknownState, "guest node-1: open "+file+": not a directory")
	if took := time.Since(start); took > offLimit/2 {
		t.Errorf("off took %s to say so", took)
	}
	f.requireActs(t, "destroy 3")
	for _, verb := range []wire.Verb{wire.State, wire.On, wire.Check, wire.List, wire.Rehearse} {
		_, err := h.carryOut(t.Context(), verb, []policy.Guest{g})
		requireReason(t, err, wire.UnknownState, file)
	}
	f.requireActs(t, "destroy 3")
}

// An image that cannot be moved is no success, and waiting does not cure it.
func TestImageThatStays(t *testing.T) {
	t.Parallel()
	_, h := newFake(t)
	dir := withImages(t, h, map[string][2]string{"node-1": {"node-1", pin}})
	second := h.images.Look()
	_, err := second.Images[0].PutAway(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	putImage(t, dir+"/node-1", "node-1", pin)
	if os.Geteuid() != 0 {
		t.Skip("only root can make the directory read-only")
	}
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	requireReason(t, h.offErr(t.Context(), pinned(t)), wire.UnknownState,
		"image "+dir+"/node-1 of \"node-1\" cannot be put out of reach\nread-only file system")
	if took := time.Since(start); took > offLimit/2 {
		t.Errorf("off took %s to say so", took)
	}
	requireFiles(t, dir, ".node-1 fenced", "node-1")
}

// A configuration on storage that hangs or fails keeps nothing from being ended, and
// nothing is proven without it: nobody knows which UUID it has. One that is refused
// would not be believed anyway.
func TestConfigThatCannotBeRead(t *testing.T) {
	t.Parallel()
	g := guestNamed(t, "node-1")
	for _, test := range []struct {
		err          error
		reason, text string
	}{
		{&bounded.SlowError{Path: g.Config, Limit: bounded.Limit}, wire.UnknownState, g.Config + ": not read within 2s"},
		{fmt.Errorf("%s: %w", g.Config, syscall.EIO), wire.UnknownState, g.Config + ": input/output error"},
		{fmt.Errorf("%s: %w", g.Config, syscall.ENOENT), "", ""},
		{fmt.Errorf("%s: %w", g.Config, syscall.ELOOP), "", ""},
		{errors.New("belongs to user 1000"), "", ""},
	} {
		f, h := newFake(t, named(3, "node-1"))
		h.identities = map[string]identity{g.Name: {Guest: g, config: test.err}}
		requireReason(t, h.offErr(t.Context(), g), test.reason, test.text)
		f.requireActs(t, "destroy 3")
	}
}

// Remains that were there beside the running guest are none of it, also for a request
// that comes when it is gone. What came later may be.
func TestRemainsBesideTheGuest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"), dying(4))
		g := guestNamed(t, "node-1")
		if text, err := h.carryOut(t.Context(), wire.Check, []policy.Guest{g}); err != nil || text != "node-1=known" {
			t.Errorf("check = %q, %v", text, err)
		}
		f.remove(3) // it ended by itself
		h = f.another(h)
		requireReason(t, h.offErr(t.Context(), g), "", "")
		h = f.another(h)
		if state, err := h.state(t.Context(), g); state != string(wire.GuestOff) || err != nil {
			t.Errorf("state = %q, %v, want off", state, err)
		}
		f.add(dying(5))
		h = f.another(h)
		_, err := h.carryOut(t.Context(), wire.Check, []policy.Guest{g})
		requireReason(t, err, wire.UnknownState, "domain 5 without a name (UUID uuid-5) may be guest node-1\nuuid in the policy")
		_, err = h.rehearse(t.Context(), g)
		requireReason(t, err, wire.UnknownState, "domain 5 without a name")
	})
}

// A domain without a name that runs is no remain: xenstored may have lost the guest's.
func TestNamelessThatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, h := newFake(t, named(3, "node-1"), named(4, ""))
		ctx, cancel := context.WithTimeout(t.Context(), offLimit)
		defer cancel()
		requireReason(t, h.offErr(ctx, guestNamed(t, "node-1")), wire.UnknownState, "domain 4 without a name")
		f.requireActs(t, "destroy 3")
	})
	g := pinned(t)
	for state, uuid := range map[wire.GuestState]string{wire.GuestDying: "", wire.GuestOff: pin} {
		g.UUID = uuid // else the configuration alone has one, which may be younger than the guest
		_, h := newFake(t, named(4, ""))
		if s, err := h.glance(t.Context(), g); s.state != state || err != nil {
			t.Errorf("UUID of the policy %q: glance = %q, %v, want %q", uuid, s.state, err, state)
		}
	}
}

// dying returns what is left of a domain without a name.
func dying(id int) toolstack.Domain {
	d := named(id, "")
	d.Dying = true
	return d
}

// While something may be building a domain of the guest, what has no name may be that.
func TestRemainsWhileBuilding(t *testing.T) {
	t.Parallel()
	f, h := newFake(t, named(3, "node-1"), named(4, ""))
	f.addReviver("node-1", 91)
	f.addReviver("node-1", 92)
	g := guestNamed(t, "node-1")
	if s, err := h.glance(t.Context(), g); err != nil || len(s.nameless) != 1 || len(h.readRemains("node-1"+besideFile)) > 0 {
		t.Errorf("glance = %+v, %v, want a domain that may be the guest", s, err)
	}
}

// What a restore takes from the directory during a look is there in its next stage.
func TestRestoreDuringALook(t *testing.T) {
	t.Parallel()
	f, h := newFake(t)
	dir := withImages(t, h, map[string][2]string{"node-1": {"node-1", pin}})
	f.look = func() error { return os.Remove(dir + "/node-1") }
	if s, err := h.glance(t.Context(), pinned(t)); s.state != wire.GuestSaved || err != nil {
		t.Errorf("glance = %q, %v, want saved: the image may be on its way", s.state, err)
	}
	f.look = func() error { putImage(t, dir+"/node-1", "node-1", pin); return nil }
	if s, err := h.glance(t.Context(), pinned(t)); s.state != wire.GuestSaved || err != nil {
		t.Errorf("glance = %q, %v, want saved during the look", s.state, err)
	}
}

func TestLeaveSession(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	leaveSession(root) // has none
	for _, group := range []string{"", "systemd"} {
		if err := os.MkdirAll(filepath.Join(root, group), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, group, "cgroup.procs"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaveSession(root)
	for _, group := range []string{"", "systemd"} {
		if text, err := os.ReadFile(filepath.Join(root, group, "cgroup.procs")); string(text) != "0" || err != nil {
			t.Errorf("group %q has %q, %v, want this process", group, text, err)
		}
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	bad := func(list []installation.Finding) string {
		var text strings.Builder
		for _, f := range list {
			fmt.Fprintf(&text, "%s %s: %s\n", f.Level, f.Subject, f.Text)
		}
		return text.String()
	}
	f, h := newFake(t, withPin("node-1"), toolstack.Domain{ID: 4, Name: "web-1", UUID: pin})
	f.addReviver("node-1", 91)
	withImages(t, h, map[string][2]string{"node-1": {"node-1", pin}})
	g := pinned(t)
	if err := os.WriteFile(filepath.Join(filepath.Dir(g.Config), "copy.cfg"), []byte("name = 'web-1'\nuuid = '"+pin+"'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pinned bool
		want   []string
	}{
		{true, []string{
			"warning images: guest node-1: image ", "ok uuid: guest node-1: the policy and the configuration have " + pin,
			`warning uuid: guest node-1: domain 4 "web-1" has its UUID`, "domains 3 and 4 both have its UUID", "copy.cfg has its UUID too",
		}},
		{false, []string{
			`wrong domains: guest node-1: off would end it, and then find domain 4 "web-1" has the UUID ` + pin,
			"advice uuid: guest node-1: its configuration has the UUID " + pin, "copy.cfg has its UUID too",
		}},
	} {
		h = f.another(h)
		if !test.pinned {
			g.UUID = ""
		}
		s, err := h.glance(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		text := bad(append(h.examine(s), s.examinePin()...))
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("pinned %v: no %q in\n%s", test.pinned, want, text)
			}
		}
	}
}
