package bounded

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	if got, err := Read(time.Minute, func(func(string)) (int, error) { return 7, wrong }); got != 7 || !errors.Is(err, wrong) {
		t.Errorf("Read = %d, %v, want 7 and the error", got, err)
	}
}

// A pipe that nobody writes to stands for storage that hangs.
func TestReadHangs(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets the reader end
		if file, err := os.OpenFile(pipe, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
			_ = file.Close()
		}
	})
	_, err := Read(50*time.Millisecond, func(at func(string)) ([]byte, error) {
		at("/before")
		at(pipe)
		return os.ReadFile(pipe)
	})
	var slow *SlowError
	if !errors.As(err, &slow) || slow.Path != pipe {
		t.Errorf("Read = %v, want a SlowError of %s", err, pipe)
	}
}
