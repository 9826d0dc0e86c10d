package rmcp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// maxUnproven is how many logins may end in silence when the password has been sent. A
// lost packet explains one of them.
const maxUnproven = 2

// A lanLogin logs in by IPMI 1.5 (section 13.14).
type lanLogin struct {
	Config
	authType AuthType
	unproven int  // logins that ended in silence when the password had been sent
	careful  bool // no other login waits longer for the last answer
}

// openLan opens a session of IPMI 1.5. The capabilities have a bit for each
// authentication type.
func (o *Opener) openLan(ctx context.Context, target netip.AddrPort, capabilities byte) (*Session, error) {
	i := slices.IndexFunc(o.AuthTypes, func(t AuthType) bool { return capabilities&(1<<t) != 0 })
	if i < 0 {
		return nil, fmt.Errorf("%w: the BMC has %02Xh, asked for %v", ErrAuthType, capabilities, o.AuthTypes)
	}
	attempt := &lanLogin{Config: o.Config, authType: o.AuthTypes[i]}
	for restarts := 0; ; restarts++ {
		attempt.careful = o.care == len(settles)-1
		session, err := o.login(ctx, target, attempt.run)
		if err == nil {
			session.about = fmt.Sprintf("%s session with BMC %s, %s, %s", o.Interface, target, attempt.authType, o.Privilege)
			return session, nil
		}
		again := errors.Is(err, errOtherCopy) && o.bewareOfCopies() || isAgain(err)
		if !again || ctx.Err() != nil || restarts == maxRestarts {
			return nil, err
		}
	}
}

// run attempts the login.
func (a *lanLogin) run(ctx context.Context, l *link) (layer, error) {
	temporary, challenge, err := a.challenge(ctx, l)
	if err != nil {
		return nil, err
	}
	copies := l.copies
	l.settle = 0 // a right answer is no worse for others that follow
	s := &lanSession{password: []byte(a.Password), authType: a.authType, session: temporary}
	err = a.activate(ctx, l, s, challenge)
	switch {
	case err == nil || ctx.Err() != nil:
		return s, err
	case errors.Is(err, ErrNoAnswer):
		if l.doubled && !a.careful {
			return nil, fmt.Errorf("%w: %w", err, errOtherCopy)
		}
		if a.unproven++; a.unproven >= maxUnproven {
			return nil, fmt.Errorf("%s: %w: %w", activateSession.name, ErrPassword, ErrSilence)
		}
		return nil, err
	case !isRefusal(err):
		return nil, err
	}
	l.hear(ctx, func(datagram []byte) error {
		m, err := outside{}.unwrap(datagram)
		l.doubled = l.doubled || err == nil && len(m) > responseOverhead
		return err
	})
	if l.doubled || max(copies, l.copies) > 1 {
		return nil, fmt.Errorf("%w: %w", err, errOtherCopy)
	}
	return nil, err
}

// isRefusal reports whether err is a refusal of the challenge or of what was made of it.
func isRefusal(err error) bool {
	var answer *CompletionError
	return errors.As(err, &answer) && !errors.Is(err, ErrSessions) && !errors.Is(err, ErrPrivilege)
}

// challenge returns the BMC's ID of the session until it is activated, and what is to
// be authenticated (section 22.16).
func (a *lanLogin) challenge(ctx context.Context, l *link) (temporary uint32, challenge []byte, err error) {
	data := make([]byte, 1+MaxUser)
	data[0] = byte(a.authType)
	copy(data[1:], a.User)
	var answer []byte
	err = step(ctx, func(ctx context.Context) error {
		answer, err = l.command(ctx, outside{}, getSessionChallenge, data)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	if len(answer) < 20 {
		return 0, nil, getSessionChallenge.tooShort(answer, 20)
	}
	return binary.LittleEndian.Uint32(answer), answer[4:20], nil
}

// activate proves the password (section 22.17). A success that is not authenticated
// is not the BMC's.
func (a *lanLogin) activate(ctx context.Context, l *link, s *lanSession, challenge []byte) error {
	data := append([]byte{byte(a.authType), byte(a.Privilege)}, challenge...)
	first := randomID() // number of the BMC's packets
	data = append(data, first[:]...)
	var answer []byte
	err := step(ctx, func(ctx context.Context) (err error) {
		answer, err = l.command(ctx, s, activateSession, data)
		return err
	})
	switch {
	case err != nil:
		return err
	case len(answer) < 10:
		return activateSession.tooShort(answer, 10)
	case !s.proven:
		return fmt.Errorf("%s: %w: the answer is not authenticated", activateSession.name, ErrDowngrade)
	}
	s.activate(binary.LittleEndian.Uint32(answer[1:]), binary.LittleEndian.Uint32(answer[5:]), binary.LittleEndian.Uint32(first[:]))
	if perPacket := AuthType(answer[0] & 0x0F); perPacket != a.authType {
		_ = (&Session{link: l, layer: s}).Close() // the answer is what counts
		return fmt.Errorf("%s: %w: asked for %s, got %s for the packets", activateSession.name, ErrDowngrade, a.authType, perPacket)
	}
	return nil
}
