package realbmc

import (
	_ "embed" // for the program
	"strconv"
	"strings"
)

//go:embed pybmc.py
var pyghmiProgram string

// pyghmi is Debian's package, which only Debian's Python has.
func pyghmi(s *server) *launch {
	s.write("pybmc.py", pyghmiProgram, 0o644)
	var users strings.Builder
	for _, u := range s.options.Users {
		users.WriteString(u.Name + ":" + u.Password + "\n")
	}
	return &launch{
		words: []string{
			"/usr/bin/python3", "-B", s.file("pybmc.py"),
			s.options.Host, strconv.Itoa(s.port), s.script, s.dir, strconv.Itoa(s.options.Suite),
		},
		environment: []string{"KG=" + string(s.options.Key)},
		input:       users.String(),
	}
}
