package pool

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// reservePort binds a socket that never listens: it keeps the port, and connections to it are refused.
func reservePort(ip net.IP, port int) (fd, bound int, err error) {
	fd, err = boundSocket(ip, port)
	if err != nil {
		return -1, 0, err
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		closeSocket(fd)
		return -1, 0, err
	}
	return fd, address.(*syscall.SockaddrInet4).Port, nil
}

func boundSocket(ip net.IP, port int) (int, error) {
	ip4 := ip.To4()
	if ip4 == nil {
		return -1, errors.New("not an IPv4 address")
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte(ip4)})
	}
	if err != nil {
		closeSocket(fd)
		return -1, err
	}
	return fd, nil
}

func closeSocket(fd int) { _ = syscall.Close(fd) }

// A blackHole is a listener that accepts nothing, with a full backlog: the system
// answers no further attempt to connect.
type blackHole struct {
	fd      int
	filling []net.Conn
}

func dig(ip net.IP, port int) (*blackHole, error) {
	fd, err := boundSocket(ip, port)
	if err != nil {
		return nil, err
	}
	hole := &blackHole{fd: fd}
	err = syscall.Listen(fd, 0)
	// A process that is just being started has our last listener too: see Member.open.
	for limit := time.Now().Add(5 * time.Second); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		hole.close()
		return nil, err
	}
	address := net.JoinHostPort(ip.String(), fmt.Sprint(port))
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); { // a machine may be busy
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		switch {
		case err == nil:
			hole.filling = append(hole.filling, conn)
		case len(hole.filling) > 0:
			return hole, nil
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
	hole.close()
	return nil, errors.New("pool: the backlog does not get full")
}

func (h *blackHole) close() {
	closeSocket(h.fd)
	for _, conn := range h.filling {
		conn.Close()
	}
}
