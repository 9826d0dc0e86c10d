// Package hostport reads where a device is reached, as people write it.
package hostport

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// An Address is a host and a port of it.
type Address struct {
	Host string // a name in lower case or an IP address, without brackets
	Port string // a number from 1 to 65535
}

// HostPort returns host:port, with brackets where the host is an IPv6 address.
func (a Address) HostPort() string { return net.JoinHostPort(a.Host, a.Port) }

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	zoneName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`) // of an interface
)

// Parse parses host, host:port, an IPv6 address with or without brackets, or one in
// brackets with a port. port is the one without another. An IPv6 address may have a zone.
func Parse(text, port string) (Address, error) {
	if at := strings.LastIndex(text, "@"); at >= 0 { // perhaps with a password, which is not shown
		return Address{}, fmt.Errorf("%q has a user before it, want the address alone", text[at+1:])
	}
	a := Address{Host: text, Port: port}
	bracketed := strings.HasPrefix(text, "[")
	switch {
	case bracketed && strings.HasSuffix(text, "]"):
		a.Host = text[1 : len(text)-1]
	case bracketed || strings.Count(text, ":") == 1:
		var err error
		if a.Host, a.Port, err = net.SplitHostPort(text); err != nil {
			return Address{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	ip, ipErr := netip.ParseAddr(a.Host)
	isIPv6 := ipErr == nil && ip.Is6() && (ip.Zone() == "" || zoneName.MatchString(ip.Zone()))
	number, portErr := strconv.Atoi(a.Port)
	switch {
	case !isIPv6 && (bracketed || len(a.Host) > 253 || !hostName.MatchString(a.Host)):
		return Address{}, fmt.Errorf("%q is neither a host name nor an address", text)
	case portErr != nil || number < 1 || number > 65535:
		return Address{}, fmt.Errorf("%q: %q is not a port", text, a.Port)
	}
	if ipErr == nil {
		a.Host = ip.String()
	} else {
		a.Host = strings.ToLower(a.Host)
	}
	return a, nil
}
