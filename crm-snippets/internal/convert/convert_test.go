package convert

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/render"
)

var update = flag.Bool("update", false, "write the goldens anew")

// sources returns the files of testdata that are converted.
func sources(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"testdata/*.xml", "testdata/*.conf"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		t.Fatal("no sources in testdata")
	}
	return all
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func convertFile(t *testing.T, file string) Result {
	t.Helper()
	result, err := Convert(filepath.Base(file), read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Each source has the description and the notes of its goldens.
func TestGoldens(t *testing.T) {
	for _, file := range sources(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			result := convertFile(t, file)
			name := strings.TrimSuffix(file, filepath.Ext(file))
			golden(t, name+".toml", result.Description)
			golden(t, name+".notes", strings.Join(result.Notes, "\n")+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, file)), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// What was made of a source is taken at once, and can be rendered.
func TestRenders(t *testing.T) {
	for _, file := range sources(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, err := plan.Parse(file, []byte(convertFile(t, file).Description), plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range render.Formats() {
				if _, err := render.Render(format, p); err != nil && format != render.Heartbeat {
					t.Errorf("render %s: %v", format, err)
				}
			}
		})
	}
}

// The secrets of the sources begin with hidden.
func TestSecretsAreNotShown(t *testing.T) {
	seen := 0
	for _, file := range sources(t) {
		seen += strings.Count(string(read(t, file)), "hidden-")
		result := convertFile(t, file)
		for _, text := range append(slices.Clone(result.Notes), result.Description) {
			if strings.Contains(text, "hidden-") || strings.Contains(text, "00112233") {
				t.Errorf("%s: a secret is in %q", file, text)
			}
		}
	}
	if seen == 0 {
		t.Error("no source has a secret")
	}
}
