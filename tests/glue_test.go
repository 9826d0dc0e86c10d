package tests

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

// gluePlugins is where cluster-glue has its external plugins, by their names.
const gluePlugins = "/usr/lib/stonith/plugins"

// maxGlueLine is less than what cluster-glue reads of a line at once.
const maxGlueLine = 4000

// TestGlueReader looks at the output on which cluster-glue's reader would sleep for a
// second: an empty one, and one that ends with a line end. People get whole lines.
func TestGlueReader(t *testing.T) {
	t.Parallel()
	for _, n := range externalNames {
		t.Run(filepath.Base(n.name), func(t *testing.T) {
			t.Parallel()
			bed := n.bed(t)
			c := glueCall{t, n.name, append(bed.params(), hostlist(bed, bedNodes...), "HOME="+labDir+"/home")}
			for _, words := range []string{"status", "off node-1", "off node-1", "on node-1", "reset node-1"} {
				c.answers(words, 0)
			}
			c.answers("off stranger-1", 1)
			must("silence", bed.silence())
			c.params = append(c.params, "timeout=2s")
			for _, words := range []string{"status", "off node-1", "reset node-1"} {
				c.answers(words, 1)
			}
			c.params = append(c.params, "hostlist=node-1:")
			for _, words := range []string{"status", "off node-1", "on node-1"} {
				c.answers(words, 1)
			}
			wantPower(t, bed, "node-1", true)
		})
	}
}

// A glueCall calls a plugin as cluster-glue does.
type glueCall struct {
	t      *testing.T
	name   string
	params []string
}

// answers expects an exit status, and output that ends as it should.
func (c glueCall) answers(words string, want int) {
	c.t.Helper()
	status, out := c.run(words, "HA_LOGTAG="+c.name)
	if status != want || out == "" || strings.Contains(out, "\n") || len(out) > maxGlueLine {
		c.t.Errorf("%s: exit status %d, want %d, and cluster-glue reads %q", words, status, want, out)
	}
	if status, out := c.run(words, "HA_LOGTAG=other"); status != want || (out != "") != (want == 0) || out != "" && !strings.HasSuffix(out, "\n") {
		c.t.Errorf("%s: exit status %d, want %d, and others read %q", words, status, want, out)
	}
}

func (c glueCall) run(words string, more ...string) (status int, stdout string) {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(gluePlugins, c.name), strings.Fields(words)...)
	command.Env = append(append([]string{}, c.params...), more...)
	var out bytes.Buffer
	command.Stdout = &out
	_ = command.Run() // the exit status says it
	return command.ProcessState.ExitCode(), out.String()
}

// lineEnder is a plugin whose output ends with a line end, as that of others does.
const lineEnder = `#!/bin/sh
%s "$@"
status=$?
echo
exit $status
`

// BenchmarkGlueReader compares status and off by cluster-glue's stonith with the same
// where the plugin's output ends with a line end.
func BenchmarkGlueReader(b *testing.B) {
	const wrapped = "external/ipmi2-line"
	text := fmt.Sprintf(lineEnder, ipmiProgram)
	must("a plugin", program.Write(filepath.Join(gluePlugins, wrapped), text, 0o755))
	server, err := bmc.Start(bmc.Options{Port: ipmiPort})
	must("a BMC", err)
	b.Cleanup(server.Close)
	user := bmc.DefaultUsers()[1]
	passwd := passwordFile(b, user)
	call := func(plugin string, args ...string) time.Duration {
		server.SetPower(true)
		command := exec.Command("stonith", append([]string{"-t", plugin, "-E"}, args...)...)
		command.Env = []string{"PATH=/usr/sbin:/usr/bin:/bin", "hostlist=node-1:" + server.Host(), "userid=" + user.Name, "passwd_file=" + passwd}
		return timed(b, command)
	}
	for verb, args := range map[string][]string{"status": {"-S"}, "off": {"-T", "off", "node-1"}} {
		b.Run(verb, func(b *testing.B) {
			var ours, theirs time.Duration
			for b.Loop() {
				ours += call("external/ipmi2", args...)
				theirs += call(wrapped, args...)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms")
			b.ReportMetric(theirs.Seconds()*1000/float64(b.N), "ms-with-line-end")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio(goal<=0.1)")
		})
	}
}
