//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// list prints all domains or one, as a table or, with -l, as JSON.
func (x toolstack) list(c call) int {
	if len(c.args) > 1 {
		fmt.Fprint(x.stdout, listUsage)
		return 1
	}
	s, err := x.host.snapshot()
	if err != nil {
		return x.fail(err, 1)
	}
	shown := s.Domains
	if len(c.args) == 1 {
		id, ok := x.resolve(c.args[0])
		if !ok {
			return 1
		}
		d := s.domain(id)
		if d == nil {
			return x.refuse(1, "Error: Domain '%s' does not exist.\n", c.args[0])
		}
		shown = []domain{*d}
	}
	if c.has('l') {
		x.printLong(shown)
		return 0
	}
	fmt.Fprint(x.stdout, table(shown, c.has('v')))
	return 0
}

// table is the output without -l. A name wider than its column shifts the row.
func table(domains []domain, verbose bool) string {
	b := new(strings.Builder)
	b.WriteString("Name                                        ID   Mem VCPUs\tState\tTime(s)")
	if verbose {
		b.WriteString("   UUID                            Reason-Code\tSecurity Label")
	}
	b.WriteString("\n")
	for _, d := range domains {
		name := d.Name
		if d.nameless() {
			name = "(null)"
		}
		blanks := strings.Repeat(" ", max(0, 40-len(name))) // C counts bytes
		fmt.Fprintf(b, "%s%s %5d %5d %5d     %6s  %8.1f", name, blanks, d.ID, d.Memory, d.VCPUs, d.flags(), d.cpuTime())
		if verbose {
			fmt.Fprintf(b, " %s %8s %16s", d.UUID, d.reasonCode(), "-")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// cpuTime is made up: a guest here uses none worth showing.
func (d domain) cpuTime() float64 {
	if d.ID == 0 {
		return 78.8
	}
	return 0
}

func (d domain) reasonCode() string {
	if !d.Down {
		return "-"
	}
	return fmt.Sprintf("%x", int(d.Reason))
}

// printLong prints what list -l does, which cannot show a domain that is dying,
// or whose configuration is not stored yet, which is the last step of a creation.
func (x toolstack) printLong(domains []domain) {
	var entries []string
	for _, d := range domains {
		switch {
		case d.Dying || d.Building:
			fmt.Fprintf(x.stderr, "libxl: error: libxl_domain.c:2335:retrieve_domain_configuration_lock_acquired:"+
				" Domain %d:Fail to get domain configuration\n", d.ID)
		case d.ID == 0:
			entries = append(entries, fmt.Sprintf(long0, d.Memory*1024, d.Memory*1024-1))
		default:
			entries = append(entries, d.long())
		}
	}
	fmt.Fprintf(x.stdout, "[\n%s\n]\n\n", strings.Join(entries, ",\n"))
}

// long is a guest's entry. Policies are shown unless they are "destroy".
func (d domain) long() string {
	var policies []string
	for _, p := range [][2]string{{"on_poweroff", d.OnPoweroff}, {"on_reboot", d.OnReboot}, {"on_watchdog", d.OnWatchdog}, {"on_crash", d.OnCrash}, {"on_soft_reset", d.OnSoftReset}} {
		if p[1] != "destroy" {
			policies = append(policies, fmt.Sprintf(",\n            %q: %q", p[0], p[1]))
		}
	}
	kb := d.Memory * 1024
	return fmt.Sprintf(longGuest, d.ID, quote(d.Name), quote(d.UUID), kb, kb, strings.Join(policies, ""))
}

// quote is a JSON string in which, as in xl's, <, > and & stay as they are.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}
