package main

import "github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"

// fenceAgent has what fence_xenapi and fence_cxs are given and external/xenapi is not,
// and what agents have that speak with their devices by TLS.
func fenceAgent() stonith.Agent {
	const takeOut = "take it out of the parameters: the connection is always https, with TLS 1.2 or later"
	return stonith.Agent{
		Name:    "fence_xapi",
		Letters: map[string]string{"session_url": "s"},
		Foreign: []stonith.Foreign{
			{Name: "uuid", Letter: 'U'}, // these two say which guest, and are read before
			{Name: "vm_name"},
			{Name: "ssl", Turn: stonith.RefuseIf(false, "there is no connection without TLS", takeOut), Letter: 'z', Switch: true},
			{Name: "ssl_secure", Becomes: "tls_insecure", Turn: ifTrue("false"), Switch: true},
			{Name: "ssl_insecure", Becomes: "tls_insecure", Turn: ifTrue("true"), Switch: true},
			{Name: "notls", Turn: stonith.RefuseIf(true, "there is no SSL 3.0", takeOut), Letter: 't', Switch: true},
			{Name: "tls1.0", Turn: stonith.RefuseIf(true, "there is no TLS 1.0", takeOut), Switch: true},
			{Name: "gnutlscli_path", Turn: stonith.Ignore}, // a program that is not needed
		},
	}
}

// ifTrue makes true what it becomes, and false nothing.
func ifTrue(becomes string) func(string) (string, error) {
	return func(value string) (string, error) {
		is, err := stonith.ParseBool(value)
		if err != nil || !is {
			return "", err
		}
		return becomes, nil
	}
}
