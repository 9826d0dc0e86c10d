package stonith

import (
	"maps"
	"strings"
)

// commonForeign are parameters that all fence agents have (all_opt in fencing.py), but
// for those that are read apart. What becomes nothing changes no verdict: what counts is
// what is seen, within the time limit, and requests are repeated by themselves.
func commonForeign() []Foreign {
	return []Foreign{
		{Name: "power_timeout", Becomes: "timeout"},
		{Name: "power_wait", Turn: Ignore},
		{Name: "shell_timeout", Turn: Ignore},
		{Name: "login_timeout", Turn: Ignore},
		{Name: "stonith_status_sleep", Turn: Ignore},
		{Name: "retry_on", Turn: Ignore},
		{Name: "disable_timeout", Turn: Ignore},
		{Name: "separator", Turn: Ignore},
		{Name: "plug_separator", Turn: Ignore},
		{Name: "nodeid", Turn: Ignore}, // which Pacemaker may give beside nodename
		{Name: "quiet", Turn: IgnoreBool, Letter: 'q', Switch: true},
		{Name: "verbose", Turn: Ignore, Letter: 'v', Switch: true},
		{Name: "verbose_level", Turn: Ignore},
		{Name: "debug", Turn: Ignore},
		{Name: "debug_file", Turn: Ignore, Letter: 'D'},
	}
}

// foreign are all parameters of other agents that are none of ours. A plugin's own
// come before the common ones of the same name.
func (p Plugin) foreign() []Foreign { return append(p.Agent.Foreign, commonForeign()...) }

// parameterNames are the names and aliases of our parameters.
func (p Plugin) parameterNames() []string {
	var names []string
	for _, param := range p.newCall(Process{}, report{}).params() {
		names = append(names, param.names()...)
	}
	return names
}

// commonLetters are the short options that all fence agents have for such parameters.
var commonLetters = map[string]string{
	"action": "o", "plug": "n", "ip": "a", "ipport": "u", "username": "l", "password": "p", "password_script": "S",
}

// An option is an option of the command line.
type option struct {
	name     string // with dashes
	letter   string // "" if it has none
	isSwitch bool
}

// options are all options: the parameters by each of their names, and what other agents have.
func (p Plugin) options() []option {
	letters := maps.Clone(commonLetters)
	maps.Copy(letters, p.Agent.Letters)
	var all []option
	seen := map[string]bool{"help": true, "version": true}
	add := func(name, letter string, isSwitch bool) {
		if !seen[name] {
			seen[name] = true
			all = append(all, option{strings.ReplaceAll(name, "_", "-"), letter, isSwitch})
		}
	}
	for _, name := range []string{"action", "option", "plug", "port", "nodename", "delay", "missing_as_off", "rehearse"} {
		add(name, letters[name], false)
	}
	if p.Plug.Apart {
		add(portAsIP, "", true)
	}
	for _, name := range p.parameterNames() {
		add(name, letters[name], false)
	}
	for _, f := range p.foreign() {
		letter := ""
		if f.Letter != 0 {
			letter = string(f.Letter)
		}
		add(f.Name, letter, f.Switch)
	}
	return all
}
