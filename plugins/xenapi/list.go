package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

var _ stonith.Lister = (*members)(nil)

// onlyGuests leaves out control domains and templates, which snapshots are as well: a
// record has some kilobytes.
const onlyGuests = `field "is_a_template" = "false" and field "is_control_domain" = "false"`

// List returns the name-labels of all guests that have one for themselves, of every
// master that there is.
func (m *members) List(ctx context.Context) ([]string, error) {
	s, err := m.search(ctx)
	if err != nil {
		return nil, err
	}
	masters, err := s.first(ctx)
	if err == nil {
		masters, err = s.settle(ctx, false)
	}
	if err != nil {
		return nil, m.ends(s, err)
	}
	owners := map[string]string{} // UUIDs by name, "" if there are several
	for _, master := range masters {
		guests, err := master.allGuests(ctx)
		if err != nil {
			return nil, m.check(err)
		}
		for _, r := range guests {
			if other, known := owners[r.Name]; known && other != r.UUID {
				owners[r.Name] = ""
				continue
			}
			owners[r.Name] = r.UUID
		}
	}
	maps.DeleteFunc(owners, func(name, owner string) bool { return owner == "" || !isPlug(name) })
	return slices.Sorted(maps.Keys(owners)), nil
}

// allGuests returns the records of all guests.
func (s *session) allGuests(ctx context.Context) ([]record, error) {
	const method = "VM.get_all_records_where"
	records, err := ask[map[string]record](ctx, s, method, onlyGuests)
	if err == nil && records == nil {
		err = stonith.Errorf(stonith.UnknownState, "%s: the answer has no list", method)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	var guests []record
	for _, r := range records {
		if err := r.isWhole(); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s, method, err)
		}
		if r.kind() == "guest" {
			guests = append(guests, r)
		}
	}
	return guests, nil
}

// isPlug reports whether the guest is found by that name where a list has it: one with
// the form of a UUID means the guest with that UUID, and others would not stay whole.
func isPlug(name string) bool {
	_, isUUID := asUUID(name)
	return name != "" && !isUUID && checkGuest(name) == nil && !strings.ContainsAny(name, " ,;:")
}
