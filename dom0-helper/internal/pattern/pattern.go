// Package pattern has regular expressions that are compiled at their first use.
// The helper is a new process for each half of each request, which needs few of
// those that it has: compiling all would take a good part of its time.
package pattern

import (
	"regexp"
	"sync"
)

// Lazy returns what returns the compiled expression. One that is wrong panics then.
func Lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
