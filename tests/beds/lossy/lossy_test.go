package lossy

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"
)

// echo is a server that answers each datagram with itself.
func echo(t *testing.T) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buffer[:n], from)
		}
	}()
	return conn.LocalAddr().String()
}

// through sends 1, 2, ... n, and then an end until it comes back. It returns what came.
func through(t *testing.T, p *Proxy, n int) (came []string) {
	t.Helper()
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", p.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := 1; i <= n; i++ {
		fmt.Fprint(conn, i)
	}
	buffer := make([]byte, 16)
	for range 1000 {
		fmt.Fprint(conn, "end")
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				break
			}
			if string(buffer[:n]) == "end" {
				return came
			}
			came = append(came, string(buffer[:n]))
		}
	}
	t.Fatal("no end")
	return nil
}

func start(t *testing.T, options Options) *Proxy {
	t.Helper()
	p, err := Start("127.0.0.1", echo(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestNumbered(t *testing.T) {
	p := start(t, Options{Requests: []int{2}, Replies: []int{1, 3}})
	// 2 is lost on the way there; 1 and 4 are the first and the third reply. A new client gets all.
	for _, want := range [][]string{{"3", "5"}, {"1", "2", "3", "4", "5"}} {
		if came := through(t, p, 5); !slices.Equal(came, want) {
			t.Errorf("came: %q, not %q", came, want)
		}
	}
	if p.Lost() != 3 {
		t.Errorf("lost: %d", p.Lost())
	}
}

func TestPercent(t *testing.T) {
	all := start(t, Options{})
	if came := through(t, all, 20); len(came) != 20 {
		t.Errorf("nothing is to be lost; came: %q", came)
	}
	some := start(t, Options{Percent: 50, Seed: 1})
	if came := through(t, some, 40); len(came) == 0 || len(came) > 25 || some.Lost() < 15 {
		t.Errorf("half is to be lost; came: %d, lost: %d", len(came), some.Lost())
	}
}

func TestChanged(t *testing.T) {
	p := start(t, Options{Changed: 100, Seed: 1})
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", p.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := 1; i <= 20; i++ {
		fmt.Fprint(conn, "abc")
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		buffer := make([]byte, 16)
		n, err := conn.Read(buffer)
		same := 0
		for j := range min(n, 3) {
			if buffer[j] == "abc"[j] {
				same++
			}
		}
		if err != nil || n != 3 || same != 2 || p.Changed() != i {
			t.Errorf("%q, %v; changed: %d", buffer[:n], err, p.Changed())
		}
	}
}

func TestCopies(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		want    []string
	}{
		"requests":      {Options{RequestCopies: 1}, []string{"1", "1", "2", "2", "3", "3"}},
		"replies":       {Options{ReplyCopies: 2}, []string{"1", "1", "1", "2", "2", "2", "3", "3", "3"}},
		"both":          {Options{RequestCopies: 1, ReplyCopies: 1}, []string{"1", "1", "1", "1", "2", "2", "2", "2", "3", "3", "3", "3"}},
		"one":           {Options{RequestCopies: 1, CopyOnly: []int{2}}, []string{"1", "2", "2", "3"}},
		"one, too late": {Options{RequestCopies: 1, CopyOnly: []int{2}, CopyDelay: time.Hour}, []string{"1", "2", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			if came := through(t, start(t, c.options), 3); !slices.Equal(came, c.want) {
				t.Errorf("came: %q, not %q", came, c.want)
			}
		})
	}
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", start(t, Options{RequestCopies: 1, CopyDelay: 10 * time.Millisecond}).Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "late")
	buffer := make([]byte, 16)
	for range 2 {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := conn.Read(buffer); err != nil || string(buffer[:n]) != "late" {
			t.Errorf("%q, %v", buffer[:n], err)
		}
	}
}
