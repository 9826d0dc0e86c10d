package installation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A change is what a step has to do.
type change struct {
	what   string
	before string // of a file, to show the difference
	after  string
	apply  func() error
}

// A step of a plan brings about one state.
type step struct {
	name string
	// look says what is so already, or returns the change that is missing, or an
	// error if that must not be made.
	look func() (state string, missing *change, err error)
}

// A plan is steps in their order, and what there is to say at the end.
type plan struct {
	steps    []step
	warnings []string
	advice   []string
	hints    []string
	// independent says that a step which must not be made keeps no other from being made.
	independent bool
}

// warn keeps a text for the end, once.
func (p *plan) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

// hint keeps a remedy for an error, of several lines.
func (p *plan) hint(format string, args ...any) {
	p.hints = []string{fmt.Sprintf(format, args...)}
}

// finish prints what is left to say.
func (p *plan) finish(out printer, changes int, dryRun bool) {
	for _, warning := range p.warnings {
		out.line("warning: %s", warning)
	}
	for _, advice := range p.advice {
		out.line("advice: %s", advice)
	}
	for _, hint := range p.hints {
		out.line("hint: %s", hint)
	}
	switch {
	case changes == 0:
		out.line("nothing was changed")
	case dryRun:
		out.line("nothing was changed: --dry-run")
	}
}

// carryOut looks at all steps first, and changes nothing if one of them must not
// be made, unless the steps are independent. Then it makes each change, after
// another look. It returns the number of changes.
func (p *plan) carryOut(out printer, dryRun bool) (int, error) {
	var refused []error
	may := make([]bool, len(p.steps))
	for i, s := range p.steps {
		_, _, err := s.look()
		may[i] = err == nil
		refused = append(refused, prefix(s.name, err))
	}
	if err := errors.Join(refused...); err != nil && !p.independent {
		return 0, err
	}
	changes := 0
	for i, s := range p.steps {
		if !may[i] {
			continue
		}
		changed, err := s.make(out, dryRun)
		if changed {
			changes++
		}
		refused = append(refused, prefix(s.name, err))
		if err != nil && !p.independent {
			break
		}
	}
	return changes, errors.Join(refused...)
}

// make makes the change that is missing, if there is one, and says so.
func (s step) make(out printer, dryRun bool) (changed bool, err error) {
	state, missing, err := s.look()
	if err != nil {
		return false, err
	}
	if missing == nil {
		out.line("is so  %s: %s", s.name, state)
		return false, nil
	}
	mark := "would"
	if !dryRun {
		mark = "done"
		if err := missing.apply(); err != nil {
			return false, err
		}
	}
	out.line("%-5s  %s: %s", mark, s.name, missing.what)
	for _, line := range difference(missing.before, missing.after) {
		out.line("         %s", line)
	}
	return true, nil
}

// split returns the errors that errors.Join joined in err.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	var texts []string
	for _, e := range joined.Unwrap() {
		all = append(all, split(e)...)
		texts = append(texts, e.Error())
	}
	if err.Error() != strings.Join(texts, "\n") { // its parts are one sentence
		return []error{err}
	}
	return all
}

// prefix puts a name before each of the joined errors.
func prefix(name string, err error) error {
	if err == nil {
		return nil
	}
	named := split(err)
	for i := range named {
		named[i] = fmt.Errorf("%s: %w", name, named[i])
	}
	return errors.Join(named...)
}

// difference returns the lines that are only in before, marked -, and those
// only in after, marked +, in the order of the text.
func difference(before, after string) []string {
	old, now := lines(before), lines(after)
	for len(old) > 0 && len(now) > 0 && old[0] == now[0] {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && old[len(old)-1] == now[len(now)-1] {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	var diff []string
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(old) > 0 && len(now) > 0 && old[0] == now[0]:
			old, now = old[1:], now[1:]
		case len(old) > 0 && !slices.Contains(now, old[0]):
			diff = append(diff, "- "+old[0])
			old = old[1:]
		case len(now) > 0:
			diff = append(diff, "+ "+now[0])
			now = now[1:]
		default:
			diff = append(diff, "- "+old[0])
			old = old[1:]
		}
	}
	return diff
}

// lines splits text at its line ends.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
