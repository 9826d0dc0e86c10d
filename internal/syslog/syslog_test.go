package syslog

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testLimit is what the lines of a test may wait for the log. A test that takes far longer
// has waited without a limit.
const (
	testLimit = 200 * time.Millisecond
	forever   = 30 * time.Second
)

// newWriter returns one whose log is at path.
func newWriter(path string) *Writer {
	w := New(Daemon, "xen", testLimit)
	w.path = path
	return w
}

// listen returns a log and its path. Nobody reads it yet.
func listen(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log, path
}

// fill fills the queue of a log: a sender that has sent nothing yet cannot either. Before
// that, each comes to the limit of its own memory.
func fill(t *testing.T, path string) (lines int) {
	t.Helper()
	for sent := 1; sent > 0; lines += sent {
		socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		for sent = -1; err == nil; sent++ {
			err = syscall.Sendto(socket, []byte("x"), 0, &syscall.SockaddrUnix{Name: path})
		}
		_ = syscall.Close(socket)
		if !errors.Is(err, syscall.EAGAIN) {
			t.Fatalf("after %d lines: %v", lines, err)
		}
	}
	return lines
}

func receive(t *testing.T, log net.Conn) string {
	t.Helper()
	buffer := make([]byte, 64<<10)
	_ = log.SetReadDeadline(time.Now().Add(forever))
	n, err := log.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

func TestSend(t *testing.T) {
	t.Parallel()
	log, path := listen(t)
	w := newWriter(path)
	w.Send(Error, "off node-1\u009b2J")
	w.Send(Notice, "done")
	for _, want := range []struct{ priority, text string }{{"<27>", `]: off node-1\u009b2J`}, {"<29>", "]: done"}} {
		got := receive(t, log)
		if !strings.HasPrefix(got, want.priority) || !strings.Contains(got, " xen[") || !strings.HasSuffix(got, want.text) {
			t.Errorf("the log has %q, want %s ... xen[...%s", got, want.priority, want.text)
		}
	}
}

// A log that hangs costs the limit once, and not for each line; and what there is room
// for later is sent.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	log, path := listen(t)
	waiting := fill(t, path)
	w := newWriter(path)
	start := time.Now()
	for range 1000 {
		w.Send(Notice, "lost")
	}
	if took := time.Since(start); took < testLimit/2 || took > forever || w.left > 0 {
		t.Errorf("1000 lines took %s, and %s are left, want %s and nothing", took, w.left, testLimit)
	}
	receive(t, log)
	w.Send(Notice, "kept")
	for range waiting - 1 {
		receive(t, log)
	}
	if got := receive(t, log); !strings.HasSuffix(got, ": kept") {
		t.Errorf("the log has %q at last", got)
	}
}

// A log that is slow is waited for as long as there is time.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	log, path := listen(t)
	waiting := fill(t, path)
	w := newWriter(path)
	w.left = forever
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		w.Send(Notice, "late")
	}()
	for range waiting {
		receive(t, log)
	}
	if got := receive(t, log); !strings.HasSuffix(got, ": late") {
		t.Errorf("the log has %q", got)
	}
	<-sent
}

// A log that is a stream, as syslog-ng may have it, gets lines with an end.
func TestStream(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	log, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	w := newWriter(path)
	w.Send(Notice, "one")
	w.Send(Notice, "two")
	for _, want := range []string{": one\n", ": two\n"} {
		conn, err := log.Accept()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(text), want) {
			t.Errorf("%q, %v, want %q at the end", text, err, want)
		}
		conn.Close()
	}
}

// A stream that nobody accepts takes a few connections, and then lets connect wait.
func TestStreamNobodyAccepts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(socket)
	if err := errors.Join(syscall.Bind(socket, &syscall.SockaddrUnix{Name: path}), syscall.Listen(socket, 0)); err != nil {
		t.Fatal(err)
	}
	w := newWriter(path)
	start := time.Now()
	for range 1000 {
		w.Send(Notice, "x")
	}
	if took := time.Since(start); took < testLimit/2 || took > forever || w.left > 0 {
		t.Errorf("1000 lines took %s, and %s are left, want %s and nothing", took, w.left, testLimit)
	}
}

// What is no log costs nothing.
func TestNoLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	fifo, link, loop, gone := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "loop"), filepath.Join(dir, "gone")
	dead, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: gone})
	if err != nil {
		t.Fatal(err)
	}
	dead.Close() // its socket file stays
	if err := errors.Join(os.WriteFile(file, nil, 0o600), syscall.Mkfifo(fifo, 0o600),
		os.Symlink(dir+"/nothing", link), os.Symlink(loop, loop)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing"), dir, file, fifo, link, loop, gone, filepath.Join(dir, strings.Repeat("x", 200))} {
		w := newWriter(path)
		w.left = forever
		start := time.Now()
		w.Send(Notice, "x")
		if took := time.Since(start); took > forever/2 {
			t.Errorf("%s: a line took %s", path, took)
		}
	}
}
