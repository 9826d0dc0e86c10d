package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// fenceAgent has what fence_ipmilan is given and external/ipmi2 is not, and what the two
// write differently. The rest has the same names, or is one of all agents.
func fenceAgent() stonith.Agent {
	return stonith.Agent{
		Name: "fence_ipmi",
		Foreign: []stonith.Foreign{
			{Name: "lanplus", Becomes: "interface", Turn: lanplus, Letter: 'P', Switch: true},
			{Name: "auth", Becomes: "auth", Turn: lowerCase},
			{Name: "method", Becomes: "method", Turn: lowerCase},
			{Name: "hexadecimal_kg", Becomes: "kg", Turn: hexadecimalKg},
			{Name: "ipmitool_path", Becomes: "ipmitool"},
			{Name: "ipmitool_timeout", Turn: nothing},
			{Name: "target", Turn: noBridge},
			{Name: "use_sudo", Turn: eitherWay, Switch: true},
			{Name: "sudo", Turn: eitherWay, Switch: true},
			{Name: "sudo_path", Turn: nothing},
		},
	}
}

// nothing is for what changes no verdict.
func nothing(string) (string, error) { return "", nil }

// eitherWay takes true and false for the same: nothing here needs rights of its own.
func eitherWay(value string) (string, error) {
	_, err := parseBool(value)
	return "", err
}

// lowerCase is for words that fence-agents takes in any case.
func lowerCase(value string) (string, error) { return strings.ToLower(value), nil }

// lanplus is true for lanplus, and false for lan.
func lanplus(value string) (string, error) {
	plus, err := parseBool(value)
	switch {
	case err != nil:
		return "", err
	case plus:
		return "lanplus", nil
	}
	return "lan", nil
}

// parseBool reads true or false in the words that Pacemaker takes.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1", "y":
		return true, nil
	case "false", "no", "off", "0", "n":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

// hexadecimalKg takes digits alone, which are no text here, and shows them to nobody.
func hexadecimalKg(digits string) (string, error) {
	digits = strings.TrimPrefix(digits, "0x")
	if _, err := hex.DecodeString(digits); err != nil {
		return "", stonith.Errorf(stonith.BadConfig, "not pairs of hexadecimal digits").
			WithHint("a K_g that is text belongs to kg or, better, to the file kg_file")
	}
	return "0x" + digits, nil
}

// noBridge refuses the address of a controller behind the BMC.
func noBridge(string) (string, error) {
	return "", stonith.Errorf(stonith.BadConfig, "commands are not bridged to other controllers").
		WithHint("set ip to the address of the node's own BMC, and take target out of the parameters")
}
