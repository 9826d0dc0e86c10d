// Xenapi is external/xenapi, which fences the guests of a XenServer or XCP-ng
// pool by way of the pool's master, whichever member that is.
package main

import "github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"

// version is set by the linker.
var version = "dev"

func plugin() stonith.Plugin {
	return stonith.Plugin{
		Name:  "xenapi",
		Title: "Guests of a XenServer or XCP-ng pool",
		Description: "Fences guests of a XenServer or XCP-ng pool by XenAPI. It asks all members at once, and whichever is the " +
			"pool's master switches the guest. A guest is off only when the master says Halted and has a proof for it.",
		URL: "https://github.com/stonith-plugins/stonith-plugins",
		// Those of fence_xenapi and fence_cxs.
		Plug:  stonith.PlugSyntax{Word: "guest", Check: checkGuest, Names: []string{"plug", "port", "uuid", "vm_name"}},
		Agent: fenceAgent(),
		New:   func() stonith.Config { return newConfig() },
	}
}

func main() { plugin().Main(version) }
