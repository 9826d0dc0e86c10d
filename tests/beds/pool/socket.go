package pool

import (
	"errors"
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

// A blackHole is a listener whose socket drops every packet: nobody gets an answer to
// an attempt to connect, however busy the machine is.
type blackHole struct{ fd int }

func dig(ip net.IP, port int) (*blackHole, error) {
	var fd int
	err := onceFree(func() (err error) {
		fd, err = boundSocket(ip, port)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = dropAll(fd)
	if err == nil {
		err = onceFree(func() error { return syscall.Listen(fd, 1) })
	}
	if err != nil {
		closeSocket(fd)
		return nil, err
	}
	return &blackHole{fd}, nil
}

// dropAll gives the socket a filter that keeps no byte of any packet.
func dropAll(fd int) error {
	const keep = syscall.BPF_RET | syscall.BPF_K
	//nolint:staticcheck // one instruction needs no library
	return syscall.AttachLsf(fd, []syscall.SockFilter{{Code: keep, K: 0}})
}

// onceFree takes an address that was ours a moment ago. A process that is just being started
// has our last listener too, until it runs its program: while it does, take is tried again.
func onceFree(take func() error) error {
	err := take()
	for limit := time.Now().Add(time.Minute); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
		err = take()
	}
	return err
}

func (h *blackHole) close() { closeSocket(h.fd) }
