package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who can write ca_file decides which members are believed.
func TestRootsThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readRoots(path); err == nil || !strings.Contains(err.Error(), "ca_file: "+path+": mode 0666 lets others than its owner write") {
		t.Errorf("readRoots of a file with mode 0666: %v", err)
	}
}
