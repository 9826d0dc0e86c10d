package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/installation"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/saved"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// examine says of a guest what would let a fence of it fail, or surprise. Where the
// toolstack has processes that watch guests, each should have one.
func (h *host) examine(s sight) []installation.Finding {
	var all []installation.Finding
	add := func(level installation.Level, subject, format string, args ...any) {
		all = append(all, installation.Finding{Level: level, Subject: subject, Text: fmt.Sprintf("guest %s: "+format, append([]any{s.id.Name}, args...)...)})
	}
	if err := errors.Join(s.ambiguity(), s.inTheWay()); err != nil {
		add(installation.Wrong, "domains", "%v", err)
	} else if len(s.strangers) > 0 {
		add(installation.Wrong, "domains", "off would end it, and then find %v", s.isAmbiguous(fmt.Sprintf("domain %d %q", s.strangers[0].ID, s.strangers[0].Name), s.strangers[0].UUID))
	}
	if s.unknown != nil {
		add(installation.Wrong, "images", "off could not be proven: %v", s.unknown)
	}
	for _, i := range s.images {
		add(installation.Warning, "images", "%s, and is restored when its time comes: off puts it out of reach", i)
	}
	for _, i := range s.doubtful {
		add(installation.Wrong, "images", "%v", s.isAmbiguous(i.String(), i.Header.UUID))
	}
	if s.unwatched() && h.stack.Gap() == 0 {
		add(installation.Warning, "domains", "it runs, and no xl watches it: if libvirt or another program starts it again, off sees only the domain; it waits %s for one", unwatchedGap)
	}
	return all
}

// examinePin says whether the guest is known by its UUID, and alone has it.
func (s sight) examinePin() []installation.Finding {
	var all []installation.Finding
	add := func(level installation.Level, format string, args ...any) {
		all = append(all, installation.Finding{Level: level, Subject: "uuid", Text: fmt.Sprintf("guest %s: "+format, append([]any{s.id.Name}, args...)...)})
	}
	id := s.id
	switch {
	case id.pinned() && id.config == nil:
		add(installation.Fine, "the policy and the configuration have %s", id.uuid)
	case id.pinned():
		unpinned := id.Guest
		unpinned.UUID = ""
		if checkConfig(unpinned) == nil { // else the row of the configuration says it
			add(installation.Wrong, "%v: on is refused, and status too while the guest has no domain", id.config)
		}
	case id.uuid != "":
		add(installation.Advice, "its configuration has the UUID %s, and the policy does not: put uuid %s at the end of line %d of the policy, and a domain of another name is it too",
			id.uuid, id.uuid, id.Line)
	case id.config == nil:
		add(installation.Advice, "it cannot be told from others by its UUID, for xl makes a new one at each start: give it a line uuid = %q in %s, and that uuid in the policy",
			s.proposal(), id.Config)
	}
	if id.uuid == "" {
		return all
	}
	for _, d := range s.domains {
		if !d.Carries(id.Name) && d.Name != "" {
			add(installation.Warning, "domain %d %q has its UUID: off ends it as the guest; is its configuration a copy?", d.ID, d.Name)
		}
	}
	if len(s.domains) > 1 && s.domains[0].UUID == s.domains[1].UUID {
		add(installation.Warning, "domains %d and %d both have its UUID: off ends both", s.domains[0].ID, s.domains[1].ID)
	}
	copies, err := copiesOf(id.Config, id.uuid)
	for _, path := range copies {
		add(installation.Warning, "%s has its UUID too: off ends what is started from it; give that another uuid", path)
	}
	if err != nil {
		add(installation.Warning, "whether another configuration has its UUID is not known: %v", err)
	}
	return all
}

// proposal is a UUID for a guest that has none: the one of its domain, if it has one.
func (s sight) proposal() string {
	if len(s.domains) > 0 && s.domains[0].UUID != "" {
		return s.domains[0].UUID
	}
	return "what uuidgen prints"
}

// maxCopies is the number of files that copiesOf looks into.
const maxCopies = 1000

// copiesOf returns the other files beside a configuration that have its UUID.
func copiesOf(config, uuid string) ([]string, error) {
	return bounded.Read(bounded.Limit, func(at func(string)) ([]string, error) {
		dir := filepath.Dir(config)
		at(dir)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		var copies []string
		for _, entry := range entries[:min(len(entries), maxCopies)] {
			path := filepath.Join(dir, entry.Name())
			if !entry.Type().IsRegular() || path == config {
				continue
			}
			at(path)
			if text, err := trust.Read(path, guestconfig.MaxSize); err == nil && guestconfig.UUID(text) == uuid {
				copies = append(copies, path)
			}
		}
		return copies, nil
	})
}

// examineStore says where images are restored from.
func examineStore(store *saved.Store) []installation.Finding {
	var all []installation.Finding
	add := func(level installation.Level, format string, args ...any) {
		all = append(all, installation.Finding{Level: level, Subject: "images", Text: fmt.Sprintf(format, args...)})
	}
	for _, d := range store.Dirs {
		if err := bounded.CheckDir(d.Path); err != nil {
			add(installation.Warning, "%s (%s): %v", d.Path, d.Who, err)
			continue
		}
		add(installation.Fine, "%s is where guests are saved and restored (%s)", d.Path, d.Who)
	}
	if store.Relied != nil {
		add(installation.Warning, "%v: is its directory among the images of the policy?", store.Relied)
	}
	if store.Unknown != nil {
		add(installation.Wrong, "%v: off of every guest fails", store.Unknown)
	}
	for _, path := range slices.Sorted(maps.Keys(store.Migrate)) {
		add(installation.Warning, "%s has XENDOMAINS_MIGRATE=%q: guests go there when this Dom0 shuts down: is that Dom0 in sshaccount of every cluster?", path, store.Migrate[path])
	}
	return all
}

// probe looks at the toolstack, the guests and the images, for check.
func probe(rules *policy.Policy) (installation.Probed, error) {
	h, err := newHost(rules, &audit{})
	if err != nil {
		return installation.Probed{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	p := installation.Probed{StateDir: h.stateDir, Findings: examineStore(h.images)}
	domains, err := h.stack.Domains(ctx)
	if err != nil {
		return p, err
	}
	p.Said = fmt.Sprintf("the toolstack lists %d domains", len(domains))
	seen, err := h.glanceAll(ctx, rules.Guests)
	if err != nil {
		return p, err
	}
	for _, s := range seen {
		p.Findings = append(p.Findings, append(h.examine(s), s.examinePin()...)...)
	}
	for i, f := range p.Findings {
		p.Findings[i].Text = wire.Clean(f.Text) // names of files and guests may hold anything
	}
	return p, nil
}
