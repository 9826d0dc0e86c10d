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
	// SilenceLimit is the silence after which a session counts as lost: the BMC may have
	// restarted. A request has been sent three times by then.
	SilenceLimit = 3500 * time.Millisecond
)

// settles are the times for which the last of several answers to a message of the login is
// waited for: none at first, and more each time that the BMC has gone on with another copy
// of a message.
var settles = [...]time.Duration{0, 150 * time.Millisecond, 900 * time.Millisecond, 2500 * time.Millisecond}

// An Opener opens sessions with one BMC, one after the other, and remembers what worked.
// It is not for use by several goroutines at once.
type Opener struct {
	Config
	dial   func(context.Context, netip.AddrPort) (net.Conn, error)
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	tag    byte // of the last login
	care   int  // index of settles
}

// NewOpener returns an Opener for the BMC of the configuration, and contacts nothing.
func NewOpener(config Config) *Opener {
	return &Opener{Config: config.withDefaults(), dial: dialUDP, lookup: net.DefaultResolver.LookupNetIP}
}

// open tries one address after the other. If there are several, all of them get
// their turn again until ctx ends.
func (o *Opener) open(ctx context.Context) (*Session, error) {
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
func (o *Opener) openAt(ctx context.Context, target netip.AddrPort, others bool) (*Session, error) {
	capabilities, err := o.probe(ctx, target, others)
	if err != nil {
		return nil, err
	}
	if o.Interface == Lan {
		return o.openLan(ctx, target, capabilities)
	}
	return o.openLanplus(ctx, target)
}

// probe asks for the authentication capabilities (section 22.13) and returns those
// of IPMI 1.5. The question is in a packet of IPMI 1.5 for both interfaces: some
// BMCs do not answer it in RMCP+.
func (o *Opener) probe(ctx context.Context, target netip.AddrPort, others bool) (byte, error) {
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

func (o *Opener) connect(ctx context.Context, target netip.AddrPort) (*link, error) {
	conn, err := o.dial(ctx, target)
	if err != nil {
		return nil, err
	}
	return &link{conn: conn}, nil
}

// A login is one attempt to log in.
type login func(context.Context, *link) (layer, error)

// login makes one attempt, from a port of its own: some BMCs know a console by its port.
// The session has the privilege that is asked for. One that is silent when it is asked
// for it is of no use, and is left to the BMC.
func (o *Opener) login(ctx context.Context, target netip.AddrPort, attempt login) (*Session, error) {
	l, err := o.connect(ctx, target)
	if err != nil {
		return nil, err
	}
	l.settle = settles[o.care]
	in, err := attempt(ctx, l)
	if err != nil {
		l.close()
		return nil, err
	}
	l.settle = 0
	session := &Session{link: l, layer: in, opener: o, opened: time.Now()}
	limited, cancel := context.WithTimeout(ctx, SilenceLimit)
	defer cancel()
	if err := withinStep(ctx, session.setPrivilege(limited, o.Privilege)); err != nil {
		_ = session.Close() // the error is what counts
		return nil, err
	}
	return session, nil
}

// bewareOfCopies reports whether the next login can wait longer for the last answer.
func (o *Opener) bewareOfCopies() bool {
	if o.care == len(settles)-1 {
		return false
	}
	o.care++
	return true
}

// isAgain reports whether the same login may work next time.
func isAgain(err error) bool { return errors.Is(err, ErrNoAnswer) || errors.Is(err, errSessionGone) }

// step runs one step of a login within silenceLimit.
func step(ctx context.Context, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, silenceLimit)
	defer cancel()
	return withinStep(ctx, do(limited))
}

// withinStep returns the error of something that had a limit of its own within ctx.
func withinStep(ctx context.Context, err error) error {
	var silence *NoAnswerError
	if errors.As(err, &silence) {
		silence.end = context.Cause(ctx) // that of the step is nobody's concern
	}
	return err
}
