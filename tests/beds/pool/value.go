package pool

import (
	"crypto/rand"
	"fmt"
	"sort"
)

// What goes over the wire is a string (also for references, enumerations and whole
// numbers), a bool, a float64, a time.Time, nil, a list or a record.
type (
	list  []any
	field struct {
		name  string
		value any
	}
	record []field // in the order of the wire
)

const nullRef = "OpaqueRef:NULL"

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it cannot fail
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func newRef() string { return "OpaqueRef:" + newUUID() }

func (r record) get(name string) (any, bool) {
	for _, f := range r {
		if f.name == name {
			return f.value, true
		}
	}
	return nil, false
}

// texts is a record of texts, sorted by name.
func texts(m map[string]string) record {
	r := record{}
	for name, value := range m {
		r = append(r, field{name, value})
	}
	sort.Slice(r, func(i, j int) bool { return r[i].name < r[j].name })
	return r
}

func listOf(all ...string) list {
	l := list{}
	for _, s := range all {
		l = append(l, s)
	}
	return l
}
