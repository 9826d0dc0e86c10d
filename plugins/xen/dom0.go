package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// A dom0 is one Dom0 and the connection to it, which is made at the first
// request and made again when it broke.
type dom0 struct {
	account      account
	hostKeys     *hostKeys
	identity     *identity
	connectLimit time.Duration
	turn         chan struct{} // holds one token while a request is under way

	mu      sync.Mutex // guards what follows
	client  *ssh.Client
	closed  bool
	hostKey string // the fingerprint of the key by which it proved who it is, "" before
}

// ask sends one line and has the answer read. All errors name the Dom0.
func (d *dom0) ask(ctx context.Context, line string, read func(stdout, stderr string, runErr error) error) error {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return d.blame(ctx, ctx.Err())
	}
	client, err := d.connect(ctx)
	if err != nil {
		return d.blame(ctx, err)
	}
	stdout, stderr, err := exchange(ctx, client, line)
	if ctx.Err() != nil || isBroken(err) {
		d.drop()
	}
	if err := read(stdout, stderr, err); err != nil {
		return d.blame(ctx, err)
	}
	return nil
}

// blame names the Dom0, and the time limit where that is what ended the request.
func (d *dom0) blame(ctx context.Context, err error) error {
	var known *stonith.Error
	if !errors.As(err, &known) {
		reason := stonith.Unreachable
		if ctx.Err() != nil {
			reason = stonith.TimedOut
		}
		err = stonith.Errorf(reason, "%w", err)
	}
	return fmt.Errorf("%s: %w", d, err)
}

// String names the Dom0.
func (d *dom0) String() string { return "dom0 " + d.account.String() }

// connect returns the connection, and makes it if there is none.
func (d *dom0) connect(ctx context.Context) (*ssh.Client, error) {
	d.mu.Lock()
	client := d.client
	d.mu.Unlock()
	if client != nil {
		return client, nil
	}
	client, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = client.Close() // nobody waits for it any more
		return nil, errors.New("closed while connecting")
	}
	d.client = client
	return client, nil
}

func (d *dom0) dial(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, d.connectLimit)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.account.address())
	if err != nil {
		return nil, stonith.Errorf(stonith.Unreachable, "%w", err)
	}
	// The handshake knows no context: its connection's end ends it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	auth, done := d.identity.methods(d.connectLimit)
	defer done()
	sshConn, channels, requests, err := ssh.NewClientConn(conn, d.account.address(), &ssh.ClientConfig{
		User:              d.account.user,
		Auth:              auth,
		HostKeyCallback:   d.verify,
		HostKeyAlgorithms: d.hostKeys.algorithms(d.account.address()),
		ClientVersion:     "SSH-2.0-stonith-plugins",
	})
	if err != nil {
		_ = conn.Close() // it did not come to be
		return nil, d.handshakeError(ctx, err)
	}
	return ssh.NewClient(sshConn, channels, requests), nil
}

// verify checks the host key as hostKeys does, and keeps its fingerprint.
func (d *dom0) verify(address string, remote net.Addr, key ssh.PublicKey) error {
	if err := d.hostKeys.verify(address, remote, key); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hostKey = ssh.FingerprintSHA256(key)
	return nil
}

// shown returns the fingerprint of the host key, "" if there was no connection so far.
func (d *dom0) shown() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hostKey
}

// handshakeError says which side could not prove who it is, or that none got so far.
func (d *dom0) handshakeError(ctx context.Context, err error) error {
	var known *stonith.Error
	switch {
	case errors.As(err, &known): // of the host key's check
		return known
	case ctx.Err() != nil:
		return stonith.Errorf(stonith.Unreachable, "it accepted the connection, but the ssh handshake did not end: %w", ctx.Err())
	case strings.Contains(err.Error(), "unable to authenticate"):
		return stonith.Errorf(stonith.NotAuthenticated, "account %s does not accept the key", d.account.user).
			WithHint("is the public half of identity_file in authorized_keys of %s there?", d.account.user)
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return stonith.Errorf(stonith.NotAuthenticated, "it has no host key of a kind that known_hosts has: %w", err).
			WithHint("compare with ssh-keygen -lf on the Dom0 before you change known_hosts")
	default:
		return stonith.Errorf(stonith.Unreachable, "ssh handshake: %w", err)
	}
}

// exchange runs one session: the line is the command, and the output the answer.
func exchange(ctx context.Context, client *ssh.Client, line string) (stdout, stderr string, err error) {
	// Neither opening a session nor waiting for its end knows a context.
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return "", "", fmt.Errorf("opening a session: %w", err)
	}
	defer session.Close()
	out, errOut := &head{limit: wire.MaxAnswer + 2}, &head{limit: 4 << 10}
	session.Stdout, session.Stderr = out, errOut
	err = session.Run(line)
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer to %q: %w", line, ctx.Err())
	}
	return out.String(), errOut.String(), err
}

// isBroken reports whether the connection is of no more use after err.
func isBroken(err error) bool {
	var exit *ssh.ExitError
	return err != nil && !errors.As(err, &exit)
}

// drop ends the connection, so that the next request makes a new one.
func (d *dom0) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		_ = d.client.Close() // it is broken anyway
		d.client = nil
	}
}

// close ends the connection for good.
func (d *dom0) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.drop()
}

// head keeps the beginning of what is written to it.
type head struct {
	limit int
	kept  bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	if room := h.limit - h.kept.Len(); room > 0 {
		h.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (h *head) String() string { return h.kept.String() }
