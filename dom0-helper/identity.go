package main

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/saved"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// An identity is what tells a guest from other machines.
type identity struct {
	policy.Guest
	// uuid is that of the policy, else that of the configuration; empty if neither has one.
	uuid string
	// config says why the guest cannot be started from its configuration, if so.
	config error
	// seen has the domains that a fence saw to be the guest's, and that it may have left.
	seen map[remain]bool
	// written has the images that a fence saw processes write of the guest.
	written map[string]bool
	// beside has domains without a name that are not the guest: they were there beside it.
	beside map[remain]bool
}

// identity reads the guest's configuration, once for each request.
func (h *host) identity(g policy.Guest) identity {
	if id, ok := h.identities[g.Name]; ok {
		return id
	}
	id := identity{Guest: g, uuid: g.UUID, beside: h.readRemains(g.Name + besideFile)}
	uuid, err := readConfig(g)
	id.config = err
	if g.UUID == "" {
		id.uuid, id.seen = uuid, h.readRemains(g.Name+seenFile)
	}
	if h.identities == nil {
		h.identities = map[string]identity{}
	}
	h.identities[g.Name] = id
	return id
}

// pinned reports whether the policy says which machine the guest is. What only
// its configuration says holds less: people copy configurations.
func (id identity) pinned() bool { return id.UUID != "" }

// saw reports whether a domain of that UUID was seen to be the guest's.
func (id identity) saw(uuid string) bool {
	for r := range id.seen {
		if r.uuid == uuid && uuid != "" {
			return true
		}
	}
	return false
}

// isWritten reports whether an image was being written of the guest, whatever its header says.
func (id identity) isWritten(i saved.Image) bool {
	for path := range id.written {
		if i.Is(path) {
			return true
		}
	}
	return false
}

// toolstack is the identity as the toolstack wants it. A configuration that hangs is
// not for it to look at.
func (id identity) toolstack() toolstack.Identity {
	its := toolstack.Identity{Name: id.Name, UUID: id.UUID, Config: id.Config}
	if !id.pinned() {
		its.ConfigUUID = id.uuid
	}
	if id.unread() != nil {
		its.Config = ""
	}
	return its
}

// owns reports whether an image is the guest's.
func (id identity) owns(i saved.Image) bool {
	s := sight{id: id}
	s.sortImage(i)
	return len(s.images) > 0
}

// unread is the error of a configuration that could not be read, or not in time: nobody
// knows which UUID it has. A file that is missing or refused is not such a one.
func (id identity) unread() error {
	var slow *bounded.SlowError
	var errno syscall.Errno
	switch {
	case errors.As(id.config, &slow):
		return id.config
	case !id.pinned() && errors.As(id.config, &errno) && !slices.Contains([]syscall.Errno{syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP}, errno):
		return id.config
	}
	return nil
}

// checkConfig refuses a configuration file that is not there, that others than
// root could have written, since the toolstack reads it as root, or that is that
// of a guest with another name or UUID: it would run unseen while these are looked for.
func checkConfig(g policy.Guest) error {
	_, err := readConfig(g)
	return err
}

// readConfig returns the UUID that a configuration which checkConfig does not refuse
// gives to the guest, if it gives one.
func readConfig(g policy.Guest) (uuid string, err error) {
	text, err := bounded.ReadLinked(g.Config, guestconfig.MaxSize)
	var slow *bounded.SlowError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", failf(wire.NotFound, "configuration of guest %s: %w", g.Name, err)
	case errors.As(err, &slow):
		return "", failf(wire.UnknownState, "configuration of guest %s: %w: keep it on a local disk", g.Name, err)
	case err != nil:
		return "", failf(wire.BadConfig, "configuration of guest %s: %w", g.Name, err)
	}
	if name := guestconfig.Name(text); name != g.Name {
		return "", failf(wire.BadConfig, "configuration of guest %s: %s has the name %q", g.Name, g.Config, name)
	}
	_, uuid, err = guestconfig.Effective(text)
	switch {
	case err != nil:
		return "", failf(wire.BadConfig, "configuration of guest %s: %s: %w", g.Name, g.Config, err)
	case g.UUID == "" || uuid == g.UUID:
		return uuid, nil
	case uuid == "":
		return "", failf(wire.BadConfig, "configuration of guest %s: %s has no line uuid = \"...\", and the policy says %s", g.Name, g.Config, g.UUID)
	default:
		return "", failf(wire.BadConfig, "configuration of guest %s: %s has the UUID %q, and the policy says %s", g.Name, g.Config, uuid, g.UUID)
	}
}
