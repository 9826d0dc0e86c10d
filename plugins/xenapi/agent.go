package main

import "github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"

// fenceAgent has what fence_xenapi and fence_cxs are given and external/xenapi is not,
// and what agents have that speak with their devices by TLS.
func fenceAgent() stonith.Agent {
	const takeOut = "take it out of the parameters: the connection is always https, with TLS 1.2 or later"
	return stonith.Agent{
		Name: "fence_xapi",
		Foreign: []stonith.Foreign{
			{Name: "uuid", Letter: 'U'}, // these two say which guest, and are read before
			{Name: "vm_name"},
			{Name: "ssl", Turn: refusedIf(false, "there is no connection without TLS", takeOut), Letter: 'z', Switch: true},
			{Name: "ssl_secure", Becomes: "tls_insecure", Turn: ifTrue("false"), Switch: true},
			{Name: "ssl_insecure", Becomes: "tls_insecure", Turn: ifTrue("true"), Switch: true},
			{Name: "notls", Turn: refusedIf(true, "there is no SSL 3.0", takeOut), Letter: 't', Switch: true},
			{Name: "tls1.0", Turn: refusedIf(true, "there is no TLS 1.0", takeOut), Switch: true},
			{Name: "gnutlscli_path", Turn: func(string) (string, error) { return "", nil }}, // a program that is not needed
		},
	}
}

// refusedIf refuses true or false, and what is neither.
func refusedIf(bad boolean, why, hint string) func(string) (string, error) {
	return func(value string) (string, error) {
		var is boolean
		err := is.Set(value)
		if err == nil && is == bad {
			err = stonith.Errorf(stonith.BadConfig, "%s", why).WithHint("%s", hint)
		}
		return "", err
	}
}

// ifTrue makes true what it becomes, and false nothing.
func ifTrue(becomes string) func(string) (string, error) {
	return func(value string) (string, error) {
		var is boolean
		if err := is.Set(value); err != nil || !bool(is) {
			return "", err
		}
		return becomes, nil
	}
}
