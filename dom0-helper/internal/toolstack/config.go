package toolstack

import "regexp"

var (
	// nameSetting is what sets the name in a guest's configuration, xl.cfg(5).
	nameSetting = regexp.MustCompile(`(?m)(?:^|;)[ \t]*name[ \t]*\+?=(.*)$`)
	// plainName is all of such a setting that gives the name as it is.
	plainName = regexp.MustCompile(`^[ \t]*(?:"([^"\\]*)"|'([^'\\]*)')[ \t]*;?[ \t\r]*(?:#.*)?$`)
)

// ConfigName returns the name that a guest's configuration gives it. It returns
// "" if there is none, more than one, or one that has to be computed.
func ConfigName(config []byte) string {
	settings := nameSetting.FindAllSubmatch(config, -1)
	if len(settings) != 1 {
		return ""
	}
	name := plainName.FindSubmatch(settings[0][1])
	if name == nil {
		return ""
	}
	return string(name[1]) + string(name[2])
}
