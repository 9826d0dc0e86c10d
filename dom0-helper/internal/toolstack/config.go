package toolstack

import (
	"regexp"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/pattern"
)

// setting is what sets a key in a guest's configuration, xl.cfg(5).
func setting(key string) func() *regexp.Regexp {
	return pattern.Lazy(`(?m)(?:^|;)[ \t]*` + key + `[ \t]*\+?=(.*)$`)
}

var (
	nameSetting = setting("name")
	uuidSetting = setting("uuid")
	// plainValue is all of a setting that gives the value as it is.
	plainValue = pattern.Lazy(`^[ \t]*(?:"([^"\\]*)"|'([^'\\]*)')[ \t]*;?[ \t\r]*(?:#.*)?$`)
)

// ConfigName returns the name that a guest's configuration gives it. It returns
// "" if there is none, more than one, or one that has to be computed.
func ConfigName(config []byte) string { return value(config, nameSetting()) }

// ConfigUUID returns the UUID that a guest's configuration gives it, in lower
// case, and "" as ConfigName does.
func ConfigUUID(config []byte) string { return strings.ToLower(value(config, uuidSetting())) }

func value(config []byte, setting *regexp.Regexp) string {
	settings := setting.FindAllSubmatch(config, -1)
	if len(settings) != 1 {
		return ""
	}
	plain := plainValue().FindSubmatch(settings[0][1])
	if plain == nil {
		return ""
	}
	return string(plain[1]) + string(plain[2])
}
