package pool

import (
	"sort"
	"strings"
)

// The roles of users that matter here, from the least.
const (
	// Two that let nobody in: the first is no subject of the pool, or suspended in the
	// directory, the second has no role. The directory is asked for Options.Directory.
	RoleStranger     = "stranger"
	RoleNone         = "none"
	RoleReadOnly     = "read-only"
	RoleVMOperator   = "vm-operator"
	RolePoolOperator = "pool-operator"
	RoleAdmin        = "pool-admin" // root: a local superuser
)

func rank(role string) int {
	for i, r := range []string{RoleReadOnly, RoleVMOperator, RolePoolOperator, RoleAdmin} {
		if r == role {
			return i
		}
	}
	return 0
}

// rolesFrom are the roles that may what the least of them may.
func rolesFrom(least string) (all []string) {
	for _, role := range []string{RoleReadOnly, RoleVMOperator, RolePoolOperator, RoleAdmin} {
		if rank(role) >= rank(least) {
			all = append(all, role)
		}
	}
	return all
}

type session struct {
	Session
	ref    string
	member *Member
}

func (s *session) close() { s.Open = false }

// session finds an open session of a member.
func (p *Pool) session(m *Member, ref string) *session {
	for _, s := range p.sessions {
		if s.Open && s.member == m && s.ref == ref {
			return s
		}
	}
	return nil
}

// localSession is the call's session if it is one of slave_local_login_with_password.
func (c *call) localSession() *session {
	if len(c.params) == 0 {
		return nil
	}
	ref, _ := c.params[0].(string)
	if s := c.pool.session(c.member, ref); s != nil && s.Local {
		return s
	}
	return nil
}

// sessionsGone ends all sessions of a member. The lock is held.
func (p *Pool) sessionsGone(m *Member) {
	for _, s := range p.sessions {
		if s.Open && s.member == m {
			s.Open, s.Lost = false, true
		}
	}
}

// LoseSessions lets the member forget all sessions: they are SESSION_INVALID.
func (m *Member) LoseSessions() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.pool.sessionsGone(m)
}

func login(c *call) (any, error) { return c.login(false) }

var localLogin = method{open: true, params: 2, do: func(c *call) (any, error) { return c.login(true) }}

func (c *call) login(local bool) (any, error) {
	var given [4]string // user, password, version, originator
	for i := range given {
		var err error
		if given[i], err = c.text(i); err != nil {
			return nil, err
		}
	}
	user := given[0]
	if user != c.pool.options.User {
		if err := c.wait(c.pool.options.WrongPassword); err != nil {
			return nil, err
		}
		return nil, apiError{"SESSION_AUTHENTICATION_FAILED", user, "User not known to the underlying authentication module"}
	}
	if user != c.pool.options.User || given[1] != c.pool.options.Password {
		if err := c.wait(c.pool.options.WrongPassword); err != nil {
			return nil, err
		}
		return nil, apiError{"SESSION_AUTHENTICATION_FAILED", user, "Authentication failure"}
	}
	if err := c.refusal(user); err != nil && !local {
		return nil, err
	}
	s := &session{ref: newRef(), member: c.member}
	s.Session = Session{Member: c.member.index, User: user, Originator: given[3], Local: local, Open: true}
	c.pool.sessions = append(c.pool.sessions, s)
	return s.ref, nil
}

// refusal is what a user is told whose password is right, and who has no business here.
func (c *call) refusal(user string) error {
	var refusal apiError
	switch c.pool.options.Role {
	case RoleStranger:
		refusal = apiError{"SESSION_AUTHORIZATION_FAILED", user, "The user is not a subject of this pool"}
	case RoleNone:
		refusal = apiError{"RBAC_PERMISSION_DENIED", "session.login_with_password", "Subject " + user + " has no roles in this pool"}
	default:
		return nil
	}
	if err := c.wait(c.pool.options.Directory); err != nil {
		return err
	}
	return refusal
}

func logout(c *call) (any, error) {
	c.session.close()
	return nil, nil
}

// sessionField is a getter of the caller's own session.
func sessionField(get func(*call) any) func(*call) (any, error) {
	return func(c *call) (any, error) {
		ref, err := c.text(0)
		if err != nil {
			return nil, err
		}
		if ref != c.session.ref {
			return nil, handleInvalid("session", ref)
		}
		return get(c), nil
	}
}

// permissions are none for root, who needs none.
func permissions(c *call) any {
	role := c.pool.options.Role
	if role == RoleAdmin {
		return list{}
	}
	names := []string{}
	for name, m := range methods {
		if !m.open && rank(m.least) <= rank(role) {
			names = append(names, strings.ToLower(name))
		}
	}
	sort.Strings(names)
	return listOf(names...)
}
