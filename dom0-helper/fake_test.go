package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/saved"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
)

// A fakeStack is a Toolstack of domains that only it knows. It does at once what it
// is told, unless a test puts another function in place.
type fakeStack struct {
	gap     time.Duration // none unless set
	look    func() error  // is called first at each look at the domains
	find    func() error  // is called first at each look for revivers
	destroy func(ctx context.Context, id int) error
	create  func(ctx context.Context) error
	dump    func(ctx context.Context, file string, size int64) error

	mu       sync.Mutex
	domains  []toolstack.Domain
	revivers map[string][]*fakeReviver // of each guest
	acts     []string                  // what was done to guests
	looks    int
	lines    int // of the audit
}

var _ toolstack.Toolstack = (*fakeStack)(nil)

// newFake returns a toolstack with these domains besides the control domain, and a host that it is of.
func newFake(t *testing.T, domains ...toolstack.Domain) (*fakeStack, *host) {
	t.Helper()
	f := &fakeStack{
		domains:  append([]toolstack.Domain{{ID: 0, Name: "Domain-0"}}, domains...),
		revivers: map[string][]*fakeReviver{},
	}
	return f, &host{stack: f, stateDir: filepath.Join(t.TempDir(), "state"), record: f.newAudit(), images: &saved.Store{}}
}

// another is another request to the host.
func (f *fakeStack) another(h *host) *host {
	its := *h
	its.record, its.identities = f.newAudit(), nil
	return &its
}

// offErr is off without its remark.
func (h *host) offErr(ctx context.Context, g policy.Guest) error {
	_, err := h.off(ctx, g)
	return err
}

func (f *fakeStack) newAudit() *audit {
	return &audit{log: f.log, Client: "c", Account: "cluster"}
}

// log takes a line of the audit.
func (f *fakeStack) log(string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines++
}

// act notes what is done to guests, and does it. Nothing is done before the audit has a line.
func (f *fakeStack) act(act string, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lines == 0 {
		act += " before the audit"
	}
	f.acts = append(f.acts, act)
	do()
}

func (f *fakeStack) Domains(ctx context.Context) ([]toolstack.Domain, error) {
	if f.look != nil {
		if err := f.look(); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return slices.Clone(f.domains), ctx.Err()
}

func (f *fakeStack) Destroy(ctx context.Context, id int) error {
	f.act(fmt.Sprintf("destroy %d", id), func() {})
	if f.destroy != nil {
		return f.destroy(ctx, id)
	}
	f.remove(id)
	return nil
}

func (f *fakeStack) Create(ctx context.Context, config string) error {
	f.act("create "+filepath.Base(config), func() {})
	if f.create != nil {
		return f.create(ctx)
	}
	return nil
}

func (f *fakeStack) Dump(ctx context.Context, id int, file string, size int64) error {
	f.act(fmt.Sprintf("dump %d to %s", id, filepath.Base(file)), func() {})
	if f.dump != nil {
		return f.dump(ctx, file, size)
	}
	return os.WriteFile(file, []byte("memory"), 0o600)
}

func (f *fakeStack) Gap() time.Duration { return f.gap }

func (f *fakeStack) Processes() (toolstack.Processes, error) {
	if f.find != nil {
		if err := f.find(); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := fakeProcesses{}
	for guest, list := range f.revivers {
		var found toolstack.Found
		for _, r := range list {
			if r.unknown {
				found.Unknown = append(found.Unknown, toolstack.Unknown{Text: r.String()})
			} else {
				found.Revivers = append(found.Revivers, r)
			}
		}
		seen[guest] = found
	}
	return seen, nil
}

// fakeProcesses are the processes of each guest.
type fakeProcesses map[string]toolstack.Found

func (ps fakeProcesses) Of(id toolstack.Identity, _ []toolstack.Domain) toolstack.Found {
	return ps[id.Name]
}

func (f *fakeStack) add(d toolstack.Domain) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.domains = append(f.domains, d)
}

func (f *fakeStack) remove(id int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.domains = slices.DeleteFunc(f.domains, func(d toolstack.Domain) bool { return d.ID == id })
}

// addReviver adds a process that brings the guest back, and returns it.
func (f *fakeStack) addReviver(guest string, pid int) *fakeReviver {
	return f.addProcess(&fakeReviver{guest: guest, pid: pid, role: toolstack.Builds})
}

// addProcess adds a process, and returns it.
func (f *fakeStack) addProcess(r *fakeReviver) *fakeReviver {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.stack, r.ended = f, make(chan struct{})
	f.revivers[r.guest] = append(f.revivers[r.guest], r)
	return r
}

// removeReviver lets all processes of a guest end by themselves.
func (f *fakeStack) removeReviver(guest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revivers[guest] = nil
}

// requireActs demands that this was done to guests, and nothing else.
func (f *fakeStack) requireActs(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.acts); diff != "" {
		t.Errorf("what was done (-want +got):\n%s", diff)
	}
}

type fakeReviver struct {
	stack    *fakeStack
	guest    string
	pid      int
	role     toolstack.Role
	saves    string // the image that it writes
	immune   bool   // does not end
	unknown  bool   // whose it is cannot be told
	watching bool   // makes no domain but when one restarts
	ended    chan struct{}
}

func (r *fakeReviver) Role() toolstack.Role { return r.role }

func (r *fakeReviver) Saves() string { return r.saves }

func (r *fakeReviver) Watches() bool { return r.watching }

func (r *fakeReviver) String() string { return fmt.Sprintf("process %d", r.pid) }

func (r *fakeReviver) Freeze(context.Context) error {
	r.stack.act(fmt.Sprintf("freeze %d", r.pid), func() {})
	return nil
}

func (r *fakeReviver) Thaw() error {
	r.stack.act(fmt.Sprintf("thaw %d", r.pid), func() {})
	return nil
}

func (r *fakeReviver) End(context.Context) error {
	err := errors.New("is immune")
	r.stack.act(fmt.Sprintf("end %d", r.pid), func() {
		list := r.stack.revivers[r.guest]
		if i := slices.Index(list, r); i >= 0 && !r.immune {
			r.stack.revivers[r.guest] = slices.Delete(slices.Clone(list), i, i+1)
			close(r.ended)
			err = nil
		}
	})
	return err
}

// guestNamed returns a guest with a good configuration file.
func guestNamed(t *testing.T, name string) policy.Guest {
	t.Helper()
	config := filepath.Join(t.TempDir(), name+".cfg")
	if err := os.WriteFile(config, []byte("name = \""+name+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return policy.Guest{Name: name, Accounts: []string{"cluster"}, Config: config}
}

// named returns a domain that runs.
func named(id int, name string) toolstack.Domain {
	return toolstack.Domain{ID: id, Name: name, UUID: fmt.Sprintf("uuid-%d", id)}
}

// failing returns a function that fails n times and then no more.
func failing(n int, err error) func() error {
	return func() error {
		if n--; n >= 0 {
			return err
		}
		return nil
	}
}

const always = 1 << 30

// requireReason demands an error with that reason and text, or none if reason is empty.
func requireReason(t *testing.T, err error, reason, text string) {
	t.Helper()
	switch {
	case err == nil && reason != "":
		t.Errorf("no error, want %s: %s", reason, text)
	case err != nil && (reason == "" || reasonOf(err) != reason || !contains(err, text)):
		t.Errorf("error %s: %q, want %q: %q", reasonOf(err), err, reason, text)
	}
}

// requireTook demands that the time since start is d, to a tenth of a second.
func requireTook(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if took := time.Since(start); took < d || took > d+100*time.Millisecond {
		t.Errorf("it took %s, want %s", took, d)
	}
}
