package live

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var timeForm = regexp.MustCompile(`^\s*([0-9]+)\s*(ms|msec|us|usec|s|sec|m|min|h|hr|)\s*$`)

var units = map[string]time.Duration{
	"ms": time.Millisecond, "msec": time.Millisecond, "us": time.Microsecond, "usec": time.Microsecond,
	"": time.Second, "s": time.Second, "sec": time.Second,
	"m": time.Minute, "min": time.Minute, "h": time.Hour, "hr": time.Hour,
}

// Seconds reads a time as Pacemaker does, such as 60, 60s or 1min.
func Seconds(text string) (time.Duration, bool) {
	parts := timeForm.FindStringSubmatch(strings.ToLower(text))
	if parts == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(parts[1], 10, 32)
	return time.Duration(n) * units[parts[2]], err == nil
}

// Bool reads what is true or false to Pacemaker.
func Bool(text string) (value, isBool bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1", "y":
		return true, true
	case "false", "no", "off", "0", "n":
		return false, true
	}
	return false, false
}
