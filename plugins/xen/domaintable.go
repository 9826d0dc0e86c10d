package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A domainRow is a domain in the output of `xm list` or `xl list`.
type domainRow struct {
	name  string // "" if the toolstack has none for it
	id    string
	marks string // six of them: running, blocked, paused, shut down, its reason, dying
}

// isGuest reports whether the domain is the guest of that name, also while it
// migrates or dies, or after it crashed and was kept under another name.
func (r domainRow) isGuest(guest string) bool {
	return r.name == guest || wire.IsVariantOf(r.name, guest)
}

// runs reports whether the domain has neither crashed nor shut down nor is dying.
func (r domainRow) runs() bool { return r.marks[3:] == "---" }

var (
	// A row is read from its right end: a name may hold blanks, and what looks
	// like columns. The marks are those of list_domains in Xen's
	// tools/xl/xl_list.c, and of xm_list in tools/python/xen/xm/main.py.
	domainRowForm = regexp.MustCompile(`^(.*\S)? +([0-9]+) +[0-9]+ +[0-9]+ +([r-][b-][p-][s-][rscwS?-][d-]) +[0-9]+\.[0-9]+ *$`)
	// A guest that xend has and does not run has no id, and need not have marks.
	idleRowForm = regexp.MustCompile(`^[A-Za-z0-9_.:/+-]+ +[0-9]+ +[0-9]+ +(-{6} +)?[0-9]+\.[0-9]+ *$`)
)

// parseDomains parses the whole output of `xm list` or `xl list`. A table with
// anything in it that is not understood is an error, and so is one without the
// control domain: xl exits with status 0 even if it could not write.
func parseDomains(table string) ([]domainRow, error) {
	lines := strings.Split(table, "\n")
	if !isHeader(lines[0]) {
		return nil, fmt.Errorf("%.200q is not a table of domains", table)
	}
	if last := lines[len(lines)-1]; last != "" {
		return nil, fmt.Errorf("the table of domains breaks off in %.200q", last)
	}
	var rows []domainRow
	for _, line := range lines[1 : len(lines)-1] {
		cells := domainRowForm.FindStringSubmatch(line)
		if cells == nil {
			if idleRowForm.MatchString(line) {
				continue
			}
			return nil, fmt.Errorf("row %.200q of the table of domains is not understood", line)
		}
		row := domainRow{name: strings.TrimSpace(cells[1]), id: cells[2], marks: cells[3]}
		if row.name == "(null)" {
			row.name = ""
		}
		if slices.ContainsFunc(rows, func(other domainRow) bool { return other.id == row.id }) {
			return nil, fmt.Errorf("domain %s is twice in the table of domains", row.id)
		}
		rows = append(rows, row)
	}
	if !slices.ContainsFunc(rows, func(r domainRow) bool { return r.id == "0" && r.name == "Domain-0" }) {
		return nil, fmt.Errorf("the control domain is not in the table of domains, so it is not complete: %.200q", table)
	}
	return rows, nil
}

// isHeader knows the column of the memory by the names that xm gave it.
func isHeader(line string) bool {
	columns := strings.Join(strings.Fields(line), " ")
	return columns == "Name ID Mem VCPUs State Time(s)" || columns == "Name ID Mem(MiB) VCPUs State Time(s)"
}
