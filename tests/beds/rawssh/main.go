// Rawssh is an ssh client for attacks: it sends requests that OpenSSH's client
// cannot, or not in that order, and says what became of each.
//
//	rawssh ACCOUNT@DOM0 KEY STEP...
//
// KEY is a file of the directory $KEYS, and $KNOWN has the host keys. The steps,
// where TEXT may have the escapes of a Go string:
//
//	open                 a session; the steps that follow are of the last one
//	channel:TYPE         another kind of channel
//	global:TYPE          a request that belongs to no channel
//	exec:TEXT, subsystem:TEXT, shell, env:NAME=TEXT, pty, x11, agent, signal:NAME, break
//	send:exec:TEXT       the same, and waits for no reply
//	long:exec:TEXT       the same, with TEXT followed by 128 KiB of "x"
//	stdin:TEXT, eof      writes to the session, ends what is written
//	read                 waits for the session's end, prints its output and exit status
//	close                closes the session
//
// A request prints "STEP granted" or "STEP refused". The program ends with status 0
// unless it could not connect, or the connection broke.
package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "rawssh:", err)
		os.Exit(1)
	}
}

func run(target, key string, steps []string) error {
	account, host, _ := strings.Cut(target, "@")
	client, err := connect(account, host, filepath.Join(os.Getenv("KEYS"), key))
	if err != nil {
		return err
	}
	defer client.Close()
	s := &session{client: client}
	for _, step := range steps {
		if err := s.take(step); err != nil {
			return fmt.Errorf("%s: %w", step[:min(len(step), 40)], err)
		}
	}
	return nil
}

func connect(account, host, key string) (*ssh.Client, error) {
	private, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return nil, err
	}
	known, err := knownhosts.New(os.Getenv("KNOWN"))
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", host+":22", &ssh.ClientConfig{
		User: account, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: known, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
}

// A session is the last one that was opened, on the one connection.
type session struct {
	client   *ssh.Client
	channel  ssh.Channel
	requests <-chan *ssh.Request
}

// take takes one step.
func (s *session) take(step string) error {
	kind, text, _ := strings.Cut(step, ":")
	switch kind {
	case "open":
		return s.open()
	case "channel":
		return s.tell(step, s.tryChannel(text))
	case "global":
		granted, _, err := s.client.SendRequest(text, true, globalPayload(text))
		return s.report(step, granted, err)
	case "stdin":
		_, err := io.WriteString(s.channel, unescape(text))
		return err
	case "eof":
		return s.channel.CloseWrite()
	case "close":
		return s.channel.Close()
	case "read":
		return s.read()
	case "send":
		kind, text, _ = strings.Cut(text, ":")
		name, payload := request(kind, text)
		_, err := s.channel.SendRequest(name, false, payload)
		return err
	case "long":
		kind, text, _ = strings.Cut(text, ":")
		return s.send(step, kind, text+strings.Repeat("x", 128<<10))
	default:
		return s.send(step, kind, text)
	}
}

// send sends a request and reports its reply.
func (s *session) send(step, kind, text string) error {
	name, payload := request(kind, text)
	granted, err := s.channel.SendRequest(name, true, payload)
	return s.report(step, granted, err)
}

func (s *session) open() (err error) {
	s.channel, s.requests, err = s.client.OpenChannel("session", nil)
	return err
}

// tryChannel opens a channel that leads to the Dom0's own sshd.
func (s *session) tryChannel(kind string) error {
	payload := map[string][]byte{
		"direct-tcpip":                   ssh.Marshal(directTCP{"127.0.1.1", 22, "127.0.0.1", 1}),
		"direct-streamlocal@openssh.com": ssh.Marshal(directSocket{"/dev/log", "", 0}),
		"tun@openssh.com":                ssh.Marshal(tunnel{1, 0x7fffffff}),
	}[kind]
	channel, _, err := s.client.OpenChannel(kind, payload)
	if err == nil {
		err = channel.Close()
		fmt.Println("opened")
	}
	return err
}

type directTCP struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}

type directSocket struct {
	Path, Reserved string
	Number         uint32
}

type tunnel struct{ Mode, Unit uint32 }

func globalPayload(kind string) []byte {
	if kind == "tcpip-forward" {
		return ssh.Marshal(struct {
			Host string
			Port uint32
		}{"127.0.0.1", 7777})
	}
	return ssh.Marshal(struct{ Path string }{"/home/xen/socket"})
}

// request returns the name and payload of a session's request, RFC 4254.
func request(kind, text string) (name string, payload []byte) {
	value := unescape(text)
	switch kind {
	case "env":
		variable, value, _ := strings.Cut(value, "=")
		return kind, ssh.Marshal(struct{ Name, Value string }{variable, value})
	case "pty":
		return "pty-req", ssh.Marshal(struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}{"vt100", 80, 24, 0, 0, "\x00"})
	case "x11":
		return "x11-req", ssh.Marshal(struct {
			Single           bool
			Protocol, Cookie string
			Screen           uint32
		}{false, "MIT-MAGIC-COOKIE-1", "00000000000000000000000000000000", 0})
	case "agent":
		return "auth-agent-req@openssh.com", nil
	case "shell":
		return kind, nil
	case "break":
		return kind, ssh.Marshal(struct{ Milliseconds uint32 }{500})
	default: // exec, subsystem, signal
		return kind, ssh.Marshal(struct{ Text string }{value})
	}
}

// read prints the session's output and how it ended.
func (s *session) read() error {
	var out, errs bytes.Buffer
	done := make(chan error, 2)
	go func() { _, err := io.Copy(&out, s.channel); done <- err }()
	go func() { _, err := io.Copy(&errs, s.channel.Stderr()); done <- err }()
	ending := "no exit status"
	for r := range s.requests {
		switch r.Type {
		case "exit-status":
			ending = "exit status " + strconv.Itoa(int(binary.BigEndian.Uint32(r.Payload)))
		case "exit-signal":
			ending = "ended by a signal"
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // the channel tells if it is broken
		}
	}
	err := cmp.Or(<-done, <-done)
	fmt.Fprintf(os.Stdout, "%s%s\n", out.Bytes(), ending)
	fmt.Fprintf(os.Stderr, "%s", errs.Bytes())
	return err
}

// tell reports a step whose refusal is an error.
func (s *session) tell(step string, err error) error {
	if err != nil {
		fmt.Printf("%s refused: %v\n", step, err)
		return nil
	}
	return s.report(step, true, nil)
}

func (s *session) report(step string, granted bool, err error) error {
	if err != nil {
		return err
	}
	word := map[bool]string{true: "granted", false: "refused"}[granted]
	fmt.Printf("%s %s\n", step[:min(len(step), 80)], word)
	return nil
}

func unescape(text string) string {
	plain, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		return text
	}
	return plain
}
