//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// domid is the one command that takes a number as a name.
func (x toolstack) domid(c call) int {
	s, err := x.host.load()
	if err != nil {
		return x.fail(err, 1)
	}
	d := s.named(c.args[0])
	if d == nil {
		return x.refuse(1, "Can't get domid of domain name '%s', maybe this domain does not exist.\n", c.args[0])
	}
	fmt.Fprintln(x.stdout, d.ID)
	return 0
}

func (x toolstack) domname(c call) int {
	s, err := x.host.load()
	if err != nil {
		return x.fail(err, 1)
	}
	id, err := strconv.Atoi(c.args[0])
	if err != nil {
		return x.refuse(1, "Invalid domain id.\n\n")
	}
	d := s.domain(id)
	if d == nil || d.nameless() {
		return x.refuse(1, "Can't get domain name of domain id '%s', maybe this domain does not exist.\n", c.args[0])
	}
	fmt.Fprintln(x.stdout, d.Name)
	return 0
}

func (x toolstack) rename(c call) int {
	id, ok := x.resolve(c.args[0])
	if !ok {
		return 1
	}
	err := x.host.update(func(s *state) error {
		d := s.domain(id)
		if d == nil {
			return errNoDomain
		}
		return s.rename(d, c.args[1])
	})
	if err != nil {
		return x.refuse(1, "%s\nCan't rename domain '%s'.\n", strings.TrimSuffix(err.Error(), "\n"), c.args[0])
	}
	return 0
}

// rename gives a domain a name that no other has.
func (s *state) rename(d *domain, name string) error {
	if s.named(name) != nil {
		return fmt.Errorf("libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain %d:Domain with name %q already exists.",
			d.ID, name)
	}
	d.Name = name
	return nil
}

func (x toolstack) info(call) int {
	fmt.Fprintln(x.stdout, "xen_version            : 4.17.7")
	return 0
}
