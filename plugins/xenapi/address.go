package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/hostport"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// httpsPort is where members of a pool listen.
const httpsPort = "443"

// An address is where a member of the pool is reached.
type address struct{ hostport.Address }

// String returns the host, with its port if that is not https's.
func (a address) String() string {
	if a.Port == httpsPort {
		return a.Host
	}
	return a.HostPort()
}

// url is what calls are sent to.
func (a address) url() string {
	return (&url.URL{Scheme: "https", Host: a.HostPort(), Path: "/"}).String()
}

// parseAddress parses host, host:port and the like. Members name each other by
// addresses without zones.
func parseAddress(text, port string) (address, error) {
	a, err := hostport.Parse(text, port)
	if err == nil && strings.Contains(a.Host, "%") {
		err = fmt.Errorf("%q has a zone, want an address that all members know", text)
	}
	if err != nil {
		return address{}, err
	}
	return address{a}, nil
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
