package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
)

// A mover saves the guest and restores it again and again, each by a process that can be
// ended, until nothing of the guest is left for it.
type mover struct {
	t     *testing.T
	stack *fakeStack
	image string
	rand  *rand.Rand
	id    int
}

// nap lets nothing or up to a few looks pass. It reports whether the process still runs then.
func (m *mover) nap(p *fakeReviver) bool {
	nap := time.Duration(m.rand.IntN(int(3 * lookAgain)))
	if m.rand.IntN(2) == 0 {
		nap = time.Millisecond
	}
	select {
	case <-p.ended:
		return false
	case <-time.After(nap):
		return true
	}
}

// done ends the process by itself. It reports whether it had not been ended.
func (m *mover) done(p *fakeReviver) bool {
	select {
	case <-p.ended:
		return false
	default:
		m.stack.removeReviver("node-1")
	}
	time.Sleep(time.Duration(m.rand.IntN(int(lookAgain)))) // until the next process
	return true
}

func (m *mover) hasDomain() bool {
	m.stack.mu.Lock()
	defer m.stack.mu.Unlock()
	return slices.ContainsFunc(m.stack.domains, func(d toolstack.Domain) bool { return d.ID == m.id })
}

// save writes the image while the domain is there, and then ends that.
func (m *mover) save() bool {
	p := m.stack.addProcess(&fakeReviver{guest: "node-1", pid: 100 + m.id, role: toolstack.Writes, saves: m.image})
	if !m.nap(p) {
		return false
	}
	if !m.hasDomain() { // there is no memory to save
		m.done(p)
		return false
	}
	putImage(m.t, m.image, "node-1", pin)
	if !m.nap(p) {
		return false
	}
	m.stack.remove(m.id)
	return m.nap(p) && m.done(p)
}

// restore makes the domain from the image. libvirt removes the file before, xendomains after.
func (m *mover) restore() bool {
	p := m.stack.addReviver("node-1", 100+m.id) // it is there before it opens the file
	if _, err := os.Stat(m.image); err != nil {
		m.done(p)
		return false
	}
	before := m.rand.IntN(2) == 0
	if before {
		_ = os.Remove(m.image)
	}
	if !m.nap(p) {
		return false
	}
	m.id++
	m.stack.add(toolstack.Domain{ID: m.id, Name: "node-1", UUID: pin})
	if !m.nap(p) {
		return false
	}
	if !before {
		_ = os.Remove(m.image)
	}
	return m.done(p)
}

func (m *mover) run(ctx context.Context) {
	for ctx.Err() == nil && m.save() && m.restore() {
	}
}

// Off is believed only when no order of saves and restores can bring the guest back.
func TestOffWhileTheGuestIsMoved(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			f, h := newFake(t)
			f.add(toolstack.Domain{ID: 1, Name: "node-1", UUID: pin})
			dir := withImages(t, h, nil)
			m := &mover{t: t, stack: f, image: filepath.Join(dir, "node-1"), rand: rand.New(rand.NewPCG(seed, 1)), id: 1}
			slow := rand.New(rand.NewPCG(seed, 2))
			f.look = func() error { // a look at the domains takes time
				time.Sleep(time.Duration(slow.IntN(int(lookAgain))))
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go m.run(ctx)
			time.Sleep(time.Duration(slow.IntN(int(10 * lookAgain))))
			offCtx, end := context.WithTimeout(ctx, offLimit)
			defer end()
			if err := h.offErr(offCtx, pinned(t)); err != nil {
				t.Fatalf("seed %d: off: %v", seed, err)
			}
			time.Sleep(20 * lookAgain)
			f.look = nil
			if s, err := h.glance(ctx, pinned(t)); s.state != wire.GuestOff || err != nil {
				t.Errorf("seed %d: FALSE SUCCESS: the guest is %q, %v", seed, s.state, err)
			}
			if _, err := os.Stat(m.image); err == nil {
				t.Errorf("seed %d: FALSE SUCCESS: the image is there", seed)
			}
		})
	}
}
