// Package rmcp speaks IPMI over a LAN with the BMC of a node: RMCP with sessions
// of IPMI 1.5 ("lan"), and RMCP+ with sessions of IPMI 2.0 ("lanplus").
//
// It does what fencing needs: it opens a session, reads and switches the power of
// the chassis, and reads the GUIDs. Sections named in comments are those of the
// IPMI specification v2.0, revision 1.1.
package rmcp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Port is the UDP port of a BMC, asf-rmcp (section 13.1.2).
const Port = 623

// closeLimit is the time that the end of a session may take, and lostCloseLimit that of
// one whose BMC does not answer.
const (
	closeLimit     = 300 * time.Millisecond
	lostCloseLimit = 10 * time.Millisecond
)

// A Session is a login at a BMC (section 6.12). It is not for use by several
// goroutines at once. A BMC has few sessions, so every one must be closed.
type Session struct {
	link   *link
	layer  layer
	about  string
	closed bool
	// granted is the privilege that the session was given, 0 if none yet.
	granted Privilege
	opener  *Opener
	opened  time.Time
	heard   time.Time // the last answer
}

// Open logs in to the BMC (sections 13.14 and 13.15), and asks for the privilege of the
// configuration. It goes on until it has a session, the BMC refuses, a BMC that answers
// falls silent in the middle of one login after the other, or ctx ends. An address that
// does not exist, or that this machine has no way to, is an error at once. To close a
// session that is of no use may take 0.3 s longer than ctx.
//
// The errors are the variables of this package, to be told apart by errors.Is;
// [CompletionError], [StatusError] and [NoAnswerError] tell more. None holds a
// secret. After an error no session is left open, but for one that the BMC may have
// opened without our knowledge: when its last answer to the login was lost or wrong.
func (o *Opener) Open(ctx context.Context) (*Session, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	return o.open(ctx)
}

// Close ends the session (section 22.19) and its connection, within 0.3 s. The
// error says that the BMC did not confirm it; it ends the session by itself later,
// most after a minute. A BMC that did not answer the last command is told, and not waited
// for. Closing again does nothing.
func (s *Session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.link.close()
	limit := closeLimit
	if s.link.lost != nil {
		limit = lostCloseLimit
		if s.isReplaced() {
			s.opener.bewareOfCopies()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := s.link.command(ctx, s.layer, closeSession, binary.LittleEndian.AppendUint32(nil, s.layer.id()))
	return err
}

// isReplaced reports whether a late copy of a message of the login may have opened another
// session in place of this one: it was lost soon after the login, and the BMC was silent or
// sent another answer to the login.
func (s *Session) isReplaced() bool {
	err := s.link.lost
	soon := s.heard.Sub(s.opened) < settles[len(settles)-1]
	return soon && errors.Is(err, ErrNoAnswer) && (!errors.Is(err, ErrMalformed) || errors.Is(err, errOfLogin))
}

// String says where the session is and how it is protected.
func (s *Session) String() string { return s.about }

// setPrivilege raises the session to a level (section 22.18). A session begins
// with the level User, whatever it was opened for.
func (s *Session) setPrivilege(ctx context.Context, level Privilege) error {
	s.granted = 0
	got, err := s.ask(ctx, setSessionPrivilege, 1, byte(level))
	if err != nil {
		return err
	}
	if Privilege(got[0]&0x0F) < level {
		return fmt.Errorf("%s: %w: asked for %s, got %s", setSessionPrivilege.name, ErrPrivilege, level, Privilege(got[0]&0x0F))
	}
	s.granted = level
	return nil
}

// command carries out a command. A session that may not do what it was granted has been
// begun anew by a copy of a message of the login, and asks for its privilege once more.
func (s *Session) command(ctx context.Context, c command, data []byte) ([]byte, error) {
	answer, err := s.link.command(ctx, s.layer, c, data)
	if s.link.lost == nil {
		s.heard = time.Now()
	}
	if s.granted == 0 || !errors.Is(err, ErrPrivilege) {
		return answer, err
	}
	if err := s.setPrivilege(ctx, s.granted); err != nil {
		return nil, err
	}
	return s.link.command(ctx, s.layer, c, data)
}

// ask carries out a command whose answer has at least so many bytes of data.
func (s *Session) ask(ctx context.Context, c command, least int, data ...byte) ([]byte, error) {
	answer, err := s.command(ctx, c, data)
	if err != nil {
		return nil, err
	}
	if len(answer) < least {
		return nil, c.tooShort(answer, least)
	}
	return answer, nil
}
