package pool

import (
	"fmt"
	"time"
)

// The power states of XenAPI.
const (
	Halted    = "Halted"
	Paused    = "Paused"
	Running   = "Running"
	Suspended = "Suspended"
)

// A vm is a guest, template, snapshot or control domain in a database.
type vm struct {
	ref, uuid, name string
	power           string // what the database says
	resident        *Member
	scheduled       *Member // where it is being built
	home            *Member
	domid           int
	template        bool
	defaultTemplate bool
	snapshot        bool
	snapshotOf      string
	control         bool
	blocked         map[string]string
	current         map[string]string // operations, by task
	stuck           bool              // they cannot be cancelled
	priority        string            // ha_restart_priority
	always          bool              // ha_always_run

	shutdownDelay time.Duration
	lie           Lie
}

func (v *vm) copied() *vm {
	one := *v
	one.blocked, one.current = map[string]string{}, map[string]string{}
	for op, text := range v.blocked {
		one.blocked[op] = text
	}
	return &one
}

// A domain is what is true of a guest: where it runs, and which of its boots that is.
// That can be two members, if one master starts what another one's database calls Halted.
type domain struct {
	uuid      string
	on        map[*Member]int // the boot
	boots     int             // so far
	image     int             // the boot whose memory is in an image, 0 if there is none
	kept      bool            // the image cannot be deleted, and nobody is told
	forgotten bool            // the host's xenopsd does not know the guest
}

// boot gives the guest a new domain.
func (d *domain) boot(on *Member) {
	d.boots++
	d.on[on] = d.boots
}

func (p *Pool) domain(uuid string) *domain {
	for _, d := range p.domains {
		if d.uuid == uuid {
			return d
		}
	}
	d := &domain{uuid: uuid, on: map[*Member]int{}}
	p.domains = append(p.domains, d)
	return d
}

// stop ends the domain, wherever it is.
func (d *domain) stop() { d.on = map[*Member]int{} }

func (m *Member) controlDomain() vm {
	return vm{name: "Control domain on host: " + m.Name(), control: true, power: Running, resident: m, home: m}
}

// add puts a vm into the database, with what it lacks. The lock is held, or nobody else has the pool.
func (p *Pool) add(v vm) *vm {
	if v.uuid == "" {
		v.uuid = newUUID()
	}
	v.ref = newRef()
	if v.resident == nil {
		v.domid = -1
	}
	v.blocked, v.current = map[string]string{}, map[string]string{}
	p.db.vms = append(p.db.vms, &v)
	return &v
}

func (p *Pool) addGuest(g Guest) *vm {
	v := vm{name: g.Name, uuid: g.UUID, template: g.Template || g.Snapshot, snapshot: g.Snapshot, power: g.Power, home: p.members[g.Member]}
	if v.power == "" {
		v.power = Running
	}
	if v.template {
		v.power = Halted
	}
	if g.Snapshot {
		v.snapshotOf = nullRef
		for _, other := range p.db.vms {
			if other.name == g.Name && !other.template {
				v.snapshotOf = other.ref
			}
		}
	}
	if v.power == Running || v.power == Paused {
		v.resident, v.domid = v.home, p.nextDomid()
	}
	added := p.add(v)
	if added.resident != nil {
		p.domain(added.uuid).boot(added.resident)
	}
	return added
}

// nextDomid is a number that no domain had.
func (p *Pool) nextDomid() int {
	last := 0
	for _, db := range p.databases() {
		for _, v := range db.vms {
			last = max(last, v.domid)
		}
	}
	return last + 1
}

// A VM is a guest as the tests see it: its truth, and what is to go wrong with it.
type VM struct {
	pool *Pool
	uuid string
}

// VM finds a guest by its UUID, or by its name: the first one that is no template
// or snapshot. It panics if there is none.
func (p *Pool) VM(nameOrUUID string) VM {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.db.vms {
		if v.uuid == nameOrUUID || (v.name == nameOrUUID && !v.template) {
			return VM{p, v.uuid}
		}
	}
	panic(fmt.Sprintf("pool: there is no guest %q", nameOrUUID))
}

// VMs are the guests: all but templates, snapshots and control domains.
func (p *Pool) VMs() []VM {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []VM
	for _, v := range p.db.vms {
		if !v.template && !v.control {
			all = append(all, VM{p, v.uuid})
		}
	}
	return all
}

// Add makes another guest.
func (p *Pool) Add(g Guest) VM {
	p.mu.Lock()
	defer p.mu.Unlock()
	return VM{p, p.addGuest(g).uuid}
}

// Truth tells whether the guest's domain runs, whatever the database says of it. A
// paused one counts.
func (p *Pool) Truth(nameOrUUID string) bool { return p.VM(nameOrUUID).Runs() }

// UUID is the guest's.
func (v VM) UUID() string { return v.uuid }

// Runs tells whether the guest's domain runs.
func (v VM) Runs() bool { return len(v.On()) > 0 }

// On are the members on which the guest's domain runs.
func (v VM) On() []int {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	var all []int
	for m := range v.pool.domain(v.uuid).on {
		all = append(all, m.index)
	}
	return all
}

// Boots is how often the guest was booted so far: what runs, or is in an image, is one
// of these boots.
func (v VM) Boots() int {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	return v.pool.domain(v.uuid).boots
}

// RunsBoot tells whether that boot of the guest runs.
func (v VM) RunsBoot(boot int) bool {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	for _, one := range v.pool.domain(v.uuid).on {
		if one == boot {
			return true
		}
	}
	return false
}

// HasImage tells whether the guest's memory is in an image.
func (v VM) HasImage() bool {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	return v.pool.domain(v.uuid).image != 0
}

// KeepImage lets the deletion of the guest's image fail, of which xapi tells nobody.
func (v VM) KeepImage() { v.truth(func(d *domain) { d.kept = true }) }

// Forget lets the xenopsd of the guest's host forget it. The domain runs on.
func (v VM) Forget() { v.truth(func(d *domain) { d.forgotten = true }) }

func (v VM) truth(change func(*domain)) {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	change(v.pool.domain(v.uuid))
}

// Suspend ends the domain and keeps its memory in an image, and writes so.
func (v VM) Suspend() {
	v.truth(func(d *domain) { d.suspend() })
	v.each(func(one *vm) {
		one.halted()
		one.power = Suspended
	})
}

func (d *domain) suspend() {
	for _, boot := range d.on {
		d.image = boot
	}
	d.stop()
}

// Resume begins to resume the suspended guest on a member, as an operation and a task
// which end after a time that is as long as the image is big. hard_shutdown does not
// end it: see operate.
func (v VM) Resume(on *Member, takes time.Duration) { v.build("resume", on, 0, takes) }

// ResumeAs is Resume as an operation and a task of another name.
func (v VM) ResumeAs(operation string, on *Member, takes time.Duration) {
	v.build(operation, on, 0, takes)
}

// ResumeFails begins to resume the suspended guest on a member that the master loses when
// lose is called: the operation and its task end with CANNOT_CONTACT_HOST. The member goes on,
// and the guest runs there that time later, which the database never shows.
func (v VM) ResumeFails(on *Member, later time.Duration) (lose func()) {
	p := v.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	t, memory := p.begins(v, "resume", on), p.domain(v.uuid).image
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		one := p.db.byUUID(v.uuid)
		delete(one.current, t.ref)
		one.scheduled = nil
		t.status, t.failure = "failure", apiError{"CANNOT_CONTACT_HOST", on.ref}
		p.stir()
		time.AfterFunc(later, func() { v.truth(func(d *domain) { d.on[on] = memory }) })
	}
}

// begins writes that an operation is under way which ends with a domain on a member. The
// lock is held.
func (p *Pool) begins(v VM, operation string, on *Member) *task {
	t := &task{ref: newRef(), uuid: newUUID(), name: "Async.VM." + operation, status: "pending", created: time.Now()}
	p.db.tasks = append(p.db.tasks, t)
	one := p.db.byUUID(v.uuid)
	one.current[t.ref], one.scheduled = operation, on
	p.stir()
	return t
}

// Checkpoint begins to save the guest's memory in a snapshot: after half of the time it
// is suspended, and at the end it goes on where it was.
func (v VM) Checkpoint(takes time.Duration) {
	v.pool.mu.Lock()
	on := v.pool.db.byUUID(v.uuid).resident
	v.pool.mu.Unlock()
	v.build("checkpoint", on, takes/2, takes/2)
}

// StartSlowly begins to start the guest on a member, as a call of somebody else.
func (v VM) StartSlowly(on *Member, takes time.Duration) { v.build("start", on, 0, takes) }

// build carries out an operation that ends with a domain. The host has the image from
// the beginning, and goes on whatever the database says meanwhile.
func (v VM) build(operation string, on *Member, first, then time.Duration) {
	p := v.pool
	p.mu.Lock()
	t := p.begins(v, operation, on)
	one, memory := p.db.byUUID(v.uuid), p.domain(v.uuid).image
	p.mu.Unlock()
	if !p.begin() {
		return
	}
	go func() {
		defer p.work.Done()
		if !p.sleep(first) {
			return
		}
		if operation == "checkpoint" {
			p.mu.Lock()
			p.domain(v.uuid).suspend()
			memory = p.domain(v.uuid).image
			if one.power == Running {
				one.power, one.resident = Suspended, nil
			}
			p.stir()
			p.mu.Unlock()
		}
		if !p.sleep(then) {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		d := p.domain(v.uuid)
		if operation == "start" {
			d.boot(on)
		} else {
			d.on[on], d.image = memory, 0
		}
		delete(one.current, t.ref)
		t.status = "success"
		one.power, one.resident, one.scheduled, one.domid = Running, on, nil, p.nextDomid()
		p.stir()
	}()
}

// sleep tells whether the pool is still there after that time.
func (p *Pool) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-p.closed:
		return false
	}
}

// MoveIn writes into the database of one member that the guest runs on another one. The
// domain stays where it is.
func (v VM) MoveIn(m, to *Member) {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	one := m.db.byUUID(v.uuid)
	one.power, one.resident = Running, to
	v.pool.stir()
}

// Protect sets what high availability does with the guest: "restart" or "best-effort".
func (v VM) Protect(priority string) {
	v.each(func(one *vm) { one.priority, one.always = priority, true })
}

// AlwaysRuns is the field ha_always_run, which hard_shutdown clears when it reaches the host.
func (v VM) AlwaysRuns() bool { return v.entry().always }

// Reboot starts the guest anew where it was at first, as high availability or a host's
// boot does, and writes so. Nothing of its memory is left.
func (v VM) Reboot() {
	v.End()
	v.Run()
}

// Says is the power state in the database of the pool, whatever is true. A second
// master's is not looked at.
func (v VM) Says() string { return v.entry().power }

// Name is the guest's.
func (v VM) Name() string { return v.entry().name }

// entry is what the database has of the guest.
func (v VM) entry() vm {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	for _, one := range v.pool.db.vms {
		if one.uuid == v.uuid {
			return *one
		}
	}
	return vm{}
}

// each changes the guest in every database that has it.
func (v VM) each(change func(*vm)) {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	for _, db := range v.pool.databases() {
		for _, one := range db.vms {
			if one.uuid == v.uuid {
				change(one)
			}
		}
	}
	v.pool.stir()
}

// A Lie is an answer to a hard_shutdown that did nothing.
type Lie int

// The lies.
const (
	Honest    Lie = iota
	LieDone       // Success; the database says Running
	LieOff        // Success; the database says Halted
	LieFailed     // INTERNAL_ERROR: not in the expected power state
)

// Lie lets hard_shutdown, clean_shutdown and hard_reboot do nothing and say something.
func (v VM) Lie(l Lie) { v.each(func(one *vm) { one.lie = l }) }

// Write writes a power state into the database. The domain stays as it is.
func (v VM) Write(power string) { v.each(func(one *vm) { one.power = power }) }

// WriteIn writes a power state into the database of one member, with nothing that
// the guest is on. The domain stays as it is.
func (v VM) WriteIn(m *Member, power string) {
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	for _, one := range m.db.vms {
		if one.uuid == v.uuid {
			one.halted()
			one.power = power
		}
	}
	v.pool.stir()
}

// Halt ends the domain, and writes so.
func (v VM) Halt() {
	v.End()
	v.each(func(one *vm) { one.halted() })
}

// Run starts a domain where the guest was at first, and writes so.
func (v VM) Run() { v.each(func(one *vm) { v.pool.runs(one, one.home) }) }

// End ends the domain. The database knows nothing of it.
func (v VM) End() { v.truth((*domain).stop) }

// Rename writes another name.
func (v VM) Rename(name string) { v.each(func(one *vm) { one.name = name }) }

// Block blocks an operation, as an administrator can.
func (v VM) Block(op, text string) { v.each(func(one *vm) { one.blocked[op] = text }) }

// Busy lets an operation be in progress until Idle. hard_shutdown cancels some of
// them, such as pool_migrate, and waits Options.BusyTime for the others.
func (v VM) Busy(op string) { v.each(func(one *vm) { one.current[newRef()] = op }) }

// Stick is Busy with an operation that cannot be cancelled: it is waited for without
// limit.
func (v VM) Stick(op string) {
	v.Busy(op)
	v.each(func(one *vm) { one.stuck = true })
}

// Idle ends what is in progress.
func (v VM) Idle() {
	v.each(func(one *vm) { one.current, one.stuck = map[string]string{}, false })
}

// SetShutdownDelay is how long hard_shutdown's answer comes after the domain's end.
func (v VM) SetShutdownDelay(d time.Duration) { v.each(func(one *vm) { one.shutdownDelay = d }) }
