package convert

import (
	"regexp"
	"strings"
)

// An address is what a URL says of a server.
type address struct {
	scheme string
	// host has brackets if it is an IPv6 address, and port is empty if there is none.
	host, port string
	// user is empty if there is none. It may have a password behind it.
	user string
}

var urlForm = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/@?#]*)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::([0-9]+))?(?:[/?#].*)?$`)

// parseURL reads a URL with a server, whose host may be empty.
func parseURL(text string) (address, bool) {
	parts := urlForm.FindStringSubmatch(text)
	if parts == nil {
		return address{}, false
	}
	return address{scheme: strings.ToLower(parts[1]), user: parts[2], host: parts[3], port: parts[4]}, true
}

// String returns the host, with the port if there is one.
func (a address) String() string {
	if a.port == "" {
		return a.host
	}
	return a.host + ":" + a.port
}

// bmcAddress returns an address with a port, unless that is the usual one.
func bmcAddress(host, port string) string {
	host = strings.Trim(host, "[]")
	if host == "" || port == "" || port == "623" {
		return host
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}
