package toolstack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	pinUUID   = "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a01"
	otherUUID = "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a02"
)

// A fakeProcess is one in a directory that stands for /proc.
type fakeProcess struct {
	pid     int
	exe     string // xl unless set
	words   string // FILE below the test's directory is @FILE
	parent  int    // 1 unless set
	started int
	log     string            // of the guest that it watches, in the background
	fds     map[string]string // descriptors and files below the test's directory
	session string            // SSH_CONNECTION
}

// fakeProc makes such a directory. Relative paths of the processes are below dir.
func fakeProc(t *testing.T, dir string, list []fakeProcess) string {
	t.Helper()
	proc := t.TempDir()
	for _, p := range list {
		own := filepath.Join(proc, strconv.Itoa(p.pid))
		requireNil(t, os.MkdirAll(filepath.Join(own, "fd"), 0o755))
		link := func(target, name string) { requireNil(t, os.Symlink(target, filepath.Join(own, name))) }
		write := func(name, text string) { requireNil(t, os.WriteFile(filepath.Join(own, name), []byte(text), 0o600)) }
		exe, parent, cwd := p.exe, p.parent, dir
		if exe == "" {
			exe = "xl"
		}
		if parent == 0 {
			parent = 1
		}
		link("/usr/lib/xen-4.17/bin/"+exe, "exe")
		link("/", "root")
		if p.log != "" {
			link("/var/log/xen/xl-"+p.log+".log", "fd/1")
			link("/dev/null", "fd/0")
			cwd = "/"
		}
		for fd, file := range p.fds {
			link(filepath.Join(dir, file), "fd/"+fd)
		}
		link(cwd, "cwd")
		words := strings.ReplaceAll(exe+" "+p.words, "@", dir+"/")
		write("cmdline", strings.ReplaceAll(words, " ", "\x00")+"\x00")
		write("environ", "HOME=/root\x00SSH_CONNECTION="+p.session+"\x00")
		write("stat", fmt.Sprintf("%d (x) y)) S %d 7 7%s %d 0 0\n", p.pid, parent, strings.Repeat(" 0", 15), p.started))
	}
	return proc
}

// imageOf is an image of xl, of a guest.
func imageOf(name, uuid string) string {
	config := fmt.Sprintf(`{"c_info": {"name": %q, "uuid": %q}}`+"\x00", name, uuid)
	file := []byte("Xen saved domain, xl format\n \x00 \r")
	for _, word := range []int{0x01020304, 3, 0, len(config) + 4, len(config)} {
		file = binary.LittleEndian.AppendUint32(file, uint32(word))
	}
	return string(file) + config + "LibxlFmt"
}

// prepareFiles makes the files that the processes of the tests name.
func prepareFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	requireNil(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	requireNil(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	for name, text := range map[string]string{
		"node-1.cfg":        "name = 'node-1'\nuuid = '" + pinUUID + "'\n",
		"node-1-new.cfg":    "name = 'node-1'\n",
		"web.cfg":           "name = 'web'\n",
		"web-copy.cfg":      "name = 'web'\nuuid = '" + pinUUID + "'\n",
		"computed.cfg":      "name = 'web' + '1'\n",
		"node-1.save":       imageOf("node-1", pinUUID),
		"node-1-other.save": imageOf("node-1", otherUUID),
		"web.save":          imageOf("web", otherUUID),
		"web-pin.save":      imageOf("web", pinUUID),
		"cut.save":          imageOf("node-1", pinUUID)[:60],
		"sub/relative.cfg":  "name = 'node-1'\n",
		"no-image":          "nothing of an image",
	} {
		path := filepath.Join(dir, name)
		requireNil(t, os.MkdirAll(filepath.Dir(path), 0o755))
		requireNil(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// A processesTest says which processes of a look are ended for guest node-1, in
// which order, and of which it cannot be told.
type processesTest struct {
	name    string
	list    []fakeProcess
	domains []Domain
	want    string // for a guest whose UUID only its configuration has
	pinned  string // the same for one with a pin, if it differs
}

func one(words string) []fakeProcess { return []fakeProcess{{pid: 10, words: words}} }

var (
	node1    = Domain{ID: 3, Name: "node-1", UUID: pinUUID}
	incoming = Domain{ID: 5, Name: "node-1--incoming", UUID: pinUUID}
	web      = Domain{ID: 4, Name: "web", UUID: otherUUID}
)

const (
	ends    = "ends 10"
	unknown = "unknown 10"
)

func TestProcessesThatRestore(t *testing.T) {
	t.Parallel()
	testProcesses(t, []processesTest{
		{name: "restore", list: one("restore @node-1.save"), want: ends},
		{name: "restore, shortened, with options", list: one("-vvv -t res -p -e node-1.save"), want: ends},
		{
			name: "restore of an image that was removed", want: ends,
			list: []fakeProcess{{pid: 10, words: "restore @gone.save", fds: map[string]string{"7": "node-1.save"}}},
		},
		{
			name: "restore of an image that was replaced", want: ends,
			list: []fakeProcess{{pid: 10, words: "restore @web.save", fds: map[string]string{"7": "node-1.save"}}},
		},
		{name: "restore of another", list: one("restore @web.save")},
		{name: "restore under another name", list: one("restore @web-pin.save"), want: unknown, pinned: ends},
		{name: "restore of another UUID", list: one("restore @node-1-other.save"), want: ends, pinned: unknown},
		{name: "restore of half an image", list: one("restore @cut.save"), want: unknown},
		{name: "restore of no image", list: one("restore @no-image")},
		{name: "restore of nothing", list: one("restore @gone"), want: unknown},
		{name: "restore from a pipe", list: one("restore @pipe"), want: unknown},
		{name: "restore with another configuration", list: one("restore @web.cfg @node-1.save")},
		{
			name: "restore of the guest's image with another configuration", want: unknown,
			list: []fakeProcess{{pid: 10, words: "restore @web.cfg @node-1.save", fds: map[string]string{"7": "node-1.save"}}},
		},
		{
			name: "restore of the guest's image, by another's domain", domains: []Domain{web},
			list: []fakeProcess{
				{pid: 10, words: "restore @web.cfg @node-1.save", fds: map[string]string{"7": "node-1.save"}},
				{pid: 11, parent: 10, exe: programHelper, words: "--restore-domain 7 -1 4 1 0 2 0 3 0"},
			},
		},
		{
			name: "restore of another's image with its configuration",
			list: []fakeProcess{{pid: 10, words: "restore @web.cfg @web.save", fds: map[string]string{"7": "web.save"}}},
		},
		{name: "restore with the guest's configuration", list: one("restore @node-1.cfg @web.save"), want: ends},
		{name: "restore without words", list: one("restore")},
		{
			name: "restore from a pipe, by its helper", domains: []Domain{web, node1}, want: "ends 10 11",
			list: []fakeProcess{{pid: 11, parent: 10, exe: programHelper, words: "--restore-domain 7 -1 3 1 0 2 0 3 0"}, {pid: 10, words: "restore @pipe"}},
		},
		{
			name: "restore from a pipe, another's by its helper", domains: []Domain{web, node1},
			list: []fakeProcess{{pid: 11, parent: 10, exe: programHelper, words: "--restore-domain 7 -1 4 1 0 2 0 3 0"}, {pid: 10, words: "restore @pipe"}},
		},
		{name: "a list", list: one("list @node-1.save")},
		{name: "watcher", list: []fakeProcess{{pid: 10, words: "restore /gone", log: "node-1"}}, want: ends},
		{name: "watcher of another", list: []fakeProcess{{pid: 10, words: "restore @node-1.save", log: "web"}}},
		{name: "with a log as if it watched", want: ends, list: []fakeProcess{
			{pid: 10, words: "restore /gone", log: "start", fds: map[string]string{"7": "node-1.save"}},
		}},
		{
			name: "restore of half an image by a service", want: unknown,
			list: []fakeProcess{{pid: 10, words: "restore @cut.save", log: "restore", fds: map[string]string{"7": "cut.save"}}},
		},
		{name: "two at once", want: "ends 10 unknown 12", list: []fakeProcess{
			{pid: 10, words: "restore @node-1.save"}, {pid: 11, words: "restore @web.save"}, {pid: 12, words: "restore @pipe"},
		}},
	})
}

func TestProcessesThatCreate(t *testing.T) {
	t.Parallel()
	testProcesses(t, []processesTest{
		{name: "create", list: one("create @node-1.cfg"), want: ends},
		{name: "create, by another way", list: one("cr -q @sub/../node-1.cfg"), want: ends},
		{name: "create from another file", list: one("create node-1-new.cfg"), want: ends, pinned: unknown},
		{name: "create, relative", list: one("create sub/relative.cfg uuid='" + pinUUID + "'"), want: ends},
		{name: "create by -f", list: one("create -qf @node-1.cfg"), want: ends},
		{name: "create by -f, joined", list: one("create -f@node-1.cfg"), want: ends},
		{name: "create by --defconfig", list: one("create --defconfig=@node-1.cfg"), want: ends},
		{name: "create by --def", list: one("create --def @node-1.cfg -p"), want: ends},
		{name: "create, -f wins", list: one("create @web.cfg -f @node-1.cfg"), want: ends},
		{name: "create, words first", list: one("create memory=64 @node-1.cfg"), want: ends},
		{name: "create of another by words", list: one("create @node-1-new.cfg name='web'")},
		{name: "create of another by words, with the UUID", list: one("create @node-1.cfg name='web'"), want: unknown, pinned: ends},
		{name: "create by words", list: one("create @web.cfg name='node-1'"), want: ends, pinned: unknown},
		{name: "create by words, the last", list: one("create @web.cfg name='node-1' name='web'")},
		{name: "create by words alone", list: one("create /dev/null name=\"node-1\" uuid=\"" + pinUUID + "\""), want: ends},
		{name: "create of another", list: one("create @web.cfg")},
		{name: "create of another with the UUID", list: one("create @web-copy.cfg"), want: unknown, pinned: ends},
		{name: "create of a computed name", list: one("create @computed.cfg"), want: unknown},
		{name: "create of nothing", list: one("create @gone.cfg"), want: unknown},
		{name: "create from a pipe", list: one("create @pipe"), want: unknown},
		{name: "create from a pipe with a name", list: one("create @pipe name='web'")},
		{name: "create from stdin", list: []fakeProcess{{pid: 10, words: "create /dev/stdin", fds: map[string]string{"0": "node-1.cfg"}}}, want: ends},
		{
			name: "create from a stdin that is a pipe", want: unknown,
			list: []fakeProcess{{pid: 10, words: "create /dev/stdin", fds: map[string]string{"0": "pipe"}}},
		},
		{name: "create without words", list: one("create")},
		{name: "watcher", list: []fakeProcess{{pid: 10, words: "create @gone.cfg", log: "node-1"}}, want: ends},
		{name: "watcher of another", list: []fakeProcess{{pid: 10, words: "create @gone.cfg", log: "web"}}},
		{name: "watcher of another with the UUID", list: []fakeProcess{{pid: 10, words: "create @web-copy.cfg", log: "web"}}, want: unknown, pinned: ends},
		{name: "in the foreground, with such a log", want: ends, list: []fakeProcess{
			{pid: 10, words: "create @node-1.cfg", fds: map[string]string{"1": "xl-start.log"}},
		}},
	})
}

func TestProcessesThatMove(t *testing.T) {
	t.Parallel()
	const helps3, helps4 = "--save-domain 8 -1 3 0 5 0", "--save-domain 8 -1 4 0 5 0"
	testProcesses(t, []processesTest{
		{name: "save, before what watches", domains: []Domain{node1}, want: "ends 20 10 11", list: []fakeProcess{
			{pid: 10, words: "create @node-1.cfg", log: "node-1"},
			{pid: 11, parent: 20, exe: programHelper, words: helps3},
			{pid: 12, parent: 21, exe: programHelper, words: helps4},
			{pid: 20, words: "save -c 3 /save/x"},
			{pid: 21, words: "save web /save/y"},
		}},
		{name: "save by name", list: one("sa node-1 /save/x"), domains: []Domain{node1}, want: ends},
		{name: "save by name, gone", list: one("save node-1 /save/x"), want: ends},
		{name: "save by id, gone", list: one("save -p 3 @node-1.save"), want: ends},
		{name: "save of another by id, gone", list: one("save 3 @web.save")},
		{name: "save of another", list: one("save web @node-1.cfg"), domains: []Domain{node1, web}},
		{name: "save of what has the name", list: one("save node-1 /x"), domains: []Domain{{ID: 3, Name: "node-1", UUID: otherUUID}}, want: ends, pinned: "none"},
		{name: "save of what was renamed since", domains: []Domain{{ID: 3, Name: "node-1", UUID: otherUUID}}, want: "ends 20 11", pinned: "none", list: []fakeProcess{
			{pid: 11, parent: 20, exe: programHelper, words: helps3}, {pid: 20, words: "save web @web.save"},
		}},
		{name: "migrate of what was renamed since", domains: []Domain{{ID: 3, Name: "node-1", UUID: otherUUID}}, want: "ends 20 11", pinned: "none", list: []fakeProcess{
			{pid: 11, parent: 20, exe: programHelper, words: helps3}, {pid: 20, words: "migrate web host"},
		}},
		{name: "save of another that has the old name", domains: []Domain{{ID: 4, Name: "node-1", UUID: otherUUID}, {ID: 3, Name: "web", UUID: pinUUID}}, want: "none", pinned: "ends 20 11", list: []fakeProcess{
			{pid: 11, parent: 20, exe: programHelper, words: helps3}, {pid: 20, words: "save node-1 /save/x"},
		}},
		{name: "save without a file", list: one("save node-1"), domains: []Domain{node1}},
		{name: "migrate", domains: []Domain{node1}, want: "ends 20 11 30", list: []fakeProcess{
			{pid: 11, parent: 20, exe: programHelper, words: helps3},
			{pid: 20, words: "migrate -s ssh -C x --live node-1 host"},
			{pid: 30, parent: 20, exe: "ssh"},
			{pid: 31, parent: 1, exe: "ssh"},
		}},
		{name: "migrate, sent away", list: one("migrate node-1 host"), domains: []Domain{{ID: 3, Name: "node-1--migratedaway", UUID: pinUUID}}, want: ends},
		{name: "remus", list: one("remus -i 100 -Fd node-1 host"), domains: []Domain{node1}, want: ends},
		{name: "remus of another", list: one("remus node-10 host"), domains: []Domain{node1}},
		{name: "a helper that is left", domains: []Domain{node1}, want: "ends 11", list: []fakeProcess{
			{pid: 11, exe: programHelper, words: helps3}, {pid: 12, exe: programHelper, words: helps4},
		}},
		{name: "a helper of libvirt", domains: []Domain{node1}, list: []fakeProcess{
			{pid: 10, exe: "libvirtd"}, {pid: 11, parent: 10, exe: programHelper, words: helps3},
		}},
		{name: "another libvirt that restores", want: "unknown 10", list: []fakeProcess{
			{pid: 10, exe: "virtxend", fds: map[string]string{"3": "node-1.save", "4": "no-image", "5": "pipe"}},
			{pid: 11, exe: "libvirtd", fds: map[string]string{"3": "web.save"}},
		}},
	})
}

func TestProcessesThatReceive(t *testing.T) {
	t.Parallel()
	const from = "192.0.2.7 50022 192.0.2.1 22"
	receiver := func(pid, started int) fakeProcess {
		return fakeProcess{pid: pid, words: "migrate-receive", started: started, session: from}
	}
	watcher := func(pid, started int, guest string) fakeProcess {
		return fakeProcess{pid: pid, words: "migrate-receive", started: started, session: from, log: guest + "--incoming"}
	}
	helper := func(domain string) fakeProcess {
		return fakeProcess{pid: 11, parent: 10, exe: programHelper, words: "--restore-domain 7 8 " + domain + " 1 0 2 0 3 0"}
	}
	webIn := Domain{ID: 6, Name: "web--incoming", UUID: otherUUID}
	testProcesses(t, []processesTest{
		{name: "in its handshake", list: []fakeProcess{receiver(10, 5)}, want: unknown},
		{name: "by its log", list: []fakeProcess{watcher(10, 5, "node-1")}, want: ends},
		{name: "another by its log", list: []fakeProcess{watcher(10, 5, "web")}},
		{name: "by its helper", list: []fakeProcess{receiver(10, 5), helper("5")}, domains: []Domain{incoming}, want: "ends 10 11"},
		{name: "another by its helper", list: []fakeProcess{receiver(10, 5), helper("6")}, domains: []Domain{webIn}},
		{name: "helper of a domain without a name", list: []fakeProcess{receiver(10, 5), helper("7")}, domains: []Domain{{ID: 7}}, want: unknown},
		{name: "with leave to start", list: []fakeProcess{receiver(10, 5), watcher(12, 6, "node-1")}, domains: []Domain{incoming}, want: "ends 10 12"},
		{name: "another with leave to start", list: []fakeProcess{receiver(10, 5), watcher(12, 6, "web")}, domains: []Domain{webIn}},
		{name: "beside one that came before", list: []fakeProcess{receiver(10, 5), watcher(12, 4, "web")}, domains: []Domain{webIn}, want: unknown},
		{name: "beside one that was started", list: []fakeProcess{receiver(10, 5), watcher(12, 6, "web")}, domains: []Domain{web}, want: unknown},
		{name: "two by one connection", list: []fakeProcess{receiver(10, 5), receiver(13, 5), watcher(12, 6, "web")}, domains: []Domain{webIn}, want: "unknown 10 13"},
		{name: "of remus", list: []fakeProcess{{pid: 10, words: "migrate-receive -r"}, helper("5")}, domains: []Domain{incoming}, want: "ends 10 11"},
	})
}

func testProcesses(t *testing.T, tests []processesTest) {
	t.Helper()
	dir := prepareFiles(t)
	for _, test := range tests {
		list, err := scan(fakeProc(t, dir, test.list))
		if err != nil {
			t.Errorf("%s: scan: %v", test.name, err)
			continue
		}
		id := Identity{Name: "node-1", ConfigUUID: pinUUID, Config: filepath.Join(dir, "node-1.cfg")}
		pinned := id
		pinned.UUID = pinUUID
		if test.pinned == "" {
			test.pinned = test.want
		}
		processes := seen{list, fakeProc(t, dir, test.list)}
		for what, try := range map[string]struct {
			id   Identity
			want string
		}{"": {id, test.want}, " with a pin": {pinned, test.pinned}} {
			if diff := cmp.Diff(strings.TrimPrefix(try.want, "none"), summary(processes.Of(try.id, test.domains))); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", test.name, what, diff)
			}
		}
	}
}

// summary tells the processes of a guest by their ids.
func summary(found Found) string {
	var words []string
	for i, r := range found.Revivers {
		if i == 0 {
			words = append(words, "ends")
		}
		words = append(words, strconv.Itoa(r.(reviver).pid))
	}
	for i, u := range found.Unknown {
		if i == 0 {
			words = append(words, "unknown")
		}
		_, rest, _ := strings.Cut(u.Text, "process ")
		words = append(words, strings.FieldsFunc(rest, func(r rune) bool { return r < '0' || r > '9' })[0])
	}
	return strings.Join(words, " ")
}

// What is not known is named for people, without secrets, and with no more than they can read.
func TestDoubt(t *testing.T) {
	t.Parallel()
	dir := prepareFiles(t)
	tests := []struct {
		process fakeProcess
		want    string
	}{
		{
			fakeProcess{pid: 10, words: "migrate-receive", session: "192.0.2.7 50022 192.0.2.1 22"},
			`xl process 10 (migrate-receive) from "192.0.2.7", of which it cannot be told yet which guest it receives; if its source is dead, end it`,
		},
		{
			fakeProcess{pid: 10, words: "migrate-receive", session: "\x1b[2J\u009b1"},
			`xl process 10 (migrate-receive) from "\x1b[2J\u009b1", of which`,
		},
		{
			fakeProcess{pid: 10, words: "create /gone/\x1b.cfg vncpasswd='secret'"},
			`xl process 10 (create "/gone/\x1b.cfg"), of which it cannot be told which guest it makes: no such file or directory; wait for its end, or end it if it hangs`,
		},
		{fakeProcess{pid: 10, words: "restore @pipe"}, `(restore "` + dir + `/pipe"), of which it cannot be told which guest it makes: is no regular file; `},
		{
			fakeProcess{pid: 10, words: "restore @web.cfg @x", fds: map[string]string{"7": "node-1.save"}},
			`which restores the memory of "node-1" (UUID "` + pinUUID + `") by another configuration; wait for its domain, or end it`,
		},
		{fakeProcess{pid: 10, words: "restore @cut.save"}, "truncated header of an image of xl"},
		{
			fakeProcess{pid: 10, words: "create @web-copy.cfg"},
			`web-copy.cfg"), which makes "web" with the UUID "` + pinUUID + `", and guest node-1 has "` + pinUUID + `"; it is not ended`,
		},
		{
			fakeProcess{pid: 10, exe: "libvirtd", fds: map[string]string{"3": "node-1.save"}},
			`libvirtd process 10, which restores "node-1" (UUID "` + pinUUID + `") from a saved image; wait for it, or end the guest by libvirt`,
		},
	}
	for _, test := range tests {
		list, err := scan(fakeProc(t, dir, []fakeProcess{test.process}))
		requireNil(t, err)
		found := seen{list, ""}.Of(Identity{Name: "node-1", ConfigUUID: pinUUID}, nil)
		if len(found.Unknown) != 1 || !strings.Contains(found.Unknown[0].Text, test.want) {
			t.Errorf("%q: unknown are %q, want %q", test.process.words, found.Unknown, test.want)
		}
	}
}

// The path of an image that a save writes is that of people, and only a save has one.
func TestSaves(t *testing.T) {
	t.Parallel()
	dir := prepareFiles(t)
	proc := fakeProc(t, dir, []fakeProcess{
		{pid: 10, words: "save node-1 sub/../x"}, {pid: 11, words: "restore @node-1.save"}, {pid: 12, words: "migrate node-1 host"},
	})
	list, err := scan(proc)
	requireNil(t, err)
	var got []string
	for _, r := range (seen{list, proc}).Of(Identity{Name: "node-1"}, nil).Revivers {
		got = append(got, fmt.Sprintf("%s: %d %s", r, r.Role(), r.Saves()))
	}
	want := []string{
		`xl process 10 (save "` + dir + `/x"): 0 ` + dir + "/x", "xl process 12 (migrate): 0 ",
		`xl process 11 (restore "` + dir + `/node-1.save"): 1 `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("revivers (-want +got):\n%s", diff)
	}
}

// A pipe is not even opened: who waits for its other end would not wait any more.
func TestPipeIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := prepareFiles(t)
	pipe := filepath.Join(dir, "pipe")
	opened := make(chan error, 1)
	go func() {
		file, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err == nil {
			_ = file.Close() // nothing was written
		}
		opened <- err
	}()
	for range 100 {
		_, err := scan(fakeProc(t, dir, []fakeProcess{{pid: 10, words: "restore @pipe"}, {pid: 11, words: "create @pipe"}}))
		requireNil(t, err)
	}
	select {
	case err := <-opened:
		t.Errorf("the pipe was opened: %v", err)
	default:
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY, 0)
	requireNil(t, err)
	defer reader.Close()
	requireNil(t, <-opened)
}

// A restore whose image was removed has it open all the same, as /proc shows it.
func TestRestoreOfARemovedImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	guest := fmt.Sprintf("unit-test-%d-removed-1", os.Getpid())
	image := filepath.Join(dir, "image")
	requireNil(t, os.WriteFile(image, []byte(imageOf(guest, pinUUID)), 0o600))
	remove := func(t *testing.T, _, log string) {
		for {
			if text, _ := os.ReadFile(log); len(text) > 0 {
				break
			}
		}
		requireNil(t, os.Remove(image))
	}
	command := daemon{"xl", []string{"restore", image}, "out", remove}.start(t, dir)
	if diff := cmp.Diff([]int{command.Process.Pid}, reviverPIDs(t, guest, "")); diff != "" {
		t.Errorf("revivers (-want +got):\n%s", diff)
	}
	if other := reviverPIDs(t, guest+"0", ""); len(other) > 0 {
		t.Errorf("revivers of another guest: %v", other)
	}
}

// A file that cannot be read in time is not waited for, and neither is what comes after it.
func TestHangingFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		files, start := newReader(), time.Now()
		for range 3 {
			_, err := within(files, func() (int, error) { <-release; return 1, nil })
			if !errors.Is(err, errHangs) {
				t.Errorf("error %v, want %v", err, errHangs)
			}
		}
		if took := time.Since(start); took != readLimit {
			t.Errorf("it took %s, want %s", took, readLimit)
		}
	})
}
