package main

import "sync"

// A perGuest holds a T for each guest, the zero T at first. Several guests are looked
// at in one call, also at once, and what was seen of one says nothing of another.
type perGuest[T any] struct {
	mu sync.Mutex
	of map[string]T
}

// get returns what is held of the guest.
func (p *perGuest[T]) get(guest string) T { return p.update(guest, func(*T) {}) }

// update changes what is held of the guest, and returns it.
func (p *perGuest[T]) update(guest string, change func(*T)) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := p.of[guest]
	change(&held)
	if p.of == nil {
		p.of = map[string]T{}
	}
	p.of[guest] = held
	return held
}
