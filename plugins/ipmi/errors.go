package main

import (
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

// A meaning is what an error of a BMC comes to.
type meaning struct {
	kind   error
	reason stonith.Reason
	hint   string
}

// refusals are those that a right configuration does not meet, of whatever suite they are.
var refusals = []meaning{
	{rmcp.ErrPassword, stonith.NotAuthenticated, "compare user and password with the BMC's (ipmitool user list); some BMCs say this of a user that they do not have"},
	{rmcp.ErrKg, stonith.NotAuthenticated, "set kg_file to the BMC's K_g, or leave it out if the BMC has none: user and password are right"},
	{rmcp.ErrUser, stonith.NotAuthenticated, "set userid to a user of the BMC that is enabled on its LAN channel (ipmitool user list, channel getaccess)"},
	{rmcp.ErrPrivilege, stonith.NotPermitted, "the user needs the privilege OPERATOR on the BMC's LAN channel, or more if priv says so (ipmitool channel setaccess)"},
}

// mismatches are refusals of a way to log in: another one may be met by trouble that passes.
var mismatches = []meaning{
	{rmcp.ErrDowngrade, stonith.NotAuthenticated, "the BMC, or someone in its place, wants less protection than was asked for; name what it has in cipher or auth if that is wanted"},
	{rmcp.ErrSuite, stonith.BadConfig, "set cipher to suites that the BMC has (ipmitool channel getciphers ipmi), or interface=lan for a BMC without IPMI 2.0"},
	{rmcp.ErrAuthType, stonith.BadConfig, "set interface=lanplus if the BMC has IPMI 2.0; auth=password sends the password for all to read"},
}

// troubles are errors that may pass.
var troubles = []meaning{
	{rmcp.ErrSessions, stonith.DeviceError, "its sessions end by themselves, most after a minute; see who else is logged in (ipmitool session info all)"},
	{rmcp.ErrConfig, stonith.BadConfig, ""},
	{rmcp.ErrMalformed, stonith.UnknownState, "what answers there may be no BMC, or another program on its port"},
	{rmcp.ErrNoAnswer, stonith.Unreachable, "see that the BMC has power and answers on this UDP port; some are silent to a user that they do not have, and over lan to a wrong password"},
}

// cipherHint is for a login that failed in ways of which a BMC's own refusal of a cipher
// suite is one.
const cipherHint = "if the BMC has other cipher suites, or refuses one in words of its own, set cipher to those that it has (ipmitool channel getciphers ipmi)"

// isCredential reports whether err is a refusal that a right configuration does not meet:
// with each suite that was tried.
func isCredential(err error) bool {
	var suites rmcp.SuiteErrors
	if !errors.As(err, &suites) {
		return meant(err, refusals) != nil || meant(err, mismatches) != nil
	}
	return !slices.ContainsFunc(suites, func(one rmcp.SuiteError) bool { return !isCredential(one.Err) }) ||
		errors.Is(err, rmcp.ErrKg)
}

// meant returns what err comes to by the list, nil if nothing.
func meant(err error, meanings []meaning) *meaning {
	for i, m := range meanings {
		if errors.Is(err, m.kind) {
			return &meanings[i]
		}
	}
	return nil
}

// explain gives an error of a BMC its reason. One that has let us in before in this
// call is only in trouble if it does not let us in now.
func explain(err error, before bool) error {
	var told *stonith.Error
	if err == nil || errors.As(err, &told) {
		return err
	}
	if before && isCredential(err) {
		return stonith.Errorf(stonith.DeviceError, "a login that it took before in this call is refused now: %w", err)
	}
	for _, meanings := range [][]meaning{refusals, troubles, mismatches} {
		if m := meant(err, meanings); m != nil {
			return stonith.Errorf(m.reason, "%w", err).WithHint("%s", withCipher(err, m.hint))
		}
	}
	if hint := withCipher(err, ""); hint != "" {
		return stonith.Errorf(stonith.DeviceError, "%w", err).WithHint("%s", hint)
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return stonith.Errorf(stonith.Unreachable, "BMC %s: the name does not resolve: %w", name.Name, err).
			WithHint("give the BMC's address: the name service may be gone when a node is to be fenced")
	}
	var network net.Error
	if errors.As(err, &network) {
		return stonith.Errorf(stonith.Unreachable, "%w", err)
	}
	return err
}

// withCipher adds cipherHint where a suite may be what the BMC has refused.
func withCipher(err error, hint string) string {
	var suites rmcp.SuiteErrors
	switch {
	case !errors.As(err, &suites), strings.Contains(hint, "cipher"), errors.Is(err, rmcp.ErrKg):
		return hint
	case errors.Is(err, rmcp.ErrPassword) && len(suites) == 1:
		return hint // by the code of its RAKP 2
	case hint == "":
		return cipherHint
	}
	return hint + "; " + cipherHint
}
