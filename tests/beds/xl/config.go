//go:build linux

package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A setting is the value of one configuration line.
type setting struct {
	value string
	line  int
}

// A refusal is a message for stderr and the exit code that goes with it.
type refusal struct {
	text string
	code int
}

func (r refusal) Error() string { return r.text }

// readConfig returns the settings of a configuration file and of the lines that
// the command line adds. Unknown keys are read and ignored, as xl does.
func readConfig(file string, added []string) (map[string]setting, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	form := regexp.MustCompile(`^\s*(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|-?\d+|\[.*\])\s*;?\s*(?:#.*)?$`)
	settings := map[string]setting{}
	for i, line := range append(strings.Split(string(text), "\n"), added...) {
		if bare := strings.TrimSpace(line); bare == "" || bare[0] == '#' {
			continue
		}
		m := form.FindStringSubmatch(line)
		if m == nil {
			return nil, refusal{fmt.Sprintf("%s:%d: config parsing error near %s\n"+
				"Failed to parse config: Invalid argument\n", file, i+1, oddPart(line)), 1}
		}
		settings[m[1]] = setting{unquote(m[2]), i + 1}
	}
	return settings, nil
}

// oddPart says what is wrong with a line and where.
func oddPart(line string) string {
	parts := regexp.MustCompile(`^\s*\w+\s*(=?)\s*(\w*)(.*?)\s*$`).FindStringSubmatch(line)
	switch {
	case parts == nil:
		return fmt.Sprintf("`%s': lexical error", strings.TrimSpace(line))
	case parts[2] == "":
		return fmt.Sprintf("`%s': lexical error", parts[3])
	case parts[1] == "":
		return fmt.Sprintf("`%s': syntax error, unexpected IDENT, expecting += or '='", parts[2])
	default:
		return fmt.Sprintf("`%s': syntax error, unexpected IDENT, expecting STRING or NUMBER or '['", parts[2])
	}
}

func unquote(s string) string {
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return strings.Trim(s, "'")
}

// readSpec turns settings into a spec. The warning is not a reason to stop.
func readSpec(file string, settings map[string]setting) (c spec, warning string, err error) {
	name, ok := settings["name"]
	if !ok {
		return spec{}, "", refusal{"Domain name must be specified.\n", 1}
	}
	c = spec{Name: name.value, UUID: settings["uuid"].value, Memory: 32}
	if c.UUID == "" {
		c.UUID = newUUID()
	}
	if memory, ok := settings["memory"]; ok {
		if n, err := strconv.Atoi(memory.value); err == nil {
			c.Memory = n
		} else {
			warning = fmt.Sprintf("%s:%d: warning: parameter `memory' is not a valid number\n", file, memory.line)
		}
	}
	return c, warning, c.readPolicies(settings)
}

// readPolicies sets what is to happen when the guest shuts down.
func (c *spec) readPolicies(settings map[string]setting) error {
	c.OnPoweroff, c.OnReboot, c.OnCrash, c.OnWatchdog, c.OnSoftReset = "destroy", "restart", "destroy", "destroy", "soft_reset"
	policies := map[string]*string{
		"on_poweroff": &c.OnPoweroff, "on_reboot": &c.OnReboot, "on_crash": &c.OnCrash,
		"on_watchdog": &c.OnWatchdog, "on_soft_reset": &c.OnSoftReset,
	}
	known := []string{"destroy", "restart", "rename-restart", "preserve"}
	for key, policy := range policies {
		s, ok := settings[key]
		if ok && !slices.Contains(known, s.value) {
			return refusal{fmt.Sprintf("Unknown %s action \"%s\" specified\n", key, s.value), 1}
		}
		if ok {
			*policy = s.value
		}
	}
	return nil
}

func newUUID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/uuid")
	return strings.TrimSpace(string(text))
}
