//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// errHelper is the end of a helper that was not done.
var errHelper = errors.New("the helper is gone")

// save writes a guest to a file. If that fails, the guest goes on; and if this
// xl is killed, guest and file stay as they are.
func (x toolstack) save(c call) int {
	if len(c.args) > 3 {
		fmt.Fprint(x.stdout, usage("save"))
		return 1
	}
	d, code := x.moved(c.args[0])
	if code != 0 {
		return code
	}
	said := d // what the header says of it
	if len(c.args) == 3 {
		var err error
		if said.spec, err = x.readConfig(c.args[2], "", c); err != nil {
			return x.refuse(1, "unable to read overridden config file\n")
		}
	}
	file, err := os.OpenFile(c.args[1], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return x.refuse(1, "Failed to open temp file %s for writing\n", c.args[1])
	}
	defer file.Close()
	if err := x.writeHeader(file, c.args[1], said); err != nil {
		return x.fail(err, 1)
	}
	if err := x.sendStream(file, d.ID, false); err != nil {
		fmt.Fprintf(x.stderr, "libxl: error: libxl_save_callout.c:%d: domain %d save/restore helper [%d] %v\n"+
			"Failed to save domain, resuming domain\n", 418, d.ID, os.Getpid(), err)
		_ = x.resume(d.ID) // there is no better end
		return 1
	}
	time.Sleep(x.host.setting("fault/save-ms", 0) / 3) // the file is whole, and the domain is there
	switch {
	case c.has('c'), c.has('p'):
		return x.result(x.resume(d.ID, c.has('p')))
	default:
		return x.result(x.host.update(func(s *state) error { return s.remove(d.ID) }))
	}
}

// moved returns the domain that is to be saved or sent away.
func (x toolstack) moved(arg string) (d domain, code int) {
	id, ok := x.resolve(arg)
	if !ok {
		return domain{}, 1
	}
	err := x.change(id, func(its *domain) error { d = *its; return nil })
	if err != nil || d.ID == 0 || d.Building {
		return domain{}, x.refuse(1, "libxl: error: libxl_domain.c:2335:retrieve_domain_configuration_lock_acquired:"+
			" Domain %d:Fail to get domain configuration\nunable to retrieve domain configuration\n", id)
	}
	return d, 0
}

// sendStream writes a guest's memory, and the record that ends it.
func (x toolstack) sendStream(stream *os.File, id int, live bool) error {
	if _, err := stream.WriteString(streamMagic); err != nil {
		return err
	}
	flags := "0"
	if live {
		flags = "1"
	}
	if err := x.move("--save-domain", id, stream, flags, "5", "0"); err != nil {
		return err
	}
	return writeRecord(stream, recordEnd, 0)
}

// resume lets a suspended guest go on: with another process here.
func (x toolstack) resume(id int, paused ...bool) error {
	return x.host.update(func(s *state) error {
		d := s.domain(id)
		if d == nil || !d.Down || d.Reason != suspended {
			return errNoDomain
		}
		guest, err := x.host.launchGuest(d.Name)
		if err != nil {
			return err
		}
		s.Processes = append(s.Processes, guest)
		d.Guest, d.Down, d.Reason = guest, false, poweroff
		if len(paused) > 0 && paused[0] {
			d.Pauses++
		}
		return nil
	})
}

// launchGuest starts a guest's process. The caller has the lock, and records it.
func (h host) launchGuest(name string) (process, error) {
	return launch(&exec.Cmd{Path: h.path("sbin", "guest"), Args: []string{"guest", name}, Env: []string{}})
}
