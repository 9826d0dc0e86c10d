package main

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// An account is what a Dom0 is reached by.
type account struct {
	user string
	host string // a name or an address, without brackets
	port string
}

// address returns host:port, with brackets where the host is an IPv6 address.
func (a account) address() string { return net.JoinHostPort(a.host, a.port) }

// String returns the host, with its port if that is not ssh's.
func (a account) String() string {
	if a.port == "22" {
		return a.host
	}
	return a.address()
}

// accounts is the Value of the parameter sshaccount.
type accounts []account

// Set parses user@dom0[:port] entries, separated by blanks, commas or
// semicolons. It reports every mistake of the list.
func (as *accounts) Set(text string) error {
	var mistakes []string
	for _, entry := range stonith.SplitList(text) {
		a, err := parseAccount(entry)
		if err == nil && as.has(a) {
			err = fmt.Errorf("dom0 %s is listed twice", a)
		}
		if err != nil {
			mistakes = append(mistakes, err.Error())
			continue
		}
		*as = append(*as, a)
	}
	switch {
	case len(mistakes) > 0:
		return fmt.Errorf("%s", strings.Join(mistakes, "; "))
	case len(*as) == 0:
		return fmt.Errorf("names no account")
	}
	return nil
}

func (as accounts) has(a account) bool {
	for _, other := range as {
		if strings.EqualFold(other.address(), a.address()) {
			return true
		}
	}
	return false
}

// String returns the entries, separated by blanks.
func (as *accounts) String() string {
	var entries []string
	for _, a := range *as {
		entries = append(entries, a.user+"@"+a.String())
	}
	return strings.Join(entries, " ")
}

// Type is string.
func (as *accounts) Type() string { return "string" }

var (
	userName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
)

// parseAccount parses user@dom0, user@dom0:port, or the same with an IPv6
// address: user@[::1] or user@[::1]:port, or user@::1 without a port.
func parseAccount(entry string) (account, error) {
	user, place, ok := strings.Cut(entry, "@")
	if !ok {
		return account{}, fmt.Errorf("%q has no user, want user@dom0 or user@dom0:port", entry)
	}
	a := account{user: user, host: place, port: "22"}
	bracketed := strings.HasPrefix(place, "[") && strings.HasSuffix(place, "]")
	switch {
	case bracketed:
		a.host = place[1 : len(place)-1]
	case strings.HasPrefix(place, "[") || strings.Count(place, ":") == 1:
		var err error
		if a.host, a.port, err = net.SplitHostPort(place); err != nil {
			return account{}, fmt.Errorf("%q: %w", entry, err)
		}
	}
	return a, a.validate(entry, bracketed || strings.HasPrefix(place, "["))
}

func (a account) validate(entry string, bracketed bool) error {
	port, err := strconv.Atoi(a.port)
	isIPv6 := net.ParseIP(a.host) != nil && strings.Contains(a.host, ":")
	switch {
	case len(a.user) > 32, !userName.MatchString(a.user):
		return fmt.Errorf("%q: %q is not the name of a user", entry, a.user)
	case !isIPv6 && (bracketed || len(a.host) > 253 || !hostName.MatchString(a.host)):
		return fmt.Errorf("%q: %q is neither a host name nor an address", entry, a.host)
	case err != nil || port < 1 || port > 65535:
		return fmt.Errorf("%q: %q is not a port", entry, a.port)
	}
	return nil
}
