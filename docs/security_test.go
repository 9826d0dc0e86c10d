// Package docs tests that what the documents claim is tied to tests that exist.
package docs

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// leastAttacks is how many scripts of attacks there must be.
const leastAttacks = 60

// withoutClaims are the sections of security.md that define or advise.
var withoutClaims = []string{"How to read this", "What nothing here holds", "Advice"}

// reference is a list of tests in parentheses: `refuse-other-guest`, `TestOff`.
// A name of scripts may have a star.
var reference = regexp.MustCompile("\\((`[A-Za-z0-9*-]+`(?:,\\s+`[A-Za-z0-9*-]+`)*)\\)")

// Every test that security.md names exists, and every attack is named there.
func TestSecurityReferences(t *testing.T) {
	t.Parallel()
	scripts, functions := scripts(t), testNames(t)
	named := map[string]bool{}
	for _, name := range references(read(t, "security.md")) {
		found := slices.Contains(functions, name)
		for script := range scripts {
			if fits, err := path.Match(name, script); fits && err == nil {
				found, named[script] = true, true
			}
		}
		if !found {
			t.Errorf("security.md names %s, and there is no such script or test", name)
		}
	}
	for script := range scripts {
		if isAttack(script) && !named[script] {
			t.Errorf("security.md does not name the attack %s", script)
		}
	}
}

// Every paragraph, list item and row of a section with claims has a test. A
// paragraph that ends with a colon says what the list behind it is of.
func TestSecurityClaims(t *testing.T) {
	t.Parallel()
	text := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(read(t, "security.md"), "")
	for _, section := range strings.Split("\n"+text, "\n## ")[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		if slices.Contains(withoutClaims, heading) {
			continue
		}
		for _, claim := range claims(body) {
			if !reference.MatchString(claim) && !strings.HasSuffix(claim, ":") {
				t.Errorf("security.md, %s: no test is named for: %s", heading, claim)
			}
		}
	}
}

// Every script of an attack says what it is of, and shows an answer, a line of
// the log, and what became of the guests.
func TestAttacks(t *testing.T) {
	t.Parallel()
	attacks := scripts(t)
	maps.DeleteFunc(attacks, func(name, _ string) bool { return !isAttack(name) })
	if len(attacks) < leastAttacks {
		t.Errorf("there are %d attacks, want %d", len(attacks), leastAttacks)
	}
	parts := map[string]string{
		"a head of attack, what holds, what is verified": `\A# Attack: .+\n(# .+\n)*# Held by: .+\n(# .+\n)*# Verified: .+\n`,
		"an answer":         `(?m)^(exits [1-9]|! exec |! on |(! )?std(out|err) )`,
		"a line of the log": `(?m)^logged `,
		"a guest":           `(?m)^guest `,
	}
	for name, file := range attacks {
		text := read(t, file)
		for part, pattern := range parts {
			if !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("the script %s has not %s", name, part)
			}
		}
	}
}

func isAttack(script string) bool {
	return strings.HasPrefix(script, "refuse-") || strings.HasPrefix(script, "sudo-")
}

func references(text string) []string {
	var names []string
	for _, list := range reference.FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Split(list[1], ",") {
			names = append(names, strings.Trim(name, "` \n"))
		}
	}
	return names
}

// claims splits a section into its paragraphs, list items and rows.
func claims(body string) []string {
	body = regexp.MustCompile(`(?m)^\|.*\|\n\|[ |-]+\|$`).ReplaceAllString(body, "") // the head of a table
	body = regexp.MustCompile(`(?m)^(- |\|)`).ReplaceAllString(body, "\n$1")
	var found []string
	for _, block := range strings.Split(body, "\n\n") {
		block = strings.TrimSpace(block)
		if block != "" && !strings.HasPrefix(block, "#") {
			found = append(found, block)
		}
	}
	return found
}

// scripts are the files of all scripts, by their names.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../tests/testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	named := map[string]string{}
	for _, file := range files {
		named[strings.TrimSuffix(filepath.Base(file), ".txtar")] = file
	}
	return named
}

// testNames are the functions of all Go tests.
func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir("..", func(file string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		for _, function := range regexp.MustCompile(`(?m)^func ((Test|Fuzz)\w+)\(`).FindAllStringSubmatch(read(t, file), -1) {
			names = append(names, function[1])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
