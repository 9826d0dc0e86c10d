//go:build linux

package main

import "fmt"

const listUsage = `Usage: xl [-vtT] list [options] [Domain]


List information about all/some domains.

Options:

-l, --long              Output all VM details
-v, --verbose           Prints out UUIDs and security context
-Z, --context           Prints out security context
-c, --cpupool           Prints the cpupool the domain is in
-n, --numa              Prints out NUMA node affinity
`

const destroyUsage = `Usage: xl [-vtTf] destroy [options] <Domain>


Terminate a domain immediately.

Options:

-f                      Permit destroying domain 0, which will only succeed
                        when run from disaggregated toolstack domain with a
                        hardware domain distinct from domain 0.
`

// usage is the help text of a subcommand; only two are those of the real xl.
func usage(name string) string {
	switch name {
	case "list":
		return listUsage
	case "destroy":
		return destroyUsage
	default:
		return fmt.Sprintf("Usage: xl [-vtT] %s ...\n\n", name)
	}
}
