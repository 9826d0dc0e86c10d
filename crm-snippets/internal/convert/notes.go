package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A kind is what a note is about.
type kind int

const (
	refused kind = iota // not converted
	todo                // left to the administrator
	changed             // behaves in another way
	gone                // has no counterpart
	kept                // is nothing of ours, and stays where it is
)

func (k kind) String() string { return [...]string{"refused", "to do", "changed", "gone", "kept"}[k] }

// A note is a line about some devices or settings of the source.
type note struct {
	kind     kind
	subjects []string
	text     string
}

type notes struct{ all []note }

// add adds a note. One that was made before of another subject gets it as well.
func (n *notes) add(k kind, subject, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for i, other := range n.all {
		if other.kind == k && other.text == text {
			if !slices.Contains(other.subjects, subject) {
				n.all[i].subjects = append(other.subjects, subject)
			}
			return
		}
	}
	n.all = append(n.all, note{k, []string{subject}, text})
}

// String returns the note as a line: whatever the source has in its names, they are
// no lines of their own.
func (n note) String() string {
	return printable.Line(fmt.Sprintf("%s: %s: %s", n.kind, strings.Join(n.subjects, ", "), n.text))
}

// of returns the lines of a kind.
func (n *notes) of(k kind) []string {
	var lines []string
	for _, note := range n.all {
		if note.kind == k {
			lines = append(lines, note.String())
		}
	}
	return lines
}

// lines returns all notes, by kind.
func (n *notes) lines() []string {
	var lines []string
	for k := refused; k <= kept; k++ {
		lines = append(lines, n.of(k)...)
	}
	return lines
}
