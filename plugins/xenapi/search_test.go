package main

import (
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

// A login that comes to be sent when the search is over is not sent: nobody would wait
// for the session, and end it.
func TestLoginAfterSearch(t *testing.T) {
	t.Parallel()
	logins := func(end func(*search)) int {
		b := newBed(t, pool.Options{Members: 1})
		at, err := parseAddress(b.Member(0).Address(), httpsPort)
		if err != nil {
			t.Fatal(err)
		}
		trusted, err := (&trust{insecure: true}).config()
		if err != nil {
			t.Fatal(err)
		}
		rules := rulesOfEntry{client: newClient(trusted, 5*time.Second), user: b.User(), originator: "test", limit: 5 * time.Second}
		s := startSearch(t.Context(), rules, b.Password(), nil)
		end(s)
		s.try(t.Context(), &attempt{at: at, started: time.Now(), cancel: func() {}}, b.Password())
		return b.Count("session.login_with_password")
	}
	if in, after := logins(func(*search) {}), logins((*search).close); in != 1 || after != 0 {
		t.Errorf("%d logins in a search, want 1; %d after its end, want none", in, after)
	}
}

// A look that outlives its time may give up the session at the very end of the call: its
// logout is waited for as any other.
func TestForgottenAtTheEnd(t *testing.T) {
	t.Parallel()
	b := newBed(t, pool.Options{})
	for range 50 {
		device := b.open(nodeOne)
		if _, err := device.State(t.Context(), nodeOne); err != nil {
			t.Fatal(err)
		}
		device.mu.Lock()
		current := device.current
		device.mu.Unlock()
		forgotten := make(chan struct{})
		go func() {
			defer close(forgotten)
			device.forget(current)
		}()
		if err := device.Close(); err != nil {
			t.Fatal(err)
		}
		<-forgotten
	}
	b.isLoggedOut([]string{"State"})
}
