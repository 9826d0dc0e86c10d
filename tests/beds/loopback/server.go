// Package loopback is an ssh server on the loopback that stands for a Dom0, with
// faults that no real sshd shows on demand.
package loopback

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// A Stage is a point in the life of a connection at which a Server can fail.
type Stage int32

// The stages, in the order in which a connection reaches them.
const (
	Nowhere   Stage = iota
	AtBanner        // the connection is accepted, and no byte follows
	AtKeys          // the key of the client is looked at, and no answer follows
	AtSession       // a session is asked for, and no answer follows
	AtCommand       // the command is accepted, and neither output nor end follows
	CutOff          // the connection ends in the middle of the command
)

// A Command is one request for a command on the Server.
type Command struct {
	Line           string
	RemoteAddr     net.Addr
	Stdout, Stderr io.Writer
}

// A Server accepts one account with one key, and hands every command to Exec.
type Server struct {
	// Exec carries out a command and returns its exit status.
	Exec func(Command) int

	account  string
	key      string
	listener net.Listener
	hostKey  ssh.Signer
	fault    atomic.Int32
	contacts atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

// Start starts a Server on a free port of the loopback.
func Start(account string, key ssh.PublicKey, exec func(Command) int) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	hostKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	s := &Server{Exec: exec, account: account, key: string(key.Marshal()), listener: listener, hostKey: hostKey, conns: map[net.Conn]bool{}}
	s.done.Go(s.accept)
	return s, nil
}

// Address is the Server's, as host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// KnownHosts is the Server's line of a known_hosts file.
func (s *Server) KnownHosts() string {
	return knownhosts.Line([]string{knownhosts.Normalize(s.Address())}, s.hostKey.PublicKey()) + "\n"
}

// Fail lets all connections fail at that stage from now on.
func (s *Server) Fail(at Stage) { s.fault.Store(int32(at)) }

// Contacts counts the connections that were made to the Server.
func (s *Server) Contacts() int { return int(s.contacts.Load()) }

// Close ends the Server and its connections, and waits for their end.
func (s *Server) Close() {
	_ = s.listener.Close() // it cannot be used any more in either case
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *Server) failing(at Stage) bool { return Stage(s.fault.Load()) == at }

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.contacts.Add(1)
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.done.Go(func() {
			s.serve(conn)
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
			_ = conn.Close()
		})
	}
}

// serve returns when the connection has ended.
func (s *Server) serve(conn net.Conn) {
	if s.failing(AtBanner) {
		waitForEnd(conn)
		return
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if s.failing(AtKeys) {
			waitForEnd(conn)
		}
		if meta.User() != s.account || string(key.Marshal()) != s.key {
			return nil, errors.New("not the account's key")
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(s.hostKey)
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		if s.failing(AtSession) {
			continue
		}
		if channel.ChannelType() != "session" {
			_ = channel.Reject(ssh.Prohibited, "only sessions") // the client sees it, or is gone
			continue
		}
		s.done.Go(func() { s.session(conn, channel) })
	}
}

func (s *Server) session(conn net.Conn, offered ssh.NewChannel) {
	channel, requests, err := offered.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for request := range requests {
		var command struct{ Line string }
		if request.Type != "exec" || ssh.Unmarshal(request.Payload, &command) != nil {
			_ = request.Reply(false, nil)
			continue
		}
		_ = request.Reply(true, nil)
		if s.failing(AtCommand) {
			continue // until the client goes away
		}
		s.execute(conn, channel, command.Line)
		return
	}
}

func (s *Server) execute(conn net.Conn, channel ssh.Channel, line string) {
	if s.failing(CutOff) {
		_ = conn.Close()
		return
	}
	status := s.Exec(Command{Line: line, RemoteAddr: conn.RemoteAddr(), Stdout: channel, Stderr: channel.Stderr()})
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
}

// waitForEnd returns when the client has gone away or the Server was closed.
func waitForEnd(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
