package main

import (
	"maps"
	"slices"
	"sync"
)

// shown are the operations whose domain the record shows at their end, or is a fresh boot.
// All others that may build one, known or not, may restore the old memory, or run it in
// another pool: how their task ended says nothing then. xapi calls a resume failed if the
// host is lost that goes on with it, and a migrate_send if what follows the move fails.
var shown = []string{"start", "start_on", "pool_migrate"}

// A sighting is an operation that may build a domain of a guest.
type sighting struct {
	operation string
	master    string // the UUID of the host in whose database it was under way
	ended     bool   // or is lost: there may be a domain of it, whatever the record says
}

// A history is what this call has seen of a guest that its records may have lost since:
// somebody's hard_shutdown empties them. It outlives sessions.
type history struct {
	mu   sync.Mutex
	seen map[string]sighting // by task
}

// note remembers what a master's record has under way. What a record shows that has a
// domain counts no more.
func (h *history) note(master string, r record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Power == running || r.Power == paused {
		maps.DeleteFunc(h.seen, func(_ string, s sighting) bool { return s.master == master })
	}
	for task, operation := range r.CurrentOperations {
		if mayBuild(operation) {
			h.seen[task] = sighting{operation: operation, master: master}
		}
	}
}

// underWay returns the operations, by task, whose end has not been seen in the master's database.
func (h *history) underWay(master string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	tasks := map[string]string{}
	for task, s := range h.seen {
		if s.master == master && !s.ended {
			tasks[task] = s.operation
		}
	}
	return tasks
}

// end notes that a task has ended, or was lost.
func (h *history) end(task string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.seen[task]
	if slices.Contains(shown, s.operation) {
		delete(h.seen, task)
		return
	}
	s.ended = true
	h.seen[task] = s
}

// doubt returns an operation that may have left a domain, or whose master cannot be asked for
// its end any more. It returns "" where no operation is in doubt.
func (h *history) doubt() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.seen {
		return s.operation
	}
	return ""
}

// histories are those of all guests, by UUID. The zero value is ready for use.
type histories struct {
	mu  sync.Mutex
	all map[string]*history
}

func (h *histories) of(uuid string) *history {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[string]*history{}
	}
	if h.all[uuid] == nil {
		h.all[uuid] = &history{seen: map[string]sighting{}}
	}
	return h.all[uuid]
}
