package bmc

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func start(t *testing.T, options Options) *BMC {
	t.Helper()
	b, err := Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func dial(t *testing.T, b *BMC) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", net.JoinHostPort(b.Host(), strconv.Itoa(b.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// askCapabilities is Get Channel Authentication Capabilities, over lan.
var askCapabilities = []byte{6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0x18, 0xc8, 0x81, 0x04, 0x38, 0x8e, 0x04, 0xb1}

// exchange sends a datagram, and returns what comes within the limit.
func exchange(t *testing.T, conn net.Conn, datagram []byte, limit time.Duration) ([]byte, error) {
	t.Helper()
	if _, err := conn.Write(datagram); err != nil {
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1024)
	n, err := conn.Read(buffer)
	return buffer[:n], err
}

// long is more than any answer takes, and short is waited for what does not come.
const (
	long  = 30 * time.Second
	short = 200 * time.Millisecond
)

func TestCapabilities(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		b := start(t, Options{Host: host, Key: []byte("key")})
		answer, err := exchange(t, dial(t, b), askCapabilities, long)
		want := []byte{6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0x81, 0x1c, 0x63, 0x20, 0x04, 0x38, 0, 1, 0x94, 0x24, 3, 0, 0, 0, 0}
		if err != nil || len(answer) != len(want)+1 || string(answer[:len(want)]) != string(want) || checksum(answer[17:]) != 0 {
			t.Errorf("%s: % x, %v, not % x", host, answer, err, want)
		}
		if b.Count(AuthCapabilities) != 1 {
			t.Errorf("%s: %+v", host, b.Commands())
		}
	}
}

func TestPresencePing(t *testing.T) {
	b := start(t, Options{})
	answer, err := exchange(t, dial(t, b), []byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 7, 0, 0}, long)
	want := []byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x40, 7, 0, 16, 0, 0, 0x11, 0xbe, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0}
	if err != nil || !bytes.Equal(answer, want) {
		t.Errorf("% x, %v", answer, err)
	}
}

func TestRefusedPort(t *testing.T) {
	b := start(t, Options{})
	conn := dial(t, b)
	if err := b.Fail(Refused); err != nil {
		t.Fatal(err)
	}
	if answer, err := exchange(t, conn, askCapabilities, long); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("% x, %v", answer, err)
	}
	if err := b.Mend(); err != nil {
		t.Fatal(err)
	}
	if _, err := exchange(t, conn, askCapabilities, long); err != nil {
		t.Fatal(err)
	}
}

func TestFaultsOfAnswers(t *testing.T) {
	b := start(t, Options{SlowTime: time.Millisecond})
	good, err := exchange(t, dial(t, b), askCapabilities, long)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []Fault{Silent, LoseAnswer, Slow, Truncated, Garbage, Corrupt, Empty, Restarts} {
		t.Run(string(fault), func(t *testing.T) {
			b.FailAt(At(AuthCapabilities).Nth(2), fault)
			conn := dial(t, b)
			if answer, err := exchange(t, conn, askCapabilities, long); err != nil || string(answer) != string(good) {
				t.Fatalf("first: % x, %v", answer, err)
			}
			limit := long
			if fault == Silent || fault == LoseAnswer || fault == Restarts {
				limit = short
			}
			answer, err := exchange(t, conn, askCapabilities, limit)
			if limit == short {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("% x, %v", answer, err)
				}
			} else if err != nil || (string(answer) == string(good)) != (fault == Slow) {
				t.Errorf("% x, %v", answer, err)
			}
			if answer, err := exchange(t, conn, askCapabilities, long); err != nil || string(answer) != string(good) {
				t.Errorf("third: % x, %v", answer, err)
			}
		})
	}
}

func TestDrops(t *testing.T) {
	b := start(t, Options{})
	conn := dial(t, b)
	wrong := append([]byte(nil), askCapabilities...)
	wrong[len(wrong)-1]++
	for _, datagram := range [][]byte{{}, {6}, make([]byte, 40), wrong, askCapabilities[:14]} {
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exchange(t, conn, askCapabilities, long); err != nil {
		t.Fatal(err)
	}
	if len(b.Drops()) != 5 || len(b.Commands()) != 1 {
		t.Errorf("%q, %+v", b.Drops(), b.Commands())
	}
}

func TestWindow(t *testing.T) {
	w := newWindow(0)
	for _, step := range []struct {
		number uint32
		good   bool
	}{{0, false}, {1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {30, false}, {18, true}, {3, false}, {4, true}, {2, false}} {
		if w.accept(step.number) != step.good {
			t.Errorf("%d: %v", step.number, !step.good)
		}
	}
}

func FuzzServe(f *testing.F) {
	f.Add(askCapabilities)
	f.Add([]byte{6, 0, 0xff, 7, 6, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		b := &BMC{options: withDefaults(Options{}), port: &port{}, closed: make(chan struct{}), faults: map[Fault]bool{}}
		b.serve(netipLoopback, datagram)
		b.serve(netipLoopback, datagram)
		if b.node.history != nil {
			t.Errorf("% x without a login: %+v", datagram, b.node.history)
		}
	})
}

var netipLoopback = netip.MustParseAddrPort("127.0.0.1:1")
