//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// create starts a guest and leaves its background xl behind, unless -e says not to.
func (x toolstack) create(c call) int {
	file, words := c.values['f'], []string(nil)
	for _, arg := range c.args {
		switch {
		case strings.Contains(arg, "="):
			words = append(words, arg)
		case file == "":
			file = arg
		case file != c.values['f'] || c.args[0] != arg:
			fmt.Fprint(x.stdout, usage("create"))
			return 2
		}
	}
	if file == "" {
		return x.refuse(6, "Config file not specified and none in save file\n")
	}
	wanted, err := x.readConfig(file, strings.Join(words, "\n"), c)
	if err != nil {
		return x.fail(err, 3)
	}
	err = x.host.build(wanted, func(s *state, d *domain) error {
		if c.has('p') {
			d.Pauses = 1
		}
		if c.has('e') {
			return nil
		}
		return x.host.attend(s, *d)
	})
	if err != nil {
		return x.fail(err, 3)
	}
	return 0
}

// readConfig reads a configuration file, and settings behind it, and says so,
// unless quiet.
func (x toolstack) readConfig(file, added string, c call) (spec, error) {
	settings, err := readConfig(file, strings.Split(added, "\n"))
	if errors.Is(err, syscall.EISDIR) {
		return spec{}, refusal{fmt.Sprintf("libxl: error: libxl_utils.c:346:libxl_read_file_contents: %[1]s is not a plain file: Success\n"+
			"Failed to read config file: %[1]s: Inappropriate ioctl for device\n", file), 3}
	}
	if cause, ok := errors.AsType[*os.PathError](err); ok {
		return spec{}, refusal{fmt.Sprintf("Failed to read config file: %s: %s\n", file, complaint(cause)), 3}
	}
	if !c.has('q') {
		fmt.Fprintf(x.stderr, "Parsing config from %s\n", file)
	}
	if err != nil {
		return spec{}, err
	}
	wanted, warning, err := readSpec(file, settings)
	fmt.Fprint(x.stderr, warning)
	return wanted, err
}

// complaint is the cause of err in the words of strerror(3).
func complaint(err *os.PathError) string {
	text := err.Err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// build makes a domain of a new id, starts its guest and calls finish. If that
// takes time, the domain is listed meanwhile, first without a name and then
// paused, for most of the time with its vCPU. Another process may destroy it
// then; and if this one is killed, it stays as it is.
func (h host) build(c spec, finish func(*state, *domain) error) error {
	b := &building{host: h, wanted: c, finish: finish}
	steps := []func(*state, *domain) error{b.name, b.addVCPU, b.start}
	total := h.buildTime()
	if total == 0 {
		return h.update(func(s *state) error {
			b.reserve(s)
			for _, step := range steps {
				if err := b.do(s, step); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := h.update(func(s *state) error { b.reserve(s); return nil })
	for i, wait := range []time.Duration{total / 10, total / 10, total * 8 / 10} {
		if err != nil {
			return err
		}
		time.Sleep(wait)
		err = h.update(func(s *state) error { return b.do(s, steps[i]) })
	}
	return err
}

// A building is a domain on its way.
type building struct {
	host   host
	id     int
	wanted spec
	finish func(*state, *domain) error
}

// reserve lists the domain under a new id.
func (b *building) reserve(s *state) {
	b.id = s.Next
	s.Next++
	s.Domains = append(s.Domains, domain{spec: spec{UUID: b.wanted.UUID}, ID: b.id, Building: true})
}

// do takes a step. Nothing is left of a domain that fails before its guest runs.
func (b *building) do(s *state, step func(*state, *domain) error) error {
	d := s.domain(b.id)
	if d == nil || !d.Building || d.UUID != b.wanted.UUID {
		return destroyedMeanwhile(b.id)
	}
	err := step(s, d)
	if err != nil && d.Building {
		s.forget(b.id)
	}
	return err
}

// name gives the domain its name. Another guest of the name is an error, except
// where the host is to lose that race.
func (b *building) name(s *state, d *domain) error {
	_, noRace := os.Stat(b.host.path("fault", "create-race"))
	if s.named(b.wanted.Name) != nil && (noRace != nil || b.wanted.Name == domain0().Name) {
		return nameTaken(b.id, b.wanted.Name)
	}
	d.spec = b.wanted
	return nil
}

func (b *building) addVCPU(_ *state, d *domain) error {
	d.VCPUs = 1
	return nil
}

// start starts the guest's process.
func (b *building) start(s *state, d *domain) error {
	guest, err := b.host.launchGuest(d.Name)
	if err != nil {
		return err
	}
	s.Processes = append(s.Processes, guest)
	d.Guest, d.Building = guest, false
	return b.finish(s, d)
}

// attend starts the background xl of a domain, with the arguments of this one. It
// waits for the lock that the caller holds before it looks at the domain.
func (h host) attend(s *state, d domain) error {
	log, err := h.openLog(d.Name)
	if err != nil {
		return refusal{fmt.Sprintf("xl: fatal error: xl_utils.c:277: No such file or directory: "+
			"logfile = open(fullname, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)\n"+
			"libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: "+
			"domain monitoring daemonizing child [%d] exited with error status 1\n", os.Getpid()), 3}
	}
	defer log.Close()
	p, err := launch(&exec.Cmd{
		Path:   h.path("sbin", "xl"),
		Args:   os.Args,
		Env:    append(os.Environ(), watchVar+"="+strconv.Itoa(d.ID)),
		Stdout: log,
		Stderr: log,
	})
	s.Processes = append(s.Processes, p)
	return err
}

func nameTaken(id int, name string) error {
	return refusal{fmt.Sprintf(`libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain %[1]d:Domain with name "%[2]s" already exists.
libxl: error: libxl_create.c:1296:initiate_domain_create: Domain %[1]d:cannot make domain: -6
`, id, name) + notDestroyed(id), 3}
}

// destroyedMeanwhile is the error of a creation whose domain another xl has destroyed.
func destroyedMeanwhile(id int) error {
	return refusal{fmt.Sprintf(`libxl: error: libxl_dom.c:594:libxl__build_dom: xc_dom_build_image failed: Device or resource busy
libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain %[1]d:cannot (re-)build domain: -3
libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain %[1]d:Non-existant domain
libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain %[1]d:Unable to destroy guest
libxl: error: libxl_create.c:2051:domcreate_destruction_cb: Domain %[1]d:unable to destroy domain following failed creation
`, id) + notDestroyed(id), 3}
}

// notDestroyed is what libxl says when there was nothing to destroy.
func notDestroyed(id int) string {
	return fmt.Sprintf(`libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain %[1]d:Non-existant domain
libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain %[1]d:Unable to destroy guest
libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain %[1]d:Destruction of domain failed
`, id)
}
