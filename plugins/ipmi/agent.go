package main

import (
	"encoding/hex"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// fenceAgent has what fence_ipmilan is given and external/ipmi2 is not, and what the two
// write differently. The rest has the same names, or is one of all agents.
func fenceAgent() stonith.Agent {
	return stonith.Agent{
		Name:      "fence_ipmi",
		Diagnoses: true,
		Letters:   map[string]string{"auth": "A", "cipher": "C", "privlvl": "L", "method": "m"},
		Foreign: []stonith.Foreign{
			{Name: "lanplus", Becomes: "interface", Turn: lanplus, Letter: 'P', Switch: true},
			{Name: "auth", Becomes: "auth", Turn: lowerCase},
			{Name: "method", Becomes: "method", Turn: lowerCase},
			{Name: "hexadecimal_kg", Becomes: "kg", Turn: hexadecimalKg},
			{Name: "ipmitool_path", Becomes: "ipmitool"},
			{Name: "ipmitool_timeout", Turn: stonith.Ignore},
			{Name: "target", Turn: stonith.Refuse("commands are not bridged to other controllers",
				"set ip to the address of the node's own BMC, and take target out of the parameters")},
			{Name: "use_sudo", Turn: stonith.IgnoreBool, Switch: true},
			{Name: "sudo", Turn: stonith.IgnoreBool, Switch: true},
			{Name: "sudo_path", Turn: stonith.Ignore},
		},
	}
}

// lowerCase is for words that fence-agents takes in any case.
func lowerCase(value string) (string, error) { return strings.ToLower(value), nil }

// lanplus is true for lanplus, and false for lan.
func lanplus(value string) (string, error) {
	plus, err := stonith.ParseBool(value)
	switch {
	case err != nil:
		return "", err
	case plus:
		return "lanplus", nil
	}
	return "lan", nil
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
