package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// fenceAgent has what fence_ipmilan is given and external/ipmi2 is not.
func fenceAgent() stonith.Agent {
	return stonith.Agent{
		Name: "fence_ipmi",
		Foreign: []stonith.Foreign{
			{Name: "lanplus", Becomes: "interface", Turn: lanplus, Letter: 'P', Switch: true},
			{Name: "hexadecimal_kg", Becomes: "kg", Turn: func(digits string) (string, error) { return "0x" + strings.TrimPrefix(digits, "0x"), nil }},
			{Name: "ipmitool_path", Becomes: "ipmitool"},
			{Name: "ipmitool_timeout", Turn: nothing},
			{Name: "port_as_ip", Turn: nothing},
			{Name: "target", Turn: func(string) (string, error) { return "", errors.New("commands are not bridged to other controllers") }},
			{Name: "use_sudo", Turn: nothing, Switch: true},
			{Name: "sudo_path", Turn: nothing},
		},
	}
}

func nothing(string) (string, error) { return "", nil }

// lanplus is true for lanplus, and false for lan.
func lanplus(value string) (string, error) {
	if slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(value)) {
		return "lanplus", nil
	}
	return "lan", nil
}
