package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// documents are all texts for people, by their paths.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"README.md", "../*.md", "../docs/*.md", "../docs/man/*.8", "../sudoers/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no documents: %v", pattern, err)
		}
		for _, file := range files {
			texts[file] = readFile(t, file)
		}
	}
	return texts
}

// configuration is how a line of a cluster's configuration begins, in any format.
var configuration = regexp.MustCompile(`^\s*(primitive |property |location |clone |fencing_topology|pcs |<primitive|<clone|<rsc_location|<nvpair|<fencing|crm configure [a-z]+ [^F])`)

// What the documents show of a cluster's configuration is in an example.
func TestDocumentsShowExamples(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob("examples/*")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	known := map[string]bool{}
	for _, example := range examples {
		for line := range strings.Lines(readFile(t, example)) {
			known[strings.TrimSpace(line)] = true
		}
	}
	for file, text := range documents(t) {
		for line := range strings.Lines(text) {
			if configuration.MatchString(line) && !known[strings.TrimSpace(line)] {
				t.Errorf("%s shows what is in no example: %s", file, line)
			}
		}
	}
}

// rendering is a command in a document, perhaps of several lines.
var rendering = regexp.MustCompile(`(?m)^crm-snippets render ((?:[^\n]*\\\n)*[^\n]*)`)

// word is one of a shell's, as far as the documents have them.
var word = regexp.MustCompile(`(?:[^\s"]|"[^"]*")+`)

// The renderings in the documents work, and those of examples print the goldens.
func TestDocumentsRender(t *testing.T) {
	t.Parallel()
	ran := 0
	for file, text := range documents(t) {
		for _, found := range rendering.FindAllStringSubmatch(text, -1) {
			line, _, _ := strings.Cut(strings.ReplaceAll(found[1], "\\\n", " "), " #")
			args := []string{"render"}
			for _, w := range word.FindAllString(line, -1) {
				w = strings.ReplaceAll(w, `"`, "")
				if strings.HasSuffix(w, ".toml") {
					w = "examples/" + filepath.Base(w)
				}
				args = append(args, w)
			}
			status, stdout, stderr := call(args...)
			if status != 0 {
				t.Errorf("%s: crm-snippets %q: status %d, %s", file, args, status, stderr)
			}
			if golden := strings.TrimSuffix(args[len(args)-1], "toml") + args[2]; strings.HasPrefix(golden, "examples/") {
				want, err := os.ReadFile(golden)
				if err != nil || stdout != string(want) {
					t.Errorf("%s: crm-snippets %q does not print %s: %v", file, args, golden, err)
				}
			}
			ran++
		}
	}
	if ran < 4 {
		t.Errorf("%d renderings in all documents, want those of both READMEs", ran)
	}
}

// option is one in the text of a man page.
var option = regexp.MustCompile(`--([a-z-]+)`)

// The man page has each command and each option, and no other one. Its description is an example.
func TestManPage(t *testing.T) {
	t.Parallel()
	page := strings.ReplaceAll(readFile(t, "../docs/man/crm-snippets.8"), `\-`, "-")
	grammar, err := kong.New(&commandLine{}, kong.Vars{"version": version})
	if err != nil {
		t.Fatal(err)
	}
	unknown := map[string]bool{}
	for _, found := range option.FindAllStringSubmatch(page, -1) {
		unknown[found[1]] = true
	}
	for _, command := range grammar.Model.Leaves(true) {
		if !strings.Contains(page, ".TP\n.B "+command.Name+"\n") {
			t.Errorf("the page has no command %s", command.Name)
		}
		for _, flags := range command.AllFlags(true) {
			for _, flag := range flags {
				if !strings.Contains(page, "--"+flag.Name) {
					t.Errorf("the page has no option --%s of %s", flag.Name, command.Name)
				}
				delete(unknown, flag.Name)
			}
		}
	}
	for name := range unknown {
		t.Errorf("the page has an option --%s, which is none", name)
	}
	_, example, _ := strings.Cut(readFile(t, "examples/bmc-two-nodes.toml"), "nodes = ")
	if !strings.Contains(page, example) {
		t.Errorf("the page shows another description than\n%s", example)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
