package rmcp

import (
	"fmt"
	"slices"
	"strings"
)

// The longest secrets and names, in bytes (sections 13.20, 22.16, 22.30 and 22.25).
const (
	MaxUser            = 16
	MaxLanPassword     = 16
	MaxLanplusPassword = 20
	MaxKg              = 20
)

// A Config is what a session is opened with.
type Config struct {
	// Addresses of one BMC as host:port (see net.JoinHostPort), tried in order; each
	// of the addresses of a name is. One that answers is enough.
	Addresses []string
	// User may be empty: some BMCs have an anonymous user.
	User     string
	Password string
	// Kg is the key of the BMC, for the interface lanplus. Empty if the BMC has none.
	Kg []byte
	// Interface is Lanplus unless set.
	Interface Interface
	// Suites are the cipher suites for lanplus, the first one that the BMC has is
	// taken. 17 and 3 if empty. 2 and 16 do not hide what is sent. With an [Unsigned] one
	// anyone on the way can answer for the BMC, and claim that it has no other, so it
	// stands alone or not at all.
	Suites []int
	// AuthTypes are the authentication types for lan, the first one that the BMC has
	// is taken. MD5 if empty. Anyone on the way can claim that the BMC has no other than
	// Straight, which sends the password, or None, and answer for it then: so each of these
	// stands alone. A BMC that wants only the login authenticated, and not the packets
	// after it, is refused.
	AuthTypes []AuthType
	// Privilege is Operator unless set, which is enough for all that a Session does.
	Privilege Privilege
}

// An Interface is the kind of sessions.
type Interface int

// The interfaces have the names that ipmitool gave them.
const (
	Lanplus Interface = iota // RMCP+, sessions of IPMI 2.0 (section 13.15)
	Lan                      // RMCP, sessions of IPMI 1.5 (section 13.14)
)

// String returns ipmitool's name of the interface.
func (i Interface) String() string {
	if i == Lan {
		return "lan"
	}
	return "lanplus"
}

// An AuthType is how packets of IPMI 1.5 are authenticated (section 22.17.1).
type AuthType byte

// The authentication types, as numbered in section 13.6. MD2 is not among them.
const (
	None     AuthType = 0
	MD5      AuthType = 2
	Straight AuthType = 4 // the password, for all to read
)

// String returns the name of the type.
func (t AuthType) String() string {
	switch t {
	case None:
		return "none"
	case MD5:
		return "MD5"
	case Straight:
		return "straight password"
	}
	return fmt.Sprintf("authentication type %d", byte(t))
}

// A Privilege is what a session may do (section 6.8).
type Privilege byte

// The privilege levels. Higher levels include the lower ones.
const (
	User          Privilege = 2 // may read the chassis state
	Operator      Privilege = 3 // may switch the power
	Administrator Privilege = 4
)

// String returns the name that ipmitool has for the level.
func (p Privilege) String() string {
	switch p {
	case User:
		return "USER"
	case Operator:
		return "OPERATOR"
	case Administrator:
		return "ADMINISTRATOR"
	}
	return fmt.Sprintf("privilege level %d", byte(p))
}

// String describes the configuration without the secrets.
func (c Config) String() string {
	return fmt.Sprintf("%s to %s, user %q, %s", c.Interface, strings.Join(c.Addresses, ", "), c.User, c.withDefaults().Privilege)
}

// Format prints String, so that no verb of package fmt prints a secret.
func (c Config) Format(state fmt.State, _ rune) { _, _ = fmt.Fprint(state, c.String()) }

// withDefaults returns the configuration with what was left out.
func (c Config) withDefaults() Config {
	if len(c.Suites) == 0 {
		c.Suites = []int{17, 3}
	}
	if len(c.AuthTypes) == 0 {
		c.AuthTypes = []AuthType{MD5}
	}
	if c.Privilege == 0 {
		c.Privilege = Operator
	}
	return c
}

// Check returns an error for what no BMC could be asked for: [ErrConfig] or [ErrTooLong].
// Open begins with it.
func (c Config) Check() error {
	c = c.withDefaults()
	switch {
	case len(c.Addresses) == 0:
		return fmt.Errorf("%w: no address", ErrConfig)
	case c.Interface != Lan && c.Interface != Lanplus:
		return fmt.Errorf("%w: interface %d", ErrConfig, c.Interface)
	case c.Privilege < User || c.Privilege > Administrator:
		return fmt.Errorf("%w: %s", ErrConfig, c.Privilege)
	case c.Interface == Lan && len(c.Kg) > 0:
		return fmt.Errorf("%w: K_g is for lanplus only", ErrConfig)
	}
	if err := c.checkAlgorithms(); err != nil {
		return err
	}
	return c.checkLengths()
}

func (c Config) checkAlgorithms() error {
	for _, number := range c.Suites {
		if _, ok := suites[number]; !ok {
			return fmt.Errorf("%w: cipher suite %d is not one of %s", ErrConfig, number, knownSuites())
		}
	}
	if i := slices.IndexFunc(c.Suites, Unsigned); i >= 0 && len(c.Suites) > 1 {
		return fmt.Errorf("%w: cipher suite %d has no integrity, so it stands alone or not at all: %v", ErrConfig, c.Suites[i], c.Suites)
	}
	for _, t := range c.AuthTypes {
		switch {
		case t != None && t != MD5 && t != Straight:
			return fmt.Errorf("%w: %s", ErrConfig, t)
		case t != MD5 && len(c.AuthTypes) > 1:
			return fmt.Errorf("%w: with %s packets have no proof, so it stands alone or not at all", ErrConfig, t)
		}
	}
	return nil
}

func (c Config) checkLengths() error {
	maxPassword := MaxLanplusPassword
	if c.Interface == Lan {
		maxPassword = MaxLanPassword
	}
	for _, one := range []struct {
		name        string
		length, max int
	}{
		{"user", len(c.User), MaxUser},
		{"password", len(c.Password), maxPassword},
		{"K_g", len(c.Kg), MaxKg},
	} {
		if one.length > one.max {
			return fmt.Errorf("%w: %s has %d bytes, %s allows %d", ErrTooLong, one.name, one.length, c.Interface, one.max)
		}
	}
	return nil
}
