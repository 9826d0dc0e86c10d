package docs

import (
	"slices"
	"strings"
	"testing"
)

// leastWaysBack is how many rows the tables of proof.md must have.
const leastWaysBack = 35

// Every row of the ways back names a test, and each test that proof.md names exists.
func TestProofReferences(t *testing.T) {
	t.Parallel()
	text := read(t, "proof.md")
	scripts, functions := scripts(t), testNames(t)
	for _, name := range references(text) {
		if _, ok := scripts[name]; !ok && !slices.Contains(functions, name) {
			t.Errorf("proof.md names %s, and there is no such script or test", name)
		}
	}
	_, tables, _ := strings.Cut(text, "\n## Ways back\n")
	tables, _, _ = strings.Cut(tables, "\n## ")
	rows := 0
	for _, block := range claims(tables) {
		if !strings.HasPrefix(block, "|") {
			continue
		}
		rows++
		if !reference.MatchString(block) {
			t.Errorf("proof.md names no test for: %s", block)
		}
	}
	if rows < leastWaysBack {
		t.Errorf("proof.md has %d ways back, want %d", rows, leastWaysBack)
	}
}
