package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/hostport"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

// checkBMC says what is wrong with a BMC of hostlist.
func checkBMC(text string) error {
	_, err := parseBMC(text, strconv.Itoa(rmcp.Port))
	return err
}

// parseBMC parses the address of a BMC. A URL is told from one.
func parseBMC(text, port string) (hostport.Address, error) {
	if strings.Contains(text, "/") { // what is before it may be a password
		return hostport.Address{}, fmt.Errorf("the BMC has a slash in it, want an address and no URL")
	}
	a, err := hostport.Parse(text, port)
	if err != nil {
		return a, fmt.Errorf("BMC: %w", err)
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		a.Host = ip.Unmap().String() // one BMC, however its address is written
	}
	return a, nil
}

// addresses is a Value with addresses of one BMC.
type addresses []string

// Set parses addresses, separated by blanks, commas or semicolons.
func (as *addresses) Set(text string) error {
	*as = stonith.SplitList(text)
	var mistakes []error
	for _, entry := range *as {
		mistakes = append(mistakes, checkBMC(entry))
	}
	return errors.Join(mistakes...)
}

// String returns the addresses, separated by blanks.
func (as *addresses) String() string { return strings.Join(*as, " ") }

// Type is string.
func (as *addresses) Type() string { return "string" }

// hostPorts returns the addresses with their ports.
func (as addresses) hostPorts(port string) ([]string, error) {
	var all []string
	var mistakes []error
	for _, text := range as {
		a, err := parseBMC(text, port)
		mistakes = append(mistakes, err)
		all = append(all, a.HostPort())
	}
	return all, errors.Join(mistakes...)
}

// A port is a Value with the number of a UDP port.
type port int

// Set refuses what is no port.
func (p *port) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > 65535 {
		return fmt.Errorf("%q is not a port, want a number from 1 to 65535", text)
	}
	*p = port(number)
	return nil
}

// String returns the number.
func (p *port) String() string { return strconv.Itoa(int(*p)) }

// Type is integer.
func (p *port) Type() string { return "integer" }

// suites is a Value with cipher suites of lanplus, in the order in which they are tried.
type suites []int

// Set parses numbers, separated by blanks, commas or semicolons. Which numbers there
// are is known to package rmcp.
func (ss *suites) Set(text string) error {
	*ss = nil
	for _, entry := range stonith.SplitList(text) {
		number, err := strconv.Atoi(entry)
		if err != nil {
			return fmt.Errorf("%q is not the number of a cipher suite", entry)
		}
		*ss = append(*ss, number)
	}
	if len(*ss) == 0 {
		return fmt.Errorf("%q has no number of a cipher suite", text)
	}
	return nil
}

// String returns the numbers, separated by blanks.
func (ss *suites) String() string { return strings.Trim(fmt.Sprint([]int(*ss)), "[]") }

// Type is string.
func (ss *suites) Type() string { return "string" }

// A privilege is a Value with a privilege that suffices to fence.
type privilege rmcp.Privilege

// Set takes the names that ipmitool has, in any case.
func (p *privilege) Set(text string) error {
	switch strings.ToUpper(text) {
	case "OPERATOR":
		*p = privilege(rmcp.Operator)
	case "ADMINISTRATOR":
		*p = privilege(rmcp.Administrator)
	case "USER", "CALLBACK":
		return stonith.Errorf(stonith.BadConfig, "%q may not switch a node", text).
			WithHint("OPERATOR is the least privilege that may (IPMI specification v2.0, appendix G)")
	default:
		return fmt.Errorf("%q is neither OPERATOR nor ADMINISTRATOR", text)
	}
	return nil
}

// String returns the name.
func (p *privilege) String() string { return rmcp.Privilege(*p).String() }

// Type is string.
func (p *privilege) Type() string { return "string" }

// parseKg returns the bytes of a K_g: those of the text, or of the hexadecimal digits
// behind 0x. origin says where it is from; the error does not have it.
func parseKg(origin, text string) ([]byte, error) {
	digits, isHex := strings.CutPrefix(text, "0x")
	if !isHex {
		return []byte(text), nil
	}
	kg, err := hex.DecodeString(digits)
	if err != nil {
		return nil, stonith.Errorf(stonith.BadConfig, "%s: what follows 0x are not pairs of hexadecimal digits", origin)
	}
	return kg, nil
}
