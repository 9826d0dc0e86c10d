package main

import (
	"testing"
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
