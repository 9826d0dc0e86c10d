package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// An absence lasts from the end of the first look to the beginning of the last, and
// no more of it counts between two looks than longestStep.
func TestAbsence(t *testing.T) {
	const s = time.Second
	type look struct{ began, ended time.Duration }
	tests := []struct {
		name  string
		looks []look
		want  time.Duration
	}{
		{"never", nil, 0},
		{"one look, however long", []look{{0, 9 * s}}, 0},
		{"two looks", []look{{0, s / 2}, {s, 2 * s}}, s / 2},
		{"three looks", []look{{0, s / 2}, {s, s}, {s + s/4, 3 * s}}, s/2 + s/4},
		{"a long time without a look", []look{{0, 0}, {9 * s, 9 * s}}, s},
		{"a Dom0 that stood still", []look{{0, 0}, {s / 2, 7 * s}, {7 * s, 7 * s}, {7*s + s/2, 8 * s}}, s/2 + s + s/2},
	}
	for _, tt := range tests {
		var a absence
		start := time.Now()
		for _, l := range tt.looks {
			a.look(start.Add(l.began), start.Add(l.ended))
		}
		if a.held != tt.want {
			t.Errorf("%s: held %s, want %s", tt.name, a.held, tt.want)
		}
	}
}

// The shipped configuration demands more than the absence of a guest that reboots.
func TestRestartGap(t *testing.T) {
	if gap := newConfig().restartGap; gap < 4*time.Second {
		t.Errorf("restartGap is %s, want at least 4s", gap)
	}
}

// The gap is a share of the first look's time where that is longer, and then stays as it is.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		look := func(limit time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			t.Cleanup(cancel)
			return ctx
		}
		g := &gap{least: 4 * time.Second, share: restartShare}
		for _, limit := range []time.Duration{30 * time.Second, time.Second, time.Minute} {
			if got := g.within(look(limit)); got != 20*time.Second {
				t.Errorf("within %s: %s, want 20s", limit, got)
			}
		}
		if got := (&gap{least: 4 * time.Second, share: restartShare}).within(look(5 * time.Second)); got != 4*time.Second {
			t.Errorf("of a short look: %s, want 4s", got)
		}
		if got := new(gap).within(look(time.Minute)); got != 0 {
			t.Errorf("no gap: %s, want 0", got)
		}
	})
}
