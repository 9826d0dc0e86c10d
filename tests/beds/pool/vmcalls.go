package pool

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An operation is a call that changes a guest.
type operation struct {
	name    string
	from    []string // the power states that it begins in, in xapi's order
	cancels bool     // ends what can be cancelled
}

var (
	opHardShutdown  = operation{name: "hard_shutdown", from: []string{"paused", "suspended", "running"}, cancels: true}
	opHardReboot    = operation{name: "hard_reboot", from: []string{"paused", "running"}, cancels: true}
	opCleanShutdown = operation{name: "clean_shutdown", from: []string{"running"}}
	opStart         = operation{name: "start", from: []string{"halted"}}
	opUnpause       = operation{name: "unpause", from: []string{"paused"}}
)

var operations = []operation{opHardShutdown, opHardReboot, opCleanShutdown, opStart, opUnpause}

// cancelled are the operations that hard_shutdown and hard_reboot end.
var cancelled = []string{"clean_shutdown", "clean_reboot", "hard_reboot", "pool_migrate", "suspend", "call_plugin", "shutdown"}

// operate checks the guest in xapi's order, and acts on it.
func (c *call) operate(op operation, act func(*vm) error) (any, error) {
	ref, err := c.text(0)
	if err != nil {
		return nil, err
	}
	v := c.member.db.vm(ref)
	if v == nil {
		return nil, handleInvalid("VM", ref)
	}
	if err := v.permits(op); err != nil {
		return nil, err
	}
	host := v.resident // as xapi picks it: before it waits
	if err := c.waitUntilIdle(v, op); err != nil {
		return nil, err
	}
	task, always := newRef(), v.always
	v.current[task] = op.name
	defer c.pool.stir()
	defer delete(v.current, task)
	if op.name == opHardShutdown.name {
		v.always = false
	}
	if op.name == opHardShutdown.name && v.power == Suspended {
		return nil, c.deleteImage(v)
	}
	if err := c.reach(host); err != nil {
		v.always = always // it never reached the host
		return nil, err
	}
	if v.resident != host {
		return nil, internalError("the VM " + v.ref + " is not resident on this host")
	}
	if host != nil && c.pool.domain(v.uuid).forgotten {
		return nil, internalError("Object with type VM and id " + v.uuid + " does not exist in xenopsd")
	}
	return nil, act(v)
}

// deleteImage is all that hard_shutdown does to a suspended guest: a host that is picked
// at random deletes the image, whoever may have the domain by now.
func (c *call) deleteImage(v *vm) error {
	var able []*Member
	for _, h := range c.member.db.hosts {
		if h.live && !h.member.noStorage {
			able = append(able, h.member)
		}
	}
	if len(able) == 0 {
		return apiError{"NO_HOSTS_AVAILABLE"}
	}
	if err := c.reach(able[rand.IntN(len(able))]); err != nil {
		return err
	}
	if d := c.pool.domain(v.uuid); !d.kept {
		d.image = 0
	}
	v.halted()
	return nil
}

// LoseStorage lets the member not see the storage of the guests' disks.
func (m *Member) LoseStorage() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.noStorage = true
}

// assertOperationValid checks the guest as the operation would, and does nothing. It
// looks into the database alone. hard_shutdown and hard_reboot cancel or wait for what
// is in progress, unless that is one of them (xapi before 2015 refused them for anything).
func assertOperationValid(c *call) (any, error) {
	ref, err := c.text(0)
	if err != nil {
		return nil, err
	}
	name, err := c.text(1)
	if err != nil {
		return nil, err
	}
	v := c.member.db.vm(ref)
	i := slices.IndexFunc(operations, func(op operation) bool { return op.name == name })
	switch {
	case i < 0:
		return nil, internalError(`Failure("Unknown tag/contents")`)
	case v == nil:
		return nil, handleInvalid("VM", ref)
	}
	op := operations[i]
	if err := v.permits(op); err != nil {
		return nil, err
	}
	for _, other := range v.current {
		if !op.cancels || other == op.name || other == opHardShutdown.name {
			return nil, v.busy()
		}
	}
	return nil, nil
}

func (v *vm) permits(op operation) error {
	text, blocked := v.blocked[op.name]
	power := strings.ToLower(v.power)
	switch {
	case blocked:
		return apiError{"OPERATION_BLOCKED", v.ref, text}
	case !slices.Contains(op.from, power):
		return apiError{"VM_BAD_POWER_STATE", v.ref, strings.Join(op.from, ", "), power}
	case v.snapshot:
		return apiError{"VM_IS_SNAPSHOT", v.ref, op.name}
	case v.template:
		return apiError{"VM_IS_TEMPLATE", v.ref, op.name}
	case v.control:
		return apiError{"OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain"}
	}
	return nil
}

// waitUntilIdle waits for other operations, or ends them.
func (c *call) waitUntilIdle(v *vm, op operation) error {
	for task, other := range v.current {
		if op.cancels && !v.stuck && slices.Contains(cancelled, other) {
			delete(v.current, task)
		}
	}
	until := time.Now().Add(c.pool.options.BusyTime)
	for v.waits(op) {
		if !v.stuck && !time.Now().Before(until) {
			return v.busy()
		}
		if err := c.wait(10 * time.Millisecond); err != nil {
			return err
		}
	}
	return v.permits(op) // it may be another state by now
}

// besides are the operations that hard_shutdown is allowed beside, and does not end.
var besides = []string{"resume", "resume_on", "checkpoint"}

// waits tells whether an operation is under way that this one waits for.
func (v *vm) waits(op operation) bool {
	for _, other := range v.current {
		if op.name != opHardShutdown.name || !slices.Contains(besides, other) {
			return true
		}
	}
	return false
}

// busy names one of the operations in progress.
func (v *vm) busy() error {
	for task, op := range v.current {
		return apiError{"OTHER_OPERATION_IN_PROGRESS", "VM", v.ref, op, task}
	}
	return nil
}

// reach asks the member on which the guest is.
func (c *call) reach(m *Member) error {
	h := c.member.db.hostOf(m)
	if m == nil || m == c.member {
		return nil
	}
	if h != nil && h.live && !m.cut && !c.member.cut && m.db != c.member.db {
		// It looks the session that the master made for this call up in its own database.
		return apiError{"SESSION_INVALID", newRef()}
	}
	if h != nil && h.live && c.reaches(m) {
		return nil
	}
	if h == nil || !h.live {
		return apiError{"HOST_OFFLINE", m.ref}
	}
	if err := c.wait(c.pool.options.ContactTime); err != nil {
		return err
	}
	if !c.reaches(m) {
		return apiError{"CANNOT_CONTACT_HOST", m.ref}
	}
	return nil
}

func (c *call) reaches(m *Member) bool { return !m.cut && !c.member.cut && m.db == c.member.db }

// dies ends the domain, unless the guest was told to lie. It tells whether the
// answer is to be given at once.
func (c *call) dies(v *vm) (done bool, err error) {
	if err := c.wait(c.pool.options.ShutdownTime); err != nil {
		return true, err
	}
	switch v.lie {
	case LieDone:
		return true, nil
	case LieOff:
		v.halted()
		return true, nil
	case LieFailed:
		return true, internalError("VM not in expected power state after completing operation: " + v.ref + ", halted, running")
	case Honest:
	}
	if v.resident != nil {
		delete(c.pool.domain(v.uuid).on, v.resident)
	}
	return false, nil
}

// halted writes into the database that the guest is off, and that nothing is under way.
func (v *vm) halted() {
	v.power, v.resident, v.scheduled, v.domid = Halted, nil, nil, -1
	v.current = map[string]string{}
}

func hardShutdown(c *call) (any, error) {
	return c.operate(opHardShutdown, func(v *vm) error { return c.shutDown(v, v.shutdownDelay) })
}

func cleanShutdown(c *call) (any, error) {
	return c.operate(opCleanShutdown, func(v *vm) error { return c.shutDown(v, 0) })
}

func (c *call) shutDown(v *vm, delay time.Duration) error {
	if done, err := c.dies(v); done {
		return err
	}
	v.halted()
	c.pool.stir()
	return c.wait(delay)
}

func hardReboot(c *call) (any, error) {
	return c.operate(opHardReboot, func(v *vm) error {
		if done, err := c.dies(v); done {
			return err
		}
		c.pool.runs(v, v.resident)
		return nil
	})
}

// runs lets the guest have a new domain.
func (p *Pool) runs(v *vm, on *Member) {
	v.power, v.resident, v.domid = Running, on, p.nextDomid()
	p.domain(v.uuid).boot(on)
}

func start(c *call) (any, error) {
	paused, err := c.flag(1)
	if err == nil {
		_, err = c.flag(2)
	}
	if err != nil {
		return nil, err
	}
	return c.operate(opStart, func(v *vm) error {
		on := c.schedule(v)
		if on == nil {
			return apiError{"NO_HOSTS_AVAILABLE"}
		}
		if err := c.wait(c.pool.options.StartTime); err != nil {
			return err
		}
		if c.pool.domain(v.uuid).on[on] != 0 { // says xenopsd, which writes the states in another way
			return apiError{"VM_BAD_POWER_STATE", v.ref, Halted, Running}
		}
		c.pool.runs(v, on)
		if paused {
			v.power = Paused
		}
		return nil
	})
}

// schedule picks a member for the guest: where it was, or any.
func (c *call) schedule(v *vm) *Member {
	usable := func(m *Member) bool {
		h := c.member.db.hostOf(m)
		return h != nil && h.live && (m == c.member || c.reaches(m))
	}
	if v.home != nil && usable(v.home) {
		return v.home
	}
	for _, h := range c.member.db.hosts {
		if usable(h.member) {
			return h.member
		}
	}
	return nil
}

func unpause(c *call) (any, error) {
	return c.operate(opUnpause, func(v *vm) error {
		v.power = Running
		return nil
	})
}

// powerStateReset only writes. It looks at another host only if the database takes that
// for alive, at the own one only for a domain that runs, and at none for a suspended guest.
func powerStateReset(c *call) (any, error) {
	ref, err := c.text(0)
	if err != nil {
		return nil, err
	}
	v := c.member.db.vm(ref)
	switch {
	case v == nil:
		return nil, handleInvalid("VM", ref)
	case v.control:
		return nil, apiError{"CANNOT_RESET_CONTROL_DOMAIN", ref}
	case v.power == Suspended:
	case v.resident == c.member && v.power == Running && c.pool.domain(v.uuid).on[c.member] != 0:
		return nil, apiError{"DOMAIN_EXISTS", ref, strconv.Itoa(v.domid)}
	case v.resident != nil && v.resident != c.member && c.isAlive(v.resident):
		return nil, apiError{"HOST_IS_LIVE", v.resident.ref}
	}
	v.halted()
	return nil, nil
}

// isAlive tells whether the database takes the host for alive, and it answers.
func (c *call) isAlive(m *Member) bool {
	h := c.member.db.hostOf(m)
	return h != nil && h.live && c.reaches(m)
}

// declareDead writes that all guests of a host are halted.
func declareDead(c *call) (any, error) {
	ref, err := c.text(0)
	if err != nil {
		return nil, err
	}
	for _, h := range c.member.db.hosts {
		if h.member.ref != ref {
			continue
		}
		if c.isAlive(h.member) {
			return nil, apiError{"HOST_IS_LIVE", ref}
		}
		h.disabled = true
		c.member.db.haltGuests(h.member)
		return nil, nil
	}
	return nil, handleInvalid("host", ref)
}

// haltGuests writes that the guests of a host are halted.
func (db *database) haltGuests(m *Member) {
	for _, v := range db.vms {
		if v.resident == m && !v.control {
			v.halted()
		}
	}
}
