package toolstack

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// xm is the toolstack of Xen before 4.1, gone since 4.5. Its daemon xend watches
// the guests itself, so there is no process per guest that could be seen or
// ended. xend restarts no domain that was destroyed.
type xm struct{ program }

func (x xm) Domains(ctx context.Context) ([]Domain, error) {
	table, err := x.run(ctx, lookLimit, "list")
	if err != nil {
		return nil, err
	}
	domains, err := parseXM(string(table))
	if err != nil {
		return nil, fmt.Errorf("xm list: %w", err)
	}
	return domains, nil
}

func (x xm) Destroy(ctx context.Context, id int) error {
	_, err := x.run(ctx, destroyLimit, "destroy", strconv.Itoa(id))
	return err
}

func (x xm) Create(ctx context.Context, config string) error {
	_, err := x.run(ctx, createLimit, "create", config)
	return err
}

func (x xm) Processes() (Processes, error) { return seen{}, nil }

// Gap is well above the time that xend takes to restart a domain.
func (x xm) Gap() time.Duration { return 4 * time.Second }

var (
	xmRow = pattern.Lazy(`^(\S+) +(\d+) +\d+ +\d+ +([-a-z]{6}) +\d+\.\d+ *$`)
	// A guest that xend knows but does not run has no id.
	xmIdleRow = pattern.Lazy(`^\S+ +\d+ +\d+ +(?:[-a-z]{6} +)?\d+\.\d+ *$`)
)

// parseXM parses the output of `xm list`.
func parseXM(table string) ([]Domain, error) {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if !strings.HasPrefix(lines[0], tableHeader) {
		return nil, fmt.Errorf("output %.60q is not a table of domains", table)
	}
	domains := map[int]Domain{}
	var list []Domain
	for _, line := range lines[1:] {
		cells := xmRow().FindStringSubmatch(line)
		if cells == nil {
			if xmIdleRow().MatchString(line) {
				continue
			}
			return nil, fmt.Errorf("row %.80q is not understood", line)
		}
		id, err := strconv.Atoi(cells[2])
		if err != nil {
			return nil, fmt.Errorf("domain id %q: %w", cells[2], err)
		}
		domains[id] = Domain{ID: id, Name: cells[1], Stopped: stoppedMark(cells[3]), Dying: dyingMark(cells[3])}
		list = append(list, domains[id])
	}
	return list, requireControlDomain(domains)
}
