package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/bounded"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/options"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/policy"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/saved"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/toolstack"
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/internal/trust"
)

// requestLimit is how long the gate may take to hand over its line.
const requestLimit = 5 * time.Second

// runRoot carries out the request on standard input for the account that called
// sudo, and answers on standard output. It goes on when the client goes away.
func runRoot(args []string, account string) int {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	// What sudo passes on from the account, which could end us in the middle of a deed.
	// Not ignored, for then the toolstack would ignore it too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT,
		syscall.SIGALRM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP)
	syscall.Umask(0o077)
	os.Clearenv()
	record := audit{log: systemLog(), Account: account, previous: true} // until a line says otherwise
	policyPath, err := parseRoot(args)
	if err != nil {
		return record.finish(refuse("", wire.BadConfig, "%v", err))
	}
	line, err := readLine(os.Stdin, requestLimit)
	if err != nil {
		return record.finish(refuse("", wire.BadRequest, "%v", err))
	}
	record.previous = wire.IsPrevious(line)
	relay, err := wire.ParseRelay(line)
	if err != nil {
		record.note(wire.Request{}, line)
		return record.finish(refuse("", wire.BadRequest, "%v", err))
	}
	record.Client, record.Source, record.legacy, record.previous = relay.Client, relay.Source, relay.Legacy, relay.Previous
	record.note(relay.Request, line)
	start := time.Now()
	answer := serve(context.Background(), policyPath, relay, &record)
	record.Milliseconds = time.Since(start).Milliseconds()
	return record.finish(answer)
}

func parseRoot(args []string) (policyPath string, err error) {
	flags := flag.NewFlagSet("root", flag.ContinueOnError)
	flags.StringVar(&policyPath, "policy", defaultPolicy, "policy file")
	return policyPath, options.Parse(flags, args)
}

// readLine returns all of r, which must be one line and come within limit.
func readLine(r io.Reader, limit time.Duration) (string, error) {
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(r, wire.MaxRequest+1024))
		done <- read{text, err}
	}()
	select {
	case got := <-done:
		line, ended := strings.CutSuffix(string(got.text), "\n")
		if got.err == nil && (!ended || strings.Contains(line, "\n")) {
			got.err = errors.New("standard input is not one line")
		}
		return line, got.err
	case <-time.After(limit):
		return "", fmt.Errorf("no request within %s", limit)
	}
}

// serve enforces the policy and carries r out, for the account of the record.
func serve(ctx context.Context, policyPath string, r wire.Relay, record *audit) wire.Answer {
	account := record.Account
	if account == "" {
		return refuse(r.ID, wire.NotPermitted, "not run by sudo: SUDO_USER is not set")
	}
	if len(r.Guests) == 0 {
		return refuse(r.ID, wire.BadRequest, "the request names no guest")
	}
	rules, err := policy.Load(policyPath)
	if err != nil {
		return refuse(r.ID, wire.BadConfig, "policy: %v", err)
	}
	var guests []policy.Guest
	for _, name := range r.Guests {
		guest, err := rules.Lookup(account, r.Client, name)
		if err != nil {
			return refuse(r.ID, wire.NotPermitted, "%v", err)
		}
		guests = append(guests, guest)
	}
	host, err := newHost(rules, record)
	if err != nil {
		return refuse(r.ID, wire.BadConfig, "%v", err)
	}
	text, err := host.carryOut(ctx, r.Verb, guests)
	if err != nil {
		return wire.Answer{ID: r.ID, Status: wire.Failed, Reason: reasonOf(err), Text: wire.Clean(err.Error())}
	}
	return wire.Answer{ID: r.ID, Status: wire.OK, Text: text}
}

// newHost opens the toolstack that the policy names, or the one that is there.
func newHost(rules *policy.Policy, record *audit) (*host, error) {
	path := rules.Toolstack
	if path == "" {
		path = "/usr/sbin/xl"
		if _, err := os.Stat(path); os.IsNotExist(err) {
			path = "/usr/sbin/xm"
		}
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return nil, errors.New("neither /usr/sbin/xl nor /usr/sbin/xm is there: name the toolstack in the policy: toolstack PATH")
		}
	}
	if err := trust.Check(path); err != nil {
		return nil, fmt.Errorf("toolstack: %w", err)
	}
	stack, err := toolstack.New(path)
	if err != nil {
		return nil, err
	}
	images, err := openImages(rules.Images)
	if err != nil {
		return nil, err
	}
	return &host{
		stack: stack, stateDir: cmp.Or(rules.State, defaultState),
		starts: rules.Starts, dump: rules.Dump, record: record,
		images: images, unwatchedGap: unwatchedGap, cgroups: cgroups,
	}, nil
}

// unwatchedGap is what a guest may be absent that restarts, and that no process is seen to
// watch. It is well above the 2 s that xl and libvirt wait.
const unwatchedGap = 4 * time.Second

// openImages opens the directories that images are restored from. Those that the policy
// names must be trusted: who can write there could keep every guest from being proven off.
// One that cannot be looked at in time tells so at each look.
func openImages(named []string) (*saved.Store, error) {
	for _, dir := range named {
		err := bounded.CheckDir(dir)
		var slow *bounded.SlowError
		if err != nil && !errors.As(err, &slow) {
			return nil, fmt.Errorf("policy: images %s: %w", dir, err)
		}
	}
	return saved.Open(saved.ThisHost(), named), nil
}

// A failure is an error with the reason that the answer gives.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(reason, format string, args ...any) error {
	return &failure{reason, fmt.Errorf(format, args...)}
}

// reasonOf returns the reason that err carries, else that of a fault of this host.
func reasonOf(err error) string {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f.reason
	case errors.Is(err, context.DeadlineExceeded):
		return wire.TimedOut
	default:
		return wire.DeviceError
	}
}
