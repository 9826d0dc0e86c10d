package rmcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// silenceLimit is the time after which a step of the login has failed for good:
	// some BMCs do not answer a second time what they have answered once. It ends
	// shortly before a third copy would be sent.
	silenceLimit = 1400 * time.Millisecond
	// maxRestarts is how often a login begins again.
	maxRestarts = 8
)

// An opener opens one session.
type opener struct {
	Config
	dial   func(context.Context, netip.AddrPort) (net.Conn, error)
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	tag    byte // of the last login
}

func newOpener(config Config) *opener {
	return &opener{Config: config.withDefaults(), dial: dialUDP, lookup: net.DefaultResolver.LookupNetIP}
}

// open tries one address after the other. If there are several, all of them get
// their turn again until ctx ends.
func (o *opener) open(ctx context.Context) (*Session, error) {
	targets, err := o.resolve(ctx)
	if err != nil {
		return nil, err
	}
	for {
		var failed attempts
		for _, target := range targets {
			session, err := o.openAt(ctx, target, len(targets) > 1)
			if err == nil {
				return session, nil
			}
			failed = append(failed, fmt.Errorf("BMC %s: %w", target, err))
			if !ofAddress(err) {
				return nil, failed
			}
		}
		if len(targets) == 1 || ctx.Err() != nil || !errors.Is(failed, ErrNoAnswer) {
			return nil, failed
		}
	}
}

// ofAddress reports whether another address of the BMC may be better. What the BMC
// has said holds for all of them.
func ofAddress(err error) bool {
	var network *net.OpError
	return errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrMalformed) || errors.As(err, &network)
}

// openAt opens the session at one address. If there are others it gives up soon when
// nobody is there.
func (o *opener) openAt(ctx context.Context, target netip.AddrPort, others bool) (*Session, error) {
	capabilities, err := o.probe(ctx, target, others)
	if err != nil {
		return nil, err
	}
	var session *Session
	if o.Interface == Lan {
		session, err = o.openLan(ctx, target, capabilities)
	} else {
		session, err = o.openLanplus(ctx, target)
	}
	if err != nil {
		return nil, err
	}
	session.about = fmt.Sprintf("%s session with BMC %s, %s, %s", o.Interface, target, session.about, o.Privilege)
	if err := session.setPrivilege(ctx, o.Privilege); err != nil {
		_ = session.Close() // the refusal is what counts
		return nil, err
	}
	return session, nil
}

// probe asks for the authentication capabilities (section 22.13) and returns those
// of IPMI 1.5. The question is in a packet of IPMI 1.5 for both interfaces: some
// BMCs do not answer it in RMCP+.
func (o *opener) probe(ctx context.Context, target netip.AddrPort, others bool) (byte, error) {
	l, err := o.connect(ctx, target)
	if err != nil {
		return 0, err
	}
	defer l.close()
	const thisChannel, extended = 0x0E, 0x80
	channel := byte(thisChannel)
	if o.Interface == Lanplus {
		channel |= extended
	}
	var answer []byte
	ask := func(ctx context.Context) (err error) {
		answer, err = l.command(ctx, outside{}, getChannelCapabilities, []byte{channel, byte(o.Privilege)})
		return err
	}
	if others {
		err = step(ctx, ask)
	} else {
		err = ask(ctx)
	}
	if err != nil {
		return 0, err
	}
	if len(answer) < 4 {
		return 0, getChannelCapabilities.tooShort(answer, 4)
	}
	return answer[1], nil
}

func (o *opener) connect(ctx context.Context, target netip.AddrPort) (*link, error) {
	conn, err := o.dial(ctx, target)
	if err != nil {
		return nil, err
	}
	return &link{conn: conn}, nil
}

// A login is one attempt to log in.
type login func(context.Context, *link) (layer, error)

// restarting attempts a login, and again from a new port when a step of it is met by
// silence: some BMCs know a console by its port.
func (o *opener) restarting(ctx context.Context, target netip.AddrPort, attempt login) (*Session, error) {
	for restarts := 0; ; restarts++ {
		l, err := o.connect(ctx, target)
		if err != nil {
			return nil, err
		}
		in, err := attempt(ctx, l)
		if err == nil {
			return &Session{link: l, layer: in}, nil
		}
		l.close()
		again := errors.Is(err, ErrNoAnswer) || errors.Is(err, errSessionGone) || errors.Is(err, errOtherCopy)
		if !again || ctx.Err() != nil || restarts == maxRestarts {
			return nil, err
		}
	}
}

// step runs one step of a login within silenceLimit.
func step(ctx context.Context, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, silenceLimit)
	defer cancel()
	err := do(limited)
	var silence *NoAnswerError
	if errors.As(err, &silence) {
		silence.end = context.Cause(ctx) // that of the step is nobody's concern
	}
	return err
}
