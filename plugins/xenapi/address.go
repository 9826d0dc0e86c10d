package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// httpsPort is where members of a pool listen.
const httpsPort = "443"

// An address is where a member of the pool is reached.
type address struct {
	host string // a name or an IP address, without brackets
	port string
}

// hostPort returns host:port, with brackets where the host is an IPv6 address.
func (a address) hostPort() string { return net.JoinHostPort(a.host, a.port) }

// String returns the host, with its port if that is not https's.
func (a address) String() string {
	if a.port == httpsPort {
		return a.host
	}
	return a.hostPort()
}

// url is what calls are sent to.
func (a address) url() string {
	return (&url.URL{Scheme: "https", Host: a.hostPort(), Path: "/"}).String()
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// parseAddress parses host, host:port, an IPv6 address with or without brackets,
// or one in brackets with a port. port is the one without another.
func parseAddress(text, port string) (address, error) {
	if at := strings.LastIndex(text, "@"); at >= 0 { // perhaps with a password, which is not shown
		return address{}, fmt.Errorf("%q has a user before it, want the address alone", text[at+1:])
	}
	a := address{host: text, port: port}
	bracketed := strings.HasPrefix(text, "[")
	switch {
	case bracketed && strings.HasSuffix(text, "]"):
		a.host = text[1 : len(text)-1]
	case bracketed || strings.Count(text, ":") == 1:
		var err error
		if a.host, a.port, err = net.SplitHostPort(text); err != nil {
			return address{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	ip, ipErr := netip.ParseAddr(a.host)
	isIPv6 := ipErr == nil && ip.Is6() && ip.Zone() == ""
	number, portErr := strconv.Atoi(a.port)
	switch {
	case !isIPv6 && (bracketed || len(a.host) > 253 || !hostName.MatchString(a.host)):
		return address{}, fmt.Errorf("%q is neither a host name nor an address", text)
	case portErr != nil || number < 1 || number > 65535:
		return address{}, fmt.Errorf("%q: %q is not a port", text, a.port)
	}
	if ipErr == nil {
		a.host = ip.String()
	}
	a.host = strings.ToLower(a.host)
	return a, nil
}

// addresses is the Value of the parameter pool.
type addresses []address

// Set parses members, separated by blanks, commas or semicolons. It reports
// every mistake of the list.
func (as *addresses) Set(text string) error {
	var mistakes []error
	seen := map[address]bool{}
	for _, entry := range stonith.SplitList(text) {
		a, err := parseMember(entry)
		if err == nil && seen[a] {
			err = fmt.Errorf("member %s is listed twice", a)
		}
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		seen[a] = true
		*as = append(*as, a)
	}
	if len(*as) == 0 && len(mistakes) == 0 {
		return fmt.Errorf("names no member")
	}
	return errors.Join(mistakes...)
}

// parseMember parses an address, or a URL that says no more than one.
func parseMember(entry string) (address, error) {
	if !strings.Contains(entry, "/") {
		return parseAddress(entry, httpsPort)
	}
	u, err := url.Parse(entry)
	if err != nil || u.Host == "" || u.User != nil { // what url.Parse says would have the password
		return address{}, stonith.Errorf(stonith.BadConfig, "it has an entry that is neither an address nor a URL of one").
			WithHint("write the addresses of the members alone, as in pool=\"192.0.2.1 192.0.2.2\"; the connection is always https")
	}
	port := u.Port()
	if port == "" {
		port = httpsPort
	}
	a, err := parseAddress(u.Hostname(), port)
	switch samePath := u.Path == "" || u.Path == "/" || u.Path == "/RPC2"; { // what xapi answers at
	case err != nil:
		return a, err
	case u.Scheme != "https" || !samePath || u.RawQuery != "" || u.Fragment != "":
		return a, stonith.Errorf(stonith.BadConfig, "%q is not a URL of the form https://member or https://member:port", entry).
			WithHint("write pool=%q, and the other members beside it; the connection is always https", a)
	}
	return a, nil
}

// String returns the members, separated by blanks.
func (as *addresses) String() string {
	words := make([]string, len(*as))
	for i, a := range *as {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

// Type is string.
func (as *addresses) Type() string { return "string" }
