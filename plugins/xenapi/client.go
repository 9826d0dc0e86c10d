package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/xenapi/rpc"
)

// maxAnswer is the size above which no answer is read.
const maxAnswer = 16 << 20

// A client sends calls to members.
type client struct {
	transport *http.Transport
	http      *http.Client
}

// newClient returns a client without proxies, redirects and compression: what is
// asked reaches that member or none.
func newClient(rules *tls.Config, connectLimit time.Duration) *client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: connectLimit}).DialContext,
		TLSClientConfig:     rules,
		TLSHandshakeTimeout: connectLimit,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 4,
	}
	return &client{transport, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// call carries out one call and returns its value. Every error has a reason. One
// that leaves open whether the call was carried out is broken.
func call[T any](ctx context.Context, c *client, to address, method string, params ...any) (T, error) {
	value, err := exchange[T](ctx, c, to, method, params...)
	var failure *rpc.Failure
	var known *stonith.Error
	switch {
	case err == nil:
		return value, nil
	case errors.As(err, &failure):
		err = explain(failure)
	case !errors.As(err, &known):
		err = stonith.Errorf(stonith.UnknownState, "%w", err)
	}
	return value, fmt.Errorf("%s: %w", method, err)
}

func exchange[T any](ctx context.Context, c *client, to address, method string, params ...any) (T, error) {
	var none T
	body, err := rpc.Encode(method, params...)
	if err != nil {
		return none, stonith.Errorf(stonith.BadConfig, "%w", err)
	}
	answer, err := c.post(ctx, to, body)
	if err != nil {
		return none, err
	}
	return rpc.Decode[T](answer)
}

type sendingKey struct{}

// beforeSending returns a context for calls that are sent only if ask returns no error.
// It is asked at the moment of sending: the connection is there.
func beforeSending(ctx context.Context, ask func() error) context.Context {
	return context.WithValue(ctx, sendingKey{}, question(ask))
}

// A question is the beginning of a body, and empty: what follows is read if the answer is no error.
type question func() error

func (ask question) Read([]byte) (int, error) {
	if err := ask(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// post returns the body of the answer.
func (c *client) post(ctx context.Context, to address, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if ask, ok := ctx.Value(sendingKey{}).(question); ok {
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(io.MultiReader(ask, bytes.NewReader(body))), nil }
		request.Body, _ = request.GetBody() // which does not fail
	}
	request.Header.Set("Content-Type", "text/xml")
	request.Header.Set("User-Agent", "stonith-plugins")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, noAnswer(ctx, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case response.StatusCode != http.StatusOK:
		return nil, broken{stonith.Errorf(stonith.UnknownState, "it answers with HTTP status %s and %.120q", response.Status, answer).
			WithHint("is this a member of a XenServer or XCP-ng pool, and not another web server?")}
	case err != nil:
		return nil, noAnswer(ctx, fmt.Errorf("the answer breaks off after %d bytes: %w", len(answer), err))
	case len(answer) == 0:
		return nil, broken{stonith.Errorf(stonith.UnknownState, "its answer is empty")}
	case len(answer) > maxAnswer:
		return nil, stonith.Errorf(stonith.UnknownState, "its answer is longer than %d bytes", maxAnswer)
	}
	return answer, nil
}

// noAnswer says why there is none. The time limit is the reason only where it is what ended the call.
func noAnswer(ctx context.Context, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the verb and the URL
	}
	if certificate := untrusted(err); certificate != nil {
		return certificate
	}
	if ctx.Err() != nil {
		return broken{stonith.Errorf(stonith.TimedOut, "no answer: %w", ctx.Err())}
	}
	unreachable := stonith.Errorf(stonith.Unreachable, "%w", err)
	if errors.As(err, new(*net.DNSError)) {
		return broken{unreachable.WithHint("write the addresses of the members into pool: then a fence does not depend on a name server")}
	}
	return broken{unreachable}
}

// close ends the connections that nobody uses.
func (c *client) close() { c.transport.CloseIdleConnections() }
