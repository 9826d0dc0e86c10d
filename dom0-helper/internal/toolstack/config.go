package toolstack

import "regexp"

// nameSetting is the line of a guest's configuration that names it, xl.cfg(5).
var nameSetting = regexp.MustCompile(`(?m)^[ \t]*name[ \t]*=[ \t]*(?:"([^"\n]*)"|'([^'\n]*)')[ \t]*[;#\r]*`)

// ConfigName returns the name that a guest's configuration gives it; the last
// one counts. It returns "" if there is none, or one that has to be computed.
func ConfigName(config []byte) string {
	all := nameSetting.FindAllSubmatch(config, -1)
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	return string(last[1]) + string(last[2])
}
