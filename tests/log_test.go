package tests

import (
	"regexp"
	"strings"
	"testing"
)

var lastID = regexp.MustCompile(`, request ([0-9a-f]{8})$`)

// TestRequestID: one id joins what the plugin says of a call, on its output and in
// the node's log, with the Dom0's audit, whether the call succeeds or not.
func TestRequestID(t *testing.T) {
	d, alpha := dom0s["alpha"], "sshaccount=xen@alpha"
	tests := []struct {
		name   string
		args   []string
		fault  string // of xl list
		status int
		audits string // a part of each line of the audit that ends a request
	}{
		{"status", []string{"status", alpha}, "", 0, `"verdict":"ok"`},
		{"off", []string{"off", "node-1", alpha}, "", 0, `"verdict":"ok"`},
		{"reset", []string{"reset", "node-1", alpha}, "", 0, `"verdict":"ok"`},
		{"on", []string{"on", "node-1", alpha}, "", 0, `"verdict":"ok"`},
		{"status fails", []string{"status", alpha}, "exit 1 busy", 1, `"verdict":"failed"`},
		{"off fails", []string{"off", "node-1", alpha, "timeout=5s"}, "exit 1 busy", 1, `"verdict":"failed"`},
		{"reset fails", []string{"reset", "node-1", alpha, "timeout=5s"}, "exit 1 busy", 1, `"verdict":"failed"`},
		{"on fails", []string{"on", "node-1", alpha, "timeout=5s"}, "exit 1 busy", 1, `"verdict":"failed"`},
		{"refused", []string{"off", "node-1", "identity_file=" + key("other"), "sshaccount=xen-b@alpha"}, "", 1, `"verdict":"refused"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			must("alpha", d.reset())
			must("fault", d.host.Fault("list", tt.fault))
			mark := logged.mark()
			status, out := callPlugin(tt.args...)
			if status != tt.status {
				t.Fatalf("exit status %d, want %d; %s", status, tt.status, out)
			}
			must("the log", logged.settled())
			line := verdictLine(out)
			found := lastID.FindStringSubmatch(line)
			if found == nil {
				t.Fatalf("no request id at the end of %q", out)
			}
			if linesWith(mark, "external/xen[", strings.TrimPrefix(line, "xen: ")) != 1 {
				t.Errorf("the node's log has not once %q:\n%s", line, strings.Join(logged.since(mark), "\n"))
			}
			all := linesWith(mark, "dom0-helper[", `"request":"`)
			ours, request := 0, `"request":"`+found[1]+"-"
			for _, verdict := range []string{tt.audits, `"verdict":"begun"`} {
				ours += linesWith(mark, "dom0-helper[", request, verdict)
			}
			if ours != all || linesWith(mark, "dom0-helper[", request, tt.audits) == 0 {
				t.Errorf("of %d lines of the audit %d have request %s and %s:\n%s", all, ours, found[1], tt.audits, strings.Join(logged.since(mark), "\n"))
			}
		})
	}
}

// verdictLine is the last line of a call's output that is no hint.
func verdictLine(out string) string {
	verdict := ""
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "xen: hint: ") {
			verdict = strings.TrimSuffix(line, "\n")
		}
	}
	return verdict
}

// linesWith counts the lines of the log since mark that have all parts.
func linesWith(mark int, parts ...string) int {
	count := 0
	for _, line := range logged.since(mark) {
		has := true
		for _, part := range parts {
			has = has && strings.Contains(line, part)
		}
		if has {
			count++
		}
	}
	return count
}
