package installation

import (
	"fmt"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A level is how bad a finding is.
type level string

// The levels.
const (
	fine    level = "ok"
	warning level = "warning"
	wrong   level = "wrong"
)

// A findings is what Check has to say, line by line.
type findings struct {
	printer
	wrongs int
}

func (f *findings) add(l level, subject, format string, args ...any) {
	if l == wrong {
		f.wrongs++
	}
	f.line("%-7s  %s", l, printable.Line(subject+": "+fmt.Sprintf(format, args...)))
}

// judge adds each of the joined errors as wrong, or the text if there is none.
func (f *findings) judge(subject string, err error, format string, args ...any) {
	if err == nil {
		f.add(fine, subject, format, args...)
		return
	}
	for _, e := range split(err) {
		f.add(wrong, subject, "%v", e)
	}
}
