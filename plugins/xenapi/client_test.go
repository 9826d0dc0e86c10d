package main

import "testing"

// A proxy would see whom we fence, and could answer in the place of a member that
// is dead. Members on the loopback are never asked by way of one, so no bed shows it.
func TestNoProxy(t *testing.T) {
	if newClient(nil, 0).transport.Proxy != nil {
		t.Error("the environment decides about a proxy")
	}
}
