//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// create starts a guest and leaves its background xl behind, unless -e says not to.
func (x toolstack) create(c call) int {
	if len(c.args) == 0 {
		return x.refuse(6, "Config file not specified and none in save file\n")
	}
	file := c.args[0]
	wanted, err := x.readConfig(file, c.has('q'))
	if err != nil {
		return x.fail(err, 3)
	}
	err = x.host.update(func(s *state) error {
		d, err := x.host.build(s, wanted)
		if err != nil {
			return err
		}
		if c.has('p') {
			d.Pauses = 1
		}
		if c.has('e') {
			return nil
		}
		return x.host.attend(s, *d, file)
	})
	if err != nil {
		return x.fail(err, 3)
	}
	return 0
}

// readConfig reads a configuration file and says so, unless quiet.
func (x toolstack) readConfig(file string, quiet bool) (spec, error) {
	settings, err := readConfig(file)
	if cause, ok := errors.AsType[*os.PathError](err); ok {
		return spec{}, refusal{fmt.Sprintf("Failed to read config file: %s: %s\n", file, complaint(cause)), 3}
	}
	if !quiet {
		fmt.Fprintf(x.stderr, "Parsing config from %s\n", file)
	}
	if err != nil {
		return spec{}, err
	}
	c, warning, err := readSpec(file, settings)
	fmt.Fprint(x.stderr, warning)
	return c, err
}

// complaint is the cause of err in the words of strerror(3).
func complaint(err *os.PathError) string {
	text := err.Err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// build starts a guest's process under a new id. Another guest of the name is
// an error, except where the host is to lose that race.
func (h host) build(s *state, c spec) (*domain, error) {
	id := s.Next
	s.Next++
	_, noRace := os.Stat(h.path("fault", "create-race"))
	if s.named(c.Name) != nil && (noRace != nil || c.Name == domain0().Name) {
		return nil, nameTaken(id, c.Name)
	}
	guest, err := launch(&exec.Cmd{
		Path: h.path("sbin", "guest"),
		Args: []string{"guest", c.Name},
		Env:  []string{},
	})
	if err != nil {
		return nil, err
	}
	s.Processes = append(s.Processes, guest)
	s.Domains = append(s.Domains, domain{spec: c, ID: id, Guest: guest})
	return &s.Domains[len(s.Domains)-1], nil
}

// attend starts the background xl of a domain. It waits for the lock that the
// caller holds before it looks at the domain.
func (h host) attend(s *state, d domain, file string) error {
	log, err := h.openLog(d.Name)
	if err != nil {
		return err
	}
	defer log.Close()
	xl := h.path("sbin", "xl")
	p, err := launch(&exec.Cmd{
		Path:   xl,
		Args:   []string{xl, "create", file},
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

// notDestroyed is what libxl says when there was nothing to destroy.
func notDestroyed(id int) string {
	return fmt.Sprintf(`libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain %[1]d:Non-existant domain
libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain %[1]d:Unable to destroy guest
libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain %[1]d:Destruction of domain failed
`, id)
}
