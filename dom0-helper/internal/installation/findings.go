package installation

import "fmt"

// A Level is how bad a finding is.
type Level string

// The levels.
const (
	Fine    Level = "ok"
	Advice  Level = "advice" // it works, and would be safer otherwise
	Warning Level = "warning"
	Wrong   Level = "wrong"
)

// A Finding is a line of Check.
type Finding struct {
	Level         Level
	Subject, Text string
}

// A findings is what Check has to say, line by line.
type findings struct {
	printer
	wrongs int
}

func (f *findings) add(l Level, subject, format string, args ...any) {
	if l == Wrong {
		f.wrongs++
	}
	f.line("%-7s  %s: %s", l, subject, fmt.Sprintf(format, args...))
}

// judge adds each of the joined errors as wrong, or the text if there is none.
func (f *findings) judge(subject string, err error, format string, args ...any) {
	if err == nil {
		f.add(Fine, subject, format, args...)
		return
	}
	for _, e := range split(err) {
		f.add(Wrong, subject, "%v", e)
	}
}
