package rmcp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
)

// statusInvalidCheckValue says that a code is wrong (section 13.24).
const statusInvalidCheckValue = 0x0F

// openLanplus opens a session of RMCP+ with the first of the suites that the BMC
// takes.
func (o *opener) openLanplus(ctx context.Context, target netip.AddrPort) (*Session, error) {
	var failed attempts
	for _, number := range o.Suites {
		slow := false
		session, err := o.restarting(ctx, target, func(ctx context.Context, l *link) (layer, error) {
			o.tag++
			l.slow = slow
			in, err := newPlusLogin(o.Config, suites[number], o.tag, l).run(ctx)
			slow = slow || errors.Is(err, errOtherCopy)
			return in, err
		})
		if err == nil {
			session.about = fmt.Sprintf("cipher suite %d", number)
			return session, nil
		}
		failed = append(failed, fmt.Errorf("cipher suite %d: %w", number, err))
		if !errors.Is(err, ErrSuite) && !errors.Is(err, ErrDowngrade) {
			return nil, err
		}
	}
	return nil, failed
}

// A plusLogin logs in by RMCP+ once (section 13.15).
type plusLogin struct {
	rakp
	link         *link
	tag          byte // all messages of this login have it
	repeated     bool // a message was sent again
	password, kg []byte
}

func newPlusLogin(c Config, s suite, tag byte, l *link) *plusLogin {
	a := &plusLogin{
		rakp:     rakp{suite: s, console: randomID(), role: byte(c.Privilege) | nameOnly, user: c.User},
		link:     l,
		tag:      tag,
		password: []byte(c.Password),
		kg:       c.Kg,
	}
	rand.Read(a.consoleRandom[:]) // never fails
	return a
}

// run attempts the login.
func (a *plusLogin) run(ctx context.Context) (layer, error) {
	reply, err := a.ask(ctx, "Open Session Request", payloadOpenRequest, a.openRequest(a.tag))
	if err != nil {
		return nil, err
	}
	if err := a.takeOpenResponse(reply); err != nil {
		return nil, fmt.Errorf("Open Session Response: %w", err)
	}
	if err := a.proveBMC(ctx); err != nil {
		return nil, err
	}
	return a.proveUser(ctx)
}

// proveBMC lets the BMC prove the password. If it cannot it is told, so that its
// session is free again.
func (a *plusLogin) proveBMC(ctx context.Context) error {
	reply, err := a.ask(ctx, "RAKP 1", payloadRAKP1, a.message1(a.tag))
	if err != nil {
		return err
	}
	code, err := a.takeMessage2(reply)
	if err != nil {
		return fmt.Errorf("RAKP 2: %w", err)
	}
	if hmac.Equal(code, a.code2(a.password)) {
		return nil
	}
	_ = a.link.send(outsidePlus(payloadRAKP3, a.message3(a.tag, statusInvalidCheckValue, nil)))
	return fmt.Errorf("RAKP 2: %w", ErrPassword)
}

// proveUser proves the password to the BMC, which answers with a proof of K_g.
// Without that answer nobody knows whether the BMC has opened the session. It is
// left alone then, and the BMC ends it by itself: there are BMCs that crash when
// they are sent a packet of a session that they have not opened.
func (a *plusLogin) proveUser(ctx context.Context) (layer, error) {
	key := a.kg
	if len(key) == 0 {
		key = a.password
	}
	sik := a.sik(key)
	reply, err := a.ask(ctx, "RAKP 3", payloadRAKP3, a.message3(a.tag, 0, a.code3(a.password)))
	if a.repeated && isStatus(err, statusInvalidCheckValue) {
		return nil, fmt.Errorf("RAKP 3: %w", errOtherCopy)
	}
	if err != nil {
		return nil, err
	}
	code, err := a.takeMessage4(reply)
	if err != nil {
		return nil, fmt.Errorf("RAKP 4: %w", err)
	}
	if !hmac.Equal(code, a.code4(sik)) {
		return nil, fmt.Errorf("RAKP 4: %w", ErrKg)
	}
	return newPlusSession(&a.rakp, sik), nil
}

// ask sends one message of the login until it is answered, and returns the reply.
func (a *plusLogin) ask(ctx context.Context, name string, payloadType byte, message []byte) ([]byte, error) {
	var reply []byte
	err := step(ctx, func(ctx context.Context) error {
		next := func() []byte { return outsidePlus(payloadType, message) }
		return a.link.exchange(ctx, name, next, func(datagram []byte) (err error) {
			reply, err = a.unwrapReply(datagram, payloadType+1)
			return err
		})
	})
	a.repeated = a.repeated || a.link.copies > 1
	switch {
	case err != nil:
		return nil, err
	case reply[1] != 0:
		return nil, &StatusError{Step: name, Status: reply[1]}
	}
	return reply, nil
}

// outsidePlus returns a packet of RMCP+ that is of no session.
func outsidePlus(payloadType byte, payload []byte) []byte {
	return plusPacket{payloadType: payloadType, payload: payload}.pack()
}

// unwrapReply returns the payload of a packet of RMCP+ that is of no session, if it
// is the reply that is waited for.
func (a *plusLogin) unwrapReply(datagram []byte, want byte) ([]byte, error) {
	p, err := unpackPlus(datagram, 0)
	switch {
	case err != nil:
		return nil, err
	case p.payloadType != want || p.session != 0 || p.encrypted:
		return nil, malformed("payload of type %02Xh in session %08Xh", p.payloadType, p.session)
	}
	return p.payload, a.checkReply(p.payload, a.tag)
}
