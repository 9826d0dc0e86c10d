package stonith

import (
	"errors"
	"io"
	"sync"
	"time"
)

// readerLimit is how long who does not read what we write may hold up a call.
const readerLimit = time.Second

var errNotRead = errors.New("nobody reads it")

// A boundedWriter writes to somebody who may have stopped reading, as a pipe that is full
// shows: a fence goes on without them, and its exit status tells what came of it. The
// first write that takes longer than the limit is the last one. What it had is lost.
type boundedWriter struct {
	to    io.Writer
	limit time.Duration

	turn  sync.Mutex
	stuck bool
}

func bounded(to io.Writer) *boundedWriter { return &boundedWriter{to: to, limit: readerLimit} }

// Write writes all of p, or fails within the limit.
func (b *boundedWriter) Write(p []byte) (int, error) {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.stuck {
		return 0, errNotRead
	}
	type written struct {
		n   int
		err error
	}
	text, done := append([]byte(nil), p...), make(chan written, 1)
	go func() {
		n, err := b.to.Write(text)
		done <- written{n, err}
	}()
	select {
	case w := <-done:
		return w.n, w.err
	case <-time.After(b.limit):
		b.stuck = true
		return 0, errNotRead
	}
}
