package pool

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A call is one call while it is carried out. All its methods but those that wait
// hold the pool's lock.
type call struct {
	pool    *Pool
	member  *Member
	method  string
	params  []any // without the session, once that is known
	session *session
	life    int
	number  int // in the log
}

// A method is something that can be called.
type method struct {
	least  string // the least role that may
	params int    // how many must be given, without the session
	most   int    // how many may be given, if they are not as many as must be
	open   bool   // needs no session
	do     func(*call) (any, error)
}

// newCall logs the call.
func (m *Member) newCall(name string, params []any) *call {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	c := &call{pool: m.pool, member: m, method: name, params: params, life: m.life, number: len(m.pool.calls)}
	m.pool.calls = append(m.pool.calls, Call{Member: m.index, Method: name, Params: c.presentable(), At: time.Now()})
	return c
}

// presentable are the parameters without session and password.
func (c *call) presentable() []string {
	all := []string{}
	for i, p := range c.params {
		isLogin := strings.Contains(c.method, "login")
		if (isLogin && i == 1) || (!isLogin && i == 0) {
			continue
		}
		all = append(all, fmt.Sprint(p))
	}
	return all
}

// ended logs the end of the call.
func (c *call) ended(failure apiError) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.pool.calls[c.number].Ended = true
	c.pool.calls[c.number].Error = failure
}

// carryOut does what the call wants.
func (c *call) carryOut() (any, error) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	switch {
	case c.method == "session.slave_local_login_with_password":
		return c.run(localLogin)
	case c.member.role.kind == emergency:
		return nil, c.member.role.emergency
	case c.member.role.kind == slave:
		return c.asSlave()
	}
	m, err := c.find()
	if err != nil {
		return nil, err
	}
	return c.run(m)
}

// asSlave answers with the name of the master. Without looking at the password, as
// xapi does; a session is looked up in the database that the slave works with, which
// hangs if its master cannot be reached.
func (c *call) asSlave() (any, error) {
	if strings.HasPrefix(c.method, "session.login_") || c.method == "session.logout" && c.localSession() == nil {
		return nil, hostIsSlave(c.member.role.master)
	}
	if c.method == "system.listMethods" {
		return c.run(listMethods)
	}
	if s := c.localSession(); s != nil && c.method == "session.local_logout" {
		s.close()
		return nil, nil
	}
	for c.member.role.kind == slave {
		if leader := c.member.leader(); leader != nil {
			return nil, c.ofLeader(leader)
		}
		if err := c.waitForChange(); err != nil {
			return nil, err
		}
	}
	return nil, hostIsSlave(c.member.role.master)
}

// ofLeader is a slave's answer to a call whose session is looked up at the master.
func (c *call) ofLeader(leader *Member) error {
	ref := ""
	if len(c.params) > 0 {
		ref, _ = c.params[0].(string)
	}
	if c.pool.session(leader, ref) == nil {
		return apiError{"SESSION_INVALID", ref}
	}
	return hostIsSlave(leader.address)
}

func (c *call) find() (method, error) {
	if m, ok := methods[c.method]; ok {
		return m, nil
	}
	if rest, ok := strings.CutPrefix(c.method, "Async."); ok {
		if m, ok := methods[rest]; ok && m.least != "" {
			m.do = async(rest, m.do)
			return m, nil
		}
	}
	if m, ok := getter(c.method); ok {
		return m, nil
	}
	return method{}, apiError{"MESSAGE_METHOD_UNKNOWN", c.method}
}

// run checks what is common to all methods, and calls this one.
func (c *call) run(m method) (any, error) {
	given := len(c.params)
	if !m.open {
		given--
	}
	if given < m.params || given > max(m.params, m.most) {
		return nil, apiError{"MESSAGE_PARAMETER_COUNT_MISMATCH", c.method, strconv.Itoa(m.params), strconv.Itoa(given)}
	}
	if !m.open {
		if err := c.enter(m); err != nil {
			return nil, err
		}
	}
	return m.do(c)
}

// enter takes the session from the parameters.
func (c *call) enter(m method) error {
	ref, err := c.text(0)
	if err != nil {
		return err
	}
	c.session = c.pool.session(c.member, ref)
	if c.session == nil || c.session.Local {
		return apiError{"SESSION_INVALID", ref}
	}
	c.params = c.params[1:]
	if rank(c.pool.options.Role) < rank(m.least) {
		return apiError{
			"RBAC_PERMISSION_DENIED", strings.ToLower(strings.TrimPrefix(c.method, "Async.")),
			"No permission in user session. (Roles with this permission: " + strings.Join(rolesFrom(m.least), ", ") + ")",
		}
	}
	return nil
}

// text is a parameter that is a string, also if it stands for a number.
func (c *call) text(i int) (string, error) {
	if i >= len(c.params) {
		return "", nil
	}
	if s, ok := c.params[i].(string); ok {
		return s, nil
	}
	return "", wrongType("string", c.params[i])
}

func (c *call) flag(i int) (bool, error) {
	if b, ok := c.params[i].(bool); ok {
		return b, nil
	}
	return false, wrongType("bool", c.params[i])
}

// wrongType is what xapi's reader of parameters says, in the form of its own values.
func wrongType(want string, got any) error {
	form := "Dict"
	switch got := got.(type) {
	case string:
		form = "S(" + got + ")"
	case bool:
		form = fmt.Sprintf("B(%v)", got)
	case float64:
		form = fmt.Sprintf("F(%v)", got)
	case nil:
		form = "N"
	case list:
		form = "A"
	}
	return internalError(fmt.Sprintf("Failure(%q)", fmt.Sprintf("Expected %s, got '%s'", want, form)))
}

// wait lets time pass, without the lock. The client may go away: the work goes on.
func (c *call) wait(d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	for expired := d <= 0; !expired; {
		var err error
		if expired, err = c.await(over.C); err != nil {
			return err
		}
	}
	return nil
}

// waitForChange waits until anything in the pool has changed.
func (c *call) waitForChange() error {
	_, err := c.await(nil)
	return err
}

// await waits for the time to be over or for a change, without the lock.
func (c *call) await(over <-chan time.Time) (expired bool, err error) {
	changed := c.pool.changed
	c.pool.mu.Unlock()
	select {
	case <-over:
		expired = true
	case <-changed:
	case <-c.pool.closed:
	}
	c.pool.mu.Lock()
	if c.gone() {
		err = errGone
	}
	return expired, err
}

// gone tells whether there is nobody any more who does what was called.
func (c *call) gone() bool { return c.pool.isClosed() || c.life != c.member.life }

// methods are those that are not mere getters. It is filled by init: listMethods reads it.
var methods map[string]method

func init() {
	methods = map[string]method{
		"session.login_with_password":             {open: true, params: 2, most: 5, do: login},
		"session.slave_local_login_with_password": localLogin,
		"session.logout":                          {do: logout},
		"session.get_this_host":                   {params: 1, do: sessionField(func(c *call) any { return c.member.ref })},
		"session.get_this_user":                   {params: 1, do: sessionField(func(*call) any { return nullRef })},
		"session.get_is_local_superuser":          {params: 1, do: sessionField(func(c *call) any { return c.pool.options.Role == RoleAdmin })},
		"session.get_rbac_permissions":            {params: 1, do: sessionField(permissions)},
		"session.get_originator":                  {params: 1, do: sessionField(func(c *call) any { return c.session.Originator })},
		"system.listMethods":                      listMethods,
		"host.get_servertime":                     {params: 1, do: servertime},
		"VM.hard_shutdown":                        {least: RoleVMOperator, params: 1, do: hardShutdown},
		"VM.hard_reboot":                          {least: RoleVMOperator, params: 1, do: hardReboot},
		"VM.clean_shutdown":                       {least: RoleVMOperator, params: 1, do: cleanShutdown},
		"VM.start":                                {least: RoleVMOperator, params: 3, do: start},
		"VM.unpause":                              {least: RoleVMOperator, params: 1, do: unpause},
		"VM.assert_operation_valid":               {params: 2, do: assertOperationValid},
		"VM.power_state_reset":                    {least: RolePoolOperator, params: 1, do: powerStateReset},
		"host.declare_dead":                       {least: RolePoolOperator, params: 1, do: declareDead},
		"task.cancel":                             {params: 1, do: cancelTask},
		"task.destroy":                            {params: 1, do: destroyTask},
	}
}

var listMethods = method{open: true, do: func(*call) (any, error) { return listOf(methodNames()...), nil }}

func methodNames() []string {
	names := getterNames()
	for name, m := range methods {
		names = append(names, name)
		if m.least != "" {
			names = append(names, "Async."+name)
		}
	}
	sort.Strings(names)
	return names
}
