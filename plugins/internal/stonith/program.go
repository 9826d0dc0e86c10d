package stonith

import (
	"os"
	"path/filepath"
	"strings"
)

// CheckProgram looks at the file of a program, and does not run it: its path is
// absolute, and only root and the caller can change or exchange it. It is the value of
// the parameter param.
func CheckProgram(param, path string) error {
	const hint = "%s is one program without arguments; no shell reads it"
	if !filepath.IsAbs(path) { // it is not shown: it may be a secret, or a command line with one
		return Errorf(BadConfig, "%s: not an absolute path", param).WithHint(hint, param)
	}
	_, err := inTime(fileLimit, param, path, func() (struct{}, error) {
		info, err := os.Stat(path)
		if err != nil {
			return struct{}{}, Errorf(BadConfig, "%s: %w", param, err).WithHint(hint, param)
		}
		if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o111 == 0 {
			return struct{}{}, Errorf(BadConfig, "%s: %s is not an executable file", param, path)
		}
		return struct{}{}, checkFile(param, path)
	})
	return err
}

// A Head keeps the beginning of what is written to it, as of what a program prints.
type Head struct {
	Limit int // of what it keeps, in bytes
	kept  strings.Builder
}

// Write keeps what there is room for, and takes all.
func (h *Head) Write(p []byte) (int, error) {
	if room := h.Limit - h.kept.Len(); room > 0 {
		h.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// String returns what was kept.
func (h *Head) String() string { return h.kept.String() }
