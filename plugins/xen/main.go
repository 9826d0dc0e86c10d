// Xen is external/xen, which fences Xen guests. It asks every Dom0 that a guest
// may live on, over ssh, as a restricted account whose forced command is
// dom0-helper.
package main

import (
	"github.com/stonith-plugins/stonith-plugins/dom0-helper/wire"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// version is set by the linker.
var version = "dev"

func plugin() stonith.Plugin {
	return stonith.Plugin{
		Name:  "xen",
		Title: "Xen guests, by way of their Dom0s",
		Description: "Fences Xen guests by ssh to a restricted account on each Dom0 that they may live on, " +
			"whose forced command is dom0-helper. A guest is off only when every Dom0 has said so.",
		URL:   "https://github.com/stonith-plugins/stonith-plugins",
		Plug:  stonith.PlugSyntax{Word: "guest", Check: wire.CheckGuest},
		Agent: fenceAgent(),
		New:   func() stonith.Config { return newConfig() },
	}
}

func main() { plugin().Main(version) }
