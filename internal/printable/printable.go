// Package printable makes text from outside safe to show: in a log, in a message, on a
// terminal. It is pure.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line makes one line of text. Ends of lines within it become "; ". What does not print
// is escaped, and so is what could act on a terminal or change the order of what is read:
// controls (C0, DEL, C1), overrides and isolates of direction, marks that are not seen,
// blanks other than the space (unicode.IsPrint). Nothing is left out but blanks at the ends.
//
// An escape is that of a JSON string, so that the line of a JSON text is one with the
// same value: \u and the four digits of each UTF-16 unit. A byte that is no UTF-8, which
// JSON has not, is \x and its two digits.
func Line(text string) string {
	return escape(strings.ReplaceAll(strings.TrimSpace(text), "\n", "; "), unicode.IsPrint)
}

// Text is Line for each line of text, whose blanks at the beginning stay.
func Text(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		words := strings.TrimLeft(line, " ")
		lines[i] = line[:len(line)-len(words)] + Line(words)
	}
	return strings.Join(lines, "\n")
}

// ASCII is Line in printable ASCII, with all else escaped as well.
func ASCII(text string) string {
	return escape(Line(text), func(r rune) bool { return ' ' <= r && r <= '~' })
}

func escape(text string, prints func(rune) bool) string {
	var line strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&line, `\x%02x`, text[0])
		case prints(r):
			line.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&line, `\u%04x`, unit)
			}
		}
		text = text[size:]
	}
	return line.String()
}
