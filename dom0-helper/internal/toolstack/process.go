package toolstack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/image"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// procDir is where Linux shows its processes, proc(5).
const procDir = "/proc"

// The programs whose processes bring guests back.
const (
	programXL     = "xl"
	programHelper = "libxl-save-helper"
)

// libvirtDaemons have libvirt's driver for Xen.
var libvirtDaemons = []string{"libvirtd", "virtxend"}

// A process is one that may bring a guest back, or write what brings it back.
type process struct {
	status
	pid     int
	program string // its executable's name
	words   []string
	command string // of xl

	log      string    // that it writes, if it is that of a guest by its name
	apart    bool      // in the background: without input, in the root directory
	domain   string    // that a save, migrate or remus names, or a helper serves: a name or id
	file     string    // configuration or image that is among its words, as people know it
	subjects []subject // that it makes from files; some may be none that it makes
	reads    bool      // it is a restore that has its image open
	beside   []subject // of the image of a restore that makes another of them
	config   os.FileInfo
	configAs string // its configuration file, as people know it
	session  string // the connection of ssh that an xl began in
}

// scan finds all processes that have to do with any guest.
func scan(proc string) ([]process, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	files := newReader()
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		program, err := programOf(filepath.Join(proc, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		if program == "" {
			continue
		}
		p, err := examine(filepath.Join(proc, entry.Name()), pid, program, files)
		if gone(err) != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		if err == nil {
			found = append(found, p)
		}
	}
	return found, nil
}

func isOurs(program string) bool {
	return program == programXL || program == programHelper || slices.Contains(libvirtDaemons, program)
}

// programOf returns which of the programs a process runs, if it is root's or
// ours: no other can create anything, and could only pretend, to hold up a fence.
func programOf(dir string) (string, error) {
	executable, unseen := os.Readlink(filepath.Join(dir, "exe"))
	program := filepath.Base(strings.TrimSuffix(executable, " (deleted)"))
	if unseen != nil && !errors.Is(unseen, fs.ErrPermission) || unseen == nil && !isOurs(program) {
		return "", gone(unseen)
	}
	var owner syscall.Stat_t
	if err := syscall.Stat(dir, &owner); err != nil {
		return "", gone(err)
	}
	if owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return "", nil
	}
	if unseen != nil {
		return "", refuseHidden(dir, unseen)
	}
	return program, nil
}

// refuseHidden judges a process whose executable cannot be seen: a security module
// may hide it even from root. Its name must do then, and one that is called like the
// programs is the error unseen, since what it does cannot be told. If we are not root,
// that is root's, which is none of our host's.
func refuseHidden(dir string, unseen error) error {
	name, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return gone(err)
	}
	called := strings.TrimSpace(string(name)) // at most 15 letters, proc_pid_comm(5)
	if os.Geteuid() != 0 || !isOurs(called) && called != programHelper[:15] {
		return nil
	}
	return unseen
}

// gone turns the error of looking at a process that has just ended into none.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// examine learns all about a process that concerns a guest.
func examine(dir string, pid int, program string, files *reader) (process, error) {
	p := process{pid: pid, program: program}
	var err error
	if p.status, err = readStatus(dir); err != nil {
		return p, err
	}
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return p, err
	}
	p.words = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	switch program {
	case programXL:
		return p, p.examineXL(dir, files)
	case programHelper:
		p.domain = helperDomain(p.words)
		return p, nil
	default:
		return p, p.examineLibvirt(dir, files)
	}
}

// A status is what /proc/PID/stat tells of a process, proc_pid_stat(5).
type status struct {
	state   string // a letter
	parent  int
	started uint64 // in clock ticks; with the process id it tells the process from all others
}

// readStatus reads it behind the name in parentheses, in which anything may be.
func readStatus(dir string) (status, error) {
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return status{}, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return status{}, fmt.Errorf("stat %.60q is not understood", text)
	}
	parent, err := strconv.Atoi(fields[1])
	started, startErr := strconv.ParseUint(fields[19], 10, 64)
	return status{fields[0], parent, started}, errors.Join(err, startErr)
}

// isLog is the log of any guest, or a file of such a name.
var isLog = pattern.Lazy(`/xl-[^/]*` + logRest)

func (p *process) examineXL(dir string, files *reader) error {
	var args []string
	p.command, args = commandOf(p.words)
	if log, err := os.Readlink(filepath.Join(dir, "fd/1")); err == nil && isLog().MatchString(log) {
		p.log, p.apart = log, isApart(dir)
	}
	switch p.command {
	case create:
		p.examineCreate(dir, args, files)
	case restore:
		return p.examineRestore(dir, args, files)
	case receive:
		p.session = sshConnection(dir)
	case save, migrate, remus:
		rest, _ := getopt(p.command, args)
		if len(rest) < 2 {
			return nil // xl refuses that
		}
		p.domain = rest[0]
		if p.command == save {
			p.examineSave(dir, rest[1], files)
		}
	}
	return nil
}

// isApart reports whether an xl is in the background: it has made its input /dev/null,
// and / its directory (do_daemonize in tools/xl/xl_utils.c).
func isApart(dir string) bool {
	input, inputErr := os.Readlink(filepath.Join(dir, "fd/0"))
	cwd, cwdErr := os.Readlink(filepath.Join(dir, "cwd"))
	return errors.Join(inputErr, cwdErr) == nil && input == "/dev/null" && cwd == "/"
}

// watches reports whether an xl is in the background, and its log tells the guest.
func (p *process) watches() bool { return p.log != "" && p.apart && !p.writes() && !p.reads }

// writes reports whether an xl saves a guest or sends it away.
func (p *process) writes() bool {
	return p.program == programXL && (p.command == save || p.command == migrate || p.command == remus)
}

func (p *process) examineCreate(dir string, args []string, files *reader) {
	path, settings := createWords(args)
	if path == "" {
		return // xl refuses that
	}
	p.file = absolute(dir, path)
	if path == "/dev/null" { // stands for none
		p.subjects = []subject{told(settings, nil)}
		return
	}
	made, info := files.config(at(dir, path), settings)
	p.subjects, p.config, p.configAs = []subject{made}, info, p.file
}

// examineRestore looks for the image that a restore reads: an open descriptor, which
// leads to it also when the file was removed, before the path, which may be another file
// by now. Both configuration and image may be named; then the former counts. But it was
// read once, and may be another's by now, so an image of the guest beside it is a doubt.
//
// One that watches has closed its image, and what its path leads to says nothing. Another
// that is a service of systemd looks like it if its output goes to a file whose name is
// like that of a log.
func (p *process) examineRestore(dir string, args []string, files *reader) error {
	rest, _ := getopt(restore, args)
	if len(rest) < 1 || len(rest) > 2 {
		return nil // xl refuses that
	}
	p.file = absolute(dir, rest[len(rest)-1])
	open, err := descriptors(dir)
	if err != nil {
		return err
	}
	for _, d := range open {
		made, err := files.image(d.path)
		if !isNoImage(err) {
			p.subjects, p.reads = append(p.subjects, made), true
		}
	}
	switch {
	case p.watches(): // it has read it
	case len(rest) == 2:
		p.beside = p.subjects
		made, info := files.config(at(dir, rest[0]), "")
		p.subjects, p.config, p.configAs = []subject{made}, info, absolute(dir, rest[0])
	case len(p.subjects) == 0:
		made, err := files.image(at(dir, rest[0]))
		if !errors.Is(err, image.ErrNotImage) { // else xl refuses that
			p.subjects = []subject{made}
		}
	}
	return nil
}

// examineSave reads what a save has written of its file, since its domain may be gone
// a moment before it is.
func (p *process) examineSave(dir, path string, files *reader) {
	p.file = absolute(dir, path)
	if made, err := files.image(at(dir, path)); err == nil {
		p.subjects = []subject{made}
	}
}

// examineLibvirt looks for images that libvirt restores a guest from: they are open
// for reading, and a managed save is removed before (libxlDomainStartNew in libvirt's
// src/libxl/libxl_domain.c). Other open files are none of images.
func (p *process) examineLibvirt(dir string, files *reader) error {
	open, err := descriptors(dir)
	if err != nil {
		return err
	}
	for _, d := range open {
		if !isRead(dir, d) {
			continue
		}
		made, err := files.image(d.path)
		if isNoImage(err) {
			continue
		}
		if guest, ok := managedSave(d.link); err != nil && ok {
			made = subject{name: guest}
		}
		p.subjects = append(p.subjects, made)
	}
	return nil
}

// isNoImage reports whether the error of reading from a descriptor says that nothing is
// restored from it: it leads to something else, or is closed by now.
func isNoImage(err error) bool {
	return errors.Is(err, image.ErrNotImage) || errors.Is(err, errNotRegular) || gone(err) == nil && err != nil
}

// managedSave returns the guest whose managed save a link leads to, after it was removed.
func managedSave(link string) (guest string, ok bool) {
	return strings.CutSuffix(filepath.Base(link), ".save (deleted)")
}

// sshConnection returns the connection that a process was begun by, as sshd tells its children.
func sshConnection(dir string) string {
	environ, err := os.ReadFile(filepath.Join(dir, "environ"))
	if err != nil {
		return ""
	}
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(variable, "SSH_CONNECTION="); ok {
			return value
		}
	}
	return ""
}
