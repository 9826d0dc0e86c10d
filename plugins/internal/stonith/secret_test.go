package stonith

import (
	"fmt"
	"strings"
	"testing"
)

func TestSecretShowsNothing(t *testing.T) {
	var s Secret
	_ = s.Set("s3cr3t")
	for _, format := range []string{"%s", "%v", "%+v", "%#v", "%q"} {
		if text := fmt.Sprintf(format, &s); strings.Contains(text, "s3cr3t") {
			t.Errorf("%s shows %s", format, text)
		}
	}
	if s.Reveal() != "s3cr3t" {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}
