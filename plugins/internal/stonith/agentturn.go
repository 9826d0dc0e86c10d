package stonith

// Turns of a Foreign.

// Ignore is for what can change no verdict.
func Ignore(string) (string, error) { return "", nil }

// IgnoreBool is for what is true or false and can change no verdict.
func IgnoreBool(value string) (string, error) {
	_, err := ParseBool(value)
	return "", err
}

// Refuse refuses every value.
func Refuse(why, hint string) func(string) (string, error) {
	return func(string) (string, error) {
		return "", Errorf(BadConfig, "%s", why).WithHint("%s", hint)
	}
}

// RefuseIf refuses true or false, and what is neither.
func RefuseIf(bad bool, why, hint string) func(string) (string, error) {
	return func(value string) (string, error) {
		is, err := ParseBool(value)
		if err == nil && is == bad {
			err = Errorf(BadConfig, "%s", why).WithHint("%s", hint)
		}
		return "", err
	}
}
