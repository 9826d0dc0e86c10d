package live

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// infinity is the highest score, and with a minus the lowest one.
const infinity = 1000000

// Pairs returns the pairs of an element's sets of a kind, such as instance_attributes. Of
// a name, the first one counts: Pacemaker takes cib-bootstrap-options before other sets,
// then the set with the highest score, and in a set the first pair. Of sets with equal
// scores it takes the last one, as of 2.1. Sets with a rule are left out, since they do
// not always count.
func Pairs(e *Element, kind string) []*Element {
	sets := slices.DeleteFunc(slices.Clone(e.Children), func(set *Element) bool { return set.Name != kind || set.Child("rule") != nil })
	slices.Reverse(sets)
	slices.SortStableFunc(sets, func(a, b *Element) int { return cmp.Compare(rank(b), rank(a)) })
	var all []*Element
	for _, set := range sets {
		all = append(all, set.Named("nvpair")...)
	}
	return all
}

// rank returns the higher a number the earlier a set counts.
func rank(set *Element) int {
	if set.Get("id") == "cib-bootstrap-options" {
		return infinity + 1
	}
	return Score(set.Get("score"))
}

// Score reads a score as Pacemaker does.
func Score(text string) int {
	switch strings.TrimPrefix(strings.ToLower(text), "+") {
	case "infinity", "inf":
		return infinity
	case "-infinity", "-inf":
		return -infinity
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return max(-infinity, min(n, infinity))
}
