package stonithtest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// An Interpretation is what a fence agent made of its input.
type Interpretation struct {
	Status int
	Told   string // on stdout and stderr
	// Became are the parameters, as name=value, that are not at their defaults. Secrets are
	// shown.
	Became []string
}

// Interpret runs a fence agent with standard input, whose lines have ; between them, or
// with options.
func Interpret(t *testing.T, p stonith.Plugin, stdin string, args ...string) Interpretation {
	t.Helper()
	newConfig := p.New
	opened := newConfig()
	p.New = func() stonith.Config { opened = newConfig(); return opened }
	var out bytes.Buffer
	status := p.RunAgent(t.Context(), stonith.Process{
		Args: args, Stdin: strings.NewReader(strings.ReplaceAll(stdin, ";", "\n")), Getenv: func(string) string { return "" },
		Hostname: func() (string, error) { return "elsewhere", nil }, Stdout: &out, Stderr: &out, Log: Quiet{},
	})
	in := Interpretation{Status: status, Told: out.String()}
	defaults := newConfig().Params()
	for i, param := range opened.Params() {
		text := param.Value.String()
		if secret, ok := param.Value.(*stonith.Secret); ok {
			text = secret.Reveal()
		}
		if text != defaults[i].Value.String() {
			in.Became = append(in.Became, param.Name+"="+text)
		}
	}
	return in
}
