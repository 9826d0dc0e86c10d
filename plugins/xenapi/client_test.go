package main

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// A proxy would see whom we fence, and could answer in the place of a member that
// is dead. Members on the loopback are never asked by way of one, so no bed shows it.
func TestNoProxy(t *testing.T) {
	if newClient(nil, 0).transport.Proxy != nil {
		t.Error("the environment decides about a proxy")
	}
}

func TestUnknownName(t *testing.T) {
	lookup := &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "xen-a", IsNotFound: true}}
	known := &stonith.Error{}
	if err := noAnswer(t.Context(), lookup); !errors.As(err, &known) || known.Reason != stonith.Unreachable || !strings.Contains(known.Hint, "addresses of the members") {
		t.Errorf("%v, hint %q, want it to be unreachable, and the hint to write addresses", err, known.Hint)
	}
}
