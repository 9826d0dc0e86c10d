package toolstack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// xl is Xen's toolstack since 4.1 (tools/xl in its source).
type xl struct{ program }

// Domains joins two lists, since neither has all: `xl list -v` also shows
// domains that are being built or torn down, `xl list -l` tells names beyond
// doubt. A domain that is in one of them exists. A name of several lines counts
// only if both have it: else the table may have rows that were not understood,
// or that are no rows but part of the name.
func (x xl) Domains(ctx context.Context) ([]Domain, error) {
	table, err := x.run(ctx, lookLimit, "list", "-v")
	if err != nil {
		return nil, err
	}
	all, err := parseTable(string(table))
	if err != nil {
		return nil, fmt.Errorf("xl list -v: %w", err)
	}
	long, err := x.run(ctx, lookLimit, "list", "-l")
	if err != nil {
		return nil, err
	}
	named, err := parseLong(long)
	if err != nil {
		return nil, fmt.Errorf("xl list -l: %w", err)
	}
	for id, d := range all {
		if strings.Contains(d.Name, "\n") && named[id].Name != d.Name {
			return nil, fmt.Errorf("xl list -v: row %.80q is not understood", d.Name)
		}
	}
	for id, d := range named {
		row, ok := all[id]
		if ok && strings.Contains(d.Name, "\n") && row.Name != d.Name {
			return nil, fmt.Errorf("xl list -v: domain %d is %.80q, and %.80q in xl list -l", id, row.Name, d.Name)
		}
		if d.Name == "" {
			d.Name = row.Name // it has just lost it
		}
		d.Stopped, d.Dying, d.Paused = row.Stopped, row.Dying, row.Paused
		all[id] = d
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Domain) int { return a.ID - b.ID }), nil
}

// Destroy takes an id, since a name may be that of several domains.
func (x xl) Destroy(ctx context.Context, id int) error {
	_, err := x.run(ctx, destroyLimit, "destroy", strconv.Itoa(id))
	return err
}

// Create returns when the guest runs; xl stays in the background to watch it.
func (x xl) Create(ctx context.Context, config string) error {
	_, err := x.run(ctx, createLimit, "create", config)
	return err
}

// Gap is none: what restarts a guest is a process of its own.
func (x xl) Gap() time.Duration { return 0 }

// tableRow is a row of `xl list -v`, read from its right end: a name may hold
// blanks, line ends and whatever else (list_domains in tools/xl/xl_list.c).
var tableRow = pattern.Lazy(`(?s)^(.*?) +(\d+) +\d+ +\d+ +([-a-zA-Z?]{6}) +\d+\.\d+ +([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) +\S+ +\S+ *$`)

const tableHeader = "Name "

// parseTable parses the output of `xl list -v`. Domains that xl has no name for are nameless.
func parseTable(table string) (map[int]Domain, error) {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if !strings.HasPrefix(lines[0], tableHeader) || !strings.Contains(lines[0], "UUID") {
		return nil, fmt.Errorf("output %.60q is not a table of domains", table)
	}
	domains := map[int]Domain{}
	var row []string
	for _, line := range lines[1:] {
		row = append(row, line)
		cells := tableRow().FindStringSubmatch(strings.Join(row, "\n"))
		if cells == nil {
			continue // the name goes on in the next line
		}
		row = nil
		id, err := strconv.Atoi(cells[2])
		if err != nil {
			return nil, fmt.Errorf("domain id %q: %w", cells[2], err)
		}
		if _, twice := domains[id]; twice {
			return nil, fmt.Errorf("domain id %d is there twice", id)
		}
		name := cells[1]
		if name == "(null)" {
			name = ""
		}
		domains[id] = Domain{ID: id, Name: name, UUID: cells[4], Stopped: stoppedMark(cells[3]), Dying: dyingMark(cells[3]), Paused: pausedMark(cells[3])}
	}
	if len(row) > 0 {
		return nil, fmt.Errorf("row %.80q is not complete", strings.Join(row, "\n"))
	}
	return domains, requireControlDomain(domains)
}

// longEntry is what counts of an entry of `xl list -l`.
type longEntry struct {
	ID     *int `json:"domid"`
	Config struct {
		Info struct {
			Name string `json:"name"`
			UUID string `json:"uuid"`
		} `json:"c_info"`
	} `json:"config"`
}

// parseLong parses the output of `xl list -l`.
func parseLong(long []byte) (map[int]Domain, error) {
	var entries []longEntry
	if err := json.Unmarshal(long, &entries); err != nil {
		return nil, fmt.Errorf("output %.60q is not the JSON of domains: %w", long, err)
	}
	domains := map[int]Domain{}
	for _, e := range entries {
		if e.ID == nil {
			return nil, fmt.Errorf("an entry has no domid")
		}
		if _, twice := domains[*e.ID]; twice {
			return nil, fmt.Errorf("domain id %d is there twice", *e.ID)
		}
		domains[*e.ID] = Domain{ID: *e.ID, Name: e.Config.Info.Name, UUID: e.Config.Info.UUID}
	}
	return domains, requireControlDomain(domains)
}

// requireControlDomain refuses a list without domain 0: xl list exits 0 even if it could not write.
func requireControlDomain(domains map[int]Domain) error {
	if _, ok := domains[0]; !ok {
		return fmt.Errorf("the control domain is missing, so the list is not complete")
	}
	return nil
}
