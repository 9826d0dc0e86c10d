package installation

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifference(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before, after string
		want          []string
	}{
		{"", "", nil},
		{"a\n", "a\n", nil},
		{"", "a\nb\n", []string{"+ a", "+ b"}},
		{"a\nb\n", "", []string{"- a", "- b"}},
		{"a\nb\nc\n", "a\nx\nc\n", []string{"- b", "+ x"}},
		{"a\nb\nc\nd\n", "a\nc\n", []string{"- b", "- d"}},
		{"a\nb\n", "b\na\n", []string{"+ b", "- b"}},
		{"a", "a\nb\n", []string{"+ b"}},
	} {
		if diff := cmp.Diff(c.want, difference(c.before, c.after)); diff != "" {
			t.Errorf("difference(%q, %q) (-want +got):\n%s", c.before, c.after, diff)
		}
	}
}

// A world is what the steps of a plan look at and change.
type world struct {
	made  map[string]bool
	wrong map[string]error
	log   []string

	independent bool // the steps of the plan
}

func (w *world) step(name string) step {
	return step{name, func() (string, *change, error) {
		w.log = append(w.log, "look "+name)
		if w.made[name] {
			return "made", nil, w.wrong[name]
		}
		return "", &change{what: "make " + name, after: "x\n", apply: func() error {
			w.log = append(w.log, "make "+name)
			w.made[name] = true
			return nil
		}}, w.wrong[name]
	}}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		world   world
		dryRun  bool
		log     string
		printed string
		err     string
	}{
		{
			"all is so",
			world{made: map[string]bool{"a": true, "b": true}},
			false,
			"look a, look b, look a, look b", "is so  a: made\nis so  b: made\n", "",
		},
		{
			"nothing is so: what was made first is seen by the next",
			world{made: map[string]bool{}},
			false,
			"look a, look b, look a, make a, look b, make b", "done   a: make a\n         + x\ndone   b: make b\n         + x\n", "",
		},
		{
			"a dry run",
			world{made: map[string]bool{"a": true}},
			true,
			"look a, look b, look a, look b", "is so  a: made\nwould  b: make b\n         + x\n", "",
		},
		{
			"refused before the first change, with all reasons",
			world{made: map[string]bool{}, wrong: map[string]error{"a": errors.New("no"), "b": errors.Join(errors.New("never"), fmt.Errorf("not: %w: %w", errConfig, errConfig))}},
			false,
			"look a, look b", "", "a: no\nb: never\nb: not: " + errConfig.Error() + ": " + errConfig.Error(),
		},
		{
			"independent steps",
			world{made: map[string]bool{}, independent: true, wrong: map[string]error{"a": errors.New("no")}},
			false,
			"look a, look b, look b, make b", "done   b: make b\n         + x\n", "a: no",
		},
	} {
		var out strings.Builder
		p := plan{steps: []step{c.world.step("a"), c.world.step("b")}, independent: c.world.independent}
		_, err := p.carryOut(printer{&out}, c.dryRun)
		text := ""
		if err != nil {
			text = err.Error()
		}
		diff := cmp.Diff(c.log, strings.Join(c.world.log, ", ")) + cmp.Diff(c.printed, out.String()) + cmp.Diff(c.err, text)
		if diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
