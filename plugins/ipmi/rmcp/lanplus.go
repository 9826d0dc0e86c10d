package rmcp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// statusInvalidCheckValue says that a code is wrong (section 13.24).
const statusInvalidCheckValue = 0x0F

// openLanplus opens a session of RMCP+ with one of the suites, tried in their order. BMCs
// refuse a suite in words of their own, or by silence, so after any failure that is no
// proof of something else the next one is tried. Those that were met by silence have
// their turn again.
func (o *Opener) openLanplus(ctx context.Context, target netip.AddrPort) (*Session, error) {
	var failed SuiteErrors
	rest := slices.Clone(o.Suites)
	for logins := 0; ; {
		var silent []int
		for _, number := range rest {
			session, err := o.loginPlus(ctx, target, number)
			if err == nil {
				o.Suites = preferred(o.Suites, number)
				return session, nil
			}
			failed = failed.with(number, err)
			logins++
			switch {
			case isVerdict(err):
				return nil, failed
			case isAgain(err):
				silent = append(silent, number)
			}
		}
		rest = silent
		if len(rest) == 0 || ctx.Err() != nil || logins > maxRestarts || errors.Is(failed, ErrKg) {
			return nil, failed
		}
	}
}

// isVerdict reports whether err is what the BMC has said of us, and not of the suite: by
// the code of RAKP 2, or in the session.
func isVerdict(err error) bool {
	var status *StatusError
	if errors.As(err, &status) || errors.Is(err, errOtherLength) {
		return false
	}
	return errors.Is(err, ErrPassword) || errors.Is(err, ErrPrivilege)
}

// preferred returns the numbers with one of them first.
func preferred(numbers []int, first int) []int {
	others := slices.DeleteFunc(slices.Clone(numbers), func(n int) bool { return n == first })
	return append([]int{first}, others...)
}

// loginPlus logs in with one suite. If the BMC has gone on with another copy of a message
// than the one whose answer we have, it logs in again, and waits for the last answer.
func (o *Opener) loginPlus(ctx context.Context, target netip.AddrPort, number int) (*Session, error) {
	slow := false
	for {
		session, err := o.login(ctx, target, func(ctx context.Context, l *link) (layer, error) {
			o.tag++
			l.slow = slow
			return newPlusLogin(o.Config, suites[number], o.tag, l).run(ctx)
		})
		if err == nil {
			session.about = fmt.Sprintf("%s session with BMC %s, cipher suite %d, %s", o.Interface, target, number, o.Privilege)
			return session, nil
		}
		if ctx.Err() != nil || !errors.Is(err, errOtherCopy) || !o.bewareOfCopies() {
			return nil, err
		}
		slow = true
	}
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
		rakp:     rakp{suite: s, console: randomID(), role: nameOnly | byte(c.Privilege), user: c.User},
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
	if errors.Is(err, errSessionGone) && (a.repeated || a.link.doubled) {
		return fmt.Errorf("%w: %w", err, errOtherCopy)
	}
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
	return fmt.Errorf("RAKP 2: %w", a.wrongCode(ctx, code))
}

// wrongCode says why the code of RAKP 2 is not the one that the password makes. It may be
// one of another algorithm: that of another suite, or one of another length.
func (a *plusLogin) wrongCode(ctx context.Context, code []byte) error {
	switch {
	case a.otherHash(code):
		return fmt.Errorf("%w: the password is right, and the code one of another suite", ErrSuite)
	case len(code) != len(a.code2(nil)):
		return fmt.Errorf("%w, %w", ErrPassword, errOtherLength)
	}
	return a.orOtherCopy(ctx, ErrPassword)
}

// orOtherCopy returns what a wrong code of the BMC means. A second answer that came in, or
// does so now, says that the BMC has handled a message twice, and may have gone on with the
// other copy.
func (a *plusLogin) orOtherCopy(ctx context.Context, kind error) error {
	a.link.hear(ctx, func(datagram []byte) error {
		_, err := a.unwrapReply(datagram, payloadRAKP4)
		return err
	})
	if a.repeated || a.link.doubled {
		return fmt.Errorf("%w, or %w", kind, errOtherCopy)
	}
	return kind
}

// otherHash reports whether the code is what the password makes with the hash of another suite.
func (a *plusLogin) otherHash(code []byte) bool {
	const enough = 12 // bytes, as at the end of packets
	for _, other := range suites {
		as := a.rakp
		as.suite = other
		its := as.code2(a.password)
		if n := min(len(its), len(code)); n >= enough && hmac.Equal(its[:n], code[:n]) {
			return true
		}
	}
	return false
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
	a.link.settle = 0 // a right answer is no worse for others that follow
	reply, err := a.ask(ctx, "RAKP 3", payloadRAKP3, a.message3(a.tag, 0, a.code3(a.password)))
	if err != nil {
		return nil, notPassword(err)
	}
	code, err := a.takeMessage4(reply)
	if err != nil {
		return nil, fmt.Errorf("RAKP 4: %w", err)
	}
	if !hmac.Equal(code, a.code4(sik)) {
		return nil, fmt.Errorf("RAKP 4: %w", a.orOtherCopy(ctx, ErrKg))
	}
	return newPlusSession(&a.rakp, sik), nil
}

// notPassword says what a refusal of RAKP 3 means. The BMC's own code was right, so the
// password is: it has gone on with another copy of a message than the one whose answer we
// have, or is in trouble.
func notPassword(err error) error {
	var refused *StatusError
	if !errors.As(err, &refused) || errors.Is(err, ErrSessions) || errors.Is(err, ErrPrivilege) {
		return err
	}
	return fmt.Errorf("RAKP 3: %w (status %02Xh)", errOtherCopy, refused.Status)
}

// ask sends one message of the login until it is answered, and returns the reply.
func (a *plusLogin) ask(ctx context.Context, name string, payloadType byte, message []byte) ([]byte, error) {
	var reply []byte
	err := step(ctx, func(ctx context.Context) error {
		next := func() []byte { return outsidePlus(payloadType, message) }
		return a.link.exchange(ctx, name, next, func(datagram []byte) error {
			its, err := a.unwrapReply(datagram, payloadType+1)
			switch {
			case err != nil:
				return err
			case reply != nil && reply[1] == 0 && its[1] != 0:
				return errEarlier // another copy was refused: what was granted stands
			}
			reply = its
			return nil
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
// is the reply that is waited for. One more to an earlier message of this login is noted.
func (a *plusLogin) unwrapReply(datagram []byte, want byte) ([]byte, error) {
	p, err := unpackPlus(datagram, 0)
	if err != nil {
		return nil, err
	}
	reply := p.session == 0 && !p.encrypted && p.payloadType >= payloadOpenResponse && p.payloadType <= want
	if !reply {
		return nil, malformed("payload of type %02Xh in session %08Xh", p.payloadType, p.session)
	}
	if err := a.checkReply(p.payload, a.tag); err != nil {
		return nil, err
	}
	if p.payloadType != want {
		a.link.doubled = true
		return nil, errEarlier
	}
	return p.payload, nil
}
